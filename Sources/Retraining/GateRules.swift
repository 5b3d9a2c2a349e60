/// What a candidate has to show beside the margin before it may take the champion's place.
package struct GateRules: Sendable, Equatable {
    /// How sure it must be that the candidate is not worse by more than the margin, 0.5 up to 1;
    /// 0.5 compares the scores as they are.
    package var confidence = 0.95
    /// How far the share of right answers may fall below the champion's in one class or slice.
    package var classMargin = 0.1
    /// The least share of right answers in each class.
    package var classRecallMin = 0.0
    /// How far the accuracy may lie below the one that the champion had on its own hold-out.
    package var fallMax = 0.1
    /// How far the Brier score (0 to 2) may lie above the champion's.
    package var brierMargin = 0.05
    /// The greatest expected calibration error; nil for any.
    package var calibrationErrorMax: Double?
    /// The most microseconds that one row alone may take; nil for any.
    package var rowMicrosecondsMax: Double?
    /// The most bytes of the weights' file; nil for any.
    package var weightBytesMax: Double?
    /// Categorical columns whose values are judged apart.
    package var slices: [String] = []
    /// Rows that a slice must have to be judged.
    package var sliceRowsMin = 50

    /// The rules as they are when nothing is configured.
    package init() {}
}

/// How a candidate fared at one gate.
package struct GateResult: Codable, Sendable, Equatable {
    /// Which gate.
    package var gate: Gate
    /// Whether the candidate may pass.
    package var passed: Bool
    /// Why, with the numbers.
    package var reason: String
    /// The figure that decided; nil where none did.
    package var value: Double?
    /// What it was compared with.
    package var limit: Double?

    /// The gates, in the order in which they are told.
    package enum Gate: String, Codable, CaseIterable, Sendable {
        /// The loss on the hold-out is a number.
        case loss
        /// The weights, written and read again, give the same answers.
        case selfTest = "self_test"
        /// Not worse than the champion on the same hold-out.
        case holdout
        /// Not worse than the champion on the golden set.
        case golden
        /// The accuracy is of the size that the champion's was.
        case level
        /// No class is answered much worse than by the champion, and none too badly.
        case classes
        /// No value of a column is answered much worse than by the champion.
        case slices
        /// The probabilities agree with the truth.
        case calibration
        /// One row does not take too long.
        case latency
        /// The weights are not too large.
        case size
    }

    /// Takes note of a result.
    package init(
        _ gate: Gate,
        _ passed: Bool,
        _ reason: String,
        value: Double? = nil,
        limit: Double? = nil
    ) {
        self.gate = gate
        self.passed = passed
        self.reason = reason
        // No JSON has a name for what is no number.
        self.value = value.flatMap { $0.isFinite ? $0 : nil }
        self.limit = limit
    }
}
