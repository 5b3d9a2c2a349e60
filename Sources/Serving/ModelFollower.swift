internal import FoundationEssentials
package import Logging
package import ModelStore
internal import Synchronization
package import Telemetry

/// Follows a model's store: whoever changes the pointer, the change is live within 200 ms.
///
/// A version is loaded and checked beside the one that answers; only when it has passed every
/// check do the event loops get it. One that fails is refused with a log line and a metric, and
/// the old version goes on.
package actor ModelFollower {
    private let directory: ModelDirectory
    private let loops: ServingLoops
    private let planner: BatchPlanner
    private let metrics: ServingMetrics
    private let logger: Logger
    private let clock: @Sendable () -> WallTime
    private let wentLive: @Sendable (ActiveModel) async -> Void
    private let nothingToServe: @Sendable () async -> Void
    private var seen: ModelDirectory.Pointer?
    private var problem: String? { didSet { tellState() } }
    private var isUnloaded = false { didSet { tellState() } }
    /// When a pointer that failed is tried again: what failed may have passed by then.
    private var retryAt: ContinuousClock.Instant?
    private var live: LiveVersion? { didSet { tellState() } }
    private let shared: Mutex<ModelState>
    /// Versions that no longer answer, until nobody else holds them: a request that is still
    /// computed must not be the last, or its event loop would have to free all the weights.
    private var retired: [ActiveModel] = []
    /// Since when versions are there, but no pointer to one.
    private var unpointedSince: ContinuousClock.Instant?
    private let patience: Duration
    /// The candidate beside the version that answers.
    private let candidates: CandidateFollower
    private var answering: CandidateFollower.Version?
    /// The version that answered before: its counters stay until the next swap, so that a scrape
    /// still finds its last rows.
    private var before: LiveVersion?

    /// The version that answers, as reports show it.
    package struct LiveVersion: Sendable {
        /// The version's number.
        package let version: Int
        /// The SHA-256 of its manifest.
        package let digest: String
        /// When it went live.
        package let since: WallTime
        /// What it is and where it came from.
        package let manifest: Manifest
    }

    /// Milliseconds between two looks at the pointer.
    private static let periodMilliseconds = 100
    /// Seconds until a pointer that failed is tried again.
    private static let retrySeconds = 5

    /// Prepares to follow; nothing is read before ``run()``.
    ///
    /// - Parameters:
    ///   - directory: The model's store.
    ///   - loops: Where versions go live.
    ///   - planner: Says where their predictions are computed.
    ///   - metrics: What Prometheus learns.
    ///   - logger: Where swaps are told.
    ///   - clock: The time.
    ///   - patience: How long a store with versions and without a pointer may be one in which the
    ///     first version is just being published.
    ///   - releases: Decides on candidates; nil where none are looked at.
    ///   - wentLive: Called after each swap.
    ///   - nothingToServe: Called when versions are there, but none passes its checks.
    package init(
        directory: ModelDirectory,
        loops: ServingLoops,
        planner: BatchPlanner = BatchPlanner(),
        metrics: ServingMetrics,
        logger: Logger,
        clock: @escaping @Sendable () -> WallTime,
        patience: Duration = .seconds(2),
        releases: ReleaseService? = nil,
        wentLive: @escaping @Sendable (ActiveModel) async -> Void,
        nothingToServe: @escaping @Sendable () async -> Void
    ) {
        self.directory = directory
        self.loops = loops
        self.planner = planner
        self.metrics = metrics
        self.logger = logger
        self.clock = clock
        self.patience = patience
        candidates = CandidateFollower(
            directory: directory,
            loops: loops,
            planner: planner,
            metrics: metrics,
            logger: logger,
            releases: releases
        )
        self.wentLive = wentLive
        self.nothingToServe = nothingToServe
        shared = Mutex(ModelState(name: directory.model))
        metrics.prepare(model: directory.model)
    }

    /// The version that answers; nil before the first.
    package var current: LiveVersion? { live }

    /// Why the version that the pointer names was refused; nil when it was not.
    package var lastProblem: String? { problem }

    /// Whether the model answers, for those who cannot wait.
    nonisolated package var state: ModelState { shared.withLock { $0 } }

    private func tellState() {
        let state = ModelState(
            name: directory.model,
            version: live?.version,
            isUnloaded: isUnloaded,
            problem: problem
        )
        shared.withLock { $0 = state }
    }

    /// Takes the model out of service until ``load()``: whatever is published meanwhile waits.
    ///
    /// - Throws: What a closed loop throws.
    package func unload() async throws {
        isUnloaded = true
        answering = nil
        release(await candidates.remove())
        await candidates.unloaded()
        release(try await loops.remove(directory.model))
        metrics.versions.ready.series([directory.model]).set(0)
        if let old = live { metrics.versions.info.remove(Self.labels(old, directory.model)) }
        live = nil
        logger.notice("model unloaded", metadata: ["model": "\(directory.model)"])
    }

    /// Takes the store's current version into service, whether it answers already or not.
    ///
    /// - Returns: Why none answers now; nil when one does.
    package func load() async -> String? {
        isUnloaded = false
        seen = nil
        await look()
        return live == nil ? problem ?? "no version yet" : nil
    }

    /// Follows until the task is cancelled.
    package func run() async {
        while !Task.isCancelled {
            await look()
            try? await Task.sleep(for: .milliseconds(Self.periodMilliseconds))
        }
    }

    /// Looks at the pointer once, and swaps when it has changed.
    package func look() async {
        releaseRetired()
        await followPointer()
        release(await candidates.follow(answering))
    }

    private func followPointer() async {
        do {
            guard !isUnloaded, let pointer = try namedVersion(), pointer != seen || isRetryDue
            else {
                return
            }
            seen = pointer
            retryAt = nil
            try await swap(to: pointer)
            problem = nil
            metrics.versions.fallback.series([directory.model]).set(0)
        } catch {
            retryAt = ContinuousClock.now + .seconds(Self.retrySeconds)
            await refuse(error)
        }
    }

    /// The store's pointer; nil before the first publication.
    ///
    /// - Throws: ``StoreError``, also when versions are there and the pointer is gone: at a start
    ///   the newest of them is better than none.
    private func namedVersion() throws -> ModelDirectory.Pointer? {
        if let pointer = try directory.current() {
            unpointedSince = nil
            return pointer
        }
        guard live == nil, try !directory.versions().isEmpty else { return nil }
        let since = unpointedSince ?? ContinuousClock.now
        unpointedSince = since
        guard ContinuousClock.now - since >= patience else { return nil }
        throw StoreError.malformed(path: directory.pointerPath, reason: "it is missing")
    }

    private var isRetryDue: Bool { retryAt.map { $0 <= ContinuousClock.now } ?? false }

    private func refuse(_ error: any Error) async {
        let words = "\(error)"
        guard words != problem else { return }
        problem = words
        metrics.versions.swaps.series([directory.model, "refused"]).add(1)
        logger.error(
            "version refused",
            metadata: [
                "model": "\(directory.model)", "model.version": "\(seen?.version ?? 0)",
                "error.message": "\(words)",
                "model.version.live": "\(live?.version ?? 0)",
            ]
        )
        metrics.versions.fallback.series([directory.model]).set(1)
        // With nothing to go on with, the newest version that passes its checks is better.
        guard live == nil else { return }
        guard let fallback = ActiveModel.newestValid(of: directory) else {
            return await nothingToServe()
        }
        await fallBack(to: fallback, because: words)
    }

    private func fallBack(to model: ActiveModel, because words: String) async {
        guard (try? await swap(model)) != nil else { return }
        let metadata: Logger.Metadata = [
            "model": "\(directory.model)", "model.version": "\(model.version)",
        ]
        logger.warning("fell back to the newest valid version", metadata: metadata)
        let entry = JournalEntry(
            time: Date(timeIntervalSince1970: clock().secondsSinceEpoch),
            event: .fellBack,
            version: model.version,
            previous: seen?.version,
            actor: "server",
            reason: words,
            digest: model.bundle.digest
        )
        do {
            try directory.record(entry)
        } catch {
            logger.warning("journal not written", metadata: metadata)
        }
    }

    private func swap(to pointer: ModelDirectory.Pointer) async throws {
        if let candidate = candidates.promoted(to: pointer) { return try await swap(candidate) }
        let start = ContinuousClock.now
        let model = try ActiveModel(
            ModelBundle.load(
                from: directory,
                version: pointer.version,
                manifestSHA256: pointer.manifestSHA256
            )
        )
        observe(.load, since: start)
        try await swap(model)
    }

    /// A candidate is in place on every loop already.
    private func swap(_ candidate: CandidateFollower.Version) async throws {
        let installing = ContinuousClock.now
        let released = try await loops.promoteCandidate(directory.model)
        metrics.batches.tell(directory.model, candidate.policy)
        observe(.install, since: installing)
        try await took(candidate, released)
        await candidates.ended()
    }

    private func swap(_ model: ActiveModel) async throws {
        let measuring = ContinuousClock.now
        let policy = planner.policy(for: model)
        observe(.measure, since: measuring)
        let installing = ContinuousClock.now
        let series = ServedModelMetrics(metrics, model)
        let released = try await loops.install(model, metrics: series, policy: policy)
        metrics.batches.tell(model.name, policy)
        observe(.install, since: installing)
        let version = CandidateFollower.Version(model: model, series: series, policy: policy)
        try await took(version, released)
    }

    /// What follows when a version is on every loop.
    private func took(
        _ version: CandidateFollower.Version,
        _ released: [ActiveModel]
    ) async throws {
        let model = version.model
        // Taken out of service while this version was on its way.
        guard !isUnloaded else {
            seen = nil
            return release(released + (try await loops.remove(model.name)))
        }
        answering = version
        let old = live
        let now = clock()
        live = LiveVersion(
            version: model.version,
            digest: model.bundle.digest,
            since: now,
            manifest: model.bundle.manifest
        )
        tell(model, at: now)
        forget(old, now: model.version)
        await wentLive(model)
        await candidates.live(version)
        let releasing = ContinuousClock.now
        release(released)
        ResidentMemory.giveBackFreedMemory()
        observe(.release, since: releasing)
        // Only what the start touched: later, requests would have to fetch their code again.
        if old == nil { ResidentMemory.giveBackCodePages() }
    }

    /// The last references to old versions end here, off the request path.
    private func release(_ models: consuming [ActiveModel]) {
        while let model = models.popLast() {
            if !retired.contains(where: { $0 === model }) { retired.append(model) }
        }
        releaseRetired()
    }

    private func releaseRetired() {
        for index in retired.indices.reversed()
        where isKnownUniquelyReferenced(&retired[index]) {
            retired.remove(at: index)
        }
    }

    private func tell(_ model: ActiveModel, at now: WallTime) {
        let name = model.name
        metrics.versions.info.state([name, String(model.version), model.bundle.digest])
        metrics.versions.loaded.series([name]).set(now.secondsSinceEpoch)
        metrics.versions.created.series([name]).set(
            model.bundle.manifest.created.timeIntervalSince1970
        )
        if let accuracy = model.bundle.manifest.training.scores.accuracy {
            metrics.versions.holdoutAccuracy.series([name]).set(accuracy)
        }
        metrics.versions.ready.series([name]).set(1)
        metrics.versions.swaps.series([name, "swapped"]).add(1)
        logger.info(
            "version live",
            metadata: [
                "model": "\(name)", "model.version": "\(model.version)",
                "model.digest": "\(model.bundle.digest)",
            ]
        )
    }

    /// Takes away the series of versions that no longer answer.
    private func forget(_ old: LiveVersion?, now version: Int) {
        guard let old, old.version != version else { return }
        let name = directory.model
        metrics.versions.info.remove(Self.labels(old, name))
        defer { before = old }
        guard let before, before.version != version, before.version != old.version else { return }
        let classes = before.manifest.task == .regression ? ["value"] : before.manifest.labels
        for label in classes {
            metrics.answers.predictions.remove([name, String(before.version), label])
        }
    }

    /// The labels of a version's `leeway_model_info`.
    private static func labels(_ version: LiveVersion, _ model: String) -> [String] {
        [model, String(version.version), version.digest]
    }

    private func observe(_ phase: VersionMetrics.SwapPhase, since start: ContinuousClock.Instant) {
        let duration = ContinuousClock.now - start
        let (seconds, attoseconds) = duration.components
        let nanoseconds =
            UInt64(max(0, seconds)) * 1_000_000_000 + UInt64(attoseconds / 1_000_000_000)
        metrics.versions.swapPhases.series([directory.model, phase.rawValue]).observe(nanoseconds)
    }
}
