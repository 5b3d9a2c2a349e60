internal import Glibc
internal import NeuralNetwork

/// Right answers of two models to the same rows.
///
/// Whether one is not worse than the other by more than a margin is told by the score test of
/// Tango (1998), which without a margin is McNemar's (1947): only the rows on which the two
/// differ say anything.
package struct PairedCounts: Equatable, Sendable {
    /// Rows that both answered.
    package private(set) var rows = 0
    /// Rows that only the candidate answered rightly.
    package private(set) var candidateOnly = 0
    /// Rows that only the champion answered rightly.
    package private(set) var championOnly = 0
    /// Rows that the candidate answered rightly.
    package private(set) var candidateRight = 0

    /// No row yet.
    package init() {}

    /// Compares row by row; where one of them has fewer, the rest is left out.
    package init(candidate: [Bool], champion: [Bool]) {
        for (ours, theirs) in zip(candidate, champion) { add(candidate: ours, champion: theirs) }
    }

    /// Adds a row.
    package mutating func add(candidate: Bool, champion: Bool) {
        rows += 1
        candidateRight += candidate ? 1 : 0
        candidateOnly += candidate && !champion ? 1 : 0
        championOnly += champion && !candidate ? 1 : 0
    }

    /// The candidate's share of right answers less the champion's.
    package var difference: Double {
        rows == 0 ? 0 : Double(candidateOnly - championOnly) / Double(rows)
    }

    /// The candidate's share of right answers.
    package var candidateShare: Double { rows == 0 ? 0 : Double(candidateRight) / Double(rows) }

    /// The champion's share of right answers.
    package var championShare: Double { candidateShare - difference }

    /// How many standard deviations the difference lies above another one, under the assumption
    /// that the other one is true (Tango 1998, equation 3).
    package func score(against assumed: Double) -> Double {
        let (n, b, c) = (Double(rows), Double(candidateOnly), Double(championOnly))
        let first = 2 * n
        let second = -b - c + (2 * n - b + c) * assumed
        let third = -c * assumed * (1 - assumed)
        let root = max(0, second * second - 4 * first * third).squareRoot()
        let share = (root - second) / (2 * first)
        let variance = n * (2 * share + assumed * (1 - assumed))
        let distance = b - c - n * assumed
        guard variance > 0 else { return distance > 0 ? .infinity : distance < 0 ? -.infinity : 0 }
        return distance / variance.squareRoot()
    }

    /// The least difference that the rows do not contradict, at a one-sided confidence.
    package func lowerBound(confidence: Double) -> Double {
        let quantile = Normal.quantile(confidence)
        var (low, high) = (-1.0, difference)
        for _ in 0..<50 {
            let middle = (low + high) / 2
            if score(against: middle) >= quantile { low = middle } else { high = middle }
        }
        return quantile == 0 ? difference : low
    }

    /// About how many rows would show that the candidate is not worse by more than a margin, if
    /// further rows are like these; nil where none would.
    package func rowsNeeded(margin: Double, confidence: Double) -> Int? {
        let room = difference + margin
        guard room > 0, rows > 0 else { return nil }
        let quantile = Normal.quantile(confidence)
        let differing = Double(candidateOnly + championOnly) / Double(rows)
        let spread = max(differing - difference * difference, margin * (1 - margin))
        let needed = quantile * quantile * spread / (room * room)
        return needed < 1e12 ? Int(needed.rounded(.up)) : nil
    }

    /// The least number of rows that can show anything for a margin: all of them answered alike.
    package static func rowsMin(margin: Double, confidence: Double) -> Int {
        guard margin > 0 else { return .max }
        let quantile = Normal.quantile(confidence)
        let needed = quantile * quantile * (1 - margin) / margin
        return needed < 1e12 ? Int(needed.rounded(.up)) : .max
    }

    /// The chance of so many or more rows that only the champion answered rightly, if both were
    /// equally good: McNemar's test, one-sided and exact, with half the weight of the very count
    /// (mid-p).
    package var chanceOfFall: Double {
        let count = candidateOnly + championOnly
        guard count > 0 else { return 1 }
        // Beyond this the normal approximation agrees to three digits.
        guard count <= 2000 else {
            let half = Double(count) / 2
            return 1 - Normal.share(below: (Double(championOnly) - half) / (half / 2).squareRoot())
        }
        var logarithm = -Double(count) * log(2.0)
        var tail = 0.0
        for hits in 0...count {
            if hits > 0 { logarithm += log(Double(count - hits + 1) / Double(hits)) }
            let chance = exp(logarithm)
            if hits == championOnly {
                tail += chance / 2
            } else if hits > championOnly {
                tail += chance
            }
        }
        return min(1, tail)
    }
}

/// The standard normal distribution.
enum Normal {
    /// The share below a value.
    static func share(below value: Double) -> Double { 0.5 * erfc(-value / 2.0.squareRoot()) }

    /// The value that has this share below it.
    static func quantile(_ share: Double) -> Double {
        if share == 0.5 { return 0 }
        var (low, high) = (-40.0, 40.0)
        for _ in 0..<80 {
            let middle = (low + high) / 2
            if Self.share(below: middle) < share { low = middle } else { high = middle }
        }
        return (low + high) / 2
    }
}

/// Absolute errors of two models on the same rows, compared by a paired bootstrap.
///
/// What is drawn again and again are groups of rows, so that a million rows cost as much as a
/// thousand.
package struct PairedErrors {
    /// The candidate's error of a row less what the champion's may come to with the margin.
    private let excess: [Double]

    private static let groupsMax = 1000
    private static let draws = 2000

    /// Compares row by row.
    ///
    /// - Parameters:
    ///   - candidate: The candidate's absolute errors.
    ///   - champion: The champion's, of the same rows.
    ///   - margin: The share by which the candidate's may be greater.
    package init(candidate: [Float], champion: [Float], margin: Double) {
        excess = zip(candidate, champion).map { Double($0) - Double($1) * (1 + margin) }
    }

    /// The greatest mean excess that the rows do not contradict, at a one-sided confidence.
    ///
    /// - Parameters:
    ///   - confidence: 0.5 gives the mean itself.
    ///   - seed: The same seed draws the same groups.
    /// - Returns: Above 0, it is not shown that the candidate keeps the margin.
    package func upperBound(confidence: Double, seed: UInt64) -> Double {
        guard !excess.isEmpty else { return 0 }
        let mean = excess.reduce(0, +) / Double(excess.count)
        guard confidence > 0.5, mean.isFinite else { return mean }
        let groups = min(excess.count, Self.groupsMax)
        var (sums, counts) = (
            [Double](repeating: 0, count: groups), [Int](repeating: 0, count: groups)
        )
        for index in excess.indices {
            sums[index % groups] += excess[index]
            counts[index % groups] += 1
        }
        var random = RandomSource(seed: seed, stream: 77)
        var means = (0..<Self.draws).map { _ in
            var (sum, count) = (0.0, 0)
            for _ in 0..<groups {
                let group = Int(random.next(below: UInt64(groups)))
                sum += sums[group]
                count += counts[group]
            }
            return sum / Double(count)
        }
        means.sort()
        return means[min(means.count - 1, Int(confidence * Double(means.count)))]
    }
}
