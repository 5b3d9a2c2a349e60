/// How a raw value becomes an engine input: `(raw − offset) / span`, whichever the form.
///
/// The reciprocal of the span is multiplied, once and for all inputs alike, so that a training row
/// and a request give the same bits.
package enum Scaling: Codable, Sendable, Equatable {
    /// The value divided by a constant, such as 255 for bytes.
    case constant(divisor: Float)
    /// The distance from the mean in standard deviations.
    case standardise(mean: Float, deviation: Float)
    /// The place between the least and the greatest training value, as 0 to 1.
    case minMax(lower: Float, upper: Float)

    /// What is taken off a raw value.
    package var offset: Float {
        switch self {
        case .constant: 0
        case .standardise(let mean, _): mean
        case .minMax(let lower, _): lower
        }
    }

    /// What the remainder is divided by; never 0 in a checked scaling.
    package var span: Float {
        switch self {
        case .constant(let divisor): divisor
        case .standardise(_, let deviation): deviation
        case .minMax(let lower, let upper): upper - lower
        }
    }

    /// The engine input of one raw value.
    package func encoded(_ raw: Float) -> Float { (raw - offset) * (1 / span) }

    /// The raw value that an engine input stands for.
    package func raw(_ encoded: Float) -> Float { offset + encoded * span }

    /// Checks that the parameters are finite and the span is above 0.
    ///
    /// - Throws: ``FeatureError/invalidSchema(field:problem:)``.
    func check(field: String) throws(FeatureError) {
        guard offset.isFinite, span.isFinite, span > 0, (1 / span).isFinite else {
            let problem = "the scaling must have finite parameters and a span above 0"
            throw .invalidSchema(field: field, problem: problem)
        }
    }
}

/// Which scaling to fit, before its parameters are known.
package enum ScalingMethod: Sendable, Equatable {
    /// Leave values as they are.
    case none
    /// Divide by this.
    case constant(divisor: Float)
    /// Fit the mean and the standard deviation.
    case standardise
    /// Fit the least and the greatest value.
    case minMax

    /// The scaling with its parameters taken from training values.
    ///
    /// A column without spread keeps a span of 1, so that it encodes to 0 and not to infinity.
    package func fitted(_ statistics: RunningStatistics) -> Scaling {
        switch self {
        case .none:
            return .constant(divisor: 1)
        case .constant(let divisor):
            return .constant(divisor: divisor)
        case .standardise:
            let deviation = Float(statistics.deviation)
            let usable = deviation.isFinite && deviation > 0 && (1 / deviation).isFinite
            return .standardise(mean: Float(statistics.mean), deviation: usable ? deviation : 1)
        case .minMax:
            guard statistics.count > 0 else { return .minMax(lower: 0, upper: 1) }
            let (lower, upper) = (statistics.minimum, statistics.maximum)
            let span = upper - lower
            if span > 0, span.isFinite, (1 / span).isFinite {
                return .minMax(lower: lower, upper: upper)
            }
            return .standardise(mean: span.isFinite ? lower : 0, deviation: 1)
        }
    }
}

/// The least and the greatest value that is taken as normal, both included.
package struct ValueRange: Codable, Sendable, Equatable, CustomStringConvertible {
    /// The least normal value.
    package let lower: Float
    /// The greatest normal value.
    package let upper: Float

    /// Makes a range; ``FeatureSchema`` checks it.
    package init(lower: Float, upper: Float) {
        self.lower = lower
        self.upper = upper
    }

    /// Whether a value lies in the range; NaN does not.
    package func contains(_ value: Float) -> Bool { value >= lower && value <= upper }

    /// The range in words.
    package var description: String { "\(lower) to \(upper)" }

    func check(field: String) throws(FeatureError) {
        guard lower.isFinite, upper.isFinite, lower <= upper else {
            throw .invalidSchema(field: field, problem: "the range must be finite and not empty")
        }
    }
}

/// Count, mean, variance, least and greatest of values seen one by one (Welford's recurrence).
package struct RunningStatistics: Sendable, Equatable {
    /// How many values were seen.
    package private(set) var count = 0
    /// Their mean; 0 without values.
    package private(set) var mean = 0.0
    /// The least value; meaningless without values.
    package private(set) var minimum = Float.infinity
    /// The greatest value; meaningless without values.
    package private(set) var maximum = -Float.infinity
    private var squares = 0.0

    /// Starts without values.
    package init() {}

    /// Takes one more value, which must be finite.
    package mutating func add(_ value: Float) {
        count += 1
        let distance = Double(value) - mean
        mean += distance / Double(count)
        squares += distance * (Double(value) - mean)
        minimum = min(minimum, value)
        maximum = max(maximum, value)
    }

    /// The standard deviation of the population of values seen; 0 below two values.
    package var deviation: Double { count > 1 ? (squares / Double(count)).squareRoot() : 0 }
}
