import Drift
import FoundationEssentials
import Testing

@Suite("The monitor") struct DriftMonitorTests {
    private let tenths = [Double](repeating: 0.1, count: 10)

    /// A normal number moved by one standard deviation, in the deciles of one that is not.
    private let shifted = [
        0.0113, 0.0214, 0.0310, 0.0417, 0.0537, 0.0691, 0.0895, 0.1197, 0.1722, 0.3904,
    ]

    private func monitor(
        streams: Int = 3,
        kind: ReferenceStream.Kind = .input,
        interval: Double = 1_000_000
    ) throws -> DriftMonitor {
        DriftMonitor(
            profile: try knownProfile([[Double]](repeating: tenths, count: streams), kind: kind),
            settings: try DriftSettings(falseAlarmInterval: interval)
        )
    }

    private func rows(
        _ count: Int,
        _ laws: [[Double]],
        _ generator: inout SeededGenerator
    ) -> [[UInt8]] {
        (0..<count).map { _ in laws.map { UInt8(generator.draw($0)) } }
    }

    @Test("a shift by one standard deviation in one of three streams is found within 250 rows")
    func findsShift() throws {
        var generator = SeededGenerator(seed: 21)
        for _ in 0..<10 {
            var monitor = try monitor()
            monitor.fold(rows: rows(800, [tenths, tenths, tenths], &generator))
            #expect(monitor.alarm == nil)
            #expect(monitor.evidence < 3)
            let delay = monitor.runToAlarm(rowsMax: 2000) {
                [tenths, shifted, tenths].map { UInt8(generator.draw($0)) }
            }
            #expect(delay <= 250)
            let alarm = try #require(monitor.alarm)
            let suspect = try #require(alarm.suspects.first)
            #expect(suspect.stream == "column.1")
            #expect(suspect.share > 0.9)
            #expect(suspect.changedAfterRow >= 700 && suspect.changedAfterRow <= alarm.row)
            #expect(suspect.live[9] > 0.2)
            #expect(alarm.evidence >= alarm.threshold)
            #expect(alarm.row == UInt64(800 + delay))
        }
    }

    @Test("a collapse into one bin is found in ten rows, before anything can have been learnt")
    func findsCollapse() throws {
        var monitor = try monitor()
        monitor.fold(rows: [[UInt8]](repeating: [3, 3, 3], count: 10), inBlocksOf: 10)
        #expect(monitor.alarm?.row == 10)
    }

    @Test("the threshold is the logarithm of the interval, and evidence at rest is nothing")
    func atRest() throws {
        var generator = SeededGenerator(seed: 22)
        var monitor = try monitor()
        #expect(abs(monitor.threshold - 13.815_510_557_964_274) < 1e-12)
        #expect(monitor.evidence == 0)
        monitor.fold(rows: rows(64, [tenths, tenths, tenths], &generator))
        #expect(monitor.evidence < 1)
        #expect(monitor.rows == 64)
    }

    @Test("an alarm stands until it is acknowledged, and comes again while the drift lasts")
    func acknowledge() throws {
        var generator = SeededGenerator(seed: 23)
        var monitor = try monitor()
        let drifted = [shifted, shifted, shifted]
        var block = BlockCounts(profile: monitor.profile)
        for row in rows(16, drifted, &generator) { block.add(bins: row.span) }
        var outcomes: [DriftMonitor.FoldOutcome] = []
        for _ in 0..<20 { outcomes.append(monitor.fold(block)) }
        #expect(outcomes.filter { $0 == .raised }.count == 1)
        let first = try #require(monitor.alarm)
        monitor.fold(rows: rows(160, [tenths, tenths, tenths], &generator))
        #expect(monitor.alarm == first)
        monitor.acknowledge()
        #expect(monitor.alarm == nil)
        #expect(monitor.evidence == 0)
        let again = monitor.runToAlarm(rowsMax: 4000) { drifted.map { UInt8(generator.draw($0)) } }
        #expect(again < 400)
        #expect(monitor.alarmsRaised == 2)
    }

    @Test("evidence of a disturbance that has passed fades")
    func fades() throws {
        var generator = SeededGenerator(seed: 24)
        var monitor = try monitor(interval: 1e12)
        monitor.fold(rows: rows(112, [shifted, shifted, shifted], &generator))
        let high = monitor.evidence
        #expect(high > 5)
        monitor.fold(rows: rows(4000, [tenths, tenths, tenths], &generator))
        #expect(monitor.evidence < high / 2)
    }

    @Test("a reference that knows no hidden layer counts rows of a network that has one")
    func unknownHiddenLayer() throws {
        let profile = try knownProfile([[0.5, 0.5]])
        var binner = StreamBinner(profile: profile)
        var block = BlockCounts(profile: profile)
        let (raw, outputs, hidden): ([Float], [Float], [Float]) = ([1], [0], [3, 4, 5])
        let row = ScoredRows(
            raw: raw.span,
            logits: Span<Float>(),
            probabilities: outputs.span,
            hidden: hidden.span,
            rowCount: 1
        )
        let isCounted = binner.count(row, in: &block)
        #expect(isCounted && block.rowCount == 1 && block.count(stream: 0, bin: 1) == 1)
    }

    @Test("dependence is none for independent rows, and is measured where rows resemble the last")
    func dependence() throws {
        var generator = SeededGenerator(seed: 27)
        let profile = try knownProfile([[0.5, 0.5], tenths])
        var binner = StreamBinner(profile: profile)
        var monitor = DriftMonitor(profile: profile, settings: try DriftSettings())
        #expect(monitor.dependence(ofStream: 0).isNaN)
        var last = (first: 0, second: 0)
        for _ in 0..<1500 {
            var block = BlockCounts(profile: profile)
            for _ in 0..<16 {
                // The first stream keeps its value in half of the rows: a correlation of a half.
                if generator.uniform() < 0.5 { last.first = generator.draw([0.5, 0.5]) }
                last.second = generator.draw(tenths)
                let raw = [Float(last.first), Float(last.second)]
                binner.count(raw: raw.span, probabilities: [0].span, in: &block)
            }
            monitor.fold(block)
        }
        #expect(abs(monitor.dependence(ofStream: 0) - 0.5) < 0.05)
        #expect(abs(monitor.dependence(ofStream: 1)) < 0.05)
    }

    @Test("the level says whether the model's answers have moved")
    func level() throws {
        var generator = SeededGenerator(seed: 25)
        for (kind, level) in [
            (ReferenceStream.Kind.input, DriftLevel.info), (.prediction, .warning),
        ] {
            var monitor = try monitor(kind: kind)
            monitor.fold(rows: rows(400, [shifted, shifted, shifted], &generator))
            #expect(monitor.alarm?.level == level)
        }
    }

    @Test("blocks of replicas add up to the block of all their rows")
    func blocksAddUp() throws {
        var generator = SeededGenerator(seed: 26)
        let base = try monitor()
        let all = rows(48, [tenths, shifted, tenths], &generator)
        var whole = BlockCounts(profile: base.profile)
        var sum = BlockCounts(profile: base.profile)
        for part in 0..<3 {
            var block = BlockCounts(profile: base.profile)
            for row in all[part * 16..<(part + 1) * 16] { block.add(bins: row.span) }
            #expect(block.isFull)
            try sum.add(block)
        }
        for row in all { whole.add(bins: row.span) }
        #expect(sum == whole)
        #expect(sum.rowCount == 48)
        var one = base
        var other = base
        for _ in 0..<5 {
            one.fold(whole)
            other.fold(sum)
        }
        #expect(one.state == other.state)
        #expect(one.rows == 240)
    }

    @Test("after a restart from the saved state it goes on bit for bit")
    func restart() throws {
        var generator = SeededGenerator(seed: 27)
        let settings = try DriftSettings()
        var monitor = try monitor()
        monitor.fold(rows: rows(1000, [tenths, shifted, tenths], &generator), inBlocksOf: 7)
        monitor.rotatePane()
        let saved = try JSONEncoder().encode(monitor.state)
        let state = try JSONDecoder().decode(DriftState.self, from: saved)
        var again = try DriftMonitor(profile: monitor.profile, settings: settings, state: state)
        #expect(again.state == monitor.state)
        #expect(again.alarm == monitor.alarm && again.alarm != nil)
        let more = rows(500, [shifted, tenths, tenths], &generator)
        monitor.fold(rows: more, inBlocksOf: 5)
        again.fold(rows: more, inBlocksOf: 5)
        #expect(again.state == monitor.state)
        #expect(again.evidence.bitPattern == monitor.evidence.bitPattern)
        #expect(again.evidence(ofStream: 1).bitPattern == monitor.evidence(ofStream: 1).bitPattern)
        #expect(again.summary == monitor.summary)
    }

    @Test("a state of another reference or of other settings is refused")
    func foreignState() throws {
        let state = try monitor().state
        let profile = try monitor().profile
        #expect(throws: DriftError.state(problem: "it is of other settings")) {
            let settings = try DriftSettings(tolerance: 0.06)
            _ = try DriftMonitor(profile: profile, settings: settings, state: state)
        }
        #expect(throws: DriftError.state(problem: "it is of another reference")) {
            let other = try knownProfile([[0.5, 0.5]])
            _ = try DriftMonitor(profile: other, settings: try DriftSettings(), state: state)
        }
    }

    @Test("a damaged state is refused and does not trap")
    func damagedState() throws {
        let monitor = try monitor(streams: 1)
        let text = String(decoding: try JSONEncoder().encode(monitor.state), as: UTF8.self)
        let damages = [
            (
                "\"accounts\":[{",
                "\"accounts\":[{\"unspent\":[0,0,0,0],\"wealth\":[0,0,0,0],\"betting\":[0,0,0,0]},{"
            ),
            ("\"wealth\":[0,", "\"wealth\":[-1,"),
            ("\"current\":0", "\"current\":12"),
            ("\"current\":0", "\"current\":-1"),
            ("\"unspent\":[0,", "\"unspent\":[-1,"),
            ("\"betting\":[0,", "\"betting\":[0.5,"),
            ("\"rowsSinceRefresh\":0", "\"rowsSinceRefresh\":-1"),
            ("\"restRows\":[0]", "\"restRows\":[]"),
        ]
        for (sound, damaged) in damages {
            let changed = text.replacing(sound, with: damaged)
            #expect(changed != text, "\(sound) is not in the state")
            let state = try JSONDecoder().decode(DriftState.self, from: Data(changed.utf8))
            #expect(throws: DriftError.self) {
                _ = try DriftMonitor(
                    profile: monitor.profile,
                    settings: monitor.settings,
                    state: state
                )
            }
        }
    }

    @Test("a block of another profile is not counted")
    func foreignBlock() throws {
        var monitor = try monitor()
        let other = try knownProfile([[0.5, 0.5]])
        var block = BlockCounts(profile: other)
        block.add(bins: [1].span)
        #expect(monitor.fold(block) == .foreign)
        #expect(monitor.rows == 0)
        var mine = BlockCounts(profile: monitor.profile)
        #expect(throws: DriftError.foreignCounts) { try mine.add(block) }
        for bins in [[1], [1, 1, 10]] as [[UInt8]] {
            let isCounted = mine.add(bins: bins.span)
            #expect(!isCounted)
        }
        #expect(mine.rowCount == 0 && mine.count(stream: 0, bin: 1) == 0)
        #expect(monitor.fold(mine) == .counted)
        #expect(monitor.rows == 0)
    }

    @Test("a stream whose hold-out is too small says that it is blind")
    func blind() throws {
        let profile = try knownProfile([tenths], samplingError: 0.9)
        #expect(DriftMonitor(profile: profile, settings: try DriftSettings()).isBlind(stream: 0))
        #expect(try !monitor().isBlind(stream: 0))
    }

    @Test(
        "settings out of range are refused by name",
        arguments: [
            (-0.1, 1e6, [8.0], 10.0, "tolerance"),
            (.nan, 1e6, [8.0], 10.0, "tolerance"),
            (0.05, 0, [8.0], 10.0, "falseAlarmInterval"),
            (0.05, .infinity, [8.0], 10.0, "falseAlarmInterval"),
            (0.05, 1e6, [], 10.0, "halfLives"),
            (0.05, 1e6, [0.5], 10.0, "halfLives"),
            (0.05, 1e6, [8.0], 0, "pseudoCount"),
        ]
    )
    func settings(
        tolerance: Double,
        interval: Double,
        halfLives: [Double],
        pseudoCount: Double,
        name: String
    ) throws {
        let error = #expect(throws: DriftError.self) {
            _ = try DriftSettings(
                tolerance: tolerance,
                falseAlarmInterval: interval,
                halfLives: halfLives,
                pseudoCount: pseudoCount
            )
        }
        #expect(error?.description.contains(name) == true)
        #expect(error?.code == "drift_setting")
    }
}
