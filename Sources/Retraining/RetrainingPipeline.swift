internal import Files
internal import FoundationEssentials
package import Logging
package import ModelStore
internal import NeuralNetwork
package import Transfer

/// From fresh data to a better model, in six steps: start reading the target here.
///
/// The store's lock is held all the while; whatever fails, and whenever the process ends, the
/// version that was current still is.
package struct RetrainingPipeline {
    let plan: RetrainingPlan
    let directory: ModelDirectory
    let downloads: DownloadStep
    let archive: DataArchive
    let clock: RetrainingClock
    let tell: @Sendable (RetrainingEvent) -> Void
    private let logger: Logger

    /// Prepares a run.
    ///
    /// - Parameters:
    ///   - plan: What to do.
    ///   - directory: The model's store.
    ///   - downloader: Fetches the sources.
    ///   - downloadFolder: Where they are kept.
    ///   - clock: The time.
    ///   - logger: Where the run is told.
    ///   - tell: Called with each event.
    package init(
        plan: RetrainingPlan,
        directory: ModelDirectory,
        downloader: Downloader,
        downloadFolder: String,
        clock: RetrainingClock,
        logger: Logger,
        tell: @escaping @Sendable (RetrainingEvent) -> Void
    ) {
        self.plan = plan
        self.directory = directory
        self.clock = clock
        self.logger = logger
        self.tell = tell
        downloads = DownloadStep(
            plan: plan,
            downloader: downloader,
            folder: downloadFolder,
            now: clock.date,
            tell: tell
        )
        archive = DataArchive(downloads: downloadFolder, model: plan.model)
    }

    /// Runs the six steps.
    ///
    /// - Parameters:
    ///   - trigger: Why the run was started.
    ///   - acceptsData: Whether somebody has looked at the data, so that what a check would refuse
    ///     is a warning.
    /// - Returns: How it ended.
    /// - Throws: ``RetrainingError``; nothing has changed then.
    package func run(
        _ trigger: RetrainingTrigger,
        acceptingData acceptsData: Bool = false
    ) async throws -> RetrainingOutcome {
        try await run(trigger, nil, acceptsData)
    }

    /// Runs the steps with weights that were fitted elsewhere: nothing is trained, all else is the
    /// same.
    ///
    /// - Parameter file: The weights.
    /// - Returns: How the run ended.
    /// - Throws: ``RetrainingError``; nothing has changed then.
    package func run(importing file: WeightFile) async throws -> RetrainingOutcome {
        try await run(.import, file, false)
    }

    private func run(
        _ trigger: RetrainingTrigger,
        _ file: WeightFile?,
        _ acceptsData: Bool
    ) async throws -> RetrainingOutcome {
        let lock = try await takeLock()
        try directory.recover(now: clock.date)
        sweep()
        var stages = StageTimes(clock: clock, tell: tell)
        let champion = Champion.load(from: directory, logger: logger)

        let sources = try await stages.run(.download) { try await download(trigger) }
        var data = try await stages.run(.validate) { try validation.run(sources) }
        var provenance = try data.provenance(plan, file)
        if trigger.endsWhenUnchanged, let champion, champion.isSameOrigin(as: provenance) {
            return try unchanged("version \(champion.version)", champion, data, stages)
        }
        if trigger.endsWhenUnchanged, let champion, let tried = directory.triedVersion(provenance) {
            let words = "version \(tried.version), \(tried.words)"
            return try unchanged(words, champion, data, stages)
        }
        let checked = try await stages.run(.validate) { check(data, champion, trigger) }
        if !acceptsData, let reason = checked.reason {
            return try refuse(reason, champion, data, trigger, stages)
        }
        data.warnings += checked.refusals.map { "accepted: \($0.text)" }
        provenance.facts = checked.facts
        try keepSources(data)
        defer { pruneSources() }
        let candidate = try await candidate(file, data, champion, &stages)
        provenance.startedFrom = candidate.training?.startedFrom
        let scores = try await stages.run(.evaluate) {
            try EvaluateStep(plan: plan, clock: clock).run(candidate, champion, data)
        }
        let verdict = rule.judge(scores, labels: data.labels)
        let publication = PublishStep(plan: plan, directory: directory, now: clock.date)
        var outcome = outcome(verdict, data, candidate, scores, stages)
        let report = CandidateReport(outcome, candidate, scores, labels: data.labels)
        guard verdict.accepts else {
            try publication.refuse(report, trigger)
            return outcome
        }
        outcome.version = try await stages.run(.publish) {
            try publication.publish(candidate, scores, provenance, data, report, trigger)
        }
        outcome.stages = stages.seconds
        // The lock is given back here and no earlier.
        extendLifetime(lock)
        return outcome
    }

    /// Fetches the sources; a person's run asks hosts that were in trouble of late, too.
    private func download(_ trigger: RetrainingTrigger) async throws -> DownloadedSources {
        var downloads = downloads
        downloads.ignoresCircuits = !trigger.endsWhenUnchanged
        return try await downloads.run()
    }

    private var rule: PromotionRule {
        PromotionRule(margin: plan.margin, rules: plan.gate, seed: plan.training.seed)
    }

    /// Removes what a killed run left half written.
    private func sweep() {
        downloads.sweep()
        archive.sweep()
    }

    var validation: ValidateStep {
        ValidateStep(plan: plan, archive: archive, now: Int64(clock.unixSeconds()))
    }

    /// What nobody should learn from without having looked at it.
    private func check(
        _ data: TrainingData,
        _ champion: Champion?,
        _ trigger: RetrainingTrigger
    ) -> CheckStep.Result {
        CheckStep(
            limits: plan.data.checks,
            data: data,
            champion: champion,
            driftState: champion == nil ? nil : directory.readDriftState(),
            wasAlarmed: trigger == .drift || trigger == .feedback
        ).run()
    }

    /// Keeps the files of the run, so that a version that comes of it can be made again.
    private func keepSources(_ data: TrainingData) throws {
        guard plan.data.keepsSources || data.window != nil else { return }
        for (digest, path) in data.kept { try archive.keep(path, digest: digest) }
        if let window = data.window { try archive.remember(window) }
    }

    /// Removes the files of versions that are gone.
    private func pruneSources() {
        var digests: Set<String> = []
        for version in (try? directory.versions()) ?? [] {
            // Of a version that cannot be read nobody knows what it was made of.
            guard let manifest = try? Manifest.read(from: directory, version: version) else {
                return
            }
            digests.formUnion(manifest.data.sources.values)
        }
        archive.prune(keeping: digests)
    }

    /// The third step: a network that is fitted here, or was elsewhere.
    private func candidate(
        _ file: WeightFile?,
        _ data: TrainingData,
        _ champion: Champion?,
        _ stages: inout StageTimes
    ) async throws -> Candidate {
        if let file { return try ImportStep(plan: plan).run(file, data) }
        return try await stages.run(.train) {
            try TrainStep(plan: plan, clock: clock, tell: tell).run(data, champion)
        }
    }

    /// Takes the store's lock; a holder that is just ending gets a second.
    ///
    /// A killed trainer holds it until the kernel has taken all of it away.
    func takeLock() async throws -> OpenFile {
        for _ in 0..<20 {
            do {
                return try directory.lockForRetraining()
            } catch StoreError.locked {
                try await Task.sleep(for: .milliseconds(50))
            }
        }
        return try directory.lockForRetraining()
    }

    private func unchanged(
        _ version: String,
        _ champion: Champion,
        _ data: TrainingData,
        _ stages: StageTimes
    ) throws -> RetrainingOutcome {
        RetrainingOutcome(
            model: plan.model,
            version: champion.version,
            published: false,
            result: .unchanged,
            reason: "data and settings are those of \(version)",
            rows: data.counts(fitted: true),
            training: nil,
            evaluation: nil,
            champion: nil,
            stages: stages.seconds,
            warnings: data.warnings
        )
    }

    /// Ends a run whose data nobody should learn from.
    private func refuse(
        _ reason: String,
        _ champion: Champion?,
        _ data: TrainingData,
        _ trigger: RetrainingTrigger,
        _ stages: StageTimes
    ) throws -> RetrainingOutcome {
        let outcome = RetrainingOutcome(
            model: plan.model,
            version: champion?.version,
            published: false,
            result: .refused,
            reason: reason,
            rows: data.counts(fitted: true),
            training: nil,
            evaluation: nil,
            champion: nil,
            stages: stages.seconds,
            warnings: data.warnings
        )
        try PublishStep(plan: plan, directory: directory, now: clock.date).refuse(outcome, trigger)
        return outcome
    }

    private func outcome(
        _ verdict: PromotionRule.Verdict,
        _ data: TrainingData,
        _ candidate: Candidate,
        _ scores: EvaluateStep.Result,
        _ stages: StageTimes
    ) -> RetrainingOutcome {
        let hasChampion = scores.championVersion != nil
        let result: RetrainingOutcome.Result =
            verdict.accepts ? .passed(plan, directory, hasChampion: hasChampion) : .refused
        return RetrainingOutcome(
            model: plan.model,
            version: scores.championVersion,
            published: result == .published,
            result: result,
            reason: verdict.reason,
            rows: data.counts(fitted: candidate.training != nil),
            training: candidate.training,
            evaluation: scores.candidate,
            champion: scores.champion,
            calibration: scores.calibration,
            gates: verdict.gates,
            stages: stages.seconds,
            warnings: data.warnings
        )
    }
}

/// The time as a run sees it.
package struct RetrainingClock: Sendable {
    /// Unix seconds, with their fraction.
    package let unixSeconds: @Sendable () -> Double
    /// Seconds since some moment, never going back.
    package let monotonicSeconds: @Sendable () -> Double

    /// Takes two clocks.
    package init(
        unixSeconds: @escaping @Sendable () -> Double,
        monotonicSeconds: @escaping @Sendable () -> Double
    ) {
        self.unixSeconds = unixSeconds
        self.monotonicSeconds = monotonicSeconds
    }

    var date: Date { Date(timeIntervalSince1970: unixSeconds()) }
}

/// Tells each stage, and how long it took.
struct StageTimes {
    let clock: RetrainingClock
    let tell: (RetrainingEvent) -> Void
    private(set) var seconds: [String: Double] = [:]

    init(clock: RetrainingClock, tell: @escaping (RetrainingEvent) -> Void) {
        self.clock = clock
        self.tell = tell
    }

    /// Runs a stage; one that is gone back to is told once.
    mutating func run<Result>(
        _ stage: RetrainingStage,
        _ work: () async throws -> Result
    ) async throws -> Result {
        if seconds[stage.rawValue] == nil { tell(.stage(stage)) }
        let start = clock.monotonicSeconds()
        let result = try await work()
        seconds[stage.rawValue, default: 0] += clock.monotonicSeconds() - start
        return result
    }
}

/// The version that a candidate has to stand up to.
struct Champion {
    let bundle: ModelBundle
    var version: Int { bundle.manifest.version }

    /// Loads the current version; one that cannot be read is no champion, and that is told.
    static func load(from directory: ModelDirectory, logger: Logger) -> Champion? {
        do {
            return Champion(bundle: try ActiveModel.current(of: directory).bundle)
        } catch StoreError.empty {
            return nil
        } catch {
            logger.warning(
                "champion unreadable",
                metadata: ["model": "\(directory.model)", "error.message": "\(error)"]
            )
            return nil
        }
    }

    func isSameOrigin(as provenance: Manifest.Provenance) -> Bool {
        bundle.manifest.data.isSameOrigin(as: provenance)
    }
}
