import Drift
import FoundationEssentials
import Testing

@Suite("The test of labelled risk") struct RiskTestTests {
    @Test("at the limit itself the mean number of rows to a false alarm is at least the interval")
    func falseAlarmInterval() {
        var generator = SeededGenerator(seed: 11)
        let interval = 200.0
        for limit in [0.03, 0.2] {
            var rows: UInt64 = 0
            let runs = 60
            for _ in 0..<runs {
                var test = RiskTest(limit: limit, falseAlarmInterval: interval)
                while !test.isRaised, test.rows < 4000 {
                    test.observe(generator.uniform() < limit ? 1 : 0)
                }
                rows += test.rows
            }
            // Runs that were cut off count for less than they were.
            #expect(Double(rows) / Double(runs) >= interval)
        }
    }

    @Test("a doubled error is found soon, once, and dated")
    func detection() {
        var generator = SeededGenerator(seed: 12)
        var test = RiskTest(limit: 0.07, falseAlarmInterval: 1_000_000)
        let isEarly = (0..<2000).contains { _ in test.observe(generator.uniform() < 0.05 ? 1 : 0) }
        #expect(!isEarly)
        var raised: [UInt64] = []
        for _ in 0..<3000 where test.observe(generator.uniform() < 0.2 ? 1 : 0) {
            raised.append(test.rows)
        }
        #expect(raised.count == 1)
        #expect((raised.first ?? 0) < 2600)
        #expect(test.isRaised)
        #expect(test.evidence > test.threshold)
        #expect((1500...2100).contains(test.changedAfterRow))
        #expect((test.bounds?.lower ?? 0) > 0.07)

        test.acknowledge()
        #expect(!test.isRaised)
        #expect(test.evidence == 0)
        let again = (0..<3000).contains { _ in test.observe(generator.uniform() < 0.2 ? 1 : 0) }
        #expect(again)
    }

    @Test("an error below the limit stays without evidence, and one of nothing is blind")
    func rest() {
        var test = RiskTest(limit: 0.1, falseAlarmInterval: 1000)
        for row in 0..<5000 { test.observe(row % 20 == 0 ? 1 : 0) }
        #expect(!test.isRaised)
        #expect(test.evidence < 5)
        var blind = RiskTest(limit: 1.2, falseAlarmInterval: 1000)
        #expect(blind.isBlind)
        for _ in 0..<5000 { blind.observe(1) }
        #expect(!blind.isRaised)
    }

    @Test("the order of the rows of a step does not matter, and they count as one by one")
    func steps() {
        var forth = RiskTest(limit: 0.1, falseAlarmInterval: 1e6)
        var back = forth
        var single = forth
        forth.observe(losses: [0, 0.5, 1], counts: [3, 2, 7])
        back.observe(losses: [1, 0.5, 0], counts: [7, 2, 3])
        // None of these rows loses, so wealth never falls to the floor on the way.
        for loss in [1, 1, 1, 1, 1, 1, 1, 0.5, 0.5, 0, 0, 0] { single.observe(loss) }
        #expect(forth.rows == 12)
        #expect(abs(forth.evidence - back.evidence) < 1e-9)
        #expect(abs(forth.evidence - single.evidence) < 1e-9)
    }

    @Test("numbers that are none, and those outside, do no harm")
    func strangeNumbers() {
        var test = RiskTest(limit: 0.2, falseAlarmInterval: 100)
        test.observe(.nan)
        #expect(test.rows == 0)
        for _ in 0..<100_000 { test.observe(.infinity) }
        #expect(test.isRaised)
        #expect(test.evidence.isFinite)
        let rows = test.rows
        test.observe(losses: [1], counts: [])
        #expect(test.rows == rows)
        #expect(RiskTest(limit: .nan, falseAlarmInterval: .nan).isBlind)
    }

    @Test("a saved test goes on where it was, and a damaged one is refused")
    func saved() throws {
        var test = RiskTest(limit: 0.1, falseAlarmInterval: 1000)
        for row in 0..<100 { test.observe(row % 7 == 0 ? 1 : 0) }
        let bytes = try JSONEncoder().encode(test)
        var other = try JSONDecoder().decode(RiskTest.self, from: bytes)
        #expect(other == test)
        test.observe(1)
        other.observe(1)
        #expect(other == test)
        let text = String(decoding: bytes, as: UTF8.self)
        let damaged = text.replacing("\"wealth\":[", with: "\"wealth\":[-1,")
        #expect(throws: (any Error).self) {
            try JSONDecoder().decode(RiskTest.self, from: Data(damaged.utf8))
        }
    }

    @Test("bounds that hold at all times hold at all times, and close in")
    func confidenceSequence() {
        var generator = SeededGenerator(seed: 13)
        var failures = 0
        for _ in 0..<80 {
            var sequence = ConfidenceSequence(failure: 0.025)
            var isOut = false
            for _ in 0..<600 {
                sequence.add(generator.uniform() < 0.1 ? 1 : 0)
                if let bounds = sequence.bounds {
                    isOut = isOut || bounds.lower > 0.1 || bounds.upper < 0.1
                }
            }
            failures += isOut ? 1 : 0
            #expect((sequence.bounds?.upper ?? 1) < 0.25)
        }
        #expect(failures <= 4)
        #expect(ConfidenceSequence(failure: 0.025).bounds == nil)
    }

    @Test("the hold-out's bounds are those of the tables")
    func holdoutBounds() {
        // scipy.stats.beta.ppf(1 − δ, k + 1, n − k)
        let known: [(rows: Int, errors: Int, failure: Double, bound: Double)] = [
            (10, 0, 0.05, 0.2588655509), (10, 1, 0.05, 0.3941633024),
            (100, 5, 0.05, 0.1022533776), (10_000, 1136, 0.001, 0.1237159706),
            (5_000, 0, 0.001, 0.0013805972),
        ]
        for (rows, errors, failure, bound) in known {
            let found = HoldoutRisk(rows: rows, errors: errors).upperBound(failure: failure)
            #expect(abs(found - bound) < 1e-8, "\(rows), \(errors): \(found)")
        }
        #expect(HoldoutRisk(rows: 5, errors: 9).upperBound(failure: 0.01) == 1)
        #expect(HoldoutRisk(rows: 0, errors: 0).upperBound(failure: 0.01) == 1)
        // 0.25 + √(2·0.0833…·ln 40/1000) + 7·ln 40/(3·999)
        let losses = (0..<1000).map { Double($0 % 2) / 2 }
        let risk = HoldoutRisk(losses: losses)
        #expect(abs(risk.mean - 0.25) < 1e-12)
        #expect(abs(risk.upperBound(failure: 0.05) - 0.2801002166) < 1e-8)
    }
}
