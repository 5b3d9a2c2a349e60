import Telemetry
import Testing

@Suite("Traces") struct TraceCollectorTests {
    private let registry = MetricRegistry(shards: 1)

    private func trace(
        status: Int = 200,
        nanoseconds: UInt64 = 1000,
        phases: PhaseTimes = PhaseTimes(),
        hasParent: Bool = true
    ) throws -> RequestTrace {
        RequestTrace(
            context: try #require(
                TraceContext(traceIdentifier: 7, parentIdentifier: 5, sampled: true)
            ),
            hasParent: hasParent,
            span: 9,
            start: 1_000_000,
            nanoseconds: nanoseconds,
            phases: phases,
            method: "POST",
            route: "/predict",
            status: status,
            errorCode: nil,
            model: "lines",
            version: "3"
        )
    }

    private func collector(_ change: (inout TraceSettings) -> Void) throws -> TraceCollector {
        var settings = TraceSettings()
        change(&settings)
        return TraceCollector(settings, try TraceMetrics(registry))
    }

    @Test("failed and slow requests are always kept, of the others the first and one in so many")
    func tail() throws {
        var tracer = try collector { ($0.sampleEvery, $0.slowNanoseconds) = (10, 500) }.makeTracer()
        func admits(_ status: Int, _ nanoseconds: UInt64) -> Bool {
            tracer.admits(status: status, nanoseconds: nanoseconds, isAsked: false, second: 0)
        }
        let kept = (0..<30).filter { _ in admits(200, 499) }
        #expect(kept == [0, 10, 20])
        #expect((0..<5).allSatisfy { _ in admits(503, 1) && admits(200, 500) })
    }

    @Test("what callers ask for is kept up to a rate, for anybody may ask")
    func asked() throws {
        var tracer = try collector { ($0.sampleEvery, $0.askedPerSecondMax) = (.max, 3) }
            .makeTracer()
        var kept: [Int] = []
        for second: UInt64 in [1, 1, 1, 1, 1, 2, 2] {
            kept.append(
                tracer.admits(status: 200, nanoseconds: 1, isAsked: true, second: second) ? 1 : 0
            )
        }
        // The fourth is the loop's first that is kept for its turn.
        #expect(kept == [1, 1, 1, 1, 0, 1, 1])
    }

    @Test("a request becomes a span, and one for each of its phases, within it")
    func phases() throws {
        var phases = PhaseTimes()
        (phases.read, phases.parse, phases.compute) = (100, 300, 500)
        let spans = try trace(phases: phases).spans
        #expect(spans.map(\.name) == ["POST /predict", "read", "parse", "compute"])
        #expect(spans.map(\.start) == [1_000_000, 1_000_000, 1_000_200, 1_000_500])
        #expect(spans.map(\.end) == [1_001_000, 1_000_100, 1_000_500, 1_001_000])
        #expect(spans.map(\.parent) == [5, 9, 9, 9])
        #expect(Set(spans.map(\.span)).count == 4)
        #expect(try trace(hasParent: false).spans.first?.parent == 0)
        #expect(try trace(status: 503).spans.first?.isError == true)
        // Phases that were measured as longer than the whole do no harm.
        phases.compute = .max / 2
        #expect(try trace(phases: phases).spans.count == 4)
    }

    @Test("what finds no room is counted, and taking makes room again")
    func bounds() throws {
        let collector = try collector { _ in }
        let tracer = collector.makeTracer()
        for _ in 0..<1030 { tracer.keep(try trace()) }
        #expect(collector.metrics.dropped.value == 6)
        #expect(collector.take().count == 1024)
        #expect(collector.take().isEmpty)
        let many = try trace().spans + trace().spans
        for _ in 0..<2048 { collector.add(many) }
        collector.add(many)
        #expect(collector.metrics.dropped.value == 8)
        #expect(collector.take().count == 4096)
    }
}
