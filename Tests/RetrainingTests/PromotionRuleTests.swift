import Retraining
import Testing

/// The comparisons behind the gates, against figures that were computed in another way.
@Suite("Paired comparison") struct PairedComparisonTests {
    private func counts(_ candidateOnly: Int, _ championOnly: Int, of rows: Int) -> PairedCounts {
        var counts = PairedCounts()
        for row in 0..<rows {
            let (ours, theirs) = (
                row < candidateOnly, row >= candidateOnly && row < candidateOnly + championOnly
            )
            let both = row >= candidateOnly + championOnly
            counts.add(candidate: ours || both, champion: theirs || both)
        }
        return counts
    }

    /// The expected values maximise the likelihood under the assumption by search, and take its
    /// variance from there.
    @Test(
        "the score is that of the likelihood under the assumed difference",
        arguments: [
            (10, 20, 100, 0.0, -1.825742), (10, 20, 100, -0.05, -0.926175),
            (3, 9, 300, -0.01, -0.896572), (0, 0, 400, -0.01, 2.010076),
            (12, 5, 60, 0.05, 0.990257),
        ]
    )
    func score(_ ours: Int, _ theirs: Int, _ rows: Int, _ assumed: Double, _ expected: Double) {
        #expect(abs(counts(ours, theirs, of: rows).score(against: assumed) - expected) < 1e-5)
    }

    @Test(
        "the bound is where the score meets the confidence",
        arguments: [(10, 20, 100, -0.190322), (3, 9, 300, -0.042153), (40, 38, 1000, -0.012711)]
    )
    func bound(_ ours: Int, _ theirs: Int, _ rows: Int, _ expected: Double) {
        let found = counts(ours, theirs, of: rows)
        #expect(abs(found.lowerBound(confidence: 0.95) - expected) < 1e-5)
        #expect(found.lowerBound(confidence: 0.5) == found.difference)
        #expect(found.lowerBound(confidence: 0.99) < found.lowerBound(confidence: 0.95))
    }

    @Test("rows that are all answered alike show something from a number of rows on")
    func rowsMin() {
        #expect(PairedCounts.rowsMin(margin: 0.01, confidence: 0.95) == 268)
        #expect(counts(0, 0, of: 268).lowerBound(confidence: 0.95) >= -0.01)
        #expect(counts(0, 0, of: 267).lowerBound(confidence: 0.95) < -0.01)
        #expect(PairedCounts.rowsMin(margin: 0, confidence: 0.95) == .max)
        #expect(PairedCounts.rowsMin(margin: 0.01, confidence: 0.5) == 0)
    }

    @Test("as many rows as are said to be needed are enough, if they are like those that were seen")
    func rowsNeeded() throws {
        let few = counts(8, 9, of: 200)
        #expect(few.lowerBound(confidence: 0.95) < -0.02)
        let needed = try #require(few.rowsNeeded(margin: 0.02, confidence: 0.95))
        let factor = needed / 200 + 1
        let many = counts(8 * factor, 9 * factor, of: 200 * factor)
        #expect(many.lowerBound(confidence: 0.95) >= -0.02)
        #expect(counts(0, 10, of: 100).rowsNeeded(margin: 0.05, confidence: 0.95) == nil)
    }

    @Test("the chance of a fall is McNemar's mid-p, by hand for ten rows")
    func midP() {
        #expect(abs(counts(2, 8, of: 40).chanceOfFall - 33.5 / 1024) < 1e-12)
        #expect(counts(0, 0, of: 40).chanceOfFall == 1)
        #expect(abs(counts(5, 5, of: 40).chanceOfFall - 0.5) < 1e-12)
        // Where the sum gives way to the normal distribution, nothing leaps.
        let (exact, normal) = (counts(950, 1050, of: 3000), counts(951, 1050, of: 3000))
        #expect(abs(exact.chanceOfFall - normal.chanceOfFall) < 1e-3)
    }

    @Test("no difference between no rows is no number to divide by")
    func empty() {
        let none = PairedCounts()
        #expect(none.difference == 0 && none.candidateShare == 0)
        #expect(none.rowsNeeded(margin: 0.1, confidence: 0.95) == nil)
        #expect(
            PairedErrors(candidate: [], champion: [], margin: 0).upperBound(
                confidence: 0.95,
                seed: 1
            ) == 0
        )
    }

    @Test("errors are compared by a bootstrap that the seed fixes")
    func bootstrap() {
        let theirs = (0..<400).map { Float($0 % 7) }
        let same = PairedErrors(candidate: theirs, champion: theirs, margin: 0)
        #expect(same.upperBound(confidence: 0.95, seed: 1) == 0)
        let ours = theirs.enumerated().map { $1 + ($0 % 2 == 0 ? 1 : -1) }
        let noisy = PairedErrors(candidate: ours, champion: theirs, margin: 0)
        let bound = noisy.upperBound(confidence: 0.95, seed: 1)
        // The mean of 400 values ±1 has a standard deviation of 0.05: 1.645 of them.
        #expect(abs(bound - 0.082) < 0.01)
        #expect(noisy.upperBound(confidence: 0.5, seed: 1) == 0)
        #expect(noisy.upperBound(confidence: 0.95, seed: 1) == bound)
        let allowed = PairedErrors(candidate: ours, champion: theirs, margin: 0.1)
        #expect(allowed.upperBound(confidence: 0.95, seed: 1) < 0)
        let bad = PairedErrors(candidate: [.nan], champion: [1], margin: 1)
        #expect(!(bad.upperBound(confidence: 0.95, seed: 1) <= 0))
    }
}
