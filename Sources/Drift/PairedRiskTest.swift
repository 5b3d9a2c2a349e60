/// Whether a candidate errs more often than the version beside it by more than a margin, told while
/// labels come, however often one looks.
///
/// Each step takes the loss of one row of the candidate and that of one row of the other version,
/// both 0…1. While the mean difference keeps the margin, every wealth below is a test
/// supermartingale (Waudby-Smith and Ramdas 2024), and so is their mean: by Ville's inequality the
/// chance that it ever reaches 1/`chance` is at most `chance`.
package struct PairedRiskTest: Sendable, Equatable {
    /// By how much the candidate may err more often.
    package let margin: Double
    /// The chance of a false verdict, over all time.
    package let chance: Double
    /// Pairs seen.
    package private(set) var pairs = 0
    /// Whether the verdict has been reached; it stands.
    package private(set) var isRaised = false
    /// The sum of the differences.
    private var sum = 0.0
    /// Shares of the wealth that are staked, and the logarithms of what became of them.
    private let stakes: [Double]
    private var wealths: [Double]

    private static let stakeCount = 12
    private static let leastStake = 0.05

    /// Starts with nothing seen.
    ///
    /// - Parameters:
    ///   - margin: 0 up to (but not) 1.
    ///   - chance: Above 0, below 1.
    package init(margin: Double, chance: Double) {
        self.margin = min(max(margin, 0), 0.99)
        self.chance = min(max(chance, 1e-12), 0.5)
        // At the worst a step loses the share times (1 + margin), which must leave something.
        let greatest = 0.95 / (1 + self.margin)
        let ratio = greatest / Self.leastStake
        var stakes: [Double] = []
        for index in 0..<Self.stakeCount {
            let share = Double(index) / Double(Self.stakeCount - 1)
            stakes.append(
                Self.leastStake * powerOfTwo(share * naturalLogarithm(ratio) / naturalLogarithm(2))
            )
        }
        self.stakes = stakes
        wealths = [Double](repeating: 0, count: stakes.count)
    }

    /// Whether another test asks for the same.
    package func isOf(_ other: PairedRiskTest) -> Bool {
        margin == other.margin && chance == other.chance
    }

    /// ln(1/`chance`), in nats.
    package var threshold: Double { -naturalLogarithm(chance) }

    /// The mean difference so far; above 0 the candidate errs more often.
    package var meanDifference: Double { pairs == 0 ? 0 : sum / Double(pairs) }

    /// The logarithm of the mean wealth, in nats; the verdict is reached at ``threshold``.
    package var evidence: Double {
        let greatest = wealths.max() ?? 0
        let rest = wealths.reduce(0) {
            $0 + powerOfTwo(($1 - greatest) / naturalLogarithm(2))
        }
        return greatest + naturalLogarithm(rest / Double(max(1, wealths.count)))
    }

    /// Takes one row of each.
    ///
    /// - Parameters:
    ///   - candidate: The candidate's loss; what is no number counts as 1.
    ///   - other: The other version's.
    /// - Returns: True for the one pair that reaches the verdict.
    @discardableResult
    package mutating func observe(candidate: Double, other: Double) -> Bool {
        let difference = Self.bounded(candidate) - Self.bounded(other)
        pairs += 1
        sum += difference
        for index in stakes.indices {
            wealths[index] += naturalLogarithm(1 + stakes[index] * (difference - margin))
        }
        guard !isRaised, evidence >= threshold else { return false }
        isRaised = true
        return true
    }

    private static func bounded(_ loss: Double) -> Double {
        loss.isNaN ? 1 : min(max(loss, 0), 1)
    }

    private enum CodingKeys: String, CodingKey {
        case margin, chance, pairs, sum, wealths
        case isRaised = "is_raised"
    }
}

extension PairedRiskTest: Codable {
    /// Reads a saved test and refuses one that contradicts itself.
    package init(from decoder: any Decoder) throws {
        let container = try decoder.container(keyedBy: CodingKeys.self)
        self.init(
            margin: try container.decode(Double.self, forKey: .margin),
            chance: try container.decode(Double.self, forKey: .chance)
        )
        pairs = try container.decode(Int.self, forKey: .pairs)
        isRaised = try container.decode(Bool.self, forKey: .isRaised)
        sum = try container.decode(Double.self, forKey: .sum)
        let saved = try container.decode([Double].self, forKey: .wealths)
        guard pairs >= 0, sum.isFinite, saved.count == wealths.count,
            saved.allSatisfy(\.isFinite)
        else { throw DriftError.state(problem: "the wealth of a paired test is damaged") }
        wealths = saved
    }

    /// Saves what was seen; the stakes follow from the margin.
    package func encode(to encoder: any Encoder) throws {
        var container = encoder.container(keyedBy: CodingKeys.self)
        try container.encode(margin, forKey: .margin)
        try container.encode(chance, forKey: .chance)
        try container.encode(pairs, forKey: .pairs)
        try container.encode(isRaised, forKey: .isRaised)
        try container.encode(sum, forKey: .sum)
        try container.encode(wealths, forKey: .wealths)
    }
}
