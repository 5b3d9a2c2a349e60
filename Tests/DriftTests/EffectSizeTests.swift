import Drift
import Testing

@Suite("Effect sizes") struct EffectSizeTests {
    private func stream(_ law: [Double], ordered: Bool) -> ReferenceStream {
        ReferenceStream(
            name: "s",
            kind: .input,
            source: .column(index: 0),
            edges: ordered ? (1..<law.count).map { Float($0) } : [],
            binOfCategory: ordered ? [] : law.indices.map { UInt8($0) },
            labels: law.map { "\($0)" },
            roles: law.map { _ in .body },
            probabilities: law,
            samplingError: 0
        )
    }

    @Test("sizes of a known difference are as worked out by hand")
    func byHand() {
        // So many rows that half a row in a bin and the part of chance do not show.
        let size = EffectSize(
            counts: [800_000_000, 200_000_000],
            stream: stream([0.5, 0.5], ordered: true),
            holdoutRows: 1_000_000_000
        )
        #expect(abs(size.populationStability - 0.415_888_308_335_967) < 1e-6)
        #expect(abs(size.totalVariation - 0.3) < 1e-12)
        // (0.8 ln(0.8/0.65) + 0.2 ln(0.2/0.35) + 0.5 ln(0.5/0.65) + 0.5 ln(0.5/0.35)) / 2 / ln 2
        #expect(abs(size.jensenShannon * size.jensenShannon - 0.073_104_457_053_781_7) < 1e-6)
        #expect(abs(size.kolmogorovSmirnov - 0.3) < 1e-12)
    }

    @Test("categories have no order, so no Kolmogorov–Smirnov distance")
    func categories() {
        let size = EffectSize(
            counts: [100, 200, 100],
            stream: stream([0.25, 0.5, 0.25], ordered: false),
            holdoutRows: 1000
        )
        #expect(size.kolmogorovSmirnov.isNaN)
        #expect(size.totalVariation == 0)
        #expect(size.populationStability == 0)
    }

    @Test("fewer than 200 rows say nothing")
    func tooFew() {
        let size = EffectSize(
            counts: [100, 99],
            stream: stream([0.5, 0.5], ordered: true),
            holdoutRows: 1000
        )
        #expect(size.rows == 199)
        #expect(size.populationStability.isNaN && size.totalVariation.isNaN)
        #expect(size.jensenShannon.isNaN && size.kolmogorovSmirnov.isNaN)
    }

    @Test("without drift the stability index stays a third of what chance alone would make it")
    func chanceIsTakenOff() {
        var generator = SeededGenerator(seed: 31)
        let law = [Double](repeating: 0.1, count: 10)
        var sum = 0.0
        for _ in 0..<150 {
            var counts = [UInt64](repeating: 0, count: 10)
            for _ in 0..<400 { counts[generator.draw(law)] += 1 }
            // The reference is exact here, so all of the chance is in the live rows.
            sum +=
                EffectSize(
                    counts: counts,
                    stream: stream(law, ordered: true),
                    holdoutRows: 1_000_000
                ).populationStability
        }
        // Chance alone: 9/400 = 0.0225.
        #expect(sum / 150 < 0.0075)
    }

    @Test("the window forgets its oldest pane")
    func panes() throws {
        let profile = try knownProfile([[0.5, 0.5]])
        var monitor = DriftMonitor(profile: profile, settings: try DriftSettings())
        monitor.fold(rows: [[UInt8]](repeating: [0], count: 100))
        for _ in 0..<5 { monitor.rotatePane() }
        monitor.fold(rows: [[UInt8]](repeating: [1], count: 300))
        #expect(monitor.windowRows == 400)
        #expect(monitor.windowCounts(ofStream: 0) == [100, 300])
        #expect(monitor.effectSize(ofStream: 0).totalVariation == 0.25)
        monitor.rotatePane()
        #expect(monitor.windowCounts(ofStream: 0) == [0, 300])
        #expect(monitor.windowRows == 300)
    }

    @Test("closed panes hold counts beyond 16 bits, rounded by less than a hundred-thousandth")
    func largePanes() throws {
        let profile = try knownProfile([[0.5, 0.5]])
        var block = BlockCounts(profile: profile)
        for row in 0..<16 { block.add(bins: [row < 5 ? 0 : 1].span) }
        for _ in 0..<14 {
            let half = block
            try block.add(half)
        }
        var monitor = DriftMonitor(profile: profile, settings: try DriftSettings())
        monitor.fold(block)
        let exact = monitor.windowCounts(ofStream: 0)
        #expect(exact == [5 << 14, 11 << 14])
        monitor.rotatePane()
        monitor.fold(rows: [[UInt8]](repeating: [0], count: 3))
        let rounded = monitor.windowCounts(ofStream: 0)
        #expect(abs(Double(rounded[0]) - Double(exact[0] + 3)) <= 1e-5 * Double(exact[1]))
        #expect(abs(Double(rounded[1]) - Double(exact[1])) <= 1e-5 * Double(exact[1]))
    }

    @Test("the Wasserstein distance of a shift is the shift, in standard deviations")
    func wasserstein() {
        // Bins 1 wide; beyond the outer edges there is nothing.
        let law = [1e-9, 0.25, 0.25, 0.25, 0.25 - 2e-9, 1e-9]
        let ordered = ReferenceStream(
            name: "column.x",
            kind: .input,
            source: .column(index: 0),
            edges: [0, 1, 2, 3, 4],
            labels: law.map { "\($0)" },
            roles: law.map { _ in .body },
            probabilities: law,
            samplingError: 0
        )
        func distance(_ counts: [UInt64]) -> Double {
            EffectSize(counts: counts, stream: ordered, holdoutRows: 10_000).wasserstein
        }
        #expect(distance([0, 250, 250, 250, 250, 0]) < 1e-6)
        // A half of the rows of each bin moves on by one: the mean moves by a half less what
        // leaves the last bin; the deviation of an even law over four is 4/√12.
        let moved = distance([0, 125, 250, 250, 250, 125])
        #expect(abs(moved - 0.4375 / (4 / 12.0.squareRoot())) < 0.02)
        #expect(distance([0, 0, 0, 0, 1000, 0]) > 1)
        let few = EffectSize(counts: [0, 50, 50, 50, 49, 0], stream: ordered, holdoutRows: 100)
        #expect(few.wasserstein.isNaN && few.totalVariationLowerBound.isNaN)
        let category = EffectSize(
            counts: [300, 300],
            stream: stream([0.5, 0.5], ordered: false),
            holdoutRows: 10_000
        )
        #expect(category.wasserstein.isNaN)
        #expect(category.totalVariationLowerBound == 0)
    }

    @Test("chance exceeds its quantile in about one case of a hundred, for few bins and many")
    func quantile() {
        var generator = SeededGenerator(seed: 41)
        for bins in [2, 5, 12] {
            let law = generator.law(bins)
            let quantile = ChanceVariation.quantile(law: law, rows: 300, holdoutRows: 1_000_000)
            var above = 0
            for _ in 0..<600 {
                var counts = [Double](repeating: 0, count: bins)
                for _ in 0..<300 { counts[generator.draw(law)] += 1 }
                let distance = zip(counts, law).reduce(0) { $0 + abs($1.0 / 300 - $1.1) } / 2
                above += distance > quantile ? 1 : 0
            }
            #expect((1...14).contains(above), "\(bins): \(above)")
        }
        #expect(ChanceVariation.quantile(law: [1], rows: 5, holdoutRows: 5) == 1)
    }
}
