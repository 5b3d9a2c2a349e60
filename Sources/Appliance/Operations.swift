internal import Drift
internal import FoundationEssentials
internal import Logging
internal import ModelStore
internal import Retraining
internal import Serving
internal import Synchronization
internal import Telemetry

/// What the `operations` listener sets going: where serving and retraining meet.
struct Operations: Sendable {
    let parts: ApplianceParts
    let supervisor: RetrainingSupervisor
    let drift: DriftService
    let feedback: FeedbackService
    let followers: [ModelFollower]
    let releases: ReleaseService
    let traffic: TrafficHistory

    /// Whether each model answers, told without waiting.
    var models: @Sendable () -> [ModelState] {
        let followers = followers
        return { followers.map(\.state) }
    }

    /// The actions for the listener.
    var actions: OperationsActions {
        let registry = parts.registry
        return OperationsActions(
            metrics: { format in
                var text: [UInt8] = []
                registry.write(format, into: &text)
                return text
            },
            status: { await answer { await status() } },
            drift: { format, model in await driftAnswer(format, model) },
            retrain: { model, caller in await retrain(model, caller) },
            promote: { model, version, caller in
                await change(model, .promote, caller) { directory in
                    try directory.promote(
                        version,
                        actor: caller.actor,
                        reason: "request \(caller.requestName)",
                        now: Self.now
                    )
                    return version
                }
            },
            rollback: { model, caller in
                await change(model, .rollback, caller) { directory in
                    try directory.rollBack(
                        actor: caller.actor,
                        reason: "request \(caller.requestName)",
                        now: Self.now
                    )
                }
            },
            pin: { model, version, caller in
                await change(model, .pin, caller) { directory in
                    try directory.pin(version, note(caller))
                }
            },
            unpin: { model, caller in
                await change(model, .unpin, caller) { directory in
                    try directory.unpin(note(caller)) ?? 0
                }
            },
            load: { model, caller in await load(model, caller) },
            unload: { model, caller in await unload(model, caller) },
            acknowledge: { model, caller in await acknowledge(model, caller) },
            logLevel: { level, caller in setLogLevel(level, caller) },
            denied: { path, caller in
                parts.audit.record(.access, .refused, by: caller, ["url.path": "\(path)"])
            }
        )
    }

    private static var now: Date {
        Date(timeIntervalSince1970: ProcessEnvironment.nowWithFraction())
    }

    private func note(_ caller: OperationsActions.Caller) -> ReleaseNote {
        ReleaseNote(
            actor: caller.actor,
            reason: "request \(caller.requestName)",
            time: Self.now
        )
    }

    typealias Result = OperationsActions.Result

    private struct Failure: Encodable {
        let error: String
        let code: String
    }

    func failure(_ status: Int, _ code: String, _ message: String) -> Result {
        let body = try? StoreJSON.encode(Failure(error: message, code: code))
        return Result(status: status, json: body ?? Array("{}".utf8))
    }

    func answer(_ value: () async throws -> some Encodable) async -> Result {
        do {
            return Result(status: 200, json: try StoreJSON.encode(await value()))
        } catch {
            return failure(500, "internal", "\(error)")
        }
    }

    // MARK: What changes state

    private struct Started: Encodable {
        let model: String
        let result: String
    }

    private func retrain(_ model: String?, _ caller: OperationsActions.Caller) async -> Result {
        let name: String
        do {
            name = try parts.settings.resolveModel(model)
        } catch {
            return failure(model == nil ? 400 : 404, "model_unknown", "\(error)")
        }
        let answer = await supervisor.request(model: name, trigger: .manual)
        let isQueued = if case .queued = answer { true } else { false }
        parts.audit.record(
            .retrain,
            isQueued ? .accepted : .refused,
            by: caller,
            ["model": "\(name)"]
        )
        switch answer {
        case .queued:
            let body = try? StoreJSON.encode(Started(model: name, result: "started"))
            return Result(status: 202, json: body ?? [])
        case .alreadyRunning:
            return failure(409, "already_running", "a retrain of \(name) is running or waiting")
        case .declined(let reason):
            return failure(409, "declined", reason)
        case .unknownModel:
            return failure(404, "model_unknown", "no model is named \(name)")
        }
    }

    private struct Changed: Encodable {
        let model: String
        let version: Int
    }

    private func change(
        _ model: String?,
        _ action: AuditLog.Action,
        _ caller: OperationsActions.Caller,
        _ work: (ModelDirectory) throws -> Int
    ) async -> Result {
        do {
            let (name, version) = try change(model, work)
            parts.audit.record(
                action,
                .accepted,
                by: caller,
                ["model": "\(name)", "model.version": "\(version)"]
            )
            return Result(
                status: 200,
                json: try StoreJSON.encode(Changed(model: name, version: version))
            )
        } catch {
            parts.audit.record(
                action,
                .refused,
                by: caller,
                ["model": "\(model ?? "")", "error.message": "\(error)"]
            )
            guard let error = error as? StoreError else {
                return failure(model == nil ? 400 : 404, "model_unknown", "\(error)")
            }
            var status = 409
            if case .missingVersion = error { status = 404 }
            return failure(status, error.code, "\(error)")
        }
    }

    private func change(
        _ model: String?,
        _ work: (ModelDirectory) throws -> Int
    ) throws -> (model: String, version: Int) {
        let name = try parts.settings.resolveModel(model)
        guard let directory = parts.directories[name] else {
            throw JobError.unknownModel(name, known: [])
        }
        return (name, try work(directory))
    }

    private struct Loaded: Encodable {
        let name: String
        var load: Bool?
        var unload: Bool?
    }

    private func follower(_ model: String) -> ModelFollower? {
        zip(parts.settings.models, followers).first { $0.0.name == model }?.1
    }

    private func load(_ model: String, _ caller: OperationsActions.Caller) async -> Result {
        guard let follower = follower(model) else {
            return failure(404, "model_unknown", "no model is named \(model.prefix(64))")
        }
        let problem = await follower.load()
        let outcome: AuditLog.Outcome = problem == nil ? .accepted : .refused
        parts.audit.record(.load, outcome, by: caller, ["model": "\(model)"])
        if let problem {
            return failure(503, "model_not_ready", "model \(model): \(problem)")
        }
        return await answer { Loaded(name: model, load: true) }
    }

    private func unload(_ model: String, _ caller: OperationsActions.Caller) async -> Result {
        guard let follower = follower(model) else {
            return failure(404, "model_unknown", "no model is named \(model.prefix(64))")
        }
        parts.audit.record(.unload, .accepted, by: caller, ["model": "\(model)"])
        return await answer {
            try await follower.unload()
            return Loaded(name: model, unload: true)
        }
    }

    private func acknowledge(_ model: String?, _ caller: OperationsActions.Caller) async
        -> Result
    {
        do {
            let name = try parts.settings.resolveModel(model)
            let isWatched = await drift.acknowledge(name, by: caller.actor)
            if let live = await follower(name)?.current {
                await feedback.acknowledge(model: name, version: live.version)
            }
            let outcome: AuditLog.Outcome = isWatched ? .accepted : .refused
            parts.audit.record(.acknowledge, outcome, by: caller, ["model": "\(name)"])
            guard isWatched else {
                return failure(409, "not_watched", "the inputs of \(name) are not watched")
            }
            let body = try StoreJSON.encode(Started(model: name, result: "acknowledged"))
            return Result(status: 200, json: body)
        } catch {
            return failure(model == nil ? 400 : 404, "model_unknown", "\(error)")
        }
    }

    private struct LevelAnswer: Encodable {
        let level: String
    }

    /// Changes the level of the log until the next start or reload; without one, only tells it.
    private func setLogLevel(_ wanted: String?, _ caller: OperationsActions.Caller) -> Result {
        let levels = parts.logging.levels
        guard let wanted, let level = LogSettings.Level(rawValue: wanted)?.level else {
            let known = LogSettings.Level.allCases.map(\.rawValue).joined(separator: ", ")
            return failure(400, "parameter_invalid", "level: expected ?level= with one of \(known)")
        }
        let before = levels.level
        levels.level = level
        parts.audit.record(
            .logLevel,
            .accepted,
            by: caller,
            ["log.level.from": "\(before)", "log.level.to": "\(level)"]
        )
        let body = try? StoreJSON.encode(LevelAnswer(level: "\(level)"))
        return Result(status: 200, json: body ?? [])
    }
}
