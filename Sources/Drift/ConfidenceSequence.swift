/// Bounds of the mean of numbers between 0 and 1 that hold at all times at once.
///
/// The predictably mixed empirical Bernstein bound of Waudby-Smith and Ramdas (2024), used by
/// Podkopaev and Ramdas (2022) to track a risk: with λ_i, μ̂_i and σ̂²_i known before row i,
///
///     Σλ_i x_i / Σλ_i  ±  (ln(1/δ) + Σ 4 (x_i − μ̂_{i−1})² ψ(λ_i)) / Σλ_i
///
/// bounds the mean of the rows' means, weighted by λ, from either side with probability 1 − δ.
package struct ConfidenceSequence: Codable, Sendable, Equatable {
    /// δ of each side.
    package let failure: Double
    private var count = 0.0
    private var sum = 0.0
    private var squares = 0.0
    private var weights = 0.0
    private var weighted = 0.0
    private var penalty = 0.0

    /// A mean and its bounds, each 0 to 1.
    package struct Bounds: Codable, Sendable, Equatable {
        /// The mean is hardly below.
        package let lower: Double
        /// The mean of the rows, weighted as the bounds are.
        package let mean: Double
        /// The mean is hardly above.
        package let upper: Double

        /// Takes a mean and its bounds.
        package init(lower: Double, mean: Double, upper: Double) {
            (self.lower, self.mean, self.upper) = (lower, mean, upper)
        }
    }

    /// Knows nothing yet.
    ///
    /// - Parameter failure: δ, the probability that a side ever fails; 0 to 1.
    package init(failure: Double) {
        self.failure = failure > 0 && failure < 1 ? failure : 0.025
    }

    /// Takes in a number between 0 and 1.
    package mutating func add(_ x: Double) {
        let confidence = naturalLogarithm(1 / failure)
        let mean = (0.5 + sum) / (count + 1)
        let variance = (0.25 + squares) / (count + 1)
        let next = count + 1
        let weight = min(
            0.5,
            (2 * confidence / (variance * next * naturalLogarithm(1 + next))).squareRoot()
        )
        weights += weight
        weighted += weight * x
        let psi = (-naturalLogarithm(1 - weight) - weight) / 4
        penalty += 4 * (x - mean) * (x - mean) * psi
        count = next
        sum += x
        let now = (0.5 + sum) / (count + 1)
        squares += (x - now) * (x - now)
    }

    /// What is known; nil before the first number.
    package var bounds: Bounds? {
        guard weights > 0 else { return nil }
        let centre = weighted / weights
        let radius = (naturalLogarithm(1 / failure) + penalty) / weights
        return Bounds(
            lower: max(0, centre - radius),
            mean: min(1, max(0, centre)),
            upper: min(1, centre + radius)
        )
    }
}
