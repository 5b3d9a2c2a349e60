/// Says when a model's loss on labelled rows is above a limit, at any moment one looks.
///
/// **Guarantee.** As long as each row's mean loss, given all rows before, is at most ``limit``, the
/// mean number of labelled rows until ``isRaised`` is at least ``falseAlarmInterval``.
///
/// A bet of size λ pays e = 1 + λ(x − m) for a row of loss x, which is at most 1 on average while
/// the mean loss is at most m. W ← max(W, 1)·e is then a CUSUM of at most one unit of wealth a row
/// (Shin, Ramdas and Rinaldo's e-detector), and so is the mean over several λ, of which the right
/// one need not be known. The alarm is raised when that mean reaches the interval.
package struct RiskTest: Codable, Sendable, Equatable {
    /// m, the mean loss that is still no harm, 0 to 1.
    package let limit: Double
    /// The mean number of rows between false alarms is at least this many.
    package let falseAlarmInterval: Double
    /// The rows seen.
    package private(set) var rows: UInt64 = 0
    /// Whether the limit was found exceeded since the start or the last ``acknowledge()``.
    package private(set) var isRaised = false
    /// The last row at which no bet had won: the loss probably rose after it.
    package private(set) var changedAfterRow: UInt64 = 0

    private var wealth: [Double]
    private var sequence: ConfidenceSequence

    /// λ as parts of 1/m, the largest for which no row can ruin a bet.
    private static let parts = [0.1, 0.3, 0.6, 0.9]
    /// A limit below this would make single rows decide.
    private static let limitMin = 1e-4

    /// Starts without evidence.
    ///
    /// - Parameters:
    ///   - limit: m; of 1 and more nothing can be above it, and the test is blind.
    ///   - falseAlarmInterval: The mean number of rows between false alarms, at least; 1 or more.
    package init(limit: Double, falseAlarmInterval: Double) {
        self.limit = limit.isNaN ? 1 : max(Self.limitMin, limit)
        self.falseAlarmInterval = falseAlarmInterval >= 1 ? falseAlarmInterval : 1
        wealth = [Double](repeating: 0, count: Self.parts.count)
        sequence = ConfidenceSequence(failure: 0.025)
    }

    /// Whether no loss can ever raise the alarm.
    package var isBlind: Bool { limit >= 1 }

    /// Takes in a row.
    ///
    /// - Parameter loss: 0 to 1, such as 1 for a wrong answer; any other number is left out, and
    ///   what lies outside is taken for the nearer end.
    /// - Returns: Whether this row raised the alarm.
    @discardableResult
    package mutating func observe(_ loss: Double) -> Bool {
        guard !loss.isNaN else { return false }
        let loss = min(1, max(0, loss))
        rows &+= 1
        sequence.add(loss)
        // Enough to raise the alarm by one bet alone, and not so much that numbers overflow.
        let wealthMax = falseAlarmInterval * 1024
        for index in wealth.indices {
            let bet = 1 + Self.parts[index] / limit * (loss - limit)
            wealth[index] = min(wealthMax, max(wealth[index], 1) * max(0, bet))
        }
        return judge()
    }

    /// Takes in many rows of few losses, as one step of the bets.
    ///
    /// The rows of a step are bet on with what was won before the first of them, so their order does
    /// not matter.
    ///
    /// - Parameters:
    ///   - losses: The losses, 0 to 1.
    ///   - counts: How many rows have each of them.
    /// - Returns: Whether they raised the alarm.
    @discardableResult
    package mutating func observe(losses: [Double], counts: [UInt64]) -> Bool {
        let all = counts.reduce(0, &+)
        guard all > 0, losses.count == counts.count else { return false }
        rows &+= all
        let wealthMax = falseAlarmInterval * 1024
        for index in wealth.indices {
            var gain = 0.0
            for (loss, count) in zip(losses, counts) where count > 0 {
                let bet = 1 + Self.parts[index] / limit * (min(1, max(0, loss)) - limit)
                gain += Double(count) * naturalLogarithm(max(bet, .leastNonzeroMagnitude))
            }
            let start = max(wealth[index], 1)
            wealth[index] = min(wealthMax, start * powerOfTwo(gain / naturalLogarithm(2)))
        }
        return judge()
    }

    private mutating func judge() -> Bool {
        if mean <= 1 { changedAfterRow = rows }
        guard !isRaised, mean >= falseAlarmInterval else { return false }
        isRaised = true
        return true
    }

    /// The evidence that the limit is exceeded, in nats; 0 at rest.
    package var evidence: Double { naturalLogarithm(max(1, mean)) }

    /// The evidence at which the alarm is raised, in nats.
    package var threshold: Double { naturalLogarithm(falseAlarmInterval) }

    /// Where the mean loss of all rows lies, valid at all times at once with probability 95 %.
    package var bounds: ConfidenceSequence.Bounds? { sequence.bounds }

    /// Ends the alarm and takes the evidence away.
    package mutating func acknowledge() {
        isRaised = false
        for index in wealth.indices { wealth[index] = 0 }
        changedAfterRow = rows
    }

    private var mean: Double { wealth.reduce(0, +) / Double(wealth.count) }

    private enum CodingKeys: String, CodingKey {
        case limit
        case falseAlarmInterval = "false_alarm_interval"
        case rows
        case isRaised = "is_raised"
        case changedAfterRow = "changed_after_row"
        case wealth
        case sequence
    }
}

extension RiskTest {
    /// Reads a saved test and refuses one that contradicts itself.
    package init(from decoder: any Decoder) throws {
        let container = try decoder.container(keyedBy: CodingKeys.self)
        self.init(
            limit: try container.decode(Double.self, forKey: .limit),
            falseAlarmInterval: try container.decode(Double.self, forKey: .falseAlarmInterval)
        )
        rows = try container.decode(UInt64.self, forKey: .rows)
        isRaised = try container.decode(Bool.self, forKey: .isRaised)
        changedAfterRow = try container.decode(UInt64.self, forKey: .changedAfterRow)
        let saved = try container.decode([Double].self, forKey: .wealth)
        guard saved.count == wealth.count, saved.allSatisfy({ $0 >= 0 && $0.isFinite }) else {
            throw DriftError.state(problem: "the wealth of a risk test is damaged")
        }
        wealth = saved
        sequence = try container.decode(ConfidenceSequence.self, forKey: .sequence)
    }
}
