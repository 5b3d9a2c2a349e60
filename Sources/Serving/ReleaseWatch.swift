internal import Drift
internal import FoundationEssentials
internal import ModelStore

/// What the control path remembers of one candidate.
struct ReleaseWatch {
    let release: StagedRelease
    let candidate: ActiveModel
    let stableVersion: Int
    /// Seconds at which the stage began, by the clock of the process that has set it.
    let began: Double
    let rule: ReleaseRule
    /// Nil in the canary, and where the candidate reads other rows.
    let shadow: ShadowComparison?
    /// The candidate's own monitor, which goes on from stage to stage; nil where it is not watched.
    var monitor: DriftMonitor?
    var labels: LabelPairs
    private let statistics: VersionStatistics
    private let stableStatistics: VersionStatistics
    /// What had been counted when the stage began, and when it was last told.
    private let start: VersionTotals
    private let stableStart: VersionTotals
    private var told = VersionTotals()
    private var stableTold = VersionTotals()

    init(
        _ release: StagedRelease,
        candidate: ActiveModel,
        stable: ActiveModel,
        statistics: (candidate: VersionStatistics, stable: VersionStatistics),
        _ settings: StagingSettings,
        monitor: DriftMonitor?
    ) {
        self.release = release
        self.candidate = candidate
        stableVersion = stable.version
        self.monitor = monitor
        began = release.since.timeIntervalSince1970
        rule = ReleaseRule(settings)
        shadow =
            release.stage == .shadow
            ? ShadowComparison(candidate: candidate.bundle, stable: stable.bundle) : nil
        labels = LabelPairs(settings)
        (self.statistics, stableStatistics) = statistics
        start = statistics.candidate.totals
        stableStart = statistics.stable.totals
    }

    /// What is known of the stage.
    func evidence(now: Double) -> ReleaseEvidence {
        var found = ReleaseEvidence()
        found.seconds = max(0, now - began)
        found.isDrifting = monitor?.alarm != nil
        if let shadow {
            found.rows = shadow.rows
            found.requests = shadow.rows
            found.faults = shadow.notFinite
            found.stableRequests = shadow.rows
            found.agreeing = shadow.agreement == nil ? nil : shadow.agreeing
            if let times = shadow.times, shadow.rows >= ReleaseRule.timedRowsMin {
                (found.rowNanoseconds, found.stableRowNanoseconds) = times
            }
            return found
        }
        let (ours, theirs) = (
            statistics.totals.since(start), stableStatistics.totals.since(stableStart)
        )
        found.rows = ours.rows
        (found.requests, found.faults) = (ours.requests + ours.faults, ours.faults)
        (found.stableRequests, found.stableFaults) = (
            theirs.requests + theirs.faults, theirs.faults
        )
        (found.rowNanoseconds, found.stableRowNanoseconds) = (
            ours.rowNanoseconds, theirs.rowNanoseconds
        )
        found.labels = labels.candidateLabels
        found.isWorse = labels.test.isRaised
        return found
    }

    /// What was counted since the last call, for the counters.
    mutating func news() -> (candidate: VersionTotals, stable: VersionTotals) {
        guard release.stage == .canary else { return (VersionTotals(), VersionTotals()) }
        let (ours, theirs) = (
            statistics.totals.since(start), stableStatistics.totals.since(stableStart)
        )
        defer { (told, stableTold) = (ours, theirs) }
        return (ours.since(told), theirs.since(stableTold))
    }

    /// How the stage stands, for people.
    func summary(now: Double, since: String) -> ReleaseSummary {
        let found = evidence(now: now)
        var summary = ReleaseSummary(
            version: release.version,
            stage: release.stage.rawValue,
            since: since
        )
        summary.rows = found.rows
        summary.agreement = shadow?.agreement
        summary.confidenceShift = shadow?.confidenceShift
        summary.rowSeconds = found.rowNanoseconds.map { $0 / 1e9 }
        summary.stableRowSeconds = found.stableRowNanoseconds.map { $0 / 1e9 }
        summary.labels = labels.candidateLabels
        summary.stableLabels = labels.stableLabels
        summary.feedbackEvidence = max(0, labels.test.evidence)
        summary.driftEvidence = monitor?.evidence
        return summary
    }
}

/// Labels of both versions' rows, brought together in pairs as they come.
struct LabelPairs: Sendable, Codable, Equatable {
    private(set) var test: PairedRiskTest
    private(set) var candidateLabels = 0
    private(set) var stableLabels = 0
    /// Losses that have no partner yet, the newest last.
    private var candidates: [Double] = []
    private var stables: [Double] = []

    /// Old losses are of another time than new ones.
    private static let waitingMax = 256

    init(_ settings: StagingSettings) {
        test = PairedRiskTest(margin: settings.feedbackMargin, chance: settings.feedbackChance)
    }

    /// Takes the loss of a labelled row: 1 for a wrong class, the absolute error of a regression.
    ///
    /// - Returns: Whether the verdict against the candidate is reached now.
    mutating func add(_ loss: Double, ofCandidate isCandidate: Bool, isRegression: Bool) -> Bool {
        if isCandidate {
            candidateLabels += 1
            candidates.append(loss)
        } else {
            stableLabels += 1
            stables.append(loss)
        }
        if candidates.count > Self.waitingMax { candidates.removeFirst() }
        if stables.count > Self.waitingMax { stables.removeFirst() }
        guard let ours = candidates.last, let theirs = stables.last else { return false }
        candidates.removeLast()
        stables.removeLast()
        guard isRegression else { return test.observe(candidate: ours, other: theirs) }
        // Errors have no bound: whose is greater counts. Of equally good versions, either is.
        return test.observe(candidate: ours > theirs ? 1 : 0, other: theirs > ours ? 1 : 0)
    }

    /// What was seen before a restart, unless the configuration has asked for something else since.
    mutating func goOn(from saved: LabelPairs) {
        guard saved.test.isOf(test) else { return }
        self = saved
    }
}

/// What one version has done, over all event loops.
struct VersionTotals: Equatable {
    var requests = 0
    var rows = 0
    /// Requests that failed without the client's fault.
    var faults = 0
    /// Those of them that only took too long.
    var late = 0
    var computeNanoseconds = 0

    func since(_ before: VersionTotals) -> VersionTotals {
        VersionTotals(
            requests: requests - before.requests,
            rows: rows - before.rows,
            faults: faults - before.faults,
            late: late - before.late,
            computeNanoseconds: computeNanoseconds - before.computeNanoseconds
        )
    }

    /// Nanoseconds a row; nil while there are too few.
    var rowNanoseconds: Double? {
        rows < ReleaseRule.timedRowsMin ? nil : Double(computeNanoseconds) / Double(rows)
    }
}
