/// All ways in which a sample can fall into the bins while every cut, or every bin, stays within
/// its bounds.
struct BoundedPaths {
    let urn: Urn
    /// The rows of hold-out and sample together in each bin.
    let totals: [Int]

    /// Chances below this are left out; all of them together are far below the test's precision.
    private static let leastChance = 1e-18

    /// The chance that no cut (or no bin) has a two-sided chance of `level` or less.
    func chanceOfKeeping(above level: Double, cuts: Bool) -> Double {
        var front = Front(first: 0, chances: [1])
        var before = 0
        for total in totals.dropLast(cuts ? 1 : 0) {
            guard let range = urn.kept(above: level, marked: cuts ? before + total : total) else {
                return 0
            }
            front = step(front, total: total, left: urn.rows - before, bounds: range, cuts: cuts)
            before += total
            if front.chances.isEmpty { return 0 }
        }
        return front.chances.reduce(0, +)
    }

    /// The chances of what the sample has of the first bins: `chances[i]` is of `first + i` rows.
    private struct Front {
        let first: Int
        let chances: [Double]
    }

    /// Goes on by a bin of `total` rows; `left` are the rows of this bin and of those after it.
    ///
    /// The bounds are of the sum up to this bin for cuts, else of the bin alone.
    private func step(
        _ front: Front,
        total: Int,
        left: Int,
        bounds: ClosedRange<Int>,
        cuts: Bool
    ) -> Front {
        let last = front.first + front.chances.count - 1
        let low = cuts ? bounds.lowerBound : front.first + bounds.lowerBound
        let high = min(urn.draws, cuts ? bounds.upperBound : last + bounds.upperBound)
        guard low <= high else { return Front(first: 0, chances: []) }
        var next = [Double](repeating: 0, count: high - low + 1)
        for (offset, chance) in front.chances.enumerated() where chance > Self.leastChance {
            let sum = front.first + offset
            let draws = urn.draws - sum
            let all = urn.table.choose(left, draws)
            let fewest = cuts ? max(0, low - sum) : bounds.lowerBound
            let most = min(total, draws, cuts ? high - sum : bounds.upperBound)
            for count in stride(from: max(fewest, draws - (left - total)), through: most, by: 1) {
                let ways =
                    urn.table.choose(total, count) + urn.table.choose(left - total, draws - count)
                next[sum + count - low] += chance * exponential(ways - all)
            }
        }
        return Front(first: low, chances: next)
    }
}
