import Drift
import Testing

@Suite("The guarantee of the alarm") struct GuaranteeTests {
    /// A monitor of one stream with one memory, so that its wealth is that of one series.
    private func single(
        _ law: [Double],
        tolerance: Double,
        halfLife: Double
    ) throws -> DriftMonitor {
        DriftMonitor(
            profile: try knownProfile([law]),
            settings: try DriftSettings(
                tolerance: tolerance,
                falseAlarmInterval: 1e12,
                halfLives: [halfLife],
                fixedShare: 0
            )
        )
    }

    /// The wealth of the streams by themselves, whatever part of the budget they have.
    private func wealth(_ monitor: DriftMonitor) -> Double {
        monitor.wealth / AlarmBudget.streams
    }

    private func block(_ bins: [Int], of monitor: DriftMonitor) -> BlockCounts {
        var block = BlockCounts(profile: monitor.profile)
        for bin in bins { block.add(bins: [UInt8(bin)].span) }
        return block
    }

    @Test("whatever happened before, no law of the ball lets wealth grow on average")
    func oneStepSupermartingale() throws {
        var generator = SeededGenerator(seed: 3)
        var tight = 0
        for round in 0..<60 {
            let law = generator.law(5)
            let delta = 0.02 + 0.1 * generator.uniform()
            var monitor = try single(law, tolerance: delta, halfLife: [8, 32, 256][round % 3])
            let moved = generator.law(5, sharpness: 2)
            for _ in 0..<2 + round % 6 {
                let bins = (0..<16).map { _ in generator.draw(moved) }
                monitor.fold(block(bins, of: monitor))
            }
            // One more row: every outcome is tried on a copy.
            let after = law.indices.map { bin -> Double in
                var copy = monitor
                copy.fold(block([bin], of: copy))
                return wealth(copy)
            }
            let worst = leastFavourable(law, payoffs: after, tolerance: delta)
            let mean = zip(worst, after).reduce(0) { $0 + $1.0 * $1.1 }
            // Wealth below that at rest is topped up to it first.
            let before = max(16, wealth(monitor))
            #expect(mean <= before * (1 + 1e-9))
            if after.max() != after.min(), mean > before * (1 - 1e-5) { tight += 1 }
        }
        // The bound is reached, so this test sees a bet that is only a little too bold.
        #expect(tight > 30)
    }

    @Test("a whole block wins nothing on average, whichever law of the ball each row follows")
    func blockSupermartingale() throws {
        var generator = SeededGenerator(seed: 4)
        let law = [0.5, 0.3, 0.2]
        var monitor = try single(law, tolerance: 0.08, halfLife: 16)
        for _ in 0..<30 {
            let bins = (0..<16).map { _ in generator.draw([0.2, 0.2, 0.6]) }
            monitor.fold(block(bins, of: monitor))
        }
        // The rim's corners: each row may choose its own.
        let corners = [[0, 1, 2], [0, 2, 1], [1, 0, 2], [1, 2, 0], [2, 0, 1], [2, 1, 0]].map {
            leastFavourable(law, payoffs: $0.map { Double($0) }, tolerance: 0.08)
        }
        var paid: [[Int]: Double] = [:]
        for first in 0..<3 {
            for second in 0..<3 {
                for third in 0..<3 {
                    var copy = monitor
                    copy.fold(block([first, second, third], of: copy))
                    paid[[first, second, third]] = wealth(copy)
                }
            }
        }
        for a in corners {
            for b in corners {
                for c in corners {
                    let mean = paid.reduce(0.0) {
                        $0 + $1.value * a[$1.key[0]] * b[$1.key[1]] * c[$1.key[2]]
                    }
                    #expect(mean <= max(16, wealth(monitor)) * (1 + 1e-9))
                }
            }
        }
    }

    @Test("fixed bets win no more than the rows that are put in, under the worst law of the ball")
    func fixedBets() throws {
        var generator = SeededGenerator(seed: 9)
        for round in 0..<40 {
            let law = generator.law(5)
            let delta = 0.01 + 0.1 * generator.uniform()
            var monitor = DriftMonitor(
                profile: try knownProfile([law]),
                settings: try DriftSettings(
                    tolerance: delta,
                    falseAlarmInterval: 1e12,
                    halfLives: [8],
                    fixedShare: 1
                )
            )
            let bin = generator.draw(law)
            monitor.fold(block([Int](repeating: bin, count: round % 9), of: monitor))
            let after = law.indices.map { bin -> Double in
                var copy = monitor
                copy.fold(block([bin], of: copy))
                return wealth(copy)
            }
            let worst = leastFavourable(law, payoffs: after, tolerance: delta)
            let mean = zip(worst, after).reduce(0) { $0 + $1.0 * $1.1 }
            #expect(mean <= (wealth(monitor) + 1) * (1 + 1e-6))
        }
    }

    @Test("mean wealth never exceeds the rows scored, under a law at the rim of the ball")
    func meanWealthWithinRows() throws {
        var generator = SeededGenerator(seed: 5)
        let law = [0.4, 0.3, 0.2, 0.1]
        let rim = [0.3, 0.3, 0.2, 0.2]
        let profile = try knownProfile([law, law])
        let settings = try DriftSettings(
            tolerance: 0.1,
            falseAlarmInterval: 1e12,
            halfLives: [8, 64]
        )
        var sums = [Double](repeating: 0, count: 12)
        let runs = 300
        for _ in 0..<runs {
            var monitor = DriftMonitor(profile: profile, settings: settings)
            for step in sums.indices {
                // Blocks of three rows, and two streams that always agree.
                monitor.fold(
                    rows: (0..<24).map { _ in
                        let bin = UInt8(generator.draw(rim))
                        return [bin, bin]
                    },
                    inBlocksOf: 3
                )
                sums[step] += wealth(monitor)
            }
        }
        for (step, sum) in sums.enumerated() {
            #expect(sum / Double(runs) <= Double((step + 1) * 24))
        }
    }

    @Test("all top-ups together never exceed the rows, even if every bet is lost")
    func topUpsWithinRows() throws {
        let law = [0.5, 0.5]
        var monitor = DriftMonitor(
            profile: try knownProfile([law]),
            settings: try DriftSettings(
                tolerance: 0.02,
                falseAlarmInterval: 1e12,
                halfLives: [8],
                pseudoCount: 0.1,
                fixedShare: 0
            )
        )
        var toppedUp = 0.0
        for row in 1...300 {
            let outcomes = law.indices.map { bin -> DriftMonitor in
                var copy = monitor
                copy.fold(block([bin], of: copy))
                return copy
            }
            // The least favourable law wins nothing and loses nothing, so what its mean has more
            // than the wealth before was put in.
            let after = outcomes.map { wealth($0) }
            let worst = leastFavourable(law, payoffs: after, tolerance: 0.02)
            let mean = zip(worst, after).reduce(0) { $0 + $1.0 * $1.1 }
            toppedUp += max(0, mean - wealth(monitor))
            #expect(toppedUp <= Double(row) * (1 + 1e-6))
            monitor = after[0] < after[1] ? outcomes[0] : outcomes[1]
        }
        // Most of the rows were put in; without the account it would be several times the rows.
        #expect(toppedUp > 150)
    }

    @Test(
        "the mean time to a false alarm is at least the interval that was asked for",
        arguments: [
            [0.25, 0.25, 0.25, 0.25],  // Nothing has moved.
            [0.35, 0.25, 0.25, 0.15],  // The rim of the leeway, for ever.
        ]
    )
    func falseAlarmInterval(live: [Double]) throws {
        var generator = SeededGenerator(seed: 6)
        let law = [0.25, 0.25, 0.25, 0.25]
        let profile = try knownProfile([law, law, law])
        let settings = try DriftSettings(
            tolerance: 0.1,
            falseAlarmInterval: 100,
            halfLives: [8, 32]
        )
        let runs = 150
        var rows = 0
        for _ in 0..<runs {
            var monitor = DriftMonitor(profile: profile, settings: settings)
            // Two streams agree, the third is on its own. A run that is cut counts as an alarm.
            rows += monitor.runToAlarm(rowsMax: 800, blockRows: 4) {
                let bin = UInt8(generator.draw(live))
                return [bin, bin, UInt8(generator.draw(live))]
            }
        }
        #expect(Double(rows) / Double(runs) >= 100)
    }

    @Test("the same simulation finds a monitor that has no leeway where it needs one")
    func simulationCanFail() throws {
        var generator = SeededGenerator(seed: 7)
        let law = [0.25, 0.25, 0.25, 0.25]
        let live = [0.45, 0.25, 0.25, 0.05]
        let profile = try knownProfile([law, law, law])
        let settings = try DriftSettings(tolerance: 0, falseAlarmInterval: 100, halfLives: [8, 32])
        var rows = 0
        for _ in 0..<40 {
            var monitor = DriftMonitor(profile: profile, settings: settings)
            rows += monitor.runToAlarm(rowsMax: 800, blockRows: 4) {
                let bin = UInt8(generator.draw(live))
                return [bin, bin, UInt8(generator.draw(live))]
            }
        }
        #expect(Double(rows) / 40 < 100)
    }

    @Test("drift within the tolerance never alarms, and leaves hardly any evidence")
    func harmlessDriftIsQuiet() throws {
        var generator = SeededGenerator(seed: 8)
        let law = [Double](repeating: 0.1, count: 10)
        // Total variation 0.04, tolerance 0.05.
        let live = [0.14, 0.1, 0.1, 0.1, 0.1, 0.1, 0.1, 0.1, 0.1, 0.06]
        let profile = try knownProfile([law, law])
        var monitor = DriftMonitor(profile: profile, settings: try DriftSettings())
        var most = 0.0
        for _ in 0..<1000 {
            monitor.fold(
                rows: (0..<16).map { _ in
                    [UInt8(generator.draw(live)), UInt8(generator.draw(law))]
                }
            )
            most = max(most, monitor.evidence)
        }
        #expect(monitor.alarm == nil)
        #expect(most < monitor.threshold / 2)
    }
}
