package import Drift
internal import FoundationEssentials
package import Logging
package import ModelStore
package import Telemetry

/// Watches candidates on their way and decides: to the next stage, to all clients, or back.
///
/// What it decides it writes into the store, the journal first; the follower of the store does the
/// rest, here and on every other replica. What it has counted of a stage is kept in memory, but for
/// the evidence of labels: after a restart the stage goes on, and other counting begins anew.
package actor ReleaseService {
    private let settings: [String: StagingSettings]
    private let drift: [String: DriftSettings]
    let directories: [String: ModelDirectory]
    let metrics: ReleaseMetrics
    let logger: Logger
    private let clock: @Sendable () -> WallTime
    var loops: ServingLoops?
    private var watched: [String: ReleaseWatch] = [:]
    /// Versions that answer everybody and may still be taken back.
    var watches: [String: VersionWatch] = [:]
    /// The versions that answer everybody, with what they count.
    var lives: [String: LiveCount] = [:]
    /// Models whose evidence of labels for a candidate was not saved yet.
    private var unsaved: Set<String> = []
    private var looks = 0
    /// Candidates whose release this process has ended, until the follower has seen it.
    private var decided: [String: Int] = [:]
    /// Why the last decision of a model could not be written, so that it is told once.
    var problems: [String: String] = [:]

    /// Who decides, in the journal.
    package static let actorName = "server"
    /// Milliseconds between two looks at the evidence.
    private static let periodMilliseconds = 100
    /// Looks after which evidence is saved: five seconds.
    private static let looksPerSave = 50

    /// Prepares; nothing happens before a candidate comes.
    ///
    /// - Parameters:
    ///   - settings: How the candidates of each model are let in; others have the usual ones.
    ///   - drift: The settings of the models whose inputs are watched.
    ///   - directories: The models' stores.
    ///   - metrics: What Prometheus learns.
    ///   - logger: Where decisions are told.
    ///   - clock: The time.
    package init(
        settings: [String: StagingSettings],
        drift: [String: DriftSettings] = [:],
        directories: [String: ModelDirectory],
        metrics: ReleaseMetrics,
        logger: Logger,
        clock: @escaping @Sendable () -> WallTime
    ) {
        self.settings = settings
        self.drift = drift
        self.directories = directories
        self.metrics = metrics
        self.logger = logger
        self.clock = clock
        for model in directories.keys { metrics.prepare(model: model) }
    }

    /// Names the loops that serve.
    package func attach(_ loops: ServingLoops) { self.loops = loops }

    /// How the candidates of a model are let in.
    nonisolated func settings(of model: String) -> StagingSettings {
        settings[model] ?? StagingSettings()
    }

    /// How a model's release stands; nil when there is no candidate.
    package func summary(of model: String) -> ReleaseSummary? {
        watched[model].map {
            $0.summary(now: now, since: $0.release.since.formatted(.iso8601))
        }
    }

    var now: Double { clock().secondsSinceEpoch }

    // MARK: What the follower tells

    /// A candidate is in place on every loop, or has come to its next stage.
    func began(
        _ release: StagedRelease,
        candidate: ActiveModel,
        stable: ActiveModel,
        statistics: (candidate: VersionStatistics, stable: VersionStatistics)
    ) {
        let name = candidate.name
        let before = watched[name]
        let isSame = before?.release.version == release.version
        // What its own monitor has seen in the shadow goes on to count.
        let monitor =
            isSame
            ? before?.monitor
            : drift[name].map { DriftMonitor(profile: candidate.bundle.reference, settings: $0) }
        var watch = ReleaseWatch(
            release,
            candidate: candidate,
            stable: stable,
            statistics: statistics,
            settings(of: name),
            monitor: monitor
        )
        if !isSame, let saved = ReleaseRecord.read(directories[name]).candidate,
            saved.release == release
        {
            watch.labels.goOn(from: saved.labels)
        }
        watched[name] = watch
        decided[name] = nil
        metrics.stands(name, version: release.version, isCanary: release.stage == .canary)
        if !isSame { metrics.count(name, .begun, .passed) }
        logger.notice("release stage", metadata: metadata(name, release))
    }

    /// There is no candidate any longer.
    func ended(_ model: String) {
        save()
        guard let watch = watched.removeValue(forKey: model) else { return }
        metrics.ended(model)
        if decided[model] == watch.release.version {
            decided[model] = nil
        } else {
            // Somebody else has decided; whether for or against it, the pointer says.
            let current = (try? directories[model]?.current())?.version
            let isLive = current == watch.release.version
            metrics.count(model, isLive ? .completed : .withdrawn, .operator)
        }
    }

    /// A candidate has not passed its checks: it is taken back.
    func failed(_ model: String, _ release: StagedRelease, _ words: String) {
        act(model, release, .back(.invalid, words))
    }

    /// Labels have come for rows that were predicted.
    func labelled(_ rows: [LabelledRow]) {
        for row in rows {
            watches[row.model]?.take(row)
            guard let watch = watched[row.model], watch.release.stage == .canary else { continue }
            let isCandidate = row.prediction.version == watch.release.version
            var loss = row.isCorrect == true ? 0.0 : 1.0
            if case .value = row.truth { loss = row.error }
            unsaved.insert(row.model)
            _ = watched[row.model]?.labels.add(
                loss,
                ofCandidate: isCandidate,
                isRegression: row.isCorrect == nil
            )
            if watched[row.model]?.labels.test.isRaised == true { decide(row.model) }
        }
    }

    // MARK: Deciding

    /// Gathers and decides until the task is cancelled.
    package func run() async {
        while !Task.isCancelled {
            await look()
            looks += 1
            if looks % Self.looksPerSave == 0 { save() }
            try? await Task.sleep(for: .milliseconds(Self.periodMilliseconds))
        }
        save()
    }

    /// Gathers what the loops have counted, and decides.
    package func look() async {
        for model in Set(watched.keys).union(watches.keys).sorted() {
            await gather(model)
            decide(model)
            await judge(model)
        }
    }

    private func gather(_ model: String) async {
        guard let loops else { return }
        let release = watched[model]?.release
        let shadow = (try? await loops.takeShadow(model)) ?? []
        if watches[model] != nil { compare(model, shadow) }
        guard let release else { return }
        let counted = (try? await loops.takeCandidateBlocks(model)) ?? []
        // The release may have moved on meanwhile.
        guard var watch = watched[model], watch.release == release else { return }
        for rows in shadow where rows.version == watch.stableVersion {
            watch.shadow?.compare(rows)
        }
        if var monitor = watch.monitor {
            for block in counted + (watch.shadow?.takeBlocks() ?? []) { monitor.fold(block) }
            watch.monitor = monitor
        }
        metrics.dropped(model, rows: watch.shadow?.takeDropped() ?? 0)
        let (ours, theirs) = watch.news()
        metrics.requests(model, role: "candidate", answered: ours.requests, failed: ours.faults)
        metrics.requests(model, role: "stable", answered: theirs.requests, failed: theirs.faults)
        watched[model] = watch
        metrics.update(model, watch.summary(now: now, since: ""))
    }

    private func decide(_ model: String) {
        guard let watch = watched[model], decided[model] != watch.release.version,
            directories[model]?.pinnedVersion() == nil
        else { return }
        // A candidate that reads other rows cannot be in the shadow.
        let isShadow = watch.release.stage == .shadow
        if isShadow, watch.shadow == nil {
            return act(
                model,
                watch.release,
                .forward("it reads other rows than the stable version")
            )
        }
        act(model, watch.release, watch.rule.decide(isShadow: isShadow, watch.evidence(now: now)))
    }

    private func act(_ model: String, _ release: StagedRelease, _ decision: ReleaseRule.Decision) {
        guard let directory = directories[model] else { return }
        do {
            switch decision {
            case .wait: return
            case .forward(let words) where release.stage == .shadow:
                guard try directory.advance(release, to: .canary, note(words)) != nil else {
                    return
                }
                tell(model, release, .advanced, .passed, words)
            case .forward(let words):
                guard try directory.complete(release, note(words)) else { return }
                decided[model] = release.version
                tell(model, release, .completed, .passed, words)
            case .back(let reason, let words):
                guard try directory.withdraw(release, note("\(reason.rawValue): \(words)")) else {
                    return
                }
                decided[model] = release.version
                tell(model, release, .withdrawn, reason, words)
                keep(model, release, reason, words)
            }
            problems[model] = nil
        } catch {
            notWritten(model, "\(error)", metadata(model, release))
        }
    }

    /// Tells once that a decision could not be written.
    func notWritten(_ model: String, _ words: String, _ facts: Logger.Metadata) {
        guard problems[model] != words else { return }
        problems[model] = words
        var facts = facts
        facts["error.message"] = "\(words)"
        logger.error("release decision not written", metadata: facts)
    }

    /// Keeps what spoke against a candidate.
    private func keep(
        _ model: String,
        _ release: StagedRelease,
        _ reason: ReleaseReason,
        _ words: String
    ) {
        let since = release.since.formatted(.iso8601)
        let summary =
            watched[model]?.summary(now: now, since: since)
            ?? ReleaseSummary(version: release.version, stage: release.stage.rawValue, since: since)
        keep(model, reason, words, summary, stable: (try? directories[model]?.current())?.version)
    }

    /// Saves the evidence of labels, so that a restart does not lose it.
    package func save() {
        for model in Set(watched.keys).union(watches.keys)
        where unsaved.contains(model) || watches[model]?.isSaved == false {
            var record = ReleaseRecord.read(directories[model])
            if let watch = watched[model] {
                record.candidate = .init(release: watch.release, labels: watch.labels)
            }
            if let watch = watches[model] { record.live = watch.record }
            record.write(directories[model])
            unsaved.remove(model)
            watches[model]?.isSaved = true
        }
    }

    func note(_ words: String) -> ReleaseNote {
        ReleaseNote(
            actor: Self.actorName,
            reason: words,
            time: Date(timeIntervalSince1970: now)
        )
    }

    private func tell(
        _ model: String,
        _ release: StagedRelease,
        _ decision: ReleaseMetrics.Decision,
        _ reason: ReleaseReason,
        _ words: String
    ) {
        metrics.count(model, decision, reason)
        var facts = metadata(model, release)
        facts["release.decision"] = "\(decision.rawValue)"
        facts["release.reason"] = "\(reason.rawValue)"
        facts["release.words"] = "\(words)"
        logger.log(
            level: decision == .withdrawn ? .warning : .notice,
            "release decision",
            metadata: facts
        )
    }

    private func metadata(_ model: String, _ release: StagedRelease) -> Logger.Metadata {
        [
            "model": "\(model)", "model.version": "\(release.version)",
            "release.stage": "\(release.stage.rawValue)",
        ]
    }
}
