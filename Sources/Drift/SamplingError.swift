/// How far the shares counted in a finite hold-out can be from the true ones.
///
/// For every set A of bins Chernoff's bound says: with probability 1 − α′ the true share of A is
/// at most U(k/n), where n·kl(k/n, U) = ln(1/α′), kl is the divergence of two coins, and k is the
/// count of A. Total variation is the greatest excess over all sets, so with α′ = α/(2^K − 2) the
/// greatest U(k/n) − k/n that any set reaches bounds it with probability 1 − α. This is the bound
/// of Bretagnolle, Huber and Carol with the divergence in place of Hoeffding's square, and only
/// over counts that some set has: for a lopsided stream (a rare category, a missing value) it is
/// several times smaller. With very many bins McDiarmid's bound is smaller; which of the two is
/// used depends on K, n and α only, never on the counts.
package enum SamplingError {
    /// Bounds the total variation between the true law and `shares`.
    ///
    /// - Parameters:
    ///   - counts: the hold-out rows of each bin.
    ///   - shares: what the monitor uses for the law, such as smoothed frequencies.
    ///   - failure: α, the probability with which the bound may fail.
    /// - Returns: the bound, at most 1; how far `shares` are from the frequencies is part of it.
    package static func totalVariation(counts: [Int], shares: [Double], failure: Double) -> Double {
        let rows = counts.reduce(0, +)
        guard rows > 0, counts.count > 1 else { return 1 }
        let n = Double(rows)
        let moved = zip(counts, shares).reduce(0) { $0 + abs(Double($1.0) / n - $1.1) } / 2
        let (subsets, mcDiarmid) = bounds(bins: counts.count, n: n, failure: failure)
        let random =
            subsets.worst <= mcDiarmid
            ? greatestExcess(counts: counts, rows: rows, rate: subsets.exponent / n) : mcDiarmid
        return min(1, random + moved)
    }

    /// What ``totalVariation(counts:shares:failure:)`` is at most, but for the shares' smoothing: it
    /// is known before any row is looked at.
    static func planned(bins: Int, rows: Int, failure: Double) -> Double {
        guard rows > 0, bins > 1 else { return 1 }
        let (subsets, mcDiarmid) = bounds(bins: bins, n: Double(rows), failure: failure)
        return min(1, min(subsets.worst, mcDiarmid))
    }

    /// The two bounds as they are known before any row is seen.
    private static func bounds(
        bins: Int,
        n: Double,
        failure: Double
    ) -> (subsets: (exponent: Double, worst: Double), mcDiarmid: Double) {
        let confidence = naturalLogarithm(1 / failure)
        let sets = Double(bins) * naturalLogarithm(2)
        // ln(2^K − 2), which is ln 2^K for all but the smallest K.
        let setsLogarithm = bins < 40 ? naturalLogarithm(powerOfTwo(Double(bins)) - 2) : sets
        let exponent = confidence + setsLogarithm
        let worst = (exponent / (2 * n)).squareRoot()
        let mean = (Double(bins - 1) / n).squareRoot() / 2
        return ((exponent, worst), mean + (confidence / (2 * n)).squareRoot())
    }

    /// The greatest U(k/n) − k/n over the counts k of all sets of bins.
    ///
    /// The excess grows with k as long as U ≤ ½ and falls from k/n = ½ on (the derivative of U
    /// compares the mean of 1/x(1−x) over [k/n, U] with its value at U), so outside of the zone
    /// in between only the nearest counts matter.
    private static func greatestExcess(counts: [Int], rows: Int, rate: Double) -> Double {
        let n = Double(rows)
        let reached = reachedCounts(counts, rows: rows)
        let half = rows / 2
        var greatest = 0.0
        if let above = (half...rows).first(where: { reached[$0] }) {
            greatest = excess(of: Double(above) / n, rate: rate)
        }
        var count = half
        while count >= 0 {
            if reached[count] {
                let share = Double(count) / n
                let found = excess(of: share, rate: rate)
                greatest = max(greatest, found)
                if share + found <= 0.5 { break }
            }
            count -= 1
        }
        return greatest
    }

    /// Which counts some set of bins has.
    private static func reachedCounts(_ counts: [Int], rows: Int) -> [Bool] {
        var reached = [Bool](repeating: false, count: rows + 1)
        reached[0] = true
        for count in counts where count > 0 {
            for sum in stride(from: rows, through: count, by: -1) where reached[sum - count] {
                reached[sum] = true
            }
        }
        return reached
    }

    /// U(p) − p: how far above `p` a coin can be so that kl(p, U) is `rate`; by bisection, from
    /// above.
    package static func excess(of p: Double, rate: Double) -> Double {
        var low = p
        var high = 1.0
        for _ in 0..<60 {
            let middle = (low + high) / 2
            if divergence(p, middle) < rate { low = middle } else { high = middle }
        }
        return high - p
    }

    /// The Kullback–Leibler divergence of a coin with share `p` from one with share `q`.
    private static func divergence(_ p: Double, _ q: Double) -> Double {
        guard q < 1 else { return p < 1 ? .infinity : 0 }
        let heads = p > 0 ? p * naturalLogarithm(p / q) : 0
        let tails = p < 1 ? (1 - p) * naturalLogarithm((1 - p) / (1 - q)) : 0
        return heads + tails
    }
}
