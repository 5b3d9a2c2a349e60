internal import Drift
internal import ModelStore

/// What the control path remembers of a version that answers everybody, while it may still be taken
/// back.
///
/// The version before computes a row of a share of the requests, too, off the request path. Labels
/// of those rows compare the two on the very same rows, and their times are taken side by side: a
/// world that changes, or a machine that is busy, speaks against neither.
struct VersionWatch {
    let model: ActiveModel
    /// The version before, to which a rollback goes.
    let previous: Int
    let rule: ReleaseRule
    /// Nil where the version before cannot read the same rows.
    let comparison: ShadowComparison?
    /// Nothing that is remembered here was saved yet.
    var isSaved = true
    private(set) var test: PairedRiskTest
    /// Labels of the version's rows that have come, compared or not.
    private(set) var labels = 0
    /// Unix seconds since when it answers everybody.
    let began: Double
    private let statistics: VersionStatistics
    private let start: VersionTotals
    /// What the version before has done in this process; nothing if another one has served it.
    private let before: VersionTotals
    /// Whichever comes first waits for the other: answers of the version before, and labels.
    private var answers = RecentMap<ShadowAnswer>(capacity: 32_768)
    private var waiting = RecentMap<LabelledRow>(capacity: 4096)

    /// Nanoseconds that one look at the rows may take: a twentieth of the time.
    private static let budget: UInt64 = 5_000_000

    /// Begins, or goes on.
    ///
    /// - Parameters:
    ///   - model: The version.
    ///   - previous: The version before.
    ///   - began: Unix seconds since when it answers everybody.
    ///   - statistics: What it does, and what the version before has done.
    ///   - settings: What is asked of it.
    ///   - saved: What was seen before a restart.
    init(
        _ model: ActiveModel,
        previous: ModelBundle,
        began: Double,
        statistics: (ours: VersionStatistics, before: VersionTotals),
        _ settings: StagingSettings,
        saved: ReleaseRecord.Live?
    ) {
        (self.model, self.began) = (model, began)
        self.previous = previous.manifest.version
        rule = ReleaseRule(settings)
        comparison = ShadowComparison(
            candidate: previous,
            stable: model.bundle,
            budget: Self.budget,
            keepsAnswers: true
        )
        test = PairedRiskTest(margin: settings.feedbackMargin, chance: settings.feedbackChance)
        self.statistics = statistics.ours
        before = statistics.before
        start = statistics.ours.totals
        if let saved, saved.version == model.version, saved.digest == model.bundle.digest,
            saved.test.isOf(test)
        {
            (test, labels) = (saved.test, saved.labels)
        }
    }

    /// What survives a restart.
    var record: ReleaseRecord.Live {
        ReleaseRecord.Live(
            version: model.version,
            digest: model.bundle.digest,
            test: test,
            labels: labels
        )
    }

    /// Has the version before compute rows, and joins its answers with labels that wait.
    mutating func compare(_ rows: ShadowRows) {
        guard let comparison, rows.version == model.version else { return }
        comparison.compare(rows)
        for answer in comparison.takeAnswers() {
            if let row = waiting.take(answer.name) {
                judge(row, answer)
            } else {
                answers.insert(answer, answer.name)
            }
        }
    }

    /// Takes a labelled row, and compares the two if the version before has computed it.
    mutating func take(_ row: LabelledRow) {
        guard row.prediction.version == model.version, comparison != nil else { return }
        labels += 1
        isSaved = false
        if let answer = answers.take(row.name) {
            judge(row, answer)
        } else {
            waiting.insert(row, row.name)
        }
    }

    private mutating func judge(_ row: LabelledRow, _ answer: ShadowAnswer) {
        isSaved = false
        switch row.truth {
        case .class(let truth):
            test.observe(
                candidate: row.prediction.predicted == truth ? 0 : 1,
                other: answer.predicted == truth ? 0 : 1
            )
        case .value(let truth):
            let ours = row.error
            let theirs = abs(answer.value - truth)
            // Errors have no bound: whose is greater counts. Of equally good versions, either is.
            test.observe(candidate: ours > theirs ? 1 : 0, other: theirs > ours ? 1 : 0)
        }
    }

    /// What is known since the version answers everybody.
    func evidence(now: Double) -> ReleaseEvidence {
        var found = ReleaseEvidence()
        let ours = statistics.totals.since(start)
        found.seconds = max(0, now - began)
        found.rows = ours.rows
        // What only took too long is judged by times that are taken side by side.
        found.faults = ours.faults - ours.late
        found.requests = ours.requests + found.faults
        found.stableFaults = before.faults - before.late
        found.stableRequests = before.requests + found.stableFaults
        if let comparison, let times = comparison.times,
            comparison.rows >= ReleaseRule.timedRowsMin
        {
            (found.rowNanoseconds, found.stableRowNanoseconds) = (times.stable, times.candidate)
        }
        found.labels = test.pairs
        found.isWorse = test.isRaised
        return found
    }

    /// How the watch stands, for people.
    func summary(now: Double, since: String) -> ReleaseSummary {
        let found = evidence(now: now)
        var summary = ReleaseSummary(version: model.version, stage: "full", since: since)
        summary.previous = previous
        summary.rows = found.rows
        summary.agreement = comparison?.agreement
        summary.rowSeconds = found.rowNanoseconds.map { $0 / 1e9 }
        summary.stableRowSeconds = found.stableRowNanoseconds.map { $0 / 1e9 }
        summary.labels = labels
        summary.comparedLabels = test.pairs
        summary.errorDifference = test.pairs == 0 ? nil : test.meanDifference
        summary.feedbackEvidence = max(0, test.evidence)
        return summary
    }
}

extension LabelledRow {
    /// The absolute error of a regression; of what is no number the greatest there is.
    var error: Double {
        guard case .value(let truth) = truth else { return 0 }
        let error = abs(Double(prediction.outputs.first ?? .nan) - truth)
        return error.isFinite ? error : .greatestFiniteMagnitude
    }
}

/// The newest values by their names; the oldest go when there are too many.
struct RecentMap<Value: Sendable>: Sendable {
    private var values: [RowName: Value] = [:]
    /// The names in the order in which they came, the oldest at ``next`` once all places are taken.
    private var order: [RowName] = []
    private var next = 0
    private let capacity: Int

    init(capacity: Int) { self.capacity = max(1, capacity) }

    mutating func insert(_ value: Value, _ name: RowName) {
        guard values.updateValue(value, forKey: name) == nil else { return }
        guard order.count >= capacity else {
            order.append(name)
            return
        }
        values.removeValue(forKey: order[next])
        order[next] = name
        next = (next + 1) % capacity
    }

    mutating func take(_ name: RowName) -> Value? { values.removeValue(forKey: name) }
}
