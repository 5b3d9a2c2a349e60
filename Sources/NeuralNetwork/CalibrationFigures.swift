/// How well probabilities agree with what came true, on rows whose labels are known.
package struct CalibrationFigures: Sendable, Equatable, Codable {
    /// Mean negative logarithm of the true class's probability, in nats.
    package var logLoss: Double
    /// The expected calibration error of Naeini, Cooper and Hauskrecht (2015).
    ///
    /// The mean distance between confidence and accuracy over 15 bins of equal width, weighted by
    /// their rows.
    package var expectedError: Double
    /// Mean squared distance between the probabilities and the truth, summed over the classes
    /// (Brier 1950); 0 to 2.
    package var brier: Double

    /// Takes note of figures.
    package init(logLoss: Double, expectedError: Double, brier: Double) {
        (self.logLoss, self.expectedError, self.brier) = (logLoss, expectedError, brier)
    }

    private enum CodingKeys: String, CodingKey {
        case logLoss = "log_loss"
        case expectedError = "expected_calibration_error"
        case brier
    }
}

/// What one row says of how well probabilities agree with the truth.
package struct CalibrationScore: Sendable, Equatable {
    /// The greatest probability.
    package let confidence: Double
    /// Whether it is that of the true class.
    package let isCorrect: Bool
    /// The negative logarithm of the true class's probability.
    package let logLoss: Double
    /// The squared distance between the probabilities and the truth, summed over the classes.
    package let brier: Double

    /// Compares probabilities with the truth.
    ///
    /// - Parameters:
    ///   - probabilities: One a class.
    ///   - truth: The true class, which must be one of them.
    package init(_ probabilities: Span<Double>, truth: Int) {
        precondition(truth >= 0 && truth < probabilities.count)
        var (best, square) = (0, 0.0)
        for index in probabilities.indices {
            let error = probabilities[index] - (index == truth ? 1 : 0)
            square += error * error
            if probabilities[index] > probabilities[best] { best = index }
        }
        isCorrect = best == truth
        confidence = probabilities[best]
        // The least positive number keeps the loss finite where a probability was rounded to 0.
        logLoss = -SystemMath.log(max(probabilities[truth], .leastNonzeroMagnitude))
        brier = square
    }
}

/// Rows whose confidence falls into one bin of a reliability diagram.
package struct ReliabilityBin: Sendable, Equatable, Codable {
    /// How many rows.
    package var count = 0
    /// How many of them had their most probable class right.
    package var correct = 0
    /// The sum of their confidences.
    package var confidence = 0.0

    /// Empty.
    package init() {}
}

/// What is summed up of rows to see how well probabilities agree with the truth.
package struct CalibrationTally: Sendable {
    /// The rows by their confidence, in bins of equal width.
    package private(set) var bins = [ReliabilityBin](
        repeating: ReliabilityBin(),
        count: CalibrationTally.binCount
    )
    private var loss = 0.0
    private var squares = 0.0
    /// How many rows there were.
    package private(set) var count = 0
    /// How many of them had their most probable class right.
    package private(set) var correct = 0

    /// Bins of equal width of the confidence.
    package static let binCount = 15

    /// Empty.
    package init() {}

    /// Adds a row.
    package mutating func add(_ score: CalibrationScore) {
        loss += score.logLoss
        squares += score.brier
        let place = score.confidence * Double(Self.binCount)
        let bin = place >= 0 ? Int(min(place, Double(Self.binCount - 1))) : 0
        bins[bin].count += 1
        bins[bin].correct += score.isCorrect ? 1 : 0
        bins[bin].confidence += score.confidence
        count += 1
        correct += score.isCorrect ? 1 : 0
    }

    /// What the rows say; all 0 without rows.
    package var figures: CalibrationFigures {
        let rows = Double(max(count, 1))
        let error = bins.reduce(0) { $0 + abs($1.confidence - Double($1.correct)) }
        return CalibrationFigures(
            logLoss: loss / rows,
            expectedError: error / rows,
            brier: squares / rows
        )
    }
}
