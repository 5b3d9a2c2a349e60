import Testing

@testable import Drift

@Suite("The test of a finite data set") struct BatchTestTests {
    /// All ways to divide a sample among bins with these totals, each with its number of ways.
    private func divisions(_ totals: [Int], draws: Int) -> [(counts: [Int], ways: Double)] {
        guard let first = totals.first else { return draws == 0 ? [([], 1)] : [] }
        return (0...min(first, draws)).flatMap { count in
            divisions(Array(totals.dropFirst()), draws: draws - count).map { rest in
                ([count] + rest.counts, rest.ways * choose(first, count))
            }
        }
    }

    private func choose(_ n: Int, _ k: Int) -> Double {
        (0..<k).reduce(1.0) { $0 * Double(n - $1) / Double($1 + 1) }
    }

    /// Twice the smaller tail, summed term by term.
    private func twoSided(_ count: Int, marked: Int, rows: Int, draws: Int) -> Double {
        func chance(_ k: Int) -> Double {
            choose(marked, k) * choose(rows - marked, draws - k) / choose(rows, draws)
        }
        let possible = max(0, draws - (rows - marked))...min(draws, marked)
        let below = possible.filter { $0 <= count }.map(chance).reduce(0, +)
        let above = possible.filter { $0 >= count }.map(chance).reduce(0, +)
        return min(1, 2 * min(below, above))
    }

    private func least(_ counts: [Int], _ totals: [Int], isOrdered: Bool) -> Double {
        let rows = totals.reduce(0, +)
        let draws = counts.reduce(0, +)
        var sums = (counts: 0, totals: 0)
        return zip(counts, totals).dropLast(isOrdered ? 1 : 0).reduce(1.0) { least, bin in
            sums = isOrdered ? (sums.counts + bin.0, sums.totals + bin.1) : bin
            let look = twoSided(sums.counts, marked: sums.totals, rows: rows, draws: draws)
            return min(least, look)
        }
    }

    @Test("the chance is that of enumerating every division", arguments: [true, false])
    func enumeration(isOrdered: Bool) {
        let totals = [4, 1, 6, 3, 2]
        let draws = 6
        let all = divisions(totals, draws: draws)
        let ways = all.map(\.ways).reduce(0, +)
        for (counts, _) in all {
            let statistic = least(counts, totals, isOrdered: isOrdered)
            let expected =
                all.filter {
                    least($0.counts, totals, isOrdered: isOrdered) <= statistic * (1 + 1e-9)
                }
                .map(\.ways).reduce(0, +) / ways
            let test = StreamTest(
                sample: counts,
                reference: zip(totals, counts).map(-),
                isOrdered: isOrdered,
                logarithms: LogFactorials(upTo: 16)
            )
            #expect(abs(test.probability - expected) < 1e-10, "\(counts)")
        }
    }

    @Test("a sample without drift is called drifted no more often than the level says")
    func level() {
        var random = SplitMix(seed: 3)
        let logarithms = LogFactorials(upTo: 400)
        var found = 0
        let trials = 1000
        for trial in 0..<trials {
            var sample = [Int](repeating: 0, count: 5)
            var reference = sample
            for row in 0..<400 {
                let bin = min(4, Int(random.uniform() * random.uniform() * 5))
                if row < 100 { sample[bin] += 1 } else { reference[bin] += 1 }
            }
            let test = StreamTest(
                sample: sample,
                reference: reference,
                isOrdered: trial % 2 == 0,
                logarithms: logarithms
            )
            if test.probability <= 0.05 { found += 1 }
        }
        // The mean is at most 50 and its deviation 7.
        #expect(found <= 80)
        #expect(found >= 15)
    }

    @Test("a large difference has a chance near zero, an empty difference one of one")
    func extremes() {
        let logarithms = LogFactorials(upTo: 20_000)
        func test(_ sample: [Int], _ reference: [Int]) -> StreamTest {
            StreamTest(
                sample: sample,
                reference: reference,
                isOrdered: true,
                logarithms: logarithms
            )
        }
        #expect(test([5000, 5000], [5000, 5000]).probability == 1)
        let moved = test([9000, 1000], [5000, 5000])
        #expect(moved.probability < 1e-100)
        #expect((0.35...0.4).contains(moved.movedAtLeast(failure: 0.05)))
        #expect(test([5100, 4900], [5000, 5000]).movedAtLeast(failure: 0.05) == 0)
    }

    @Test("a large sample is tested as exactly as a small one")
    func large() {
        // Two bins are Fisher's test; its chance by direct summation.
        let test = StreamTest(
            sample: [5100, 4900],
            reference: [5000, 5000],
            isOrdered: true,
            logarithms: LogFactorials(upTo: 20_000)
        )
        // Its normal approximation with continuity correction: z = 99.5 / √1250.06.
        #expect(abs(test.probability - 0.1613) < 0.002)
    }

    @Test("Holm's correction with equal weights is the textbook's")
    func holm() {
        let third = [1.0 / 3, 1.0 / 3, 1.0 / 3]
        let adjusted = Holm.adjusted([0.01, 0.04, 0.03], weights: third)
        #expect(zip(adjusted, [0.03, 0.06, 0.06]).allSatisfy { abs($0 - $1) < 1e-12 })
        // A heavier stream is corrected less.
        let weighted = Holm.adjusted([0.01, 0.5], weights: [0.8, 0.2])
        #expect(abs(weighted[0] - 0.0125) < 1e-12 && abs(weighted[1] - 0.5) < 1e-12)
    }

    @Test("settings out of range are refused by name")
    func settings() {
        #expect(throws: DriftError.self) { try BatchTest.Settings(level: 0) }
        #expect(throws: DriftError.self) { try BatchTest.Settings(level: .nan) }
        #expect(throws: DriftError.self) { try BatchTest.Settings(tolerance: 1) }
    }
}

/// A small generator for the simulations of these tests.
private struct SplitMix {
    private var state: UInt64
    init(seed: UInt64) { state = seed }

    mutating func uniform() -> Double {
        state &+= 0x9E37_79B9_7F4A_7C15
        var z = state
        z = (z ^ (z >> 30)) &* 0xBF58_476D_1CE4_E5B9
        z = (z ^ (z >> 27)) &* 0x94D0_49BB_1331_11EB
        return Double((z ^ (z >> 31)) >> 11) * 0x1p-53
    }
}
