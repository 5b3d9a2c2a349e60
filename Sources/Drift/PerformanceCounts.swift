/// What is counted of the answers to some rows: enough for all estimates, and it adds up.
///
/// Only whole numbers, so that counts of several event loops or replicas have one sum in whatever
/// order they are added.
package struct PerformanceCounts: Codable, Sendable, Equatable {
    /// The rows.
    package internal(set) var rows: UInt64 = 0
    /// Rows by expected loss, rounded down to a ``steps``-th.
    var losses: [UInt32]
    /// The sum of the expected losses, in ``unit``.
    var lossSum: UInt64 = 0
    /// The sum of the model's own confidence, in ``unit``.
    var confidenceSum: UInt64 = 0
    /// Rows whose confidence reaches the threshold.
    var confident: UInt64 = 0
    /// Rows by answer.
    var predicted: [UInt64]

    /// The expected loss is counted in so many steps.
    static let steps = 256
    /// What sums of shares are counted in.
    static let unit = 1.0 / Double(1 << 24)

    /// Counts nothing yet.
    package init(classCount: Int) {
        losses = [UInt32](repeating: 0, count: Self.steps + 1)
        predicted = [UInt64](repeating: 0, count: max(0, classCount))
    }

    /// Whether nothing was counted.
    package var isEmpty: Bool { rows == 0 }

    /// Adds counts of the same model.
    ///
    /// - Returns: False, and nothing is added, when they are of other classes.
    @discardableResult
    package mutating func add(_ other: PerformanceCounts) -> Bool {
        guard hasForm(of: other) else { return false }
        rows &+= other.rows
        lossSum &+= other.lossSum
        confidenceSum &+= other.confidenceSum
        confident &+= other.confident
        for index in losses.indices { losses[index] &+= other.losses[index] }
        for index in predicted.indices { predicted[index] &+= other.predicted[index] }
        return true
    }

    func hasForm(of other: PerformanceCounts) -> Bool {
        losses.count == other.losses.count && predicted.count == other.predicted.count
    }

    mutating func count(_ answer: CalibratedReader.Answer, isConfident: Bool) {
        let loss = min(1, max(0, 1 - Double(answer.expected)))
        rows &+= 1
        losses[Int(loss * Double(Self.steps))] &+= 1
        lossSum &+= UInt64(loss / Self.unit)
        confidenceSum &+= UInt64(min(1, max(0, Double(answer.confidence))) / Self.unit)
        confident &+= isConfident ? 1 : 0
        if predicted.indices.contains(answer.predicted) { predicted[answer.predicted] &+= 1 }
    }
}

/// Counts answers of one version; each event loop has its own.
package struct PerformanceCounter: Sendable {
    private let reader: CalibratedReader
    private let threshold: Float
    private let width: Int
    private var counts: PerformanceCounts

    /// Makes the counter of a version; nil for one whose probabilities tell nothing.
    package init?(_ reference: PerformanceReference?) {
        guard let reference, let estimation = reference.estimation else { return nil }
        reader = CalibratedReader(reference.shape, estimation.calibrators)
        threshold = estimation.confidenceThreshold
        width = reference.shape.width
        counts = PerformanceCounts(classCount: reference.classCount)
    }

    /// Counts one row; one that has not the version's width, or no numbers, is left out.
    ///
    /// - Parameters:
    ///   - outputs: The model's probabilities.
    ///   - answer: The class that was answered; nil for the most probable one.
    package mutating func count(_ outputs: Span<Float>, answer: Int? = nil) {
        guard outputs.count == width else { return }
        let answer = reader.read(outputs, answer: answer)
        guard answer.expected.isFinite, answer.confidence.isFinite else { return }
        counts.count(answer, isConfident: answer.confidence >= threshold)
    }

    /// Takes what was counted since the last time; nil when that is nothing.
    package mutating func take() -> PerformanceCounts? {
        guard !counts.isEmpty else { return nil }
        defer { counts = PerformanceCounts(classCount: counts.predicted.count) }
        return counts
    }
}
