import Drift
import FoundationEssentials
import Testing

/// The test that takes a worse candidate back.
@Suite("Paired risk") struct PairedRiskTests {
    /// The pairs after which the verdict falls; nil when it does not.
    private func pairs(
        _ candidate: Double,
        _ other: Double,
        margin: Double = 0.02,
        seed: UInt64,
        most: Int
    ) -> Int? {
        var random = SeededGenerator(seed: seed)
        var test = PairedRiskTest(margin: margin, chance: 0.01)
        for _ in 0..<most {
            let ours = Double.random(in: 0..<1, using: &random) < candidate ? 1.0 : 0
            let theirs = Double.random(in: 0..<1, using: &random) < other ? 1.0 : 0
            if test.observe(candidate: ours, other: theirs) { return test.pairs }
        }
        return nil
    }

    @Test("the first steps are those that can be computed by hand")
    func byHand() {
        var test = PairedRiskTest(margin: 0, chance: 0.01)
        #expect(test.evidence == 0 && test.meanDifference == 0)
        // A pair without a difference changes nothing without a margin.
        let isRaised = test.observe(candidate: 1, other: 1)
        #expect(!isRaised)
        #expect(abs(test.evidence) < 1e-12)
        // A loss multiplies each wealth by 1 + stake: the mean stake is gained.
        test.observe(candidate: 1, other: 0)
        var wealth = 0.0
        var stake = 0.05
        for _ in 0..<12 {
            wealth += (1 + stake) / 12
            // From 0.05 to 0.95 in eleven equal ratios.
            stake *= 1.306_923_982_1
        }
        #expect(abs(test.evidence - naturalLogarithm(wealth)) < 1e-6)
        #expect(test.pairs == 2 && test.meanDifference == 0.5)
    }

    /// By series, so that no C library is needed: ln x = 2 artanh((x−1)/(x+1)).
    private func naturalLogarithm(_ x: Double) -> Double {
        let ratio = (x - 1) / (x + 1)
        var (power, sum) = (ratio, 0.0)
        for term in 0..<60 {
            sum += power / Double(2 * term + 1)
            power *= ratio * ratio
        }
        return 2 * sum
    }

    @Test(
        "a candidate that errs more often is found out within the stated number of labels",
        arguments: [(0.3, 0.1, 260), (0.4, 0.1, 130), (0.6, 0.1, 60), (0.9, 0.1, 25)]
    )
    func power(candidate: Double, other: Double, within: Int) {
        let found = (0..<60).map { pairs(candidate, other, seed: $0, most: within) }
        // 95 of 100 are: of 60 fewer than 52 would be chance of less than one in a thousand.
        #expect(found.filter { $0 != nil }.count >= 52)
    }

    @Test("a candidate at the margin, or better, is taken back no more often than stated")
    func level() {
        for (candidate, other) in [(0.12, 0.1), (0.1, 0.1), (0.05, 0.3)] {
            let found = (0..<200).compactMap { pairs(candidate, other, seed: $0, most: 500) }
            // The mean is at most 2 of 200: more than 8 would be chance of one in four thousand.
            #expect(found.count <= 8)
        }
    }

    @Test("the verdict is told once and stands, whatever comes")
    func stands() {
        var test = PairedRiskTest(margin: 0.02, chance: 0.01)
        var told = 0
        for _ in 0..<100 { told += test.observe(candidate: 1, other: 0) ? 1 : 0 }
        #expect(told == 1 && test.isRaised)
        for _ in 0..<500 { test.observe(candidate: 0, other: 1) }
        #expect(test.isRaised && test.evidence.isFinite && test.evidence < 0)
    }

    @Test("losses that are no numbers, or out of range, trap nobody")
    func odd() {
        var test = PairedRiskTest(margin: 5, chance: 0)
        for loss in [Double.nan, .infinity, -.infinity, 7, -7] {
            test.observe(candidate: loss, other: 0)
            test.observe(candidate: 0, other: loss)
        }
        #expect(test.evidence.isFinite && test.margin < 1 && test.threshold.isFinite)
    }

    @Test("a saved test goes on as if nothing had happened, and one that is damaged is refused")
    func saved() throws {
        var test = PairedRiskTest(margin: 0.02, chance: 0.01)
        for number in 0..<7 { test.observe(candidate: number % 2 == 0 ? 1 : 0, other: 0) }
        let bytes = try JSONEncoder().encode(test)
        var read = try JSONDecoder().decode(PairedRiskTest.self, from: bytes)
        #expect(read == test)
        let isSame = read.observe(candidate: 1, other: 0) == test.observe(candidate: 1, other: 0)
        #expect(isSame && read == test)
        let text = String(decoding: bytes, as: UTF8.self)
        let bad = [
            text.replacing("\"pairs\":7", with: "\"pairs\":-1"),
            text.replacing(#/"wealths":\[[^,]*,/#, with: "\"wealths\":["),
        ]
        for text in bad {
            #expect(throws: DriftError.self) {
                try JSONDecoder().decode(PairedRiskTest.self, from: Data(text.utf8))
            }
        }
    }
}
