/// What the hold-out says of the model's answers: where estimates of its accuracy begin.
///
/// It belongs to one model version and is the member `performance` of `reference.json`. It holds
/// counts and functions, never a row.
package struct PerformanceReference: Codable, Sendable, Equatable {
    /// What outputs mean.
    package let shape: PredictionShape
    /// The wrong answers on the hold-out; of a regression those off by more than ``errorLimit``.
    package let risk: HoldoutRisk
    /// For a regression: the absolute error above which an answer counts as wrong, in the
    /// target's unit, which a tenth of the hold-out has.
    package let errorLimit: Double?
    /// For up to ``classesMax`` classes: the hold-out's rows by answer (first index) and label.
    package let confusion: [[Int]]?
    /// What makes estimates from probabilities alone possible; nil for a regression.
    package let estimation: Estimation?

    /// Most classes whose confusion is kept.
    package static let classesMax = 64
    /// Most classes whose probabilities are calibrated one by one.
    package static let calibratedClassesMax = 32
    /// The part of a regression's hold-out whose answers count as wrong.
    package static let regressionErrorShare = 0.1

    /// How probabilities are read.
    package struct Estimation: Codable, Sendable, Equatable {
        /// One for each output, or none where probabilities are taken as they are.
        package let calibrators: [IsotonicCalibrator]
        /// The expected loss 1 − ĉ(answer) of hold-out rows that no calibrator was fitted to.
        package let expectedLoss: HoldoutRisk
        /// The least confidence of an answer that is taken for right.
        ///
        /// This is the average thresholded confidence of Garg and others (2022).
        package let confidenceThreshold: Float
        /// The share of the hold-out whose confidence is at least that.
        package let confidentShare: Double

        private enum CodingKeys: String, CodingKey {
            case calibrators
            case expectedLoss = "expected_loss"
            case confidenceThreshold = "confidence_threshold"
            case confidentShare = "confident_share"
        }
    }

    /// The share of right answers on the hold-out.
    package var accuracy: Double { 1 - risk.mean }

    /// The classes: two of a binary model, none of a regression.
    package var classCount: Int { shape.classCount }

    /// The hold-out's share of each label; nil without a confusion matrix.
    package var labelShares: [Double]? {
        guard let confusion, risk.rows > 0 else { return nil }
        return confusion.indices.map { label in
            Double(confusion.reduce(0) { $0 + $1[label] }) / Double(risk.rows)
        }
    }

    private enum CodingKeys: String, CodingKey {
        case shape, risk, confusion, estimation
        case errorLimit = "error_limit"
    }
}

extension PredictionShape {
    /// The classes: two of a binary model, none of a regression.
    package var classCount: Int {
        switch self {
        case .classes(let count): count
        case .binary: 2
        case .value: 0
        }
    }
}

extension PerformanceReference {
    /// Refuses a reference that contradicts itself or is of other outputs.
    func validate(outputWidth: Int) throws(DriftError) {
        try require(shape.width == outputWidth, "its outputs are not the profile's")
        try require(risk.isWhole, "the hold-out's loss is no share")
        if let confusion {
            let isSquare = confusion.allSatisfy { row in
                row.count == classCount && row.allSatisfy { (0...risk.rows).contains($0) }
            }
            try require(
                confusion.count == classCount && classCount <= Self.classesMax && isSquare,
                "the confusion matrix has not one cell a pair of classes"
            )
        }
        if let errorLimit { try require(errorLimit.isFinite, "the error limit is no number") }
        guard let estimation else { return }
        let count = estimation.calibrators.count
        try require(count == 0 || count == outputWidth, "calibrators and outputs differ in number")
        for calibrator in estimation.calibrators { try calibrator.validate() }
        try require(estimation.expectedLoss.isWhole, "the expected loss is no share")
        try require(
            !estimation.confidenceThreshold.isNaN && (0...1).contains(estimation.confidentShare),
            "the confidence threshold is no number"
        )
    }

    private func require(_ holds: Bool, _ problem: String) throws(DriftError) {
        guard holds else { throw .profile(stream: "performance", problem: problem) }
    }
}

extension HoldoutRisk {
    /// Whether it is what rows can have given.
    var isWhole: Bool {
        (0...(1 << 40)).contains(rows) && (0...1).contains(mean) && variance >= 0
            && variance.isFinite
            && (0...max(0, rows)).contains(errors ?? 0)
    }
}

/// Reads the outputs of one row as a statement about its own correctness.
struct CalibratedReader: Sendable {
    private let isBinary: Bool
    private let table: CalibratorTable?

    init(_ shape: PredictionShape, _ calibrators: [IsotonicCalibrator]) {
        isBinary = shape == .binary
        table = calibrators.isEmpty ? nil : CalibratorTable(calibrators)
    }

    /// An answer, as the model and as the calibrators see it.
    struct Answer {
        /// The class.
        var predicted = 0
        /// The model's own probability of it.
        var confidence: Float = 0
        /// The calibrated probability that it is right, 0 to 1.
        var expected: Float = 0
    }

    /// Reads a row of probabilities.
    ///
    /// - Parameters:
    ///   - outputs: The probabilities.
    ///   - answer: The class that was answered; nil for the most probable one.
    /// - Returns: What the row says.
    func read(_ outputs: Span<Float>, answer: Int? = nil) -> Answer {
        isBinary || outputs.count == 1 ? binary(outputs, answer) : classes(outputs, answer)
    }

    private func binary(_ outputs: Span<Float>, _ given: Int?) -> Answer {
        guard outputs.count > 0 else { return Answer() }
        let yes = outputs[0]
        let calibrated = table?.share(of: yes, calibrator: 0) ?? yes
        return given.map { $0 == 1 } ?? (yes >= 0.5)
            ? Answer(predicted: 1, confidence: yes, expected: calibrated)
            : Answer(predicted: 0, confidence: 1 - yes, expected: 1 - calibrated)
    }

    private func classes(_ outputs: Span<Float>, _ given: Int?) -> Answer {
        var answer = Answer(predicted: 0, confidence: -.infinity, expected: 0)
        for index in outputs.indices where outputs[index] > answer.confidence {
            (answer.predicted, answer.confidence) = (index, outputs[index])
        }
        if let given, outputs.indices.contains(given) {
            (answer.predicted, answer.confidence) = (given, outputs[given])
        }
        guard let table else {
            answer.expected = answer.confidence
            return answer
        }
        var sum: Float = 0
        for index in outputs.indices {
            let share = table.share(of: outputs[index], calibrator: index)
            sum += share
            if index == answer.predicted { answer.expected = share }
        }
        // Where no class has a share left, the model's own probability stands.
        answer.expected = sum > 0 ? answer.expected / sum : answer.confidence
        return answer
    }
}
