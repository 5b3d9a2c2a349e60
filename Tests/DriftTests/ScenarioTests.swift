import Drift
import Testing

/// What an operator is woken for: each is found, and named for what it is.
@Suite("What an alarm says") struct ScenarioTests {
    private static let camera = Result { try SyntheticCamera.profile(rows: 1500) }
    private static let table = Result { try SyntheticTable.profile(rows: 1500) }

    /// A watch that has seen some usual traffic without an alarm.
    private func calmCamera(_ rows: Int = 400) throws -> (Watch, SyntheticCamera) {
        var watch = try Watch(Self.camera.get())
        var camera = SyntheticCamera(seed: 7)
        for _ in 0..<rows { watch.see(camera.row()) }
        try #require(watch.monitor.alarm == nil)
        return (watch, camera)
    }

    private func calmTable(_ rows: Int = 400) throws -> (Watch, SyntheticTable) {
        var watch = try Watch(Self.table.get())
        var table = SyntheticTable(seed: 8)
        for _ in 0..<rows { watch.see(table.row()) }
        try #require(watch.monitor.alarm == nil)
        return (watch, table)
    }

    private func names(_ watch: Watch) -> [String] {
        watch.monitor.alarm?.suspects.map(\.stream) ?? []
    }

    @Test("a column that goes missing is bad data, and is named")
    func missingColumn() throws {
        var (watch, table) = try calmTable()
        table.change = { [$0[0], .nan, $0[2], $0[3], $0[4]] }
        let delay = try #require(watch.rowsToAlarm(max: 200) { table.row() })
        #expect(delay <= 24)
        for _ in 0..<40 { watch.see(table.row()) }
        #expect(watch.monitor.alarm?.cause == .quality)
        #expect(names(watch).contains("quality.missing"))
        #expect(names(watch).contains("column.income"))
        let column = watch.monitor.alarm?.suspects.first { $0.stream == "column.income" }
        #expect(column?.grown == "missing")
    }

    @Test("a camera that turns dark is bad data: all pixels are equal")
    func darkCamera() throws {
        var (watch, camera) = try calmCamera()
        camera.change = { $0.map { _ in 0 } }
        let delay = try #require(watch.rowsToAlarm(max: 200) { camera.row() })
        #expect(delay <= 16)
        #expect(watch.monitor.alarm?.cause == .quality)
        #expect(names(watch).contains("quality.constant"))
        #expect(!names(watch).contains("quality.scale"))
    }

    @Test(
        "numbers in another unit are bad data: the scale is wrong, this way or that",
        arguments: [(1.0 / 255, "too small"), (255.0, "too large")]
    )
    func scale(factor: Double, words: String) throws {
        var (watch, camera) = try calmCamera()
        camera.change = { $0.map { $0 * Float(factor) } }
        let delay = try #require(watch.rowsToAlarm(max: 200) { camera.row() })
        #expect(delay <= 16)
        #expect(watch.monitor.alarm?.cause == .quality)
        let scale = watch.monitor.alarm?.suspects.first { $0.stream == "quality.scale" }
        #expect(scale?.grown.hasSuffix(words) == true)
    }

    @Test("a column in another unit is bad data, and is named")
    func columnScale() throws {
        var (watch, table) = try calmTable()
        table.change = { [$0[0], $0[1] / 100, $0[2], $0[3], $0[4]] }
        let delay = try #require(watch.rowsToAlarm(max: 200) { table.row() })
        #expect(delay <= 24)
        for _ in 0..<40 { watch.see(table.row()) }
        #expect(watch.monitor.alarm?.cause == .quality)
        #expect(names(watch).contains("quality.scale"))
        #expect(names(watch).contains("column.income"))
    }

    @Test("a column that is stuck at one value is bad data")
    func stuckColumn() throws {
        var (watch, table) = try calmTable()
        table.change = { [44, $0[1], $0[2], $0[3], $0[4]] }
        _ = try #require(watch.rowsToAlarm(max: 200) { table.row() })
        for _ in 0..<40 { watch.see(table.row()) }
        #expect(watch.monitor.alarm?.cause == .quality)
        #expect(names(watch).contains("quality.stuck"))
        #expect(names(watch).contains("column.age"))
    }

    @Test("a class that vanishes is a changed world: the answers say so")
    func vanishingClass() throws {
        var (watch, camera) = try calmCamera()
        camera.shares = [1, 1, 0, 1]
        _ = try #require(watch.rowsToAlarm(max: 2000) { camera.row() })
        for _ in 0..<200 { watch.see(camera.row()) }
        #expect(watch.monitor.alarm?.cause == .prediction)
        #expect(watch.monitor.alarm?.suspects.contains { $0.kind == .prediction } == true)
    }

    @Test("five per cent of foreign pictures are a changed world, seen in the tails")
    func contamination() throws {
        var (watch, camera) = try calmCamera()
        var chance = SeededGenerator(seed: 11)
        camera.change = { raw in
            // Chequered pictures, as bright as the others and no two alike.
            guard chance.uniform() < 0.05 else { return raw }
            let light = Float(100 + chance.next() % 40)
            return raw.indices.map { ($0 / 6 + $0) % 2 == 0 ? light + Float($0 % 5) : 0 }
        }
        _ = try #require(watch.rowsToAlarm(max: 4000) { camera.row() })
        #expect(watch.monitor.alarm?.cause != .quality)
        #expect(names(watch).contains { $0.hasPrefix("tail.") || $0.hasPrefix("hidden.") })
    }

    @Test("a slow ramp of the light is a changed world, whose inputs moved")
    func ramp() throws {
        var (watch, camera) = try calmCamera()
        var rows = 0
        let delay = watch.rowsToAlarm(max: 4000) {
            rows += 1
            let gain = 1 + 0.5 * Float(rows) / 4000
            camera.change = { $0.map { min(255, ($0 * gain).rounded()) } }
            return camera.row()
        }
        #expect(delay != nil)
        #expect(watch.monitor.alarm?.cause != .quality)
        #expect(names(watch).contains { $0.hasPrefix("frame.") || $0.hasPrefix("hidden.") })
    }

    @Test("one request over and over is bad data: duplicates")
    func repeatedRequest() throws {
        var (watch, camera) = try calmCamera()
        let one = camera.row()
        let delay = try #require(watch.rowsToAlarm(max: 200) { one })
        #expect(delay <= 16)
        #expect(watch.monitor.alarm?.cause == .quality)
        #expect(names(watch).first == "quality.duplicate")
    }

    @Test("rows without any value, and requests that are refused, are bad data")
    func nothingButMissing() throws {
        var (watch, _) = try calmTable()
        let empty = Scored(raw: [.nan, .nan, .nan, .nan, .nan], logits: [-4], hidden: [])
        #expect(watch.rowsToAlarm(max: 16) { empty } != nil)
        #expect(watch.monitor.alarm?.cause == .quality)
        var (other, _) = try calmCamera()
        for _ in 0..<16 { other.refuse() }
        #expect(other.monitor.alarm?.cause == .quality)
        #expect(names(other).first == "quality.refused")
    }

    @Test("requests that were refused do not make a changed world bad data")
    func refusedBefore() throws {
        var watch = try Watch(Self.camera.get(), interval: 1_000_000)
        var camera = SyntheticCamera(seed: 7)
        for row in 0..<700 {
            watch.see(camera.row())
            if row >= 400, row % 15 == 0 { watch.refuse() }
        }
        try #require(watch.monitor.alarm == nil)
        try #require(watch.monitor.evidence(of: .quality) > watch.monitor.threshold / 4)
        camera.change = { $0.map { min(255, ($0 * 1.4).rounded()) } }
        _ = try #require(watch.rowsToAlarm(max: 400) { camera.row() })
        for _ in 0..<200 { watch.see(camera.row()) }
        let cause = try #require(watch.monitor.alarm?.cause)
        #expect(cause != .quality)
    }

    @Test("rows that repeat by chance do not make a changed world bad data")
    func repeatedByChance() throws {
        var (watch, camera) = try calmCamera()
        let names = watch.monitor.profile.streams.map(\.name)
        let repeated = try #require(names.firstIndex(of: "quality.duplicate"))
        camera.change = { $0.map { min(255, ($0 * 1.4).rounded()) } }
        _ = try #require(watch.rowsToAlarm(max: 400) { camera.row() })
        // Few requests come, so each is folded at once.
        for _ in 0..<5 {
            for _ in 0..<16 { watch.see(camera.row()) }
            let row = camera.row()
            for _ in 0..<3 {
                watch.see(row)
                watch.fold()
            }
            // A quarter of what an alarm takes.
            try #require(watch.monitor.evidence(ofStream: repeated) > watch.monitor.threshold / 4)
        }
        #expect(watch.monitor.alarm?.cause != .quality)
    }

    @Test("usual traffic of either kind stays quiet for thousands of rows")
    func quiet() throws {
        _ = try calmCamera(3000)
        _ = try calmTable(3000)
    }
}
