internal import Logging
internal import ModelStore
internal import Telemetry

/// Follows the candidate of a model's store: places it beside the version that answers, moves it
/// from stage to stage, and takes it away.
///
/// It belongs to the follower of the store and runs where that does.
final class CandidateFollower {
    private let directory: ModelDirectory
    private let loops: ServingLoops
    private let planner: BatchPlanner
    private let metrics: ServingMetrics
    private let logger: Logger
    /// Nil where candidates are not looked at.
    private let releases: ReleaseService?
    private var placed: Placed?
    /// The version that answers beside it.
    private var stable: ActiveModel?
    /// One that did not pass its checks.
    private var refused: StagedRelease?
    /// One whose counters are still told.
    private var gone: Placed?
    private var problem: String?
    private var hasSettled = false
    /// Others may come in while this waits for the loops.
    private var isFollowing = false

    /// A version with its metric series.
    struct Version {
        let model: ActiveModel
        let series: ServedModelMetrics
        let policy: BatchPolicy
    }

    /// A candidate that is on every loop.
    private struct Placed {
        var release: StagedRelease
        let version: Version
    }

    init(
        directory: ModelDirectory,
        loops: ServingLoops,
        planner: BatchPlanner,
        metrics: ServingMetrics,
        logger: Logger,
        releases: ReleaseService?
    ) {
        self.directory = directory
        self.loops = loops
        self.planner = planner
        self.metrics = metrics
        self.logger = logger
        self.releases = releases
    }

    private var name: String { directory.model }

    /// Brings the loops into line with the store.
    ///
    /// - Parameter live: The version that answers; nil when none does.
    /// - Returns: Versions that the loops have given back, to be let go.
    func follow(_ live: Version?) async -> [ActiveModel] {
        guard releases != nil, !isFollowing else { return [] }
        isFollowing = true
        defer { isFollowing = false }
        guard let live, let found = read(), found.version != live.model.version else {
            return await remove()
        }
        do {
            guard placed?.release.version == found.version, placed?.release.digest == found.digest
            else { return try await place(found, live) }
            if placed?.release != found || stable !== live.model { try await move(found, live) }
        } catch {
            await refuse(found, "\(error)")
        }
        return []
    }

    /// The candidate by the store's word; what cannot be read is none, and is told once.
    private func read() -> StagedRelease? {
        do {
            guard let found = try directory.stagedRelease() else { return nil }
            guard !hasSettled else { return found }
            // A crash may have come between the journal and this file.
            hasSettled = true
            try directory.settleRelease()
            return try directory.stagedRelease()
        } catch {
            let words = "\(error)"
            if words != problem {
                problem = words
                logger.error(
                    "release unreadable",
                    metadata: ["model": "\(name)", "error.message": "\(words)"]
                )
            }
            return nil
        }
    }

    private func place(_ found: StagedRelease, _ live: Version) async throws -> [ActiveModel] {
        guard found != refused else { return await remove() }
        let removed = await remove()
        let model = try ActiveModel(
            ModelBundle.load(
                from: directory,
                version: found.version,
                manifestSHA256: found.digest
            )
        )
        if let gone { forget(gone.version.model) }
        gone = nil
        let version = Version(
            model: model,
            series: ServedModelMetrics(metrics, model),
            policy: planner.policy(for: model)
        )
        let released = try await loops.installCandidate(
            model,
            metrics: version.series,
            policy: version.policy,
            stage: found.stage,
            settings
        )
        placed = Placed(release: found, version: version)
        await tell(live)
        return removed + released
    }

    private func move(_ found: StagedRelease, _ live: Version) async throws {
        placed?.release = found
        try await loops.route(name, found.stage, settings)
        await tell(live)
    }

    private var settings: StagingSettings { releases?.settings(of: name) ?? StagingSettings() }

    private func tell(_ live: Version) async {
        stable = live.model
        guard let placed else { return }
        await releases?.began(
            placed.release,
            candidate: placed.version.model,
            stable: live.model,
            statistics: (placed.version.series.statistics, live.series.statistics)
        )
    }

    private func refuse(_ found: StagedRelease, _ words: String) async {
        refused = found
        logger.error(
            "candidate refused",
            metadata: [
                "model": "\(name)", "model.version": "\(found.version)",
                "error.message": "\(words)",
            ]
        )
        await releases?.failed(name, found, words)
    }

    /// The candidate, if it is the version that the pointer names now; from here on it is none.
    func promoted(to pointer: ModelDirectory.Pointer) -> Version? {
        guard let placed, placed.release.version == pointer.version,
            placed.release.digest == pointer.manifestSHA256
        else { return nil }
        self.placed = nil
        stable = nil
        return placed.version
    }

    /// Tells which version answers everybody now.
    func live(_ version: Version) async {
        await releases?.live(version.model, version.series.statistics)
    }

    /// Tells that no version answers any longer.
    func unloaded() async { await releases?.unloaded(name) }

    /// Tells that there is no candidate any longer.
    func ended() async { await releases?.ended(name) }

    /// Takes the candidate away.
    ///
    /// - Returns: It, to be let go.
    func remove() async -> [ActiveModel] {
        guard let placed else { return [] }
        self.placed = nil
        stable = nil
        gone = placed
        let removed = (try? await loops.removeCandidate(name)) ?? []
        await ended()
        return removed
    }

    /// Its counters have been told for the last time.
    private func forget(_ model: ActiveModel) {
        let manifest = model.bundle.manifest
        for label in manifest.task == .regression ? ["value"] : manifest.labels {
            metrics.answers.predictions.remove([name, String(model.version), label])
        }
    }
}
