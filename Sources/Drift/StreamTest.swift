/// The exact test of one stream.
///
/// Is the sample's division among the bins one that a random part of hold-out and sample together
/// would have?
///
/// With all bins' totals given, a sample without drift is a draw without replacement, so every
/// count is hypergeometric. For a stream in order, each cut between two bins is looked at (as
/// Kolmogorov and Smirnov do, yet each cut on the scale of its own probability, as Berk and Jones
/// (1979) do, so that a rare bin counts as much as the middle); for categories, each bin is. The
/// statistic is the least of these two-sided probabilities. Its own distribution is computed
/// exactly, bin by bin: what a sample has of the first bins is a Markov chain, and the chance that
/// it keeps within all bounds is a sum over its paths. So the cuts, which nearly say the same,
/// cost no correction, and ties none either.
struct StreamTest {
    /// The exact chance of a statistic like this one without drift; an upper bound of it when it
    /// is below 10⁻⁷.
    let probability: Double
    /// The cuts or bins looked at: (in the sample, in the hold-out).
    private let looks: [(sample: Int, reference: Int)]
    private let sampleRows: Int
    private let referenceRows: Int

    /// Tests a sample.
    ///
    /// - Parameters:
    ///   - sample: The sample's rows in each bin.
    ///   - reference: The hold-out's, of as many bins.
    ///   - isOrdered: Whether cuts are looked at; else bins.
    ///   - logarithms: A table up to all rows of both.
    init(sample: [Int], reference: [Int], isOrdered: Bool, logarithms: LogFactorials) {
        sampleRows = sample.reduce(0, +)
        referenceRows = reference.reduce(0, +)
        var looks = Array(zip(sample, reference)).map { (sample: $0, reference: $1) }
        if isOrdered {
            var sums = (sample: 0, reference: 0)
            looks = looks.dropLast().map { bin in
                sums = (sums.sample + bin.sample, sums.reference + bin.reference)
                return sums
            }
        }
        self.looks = looks
        let urn = Urn(rows: sampleRows + referenceRows, draws: sampleRows, table: logarithms)
        let least = looks.reduce(1.0) { least, look in
            min(least, urn.twoSided(look.sample, marked: look.sample + look.reference))
        }
        let bound = min(1, least * Double(max(1, looks.count)))
        guard least > 1e-7, least < 1 else {
            probability = bound
            return
        }
        let paths = BoundedPaths(urn: urn, totals: zip(sample, reference).map(+))
        let kept = paths.chanceOfKeeping(above: least, cuts: isOrdered)
        // Rounding must lead it neither below the one tail seen nor above the bound that always holds.
        probability = min(bound, max(least / 2, 1 - kept))
    }

    /// The greatest move, over cuts or bins, that is certain with confidence 1 − `failure`.
    ///
    /// Sample and hold-out have a Chernoff bound on either side (``SamplingError``); what lies
    /// between them is a lower bound on the total variation of the two laws.
    func movedAtLeast(failure: Double) -> Double {
        guard sampleRows > 0, referenceRows > 0, !looks.isEmpty else { return 0 }
        let rate = naturalLogarithm(4 * Double(looks.count) / failure)
        let (n, m) = (Double(sampleRows), Double(referenceRows))
        func reach(_ share: Double, _ rows: Double) -> (low: Double, high: Double) {
            (
                share - SamplingError.excess(of: 1 - share, rate: rate / rows),
                share + SamplingError.excess(of: share, rate: rate / rows)
            )
        }
        return looks.reduce(0.0) { greatest, look in
            let live = reach(Double(look.sample) / n, n)
            let known = reach(Double(look.reference) / m, m)
            return max(greatest, live.low - known.high, known.low - live.high)
        }
    }
}

/// ln n! for all n up to a limit.
struct LogFactorials: Sendable {
    private let values: [Double]

    init(upTo limit: Int) {
        var values = [0.0]
        values.reserveCapacity(limit + 1)
        // Two parts keep what a plain sum would lose.
        var sum = 0.0
        var lost = 0.0
        for n in stride(from: 1, through: max(limit, 1), by: 1) {
            let term = naturalLogarithm(Double(n)) - lost
            let next = sum + term
            lost = (next - sum) - term
            sum = next
            values.append(sum)
        }
        self.values = values
    }

    /// ln of the ways to choose `k` of `n`; −∞ where there is none.
    func choose(_ n: Int, _ k: Int) -> Double {
        guard k >= 0, k <= n, n < values.count else { return -.infinity }
        return values[n] - values[k] - values[n - k]
    }
}

/// Drawing without replacement from rows of which some are marked.
struct Urn {
    let rows: Int
    let draws: Int
    let table: LogFactorials

    /// The chance of exactly `count` marked rows among the draws.
    func chance(_ count: Int, marked: Int) -> Double {
        exponential(
            table.choose(marked, count) + table.choose(rows - marked, draws - count)
                - table.choose(rows, draws)
        )
    }

    /// Twice the lesser of the chances of at most and of at least `count` marked rows, at most 1.
    func twoSided(_ count: Int, marked: Int) -> Double {
        min(1, 2 * min(tail(count, marked: marked, by: -1), tail(count, marked: marked, by: 1)))
    }

    /// The counts whose two-sided chance is above `level`; nil when none has.
    func kept(above level: Double, marked: Int) -> ClosedRange<Int>? {
        let least = max(0, draws - (rows - marked))
        let most = min(draws, marked)
        // Equal chances must fall on one side, however they were rounded.
        let level = level * (1 + 1e-9)
        let middle = Int(Double(draws) * Double(marked) / Double(rows))
        let low = firstKept(in: least...most, from: middle) {
            2 * tail($0, marked: marked, by: -1) > level
        }
        // Mirrored, so that the last count kept is the first one.
        let high = firstKept(in: -most ... -least, from: -middle) {
            2 * tail(-$0, marked: marked, by: 1) > level
        }
        return low <= -high ? low ... -high : nil
    }

    /// The first number that is kept, where all after a kept one are, too, and the last one is.
    private func firstKept(
        in range: ClosedRange<Int>,
        from guess: Int,
        _ isKept: (Int) -> Bool
    ) -> Int {
        let guess = min(range.upperBound, max(range.lowerBound, guess))
        var (lost, kept) =
            isKept(guess) ? (range.lowerBound - 1, guess) : (guess, range.upperBound)
        while kept - lost > 1 {
            let half = lost + (kept - lost) / 2
            if isKept(half) { kept = half } else { lost = half }
        }
        return kept
    }

    /// The chance of `count` marked rows or more (`direction` 1) or fewer (−1).
    private func tail(_ count: Int, marked: Int, by direction: Int) -> Double {
        let least = max(0, draws - (rows - marked))
        let most = min(draws, marked)
        var sum = 0.0
        var count = min(max(count, least), most)
        var term = chance(count, marked: marked)
        // Beyond the middle terms grow first, so smallness alone does not end the sum.
        let middle = Double(draws) * Double(marked) / Double(rows)
        while count >= least, count <= most {
            sum += term
            let isPast = direction > 0 ? Double(count) > middle : Double(count) < middle
            if isPast, term < sum * 1e-17 { break }
            term *= ratio(after: count, marked: marked, by: direction)
            count += direction
        }
        return min(1, sum)
    }

    /// The chance of the next count over that of this one.
    private func ratio(after count: Int, marked: Int, by direction: Int) -> Double {
        let others = rows - marked
        if direction > 0 {
            return Double(marked - count) * Double(draws - count)
                / (Double(count + 1) * Double(others - draws + count + 1))
        }
        return Double(count) * Double(others - draws + count)
            / (Double(marked - count + 1) * Double(draws - count + 1))
    }
}
