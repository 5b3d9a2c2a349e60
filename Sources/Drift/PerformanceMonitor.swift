/// Estimates the accuracy of a version from its answers alone, and says when it has fallen.
///
/// **Blind to concept drift**: when the same inputs come to mean something else, probabilities tell
/// nothing of it, and only labels do. Outside of the hold-out's range the estimates are guesses.
///
/// **Guarantee.** As long as each row's expected loss 1 − ĉ, given all rows before, is on average at
/// most the hold-out's (bounded from above with probability 1 − ``holdoutFailure``) and the
/// tolerance, the mean number of rows until the alarm is at least `falseAlarmInterval`.
package struct PerformanceMonitor: Sendable {
    /// Where estimates begin.
    package let reference: PerformanceReference
    private let estimation: PerformanceReference.Estimation
    private var test: RiskTest
    private var panes: [PerformanceCounts]
    private var current = 0
    private let losses: [Double]

    /// How probable it may be that the hold-out's bound is too low.
    package static let holdoutFailure = 0.001
    /// Windows of fewer rows say nothing.
    package static let rowsMin = 200
    private static let paneCount = 6

    /// Starts without evidence; nil for a version whose probabilities tell nothing.
    ///
    /// - Parameters:
    ///   - reference: What the hold-out said.
    ///   - tolerance: How much the expected loss may rise, 0 to 1.
    ///   - falseAlarmInterval: The mean number of rows between false alarms, at least.
    package init?(
        _ reference: PerformanceReference?,
        tolerance: Double,
        falseAlarmInterval: Double
    ) {
        guard let reference, let estimation = reference.estimation else { return nil }
        self.reference = reference
        self.estimation = estimation
        let bound = estimation.expectedLoss.upperBound(failure: Self.holdoutFailure)
        test = RiskTest(limit: bound + tolerance, falseAlarmInterval: falseAlarmInterval)
        panes = [PerformanceCounts](
            repeating: PerformanceCounts(classCount: reference.classCount),
            count: Self.paneCount
        )
        losses = (0...PerformanceCounts.steps).map { Double($0) / Double(PerformanceCounts.steps) }
    }

    /// Takes in counted answers.
    ///
    /// - Returns: Whether they raised the alarm.
    package mutating func fold(_ counts: PerformanceCounts) -> Bool {
        guard panes[current].add(counts) else { return false }
        // Losses are rounded down, so no bet wins more than it should.
        return test.observe(losses: losses, counts: counts.losses.map { UInt64($0) })
    }

    /// Begins the next of the window's six panes, in the place of the oldest.
    ///
    /// The caller has the clock.
    package mutating func rotatePane() {
        current = (current + 1) % panes.count
        panes[current] = PerformanceCounts(classCount: reference.classCount)
    }

    /// Ends the alarm and takes the evidence away.
    package mutating func acknowledge() { test.acknowledge() }

    /// Whether the alarm stands.
    package var isRaised: Bool { test.isRaised }

    /// What can be said at this moment.
    package var estimate: PerformanceEstimate {
        var window = PerformanceCounts(classCount: reference.classCount)
        for pane in panes { window.add(pane) }
        return PerformanceEstimate(reference, estimation, window, test)
    }

    /// All that changes, for a restart.
    package var state: State { State(test: test, panes: panes, current: current) }

    /// What is kept over a restart.
    package struct State: Codable, Sendable, Equatable {
        fileprivate let test: RiskTest
        fileprivate let panes: [PerformanceCounts]
        fileprivate let current: Int
    }

    /// Goes on from a saved state, if it is of this reference and these settings.
    package mutating func restore(_ state: State) {
        guard state.test.limit == test.limit,
            state.test.falseAlarmInterval == test.falseAlarmInterval,
            state.panes.count == panes.count, panes.indices.contains(state.current),
            state.panes.allSatisfy({ $0.hasForm(of: panes[0]) })
        else { return }
        (test, panes, current) = (state.test, state.panes, state.current)
    }
}

/// The accuracy of a version as its answers suggest it: blind to concept drift.
package struct PerformanceEstimate: Codable, Sendable, Equatable {
    /// What the estimates do not see.
    package let caution: String
    /// The live rows in the window.
    package let rows: UInt64
    /// The share of right answers on the hold-out.
    package let holdoutAccuracy: Double
    /// By confidence: the mean calibrated probability of the answers (CBPE); nil below 200 rows.
    package let cbpe: Figure?
    /// By average thresholded confidence: the share of confident rows (ATC); nil below 200 rows.
    package let atc: Figure?
    /// The model's mean confidence less the CBPE estimate: how far it is over-confident.
    package let calibrationGap: Double?
    /// The labels' shares; nil below 200 rows and without a confusion matrix.
    package let labelShift: LabelShift?
    /// The labels' shares on the hold-out; nil without a confusion matrix.
    package let holdoutLabelShares: [Double]?
    /// The evidence that the expected loss is above its limit, in nats.
    package let evidence: Double
    /// The evidence at which the alarm is raised, in nats.
    package let threshold: Double
    /// The expected loss that is still no harm.
    package let limit: Double
    /// Whether the alarm stands.
    package let isRaised: Bool
    /// The row of this version after which the expected loss probably rose.
    package let changedAfterRow: UInt64

    /// An estimate with its standard error.
    package struct Figure: Codable, Sendable, Equatable {
        /// The accuracy, 0 to 1.
        package let accuracy: Double
        /// Its standard error, by the live rows and the hold-out's.
        package let standardError: Double

        private enum CodingKeys: String, CodingKey {
            case accuracy
            case standardError = "standard_error"
        }
    }

    /// The words that every estimate carries.
    package static let cautionText =
        "blind to concept drift: only labels tell that the same inputs "
        + "have come to mean something else; a guess for inputs unlike those of the hold-out"

    fileprivate init(
        _ reference: PerformanceReference,
        _ estimation: PerformanceReference.Estimation,
        _ window: PerformanceCounts,
        _ test: RiskTest
    ) {
        caution = Self.cautionText
        rows = window.rows
        holdoutAccuracy = reference.accuracy
        holdoutLabelShares = reference.labelShares
        (evidence, threshold, limit) = (test.evidence, test.threshold, test.limit)
        (isRaised, changedAfterRow) = (test.isRaised, test.changedAfterRow)
        guard window.rows >= UInt64(PerformanceMonitor.rowsMin) else {
            (cbpe, atc, calibrationGap, labelShift) = (nil, nil, nil, nil)
            return
        }
        let n = Double(window.rows)
        let spread =
            reference.risk.variance
            * (1 / n + 1 / Double(max(1, reference.risk.rows)))
        let expected = 1 - Double(window.lossSum) * PerformanceCounts.unit / n
        cbpe = Figure(accuracy: expected, standardError: spread.squareRoot())
        // Where scores tie at the threshold, the hold-out's share is off its accuracy by as much.
        let confident = Double(window.confident) / n
        let offset = reference.accuracy - estimation.confidentShare
        atc = Figure(
            accuracy: min(1, max(0, confident + offset)),
            standardError: spread.squareRoot()
        )
        calibrationGap = Double(window.confidenceSum) * PerformanceCounts.unit / n - expected
        labelShift = reference.confusion.flatMap {
            LabelShift(confusion: $0, answers: window.predicted)
        }
    }

    private enum CodingKeys: String, CodingKey {
        case caution, rows, cbpe, atc, limit
        case holdoutAccuracy = "holdout_accuracy"
        case calibrationGap = "calibration_gap"
        case labelShift = "label_shift"
        case holdoutLabelShares = "holdout_label_shares"
        case evidence = "evidence_nats"
        case threshold = "threshold_nats"
        case isRaised = "is_raised"
        case changedAfterRow = "changed_after_row"
    }
}
