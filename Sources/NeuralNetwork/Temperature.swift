/// A number that logits are divided by, so that probabilities are calibrated.
///
/// Temperature scaling of Guo, Pleiss, Sun and Weinberger (2017). Above 1 it makes answers less sure of themselves, below 1 surer; the order of the classes is
/// the same with any.
package struct Temperature: Sendable, Equatable {
    /// The number.
    package let value: Float
    /// What logits are multiplied with instead.
    package let reciprocal: Float

    /// The least and the greatest temperature.
    package static let range: ClosedRange<Float> = 0.05...20

    /// Whether it lies within a fiftieth of an end of ``range``: the best one lies beyond.
    var isAtAnEnd: Bool {
        value < Self.range.lowerBound * 1.02 || value > Self.range.upperBound / 1.02
    }

    /// Takes a number; nil when it is out of ``range``.
    package init?(_ value: Float) {
        guard Self.range.contains(value) else { return nil }
        self.value = value
        reciprocal = 1 / value
    }
}
