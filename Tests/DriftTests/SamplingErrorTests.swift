import Drift
import Testing

@Suite("How well a hold-out knows its own law") struct SamplingErrorTests {
    private func smoothed(_ counts: [Int]) -> [Double] {
        let rows = counts.reduce(0, +)
        let whole = Double(rows) + Double(counts.count) / 2
        return counts.map { (Double($0) + 0.5) / whole }
    }

    @Test("true shares are outside of the bound at most as often as said", arguments: [2, 6, 50])
    func coverage(bins: Int) {
        var generator = SeededGenerator(seed: 11)
        let failure = 0.2
        var outside = 0
        for _ in 0..<200 {
            let law = generator.law(bins, sharpness: 2)
            var counts = [Int](repeating: 0, count: bins)
            for _ in 0..<150 { counts[generator.draw(law)] += 1 }
            let shares = smoothed(counts)
            let bound = SamplingError.totalVariation(
                counts: counts,
                shares: shares,
                failure: failure
            )
            if totalVariation(law, shares) > bound { outside += 1 }
            #expect(bound <= 1)
        }
        #expect(Double(outside) <= 200 * failure)
    }

    @Test("for a coin, the bound contains the exact binomial one and is not twice as wide")
    func coinAgainstExactTail() {
        for heads in [0, 1, 3, 20, 50, 80, 99] {
            let rate = 4.0 / 100
            let upper =
                Double(heads) / 100 + SamplingError.excess(of: Double(heads) / 100, rate: rate)
            // P(at most this many heads | upper) must not exceed exp(−4).
            #expect(binomialTail(heads, rows: 100, p: upper) <= 0.018_316)
            let closer =
                Double(heads) / 100 + SamplingError.excess(of: Double(heads) / 100, rate: rate) / 2
            if closer < 1 { #expect(binomialTail(heads, rows: 100, p: closer) > 0.018_316) }
        }
    }

    private func binomialTail(_ most: Int, rows: Int, p: Double) -> Double {
        var term = 1.0
        for _ in 0..<rows { term *= 1 - p }
        var sum = term
        for heads in 0..<min(most, rows - 1) where p < 1 {
            term *= Double(rows - heads) / Double(heads + 1) * p / (1 - p)
            sum += term
        }
        return most == rows || p >= 1 ? (most == rows ? 1 : 0) : sum
    }

    @Test("ten equal bins of ten thousand rows are known to 0.03, a rare bin to 0.006")
    func sizes() {
        let equal = [Int](repeating: 1000, count: 10)
        let failure = 0.001 / 45
        let wide = SamplingError.totalVariation(
            counts: equal,
            shares: smoothed(equal),
            failure: failure
        )
        #expect(wide > 0.025 && wide < 0.03)
        let rare = [9900, 100]
        let narrow = SamplingError.totalVariation(
            counts: rare,
            shares: smoothed(rare),
            failure: failure
        )
        #expect(narrow > 0.004 && narrow < 0.006)
    }

    @Test("the greatest excess over all sets of bins is found without trying them")
    func everySubset() {
        var generator = SeededGenerator(seed: 12)
        for _ in 0..<20 {
            let counts = (0..<6).map { _ in Int(generator.next() % 60) * Int(generator.next() % 3) }
            let rows = counts.reduce(0, +)
            guard rows > 50 else { continue }
            let found = SamplingError.totalVariation(
                counts: counts,
                shares: counts.map { Double($0) / Double(rows) },
                failure: 0.01
            )
            // ln(2⁶ − 2) + ln(1/0.01)
            let rate = (4.127_134_385_045_092 + 4.605_170_185_988_092) / Double(rows)
            var greatest = 0.0
            for set in 1..<63 {
                let inside = counts.indices.reduce(0) { $0 + (set >> $1 & 1) * counts[$1] }
                let excess = SamplingError.excess(of: Double(inside) / Double(rows), rate: rate)
                greatest = max(greatest, excess)
            }
            #expect(abs(found - min(1, greatest)) < 1e-9)
        }
    }

    @Test("no rows mean that nothing is known")
    func noRows() {
        #expect(
            SamplingError.totalVariation(counts: [0, 0], shares: [0.5, 0.5], failure: 0.1) == 1
        )
    }
}
