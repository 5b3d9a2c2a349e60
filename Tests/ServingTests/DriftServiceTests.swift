import Drift
import ModelStore
import ModelTestSupport
import Serving
import Telemetry
import TestSupport
import Testing

@Suite("Drift service") struct DriftServiceTests {
    /// A service that watches one model, and its store.
    private final class Bench: Sendable {
        let folder: TemporaryDirectory
        let store: ModelDirectory
        let registry = MetricRegistry(shards: 1)
        let alarms = Seen<DriftVerdict>()

        init(versions: Int = 1) throws {
            let folder = try TemporaryDirectory()
            store = ModelDirectory(state: folder.path, model: "lines")
            self.folder = folder
            for version in 0..<versions { try store.publishTiny(sharpness: Float(version + 2)) }
        }

        func service(metrics: MetricRegistry? = nil) throws -> DriftService {
            let alarms = alarms
            return DriftService(
                settings: [
                    "lines": try DriftSettings(tolerance: 0.02, falseAlarmInterval: 1000)
                ],
                metrics: try DriftMetrics(metrics ?? registry),
                logger: quietLogger,
                store: DriftStateStore(["lines": store]),
                clock: { WallTime(nanosecondsSinceEpoch: 1_795_466_160_000_000_000) },
                onRetrain: { _, verdict in alarms.append(verdict) }
            )
        }
    }

    /// Blocks of rows as the event loops count them; shifted ones are bright at the top.
    private func rows(
        _ model: ActiveModel,
        blocks: Int,
        shifted: Bool,
        version: Int? = nil
    ) -> CountedRows {
        let profile = model.bundle.reference
        var binner = StreamBinner(profile: profile)
        let pixels = TinyData.pixels(blocks * 16, seed: 3)
        let counted = (0..<blocks).map { number in
            var block = BlockCounts(profile: profile)
            for row in number * 16..<number * 16 + 16 {
                let raw = pixels[row * 9..<row * 9 + 9].enumerated().map { place, value in
                    shifted ? Float(value) / 5 + (place < 3 ? 200 : 0) : Float(value)
                }
                let answers = TinyModel.answers(
                    model.bundle.network,
                    model.bundle.manifest.schema,
                    raw
                )
                binner.count(raw: raw.span, probabilities: answers.span, in: &block)
            }
            return block
        }
        return CountedRows(
            model: model.name,
            version: version ?? model.version,
            blocks: counted
        )
    }

    @Test("rows as in training raise nothing, shifted rows raise one alarm, told once")
    func alarm() async throws {
        let bench = try Bench()
        let (service, model) = (try bench.service(), try bench.store.active())
        #expect(await service.summary(of: "lines") == nil)
        await service.begin(model)
        await service.fold([rows(model, blocks: 20, shifted: false)])
        #expect(bench.alarms.all.isEmpty)
        let calm = try #require(await service.summary(of: "lines"))
        #expect(calm.rows == 320)
        #expect(calm.alarm == nil)
        for _ in 0..<3 { await service.fold([rows(model, blocks: 40, shifted: true)]) }
        #expect(bench.alarms.all.count == 1)
        let verdict = try #require(bench.alarms.all.first)
        #expect(verdict.level == .warning)
        #expect(verdict.cause == .prediction)
        let summary = try #require(await service.summary(of: "lines"))
        let alarm = try #require(summary.alarm)
        #expect(alarm.row > 320)
        #expect(alarm.evidence >= alarm.threshold)
        #expect(summary.alarmsRaised == 1)
        let lines = bench.registry.lines("leeway_drift_alarms_total")
        #expect(lines.filter { $0.hasSuffix(" 1") }.count == 1)
        #expect(
            bench.registry.lines("leeway_drift_rows{") == [
                #"leeway_drift_rows{model="lines"} 2240"#
            ]
        )
        #expect(
            bench.registry.lines("leeway_drift_alarm{").filter { $0.hasSuffix(" 1") }.count == 1
        )
    }

    @Test("an alarm that is acknowledged ends, and is raised anew while the shift goes on")
    func acknowledge() async throws {
        let bench = try Bench()
        let (service, model) = (try bench.service(), try bench.store.active())
        #expect(await service.acknowledge("lines", by: "ada") == false)
        await service.begin(model)
        await service.fold([rows(model, blocks: 60, shifted: true)])
        #expect(bench.alarms.all.count == 1)
        #expect(await service.acknowledge("lines", by: "ada"))
        #expect(await service.summary(of: "lines")?.alarm == nil)
        #expect(await service.summary(of: "lines")?.evidence == 0)
        #expect(bench.registry.lines("leeway_drift_alarm{").allSatisfy { $0.hasSuffix(" 0") })
        await service.fold([rows(model, blocks: 60, shifted: true)])
        #expect(bench.alarms.all.count == 2)
        #expect(await service.acknowledge("others", by: "ada") == false)
    }

    @Test("rows of another version, and of models that nobody watches, are dropped and counted")
    func otherVersion() async throws {
        let bench = try Bench(versions: 2)
        let service = try bench.service()
        let (old, new) = (try bench.store.active(1), try bench.store.active(2))
        await service.begin(new)
        await service.fold([rows(old, blocks: 2, shifted: true)])
        #expect(await service.summary(of: "lines")?.rows == 0)
        #expect(
            bench.registry.lines("leeway_drift_rows_dropped_total").contains(
                #"leeway_drift_rows_dropped_total{model="lines",reason="other_version"} 32"#
            )
        )
    }

    @Test("a new version starts without evidence, and the alarm of the old one is gone")
    func newVersion() async throws {
        let bench = try Bench(versions: 2)
        let service = try bench.service()
        let old = try bench.store.active(1)
        await service.begin(old)
        await service.fold([rows(old, blocks: 60, shifted: true)])
        #expect(await service.summary(of: "lines")?.alarm != nil)
        await service.begin(try bench.store.active(2))
        let fresh = try #require(await service.summary(of: "lines"))
        #expect(fresh.rows == 0)
        #expect(fresh.alarm == nil)
        #expect(bench.registry.lines("leeway_drift_alarm{").allSatisfy { $0.hasSuffix(" 0") })
    }

    @Test("the state outlives the service for the same version, and for no other")
    func restored() async throws {
        let bench = try Bench(versions: 2)
        let model = try bench.store.active(1)
        let before = try await saved(by: bench, model)
        #expect(before.alarm != nil)
        let second = try bench.service(metrics: MetricRegistry(shards: 1))
        await second.begin(model)
        #expect(await second.summary(of: "lines") == before)
        // The alarm stands already, so it is not told again.
        await second.fold([rows(model, blocks: 5, shifted: true)])
        #expect(bench.alarms.all.count == 1)
        let third = try bench.service(metrics: MetricRegistry(shards: 1))
        await third.begin(try bench.store.active(2))
        #expect(await third.summary(of: "lines")?.rows == 0)
    }

    @Test(
        "a saved state that is damaged is a fresh start",
        arguments: ["", "{", "[]", #"{"digest":"x","state":{}}"#, "\u{0}"]
    )
    func damaged(text: String) async throws {
        let bench = try Bench()
        try bench.store.writeDriftState(Array(text.utf8))
        let service = try bench.service()
        await service.begin(try bench.store.active())
        #expect(await service.summary(of: "lines")?.rows == 0)
    }

    @Test("every flipped byte of a saved state gives a fresh start or a sound monitor")
    func flipped() async throws {
        let bench = try Bench()
        let model = try bench.store.active()
        _ = try await saved(by: bench, model)
        let good = try #require(bench.store.readDriftState())
        for place in stride(from: 0, to: good.count, by: max(1, good.count / 40)) {
            var bad = good
            bad[place] ^= 1 << UInt8(place % 7)
            try bench.store.writeDriftState(bad)
            let service = try bench.service(metrics: MetricRegistry(shards: 1))
            await service.begin(model)
            await service.fold([rows(model, blocks: 1, shifted: true)])
            #expect(await service.summary(of: "lines") != nil)
        }
    }

    @Test("requests that are answered reach the monitor, one row of each")
    func endToEnd() async throws {
        try await ServingBench.run { bench, client in
            try await bench.publish()
            let service = DriftService(
                settings: ["lines": try DriftSettings()],
                metrics: try DriftMetrics(bench.registry),
                logger: quietLogger,
                store: DriftStateStore([:]),
                onRetrain: { _, _ in }
            )
            await service.begin(try bench.store.active())
            for line in 0..<20 { _ = try await client.predict(Body.image(line % 3)) }
            _ = try await client.predict(#"{"image":[\#(Body.row(0)),\#(Body.row(1))]}"#)
            await service.fold(try await bench.loops.takeBlocks())
            #expect(await service.summary(of: "lines")?.rows == 21)
            #expect(try await bench.loops.takeBlocks().isEmpty)
        }
    }

    @Test("a block has rows of one group of hours, and the service tells which is in force")
    func seasons() async throws {
        try await ServingBench.run { bench, client in
            _ = try bench.store.publish(Self.seasonal(bench.store.model), as: .current) {
                version,
                previous,
                digest in
                JournalEntry(
                    time: TinyModel.created,
                    event: .published,
                    version: version,
                    previous: previous,
                    actor: "manual",
                    reason: "test",
                    digest: digest
                )
            }
            await bench.follower.look()
            let service = DriftService(
                settings: ["lines": try DriftSettings()],
                metrics: try DriftMetrics(bench.registry),
                logger: quietLogger,
                store: DriftStateStore([:]),
                onRetrain: { _, _ in }
            )
            await service.begin(try bench.store.active())
            // It is Monday, 20:36; every second hour has the other group.
            for line in 0..<3 { _ = try await client.predict(Body.image(line)) }
            bench.later.append(3600)
            for line in 0..<2 { _ = try await client.predict(Body.image(line)) }
            _ = try await client.predict("{}")
            bench.later.append(1439)
            _ = try await client.predict(Body.image(0))
            bench.later.append(1)
            _ = try await client.predict(Body.image(0))
            let counted = try await bench.loops.takeBlocks()
            let blocks = counted.flatMap(\.blocks)
            let rows = blocks.flatMap { [UInt8](repeating: $0.season, count: $0.rowCount) }
            #expect(rows == [0, 0, 0, 1, 1, 1, 1, 0])
            await service.fold(Array(counted))
            let season = try #require(await service.summary(of: "lines")?.season)
            #expect(season.group == 0 && season.holdoutRows == [500, 400])
            #expect(season.column == "time" && season.streams == ["prediction.class"])
        }
    }

    /// A version whose classes are compared with the even, or with the odd, hours of the week.
    private static func seasonal(_ model: String) throws -> ModelBundle.Draft {
        var draft = try TinyModel.draft(model)
        let streams = draft.reference.streams
        let shares: [[Float]] = [[0.5, 0.25, 0.25], [0.25, 0.25, 0.5]]
        draft.reference = try draft.reference.with(
            SeasonalReference(
                column: "time",
                groupOfHour: (0..<168).map { UInt8($0 % 2) },
                isSeasonal: streams.map { $0.name == "prediction.class" },
                groups: shares.indices.map { group in
                    SeasonalReference.Group(
                        holdoutRows: 500 - 100 * group,
                        shares: shares[group],
                        samplingErrors: streams.map { _ in 0.05 },
                        spreads: streams.map { _ in 0 }
                    )
                }
            )
        )
        return draft
    }

    /// Publishes a version that knows how its hold-out was answered.
    private func publishKnown(_ store: ModelDirectory) throws -> ActiveModel {
        var draft = try TinyModel.draft(store.model)
        let raw = TinyData.pixels(900).map { Float($0) }
        let outputs = TinyModel.answers(draft.network, draft.schema, raw)
        var performance = PerformanceBuilder(shape: .classes(count: 3), rowCount: 900)
        for row in 0..<900 {
            let answer = Array(outputs[row * 3..<row * 3 + 3])
            // One in ten is another class than the picture shows.
            performance.add(outputs: answer.span, label: row % 10 == 0 ? (row + 1) % 3 : row % 3)
        }
        draft.reference.performance = performance.finish()
        var pixels = PixelBuilder(draft.reference.frame)
        pixels?.add(raw: raw.span)
        draft.reference.pixels = pixels?.finish()
        let version = try store.publish(draft) { version, previous, digest in
            JournalEntry(
                time: TinyModel.created,
                event: .published,
                version: version,
                previous: previous,
                actor: "manual",
                reason: "test",
                digest: digest
            )
        }
        return try store.active(version)
    }

    @Test("answers are counted beside the streams, and errors by labels outrank all")
    func estimates() async throws {
        let bench = try Bench()
        let model = try publishKnown(bench.store)
        let service = try bench.service()
        await service.begin(model)
        var counter = try #require(PerformanceCounter(model.bundle.reference.performance))
        var pixels = try #require(PixelCounter(model.bundle.reference.pixels))
        let raw = TinyData.pixels(300, seed: 5).map { Float($0) }
        let outputs = TinyModel.answers(model.bundle.network, model.bundle.manifest.schema, raw)
        for row in 0..<300 {
            let (answer, picture) = (
                Array(outputs[row * 3..<row * 3 + 3]), Array(raw[row * 9..<row * 9 + 9])
            )
            counter.count(answer.span)
            pixels.count(picture.span)
        }
        let counted = CountedRows(
            model: "lines",
            version: model.version,
            blocks: rows(model, blocks: 4, shifted: false).blocks,
            performance: counter.take(),
            pixels: pixels.take()
        )
        await service.fold([counted])
        let report = try #require(await service.report(of: "lines"))
        #expect(report.performance?.rows == 300)
        #expect(abs((report.performance?.cbpe?.accuracy ?? 0) - 0.9) < 0.03)
        #expect(report.performance?.labelShift?.shares.count == 3)
        #expect(report.verdict == .calm)
        #expect(await service.pixelMap(of: "lines")?.live.count == 9)
        #expect(await service.pixelMap(of: "others") == nil)

        await service.harmed("lines", version: model.version + 1)
        #expect(bench.alarms.all.isEmpty)
        await service.harmed("lines", version: model.version)
        #expect(bench.alarms.all.first?.cause == .labelledError)
        #expect(
            bench.registry.lines("leeway_drift_alarm{").contains(
                #"leeway_drift_alarm{model="lines",level="critical"} 1"#
            )
        )
        #expect(await service.acknowledge("lines", by: "ada"))
        #expect(await service.report(of: "lines")?.verdict == .calm)
    }

    /// Lets a service see shifted rows, and end as it does when the appliance stops.
    private func saved(by bench: Bench, _ model: ActiveModel) async throws -> DriftSummary {
        let service = try bench.service()
        await service.begin(model)
        await service.fold([rows(model, blocks: 60, shifted: true)])
        let summary = try #require(await service.summary(of: "lines"))
        try await ServingBench.run { other, _ in
            let task = Task { await service.run(other.loops) }
            task.cancel()
            await task.value
        }
        return summary
    }
}
