/// The loss on a hold-out, and how far below the true one it can be.
package struct HoldoutRisk: Codable, Sendable, Equatable {
    /// The hold-out's rows.
    package let rows: Int
    /// The mean loss, 0 to 1.
    package let mean: Double
    /// The variance of the loss.
    package let variance: Double
    /// The number of rows of loss 1, where each has 0 or 1; nil for other losses.
    package let errors: Int?

    /// Counts answers that are right or wrong.
    ///
    /// - Parameters:
    ///   - rows: All rows.
    ///   - errors: Those with a wrong answer.
    package init(rows: Int, errors: Int) {
        let errors = min(max(0, errors), max(0, rows))
        self.rows = max(0, rows)
        mean = rows > 0 ? Double(errors) / Double(rows) : 1
        variance = mean * (1 - mean)
        self.errors = errors
    }

    /// Sums up losses between 0 and 1.
    package init(losses: [Double]) {
        rows = losses.count
        let n = Double(max(1, losses.count))
        let mean = losses.isEmpty ? 1 : losses.reduce(0, +) / n
        self.mean = mean
        variance = losses.reduce(0) { $0 + ($1 - mean) * ($1 - mean) } / max(1, n - 1)
        errors = nil
    }

    /// A bound that the true mean loss exceeds with probability `failure` at most.
    ///
    /// For wrong answers it is that of Clopper and Pearson (1934), and so exact; else that of Maurer
    /// and Pontil (2009), μ̂ + √(2 σ̂² ln(2/δ)/n) + 7 ln(2/δ)/(3(n − 1)).
    package func upperBound(failure: Double) -> Double {
        guard rows > 1, failure > 0, failure < 1 else { return 1 }
        if let errors {
            return Self.clopperPearson(rows: rows, errors: errors, failure: failure)
        }
        let n = Double(rows)
        let confidence = naturalLogarithm(2 / failure)
        let spread = (2 * variance * confidence / n).squareRoot()
        return min(1, mean + spread + 7 * confidence / (3 * (n - 1)))
    }

    /// The share p at which so few errors among so many rows have probability `failure`.
    package static func clopperPearson(rows: Int, errors: Int, failure: Double) -> Double {
        guard rows > 0, errors < rows else { return 1 }
        var low = Double(max(0, errors)) / Double(rows)
        var high = 1.0
        for _ in 0..<60 {
            let middle = (low + high) / 2
            if atMost(errors, of: rows, share: middle) > failure {
                low = middle
            } else {
                high = middle
            }
        }
        return high
    }

    /// P(X ≤ k) of a binomial X, summed downwards from its term at k, where `share` is above k/n.
    private static func atMost(_ k: Int, of n: Int, share p: Double) -> Double {
        guard p < 1 else { return 0 }
        let odds = (1 - p) / p
        var term = 1.0
        var sum = 1.0
        var j = k
        while j > 0 {
            term *= Double(j) / Double(n - j + 1) * odds
            sum += term
            j -= 1
            if term < sum * 1e-17 { break }
        }
        let logarithm =
            logarithmOfChoice(n, k) + Double(k) * naturalLogarithm(p)
            + Double(n - k) * naturalLogarithm(1 - p)
        return sum * powerOfTwo(logarithm / naturalLogarithm(2))
    }

    private static func logarithmOfChoice(_ n: Int, _ k: Int) -> Double {
        logarithmOfFactorial(n) - logarithmOfFactorial(k) - logarithmOfFactorial(n - k)
    }

    /// ln n!, summed up for small n and by Stirling's series, to 1e-13, for others.
    private static func logarithmOfFactorial(_ n: Int) -> Double {
        if n < 32 { return (1...max(1, n)).reduce(0) { $0 + naturalLogarithm(Double($1)) } }
        let x = Double(n)
        return (x + 0.5) * naturalLogarithm(x) - x + 0.5 * naturalLogarithm(2 * Double.pi)
            + 1 / (12 * x) - 1 / (360 * x * x * x) + 1 / (1260 * x * x * x * x * x)
    }
}
