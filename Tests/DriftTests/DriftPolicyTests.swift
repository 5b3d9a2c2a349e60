import Drift
import FoundationEssentials
import Testing

@Suite("Severity and policy") struct DriftPolicyTests {
    private func facts(
        _ alarm: DriftFinding?,
        certain: Bool = false,
        expected: Bool = false,
        labelled: Bool = false
    ) -> DriftFacts {
        var facts = DriftFacts()
        facts.alarm = alarm
        facts.isCertain = certain
        facts.expectsErrors = expected
        facts.hasErrors = labelled
        return facts
    }

    @Test("each set of findings has its level, its cause, and its decision on a retrain")
    func table() {
        let table: [(DriftFacts, DriftSeverity?, DriftFinding?, Bool)] = [
            (facts(nil), nil, nil, false),
            (facts(.input), .info, .input, false),
            (facts(.input, certain: true), .warning, .input, false),
            (facts(.prediction), .warning, .prediction, true),
            (facts(.quality), .warning, .quality, false),
            (facts(nil, expected: true), .critical, .expectedError, true),
            (facts(.input, expected: true), .critical, .expectedError, true),
            (facts(nil, labelled: true), .critical, .labelledError, true),
            (facts(.prediction, expected: true, labelled: true), .critical, .labelledError, true),
            // Never on bad data, whatever else was found.
            (facts(.quality, expected: true), .critical, .quality, false),
            (facts(.quality, labelled: true), .critical, .labelledError, false),
        ]
        for (facts, level, cause, asks) in table {
            let verdict = DriftVerdict(facts)
            #expect(verdict.level == level, "\(facts)")
            #expect(verdict.cause == cause, "\(facts)")
            #expect(verdict.asksForRetrain == asks, "\(facts)")
            #expect(!verdict.reason.isEmpty)
            #expect(verdict.findings.isEmpty == (level == nil))
        }
        #expect(DriftSeverity.allCases == DriftSeverity.allCases.sorted())
    }

    @Test("a retrain is asked for at once, for each new cause, and again after an hour")
    func asking() {
        var asking = RetrainAsking()
        let moved = DriftVerdict(facts(.prediction))
        let harmful = DriftVerdict(facts(.prediction, labelled: true))
        var answers: [Bool] = []
        let steps: [(DriftVerdict, Double)] = [
            (.calm, 0), (moved, 10), (moved, 20), (moved, 3609), (harmful, 3609.5),
            (harmful, 3700), (harmful, 7300), (.calm, 7301), (harmful, 7302),
            (DriftVerdict(facts(.quality)), 7303), (moved, 7304), (moved, 3),
        ]
        for (verdict, now) in steps { answers.append(asking.isDue(verdict, now: now)) }
        #expect(
            answers == [
                false, true, false, false, true, false, true, false, true, false, true, true,
            ]
        )
    }

    @Test("a row's time is told to within the spacing of the marks, however long ago")
    func clock() throws {
        var clock = RowClock()
        #expect(clock.seconds(of: 5) == nil)
        for tick in 0..<20_000 { clock.mark(row: UInt64(tick * 10), seconds: 1e9 + Double(tick)) }
        for row in [UInt64(0), 77, 100_000, 199_000] {
            let found = try #require(clock.seconds(of: row))
            #expect(abs(found - (1e9 + Double(row) / 10)) < 100)
        }
        #expect(clock.seconds(of: 10_000_000).map { $0 > 1e9 + 19_000 } == true)
        let bytes = try JSONEncoder().encode(clock)
        #expect(bytes.count < 60_000)
        // A new version counts its rows from the start.
        clock.mark(row: 3, seconds: 1e9 + 30_000)
        #expect(clock.seconds(of: 3) == 1e9 + 30_000)
        #expect(clock.seconds(of: 1) == nil)
        clock.mark(row: 4, seconds: .infinity)
        #expect(clock.seconds(of: 4) == 1e9 + 30_000)
    }

    /// A monitor of one stream of each given family, and blocks of rows for it.
    private func monitor(_ kinds: [ReferenceStream.Kind]) throws -> DriftMonitor {
        let law = [0.25, 0.25, 0.25, 0.25]
        let streams = try kinds.enumerated().map { index, kind in
            let part = try #require(knownProfile([law], kind: kind).streams.first)
            return ReferenceStream(
                name: "\(kind.rawValue).\(index)",
                kind: kind,
                source: .column(index: index),
                binOfCategory: part.binOfCategory,
                labels: part.labels,
                roles: part.roles,
                probabilities: law,
                samplingError: 0
            )
        }
        let profile = try ReferenceProfile(
            holdoutRows: 10_000,
            rawWidth: kinds.count,
            outputWidth: 1,
            frame: nil,
            failureProbability: 0.001,
            columnsUnwatched: 0,
            streams: streams
        )
        return DriftMonitor(
            profile: profile,
            settings: try DriftSettings(tolerance: 0.05, falseAlarmInterval: 1000)
        )
    }

    /// Folds blocks in which the given streams are always in their first bin.
    private func fold(_ blocks: Int, moved: Set<Int>, into monitor: inout DriftMonitor) {
        let count = monitor.profile.streams.count
        for block in 0..<blocks {
            var counts = BlockCounts(profile: monitor.profile)
            for row in 0..<16 {
                let bins = (0..<count).map { moved.contains($0) ? 0 : UInt8((row + block) % 4) }
                counts.add(bins: bins.span)
            }
            monitor.fold(counts)
        }
    }

    @Test("an alarm whose cause has passed stands, and says for how many rows it has been quiet")
    func quiet() throws {
        var monitor = try monitor([.input, .quality])
        var health = ModelHealth(nil, errorTolerance: 0.02, falseAlarmInterval: 1e6)
        fold(30, moved: [], into: &monitor)
        fold(20, moved: [1], into: &monitor)
        _ = health.judge(monitor, seconds: 1000)
        #expect(health.verdict.cause == .quality)
        #expect(health.quietRows(monitor) == nil)
        // 40,000 good rows; the evidence fades, and then the quiet is counted.
        var firstQuiet: UInt64?
        for step in 0..<2500 {
            fold(1, moved: [], into: &monitor)
            _ = health.judge(monitor, seconds: 1001 + Double(step))
            if firstQuiet == nil { firstQuiet = health.quietRows(monitor) }
        }
        #expect(firstQuiet == ModelHealth.passedRowsMin)
        let rows = try #require(health.quietRows(monitor))
        #expect(rows > ModelHealth.passedRowsMin)
        #expect(DriftReport(monitor, health).quietRows == rows)
        // It is a person's to end: until then nothing is learned from data that may be bad.
        #expect(monitor.alarm != nil && health.verdict.cause == .quality)
        #expect(!health.verdict.asksForRetrain)
        var other = ModelHealth(nil, errorTolerance: 0.02, falseAlarmInterval: 1e6)
        other.restore(health.state, monitor)
        #expect(other.quietRows(monitor) == rows)
        // What comes back is no longer passed.
        fold(20, moved: [1], into: &monitor)
        _ = health.judge(monitor, seconds: 4000)
        #expect(health.quietRows(monitor) == nil)
        monitor.acknowledge()
        health.acknowledge()
        #expect(health.quietRows(monitor) == nil)
    }

    @Test(
        "the family that moved decides",
        arguments: [
            (ReferenceStream.Kind.input, DriftFinding.input),
            (.prediction, .prediction), (.quality, .quality),
        ]
    )
    func families(kind: ReferenceStream.Kind, finding: DriftFinding) throws {
        var monitor = try monitor([.input, .prediction, .quality])
        var health = ModelHealth(nil, errorTolerance: 0.02, falseAlarmInterval: 1e6)
        fold(30, moved: [], into: &monitor)
        let calm = health.judge(monitor, seconds: 1000)
        #expect(calm.change == .none && !calm.asksForRetrain)
        let stream = try #require(monitor.profile.streams.firstIndex { $0.kind == kind })
        fold(20, moved: [stream], into: &monitor)
        let raised = health.judge(monitor, seconds: 1060)
        #expect(raised.change == .raised)
        #expect(health.verdict.cause == finding)
        #expect(health.verdict.level == .warning)
        #expect(raised.asksForRetrain == (finding == .prediction))

        let attribution = DriftAttribution(monitor, clock: health.clock)
        #expect(attribution.streams.first?.stream == monitor.profile.streams[stream].name)
        #expect((attribution.streams.first?.share ?? 0) > 0.99)
        #expect(attribution.features.isEmpty == (kind != .input))
        let change = try #require(attribution.change)
        #expect((464...496).contains(change.afterRow))
        #expect(change.rowsAgo == monitor.rows - change.afterRow)
        #expect(abs((change.seconds ?? 0) - 1000) < 5)

        // Nothing new: nothing is told, and nothing asked for.
        let again = health.judge(monitor, seconds: 1061)
        #expect(again.change == .none && !again.asksForRetrain)
        health.hasErrors = true
        let worse = health.judge(monitor, seconds: 1062)
        #expect(worse.change == .worsened)
        #expect(worse.asksForRetrain == (finding != .quality))

        var other = ModelHealth(nil, errorTolerance: 0.02, falseAlarmInterval: 1e6)
        let saved = try JSONDecoder().decode(
            ModelHealth.State.self,
            from: JSONEncoder().encode(health.state)
        )
        other.restore(saved, monitor)
        #expect(other.verdict == health.verdict)
        let restored = other.judge(monitor, seconds: 1063)
        #expect(restored.change == .none && !restored.asksForRetrain)
        health.acknowledge()
        monitor.acknowledge()
        _ = health.judge(monitor, seconds: 1064)
        #expect(health.verdict == .calm)
        let report = DriftReport(monitor, health)
        let json = String(decoding: try JSONEncoder().encode(report), as: UTF8.self)
        for key in ["\"verdict\"", "\"attribution\"", "\"streams\"", "\"evidence_nats\""] {
            #expect(json.contains(key))
        }
    }
}
