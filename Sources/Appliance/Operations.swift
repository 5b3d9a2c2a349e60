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
    let followers: [ModelFollower]

    /// Whether each model answers, told without waiting.
    var models: @Sendable () -> [ModelState] {
        let followers = followers
        return { followers.map(\.state) }
    }

    /// The actions for the listener.
    var actions: OperationsActions {
        let registry = parts.registry
        return OperationsActions(
            metrics: {
                var text: [UInt8] = []
                PrometheusText.write(registry, into: &text)
                return text
            },
            status: { await answer { try await status() } },
            drift: { await answer { try await driftReport() } },
            retrain: { model, caller in await retrain(model, caller) },
            promote: { model, version, caller in
                await change(model) { directory in
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
                await change(model) { directory in
                    try directory.rollBack(
                        actor: caller.actor,
                        reason: "request \(caller.requestName)",
                        now: Self.now
                    )
                }
            },
            load: { model, caller in await load(model, caller) },
            unload: { model, caller in await unload(model, caller) },
            acknowledge: { model, caller in await acknowledge(model, caller) }
        )
    }

    private static var now: Date {
        Date(timeIntervalSince1970: ProcessEnvironment.nowWithFraction())
    }

    private typealias Result = OperationsActions.Result

    private struct Failure: Encodable {
        let error: String
        let code: String
    }

    private func failure(_ status: Int, _ code: String, _ message: String) -> Result {
        let body = try? StoreJSON.encode(Failure(error: message, code: code))
        return Result(status: status, json: body ?? Array("{}".utf8))
    }

    private func answer(_ value: () async throws -> some Encodable) async -> Result {
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
        audit("retrain requested", name, caller)
        switch await supervisor.request(model: name, trigger: .manual) {
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
        _ work: (ModelDirectory) throws -> Int
    ) async -> Result {
        do {
            let name = try parts.settings.resolveModel(model)
            guard let directory = parts.directories[name] else {
                throw JobError.unknownModel(name, known: [])
            }
            let version = try work(directory)
            return Result(
                status: 200,
                json: try StoreJSON.encode(Changed(model: name, version: version))
            )
        } catch let error as StoreError {
            var status = 409
            if case .missingVersion = error { status = 404 }
            return failure(status, error.code, "\(error)")
        } catch {
            return failure(model == nil ? 400 : 404, "model_unknown", "\(error)")
        }
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
        audit("load requested", model, caller)
        if let problem = await follower.load() {
            return failure(503, "model_not_ready", "model \(model): \(problem)")
        }
        return await answer { Loaded(name: model, load: true) }
    }

    private func unload(_ model: String, _ caller: OperationsActions.Caller) async -> Result {
        guard let follower = follower(model) else {
            return failure(404, "model_unknown", "no model is named \(model.prefix(64))")
        }
        audit("unload requested", model, caller)
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
            guard await drift.acknowledge(name, by: caller.actor) else {
                return failure(409, "not_watched", "the inputs of \(name) are not watched")
            }
            let body = try StoreJSON.encode(Started(model: name, result: "acknowledged"))
            return Result(status: 200, json: body)
        } catch {
            return failure(model == nil ? 400 : 404, "model_unknown", "\(error)")
        }
    }

    private func audit(_ event: StaticString, _ model: String, _ caller: OperationsActions.Caller) {
        parts.logging.logger("audit").notice(
            "\(event)",
            metadata: [
                "model": "\(model)", "client.address": "\(caller.address)",
                "audit.actor": "\(caller.actor)",
                "request.id": "\(caller.requestName)",
            ]
        )
    }

    // MARK: Reports

    private struct Status: Encodable {
        let version: String
        let models: [ModelStatus]
    }

    private struct ModelStatus: Encodable {
        let name: String
        let ready: Bool
        let version: Int?
        let digest: String?
        let since: String?
        let created: Date?
        let scores: Scores?
        let problem: String?
        let retrain: RetrainingSupervisor.Status?
        let drift: DriftStatus?
    }

    private struct DriftStatus: Encodable {
        let rows: UInt64
        let evidence: Double
        let threshold: Double
        let alarm: DriftLevel?
    }

    private func status() async throws -> some Encodable {
        var models: [ModelStatus] = []
        for (model, follower) in zip(parts.settings.models, followers) {
            let live = await follower.current
            let summary = await drift.summary(of: model.name)
            models.append(
                ModelStatus(
                    name: model.name,
                    ready: live != nil,
                    version: live?.version,
                    digest: live?.digest,
                    since: live?.since.rfc3339,
                    created: live?.manifest.created,
                    scores: live?.manifest.training.scores,
                    problem: await follower.lastProblem,
                    retrain: await supervisor.status(of: model.name),
                    drift: summary.map {
                        DriftStatus(
                            rows: $0.rows,
                            evidence: $0.evidence,
                            threshold: $0.threshold,
                            alarm: $0.alarm?.level
                        )
                    }
                )
            )
        }
        return Status(version: ApplianceVersion.text, models: models)
    }

    private func driftReport() async throws -> some Encodable {
        var report: [String: DriftSummary] = [:]
        for model in parts.settings.models {
            report[model.name] = await drift.summary(of: model.name)
        }
        return report
    }
}
