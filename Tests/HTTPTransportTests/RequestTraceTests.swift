import HTTPTransport
import Telemetry
import Testing

@Suite("Traced requests") struct RequestTraceTests {
    private static let given = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01"

    private func collector(_ registry: MetricRegistry, sampleEvery: Int) throws -> TraceCollector {
        var settings = TraceSettings()
        settings.sampleEvery = sampleEvery
        return TraceCollector(settings, try TraceMetrics(registry))
    }

    @Test("a request that its caller traces is kept as part of that trace, and is an exemplar")
    func asked() throws {
        let collector = try collector(MetricRegistry(shards: 1), sampleEvery: 1_000_000)
        let connection = try Connection(traces: collector)
        let field = "traceparent: \(Self.given)\r\n"
        // Between them, the first that nobody asks for is kept for its turn.
        try connection.send(get("/echo", field) + get("/echo") + get("/echo", field))
        let kept = collector.take()
        #expect(kept.map(\.name) == ["GET /echo", "GET /echo", "GET /echo"])
        let spans = kept.filter { $0.parent != 0 }
        #expect(spans.count == 2)
        let span = try #require(spans.first)
        #expect(span.trace == 0x4bf9_2f35_77b3_4da6_a3ce_929d_0e0e_4736)
        #expect(span.parent == 0x00f0_67aa_0ba9_02b7)
        #expect(span.kind == .server)
        var text: [UInt8] = []
        connection.registry.write(.openMetrics, into: &text)
        let exemplars = String(decoding: text, as: UTF8.self).split(separator: "\n").filter {
            $0.contains("trace_id=\"4bf92f3577b34da6a3ce929d0e0e4736\"")
        }
        #expect(exemplars.count == 1)
        #expect(exemplars.first?.hasPrefix("http_server_request_duration_seconds_bucket") == true)
    }

    @Test("one in so many is kept with a trace of its own, without anybody's wish and parent")
    func turns() throws {
        let collector = try collector(MetricRegistry(shards: 1), sampleEvery: 3)
        let connection = try Connection(traces: collector)
        for _ in 0..<9 { try connection.send(get("/echo")) }
        let spans = collector.take()
        #expect(spans.count == 3)
        #expect(Set(spans.map(\.trace)).count == 3)
        #expect(spans.allSatisfy { $0.parent == 0 })
    }

    @Test(
        "without traces wanted nothing is kept, and without a caller's trace there is no exemplar"
    )
    func off() throws {
        let connection = try Connection()
        let unsampled = Self.given.replacing("-01", with: "-00")
        try connection.send(get("/echo") + get("/echo", "traceparent: \(unsampled)\r\n"))
        var text: [UInt8] = []
        connection.registry.write(.openMetrics, into: &text)
        #expect(!String(decoding: text, as: UTF8.self).contains("trace_id"))
    }
}
