package import Drift
package import Logging
package import ModelStore

/// What is asked of the labelled loss of a model's versions.
package struct RiskSettings: Sendable, Equatable {
    /// How much the loss may rise above what the hold-out allows, 0 to 1.
    package let tolerance: Double
    /// The mean number of labelled rows between false alarms, at least.
    package let falseAlarmInterval: Double

    /// How probable it may be that the hold-out's bound on a version's loss is too low.
    package static let holdoutFailure = 0.001

    /// Takes note of what is asked.
    package init(tolerance: Double, falseAlarmInterval: Double) {
        self.tolerance = tolerance
        self.falseAlarmInterval = falseAlarmInterval
    }
}

/// What labels say of a version's loss, for `GET /drift`, logs and whoever acts on it.
///
/// This is the one alarm that speaks of harm itself, not of what may cause it.
package struct RiskReport: Codable, Sendable, Equatable {
    /// The version.
    package let version: Int
    /// Labelled rows.
    package let rows: UInt64
    /// The mean loss that is still no harm: the hold-out's upper bound and the tolerance.
    package let limit: Double
    /// The evidence that the loss is above it, in nats.
    package let evidence: Double
    /// The evidence at which the alarm is raised, in nats.
    package let threshold: Double
    /// Whether the alarm stands.
    package let isRaised: Bool
    /// The labelled row after which the loss probably rose.
    package let changedAfterRow: UInt64
    /// The mean loss and its bounds, valid at all times at once with 95 %; nil before a row.
    package let error: ConfidenceSequence.Bounds?

    init(_ version: Int, _ test: RiskTest) {
        self.version = version
        rows = test.rows
        limit = test.limit
        evidence = test.evidence
        threshold = test.threshold
        isRaised = test.isRaised
        changedAfterRow = test.changedAfterRow
        error = test.bounds
    }

    /// The report as a log line tells it.
    package func metadata(model: String) -> Logger.Metadata {
        var metadata: Logger.Metadata = [
            "event.name": "model.harm", "model": "\(model)", "model.version": "\(version)",
            "drift.level": "critical", "drift.evidence": "\(evidence)",
            "drift.threshold": "\(threshold)", "feedback.rows": "\(rows)",
            "feedback.error_limit": "\(limit)",
            "feedback.changed_after_row": "\(changedAfterRow)",
        ]
        if let error {
            metadata["feedback.error"] = "\(error.mean)"
            metadata["feedback.error_lower"] = "\(error.lower)"
        }
        return metadata
    }

    private enum CodingKeys: String, CodingKey {
        case version, rows, limit, error
        case evidence = "evidence_nats"
        case threshold = "threshold_nats"
        case isRaised = "is_raised"
        case changedAfterRow = "changed_after_row"
    }
}

extension ModelBundle {
    /// The loss of the version on its hold-out, as far as it is known: the share of wrong answers.
    package var holdoutRisk: HoldoutRisk? {
        if let performance = reference.performance { return performance.risk }
        let scores = manifest.training.scores
        guard let accuracy = scores.accuracy, scores.rows > 0, (0...1).contains(accuracy) else {
            return nil
        }
        let right = (accuracy * Double(scores.rows)).rounded()
        return HoldoutRisk(rows: scores.rows, errors: scores.rows - Int(right))
    }
}

extension LabelledRow {
    /// 1 for a wrong answer, 0 for a right one; nil where that is not known.
    ///
    /// - Parameter errorLimit: For a regression: the absolute error above which it is wrong.
    /// - Returns: The loss.
    func loss(errorLimit: Double?) -> Double? {
        switch truth {
        case .class(let label): label == prediction.predicted ? 0 : 1
        case .value(let value):
            errorLimit.flatMap { limit in
                prediction.outputs.first.map { abs(Double($0) - value) > limit ? 1 : 0 }
            }
        }
    }
}
