import Logging
import Telemetry
import Testing

@Suite("Log handlers") struct LogHandlerTests {
    private struct Failure: Error, CustomStringConvertible {
        let description = "disk full"
    }

    private let time: @Sendable () -> WallTime = {
        WallTime(nanosecondsSinceEpoch: 1_795_467_546_123_456_789)
    }

    /// What a logger with the JSON handler writes.
    private func json(
        _ fields: LogFieldNames = .otel,
        level: Logger.Level = .trace,
        counts: LogMessageCounts? = nil,
        _ body: (inout Logger) -> Void
    ) throws -> String {
        try written { sink in
            var logger = Logger(label: "leeway.test") {
                JSONLogHandler(
                    label: $0,
                    fields: fields,
                    sink: sink,
                    level: level,
                    counts: counts,
                    clock: time
                )
            }
            body(&logger)
        }
    }

    /// What a logger with the text handler writes.
    private func text(colour: Bool = false, _ body: (inout Logger) -> Void) throws -> String {
        try written { sink in
            var logger = Logger(label: "leeway.test") {
                TextLogHandler(label: $0, sink: sink, colour: colour, level: .trace, clock: time)
            }
            body(&logger)
        }
    }

    @Test("OpenTelemetry's form, with a place for the trace")
    func otel() throws {
        let text = try json { logger in
            logger[metadataKey: "model.name"] = "fashion"
            logger.info(
                "model swapped",
                metadata: [
                    "model.version": "3", "trace.id": "4bf92f3577b34da6a3ce929d0e0e4736",
                    "span.id": "00f067aa0ba902b7", "request.id": "1f",
                ]
            )
        }
        #expect(
            text == """
                {"Timestamp":"2026-11-23T20:59:06.123456Z","SeverityText":"INFO",\
                "SeverityNumber":9,"Body":"model swapped",\
                "TraceId":"4bf92f3577b34da6a3ce929d0e0e4736","SpanId":"00f067aa0ba902b7",\
                "InstrumentationScope":{"Name":"leeway.test"},"Attributes":{\
                "model.name":"fashion","model.version":"3","request.id":"1f"}}

                """
        )
    }

    @Test("ECS' form, its four fields first")
    func ecs() throws {
        let text = try json(.ecs) { logger in
            logger.warning("queue full", metadata: ["queue.depth": "\(64)", "trace.id": "ab"])
        }
        #expect(
            text == """
                {"@timestamp":"2026-11-23T20:59:06.123456Z","log.level":"warning",\
                "message":"queue full","ecs.version":"8.11.0","log.logger":"leeway.test",\
                "trace.id":"ab","labels":{"queue.depth":"64"}}

                """
        )
    }

    @Test("an error is told by type and words, and where it was logged")
    func errors() throws {
        let otel = try JSONValue.parse(json { $0.error("publish failed", error: Failure()) })
        #expect(otel["Attributes"]?["exception.type"] == .string("Failure"))
        #expect(otel["Attributes"]?["exception.message"] == .string("disk full"))
        #expect(
            otel["Attributes"]?["code.file.path"] == .string("TelemetryTests/LogHandlerTests.swift")
        )
        let ecs = try JSONValue.parse(json(.ecs) { $0.error("publish failed", error: Failure()) })
        #expect(ecs["error.message"] == .string("disk full"))
        #expect(ecs["log.origin.file.name"] == .string("TelemetryTests/LogHandlerTests.swift"))
        let line = try text { $0.warning("publish failed", error: Failure()) }
        #expect(line.hasSuffix("leeway.test: publish failed error=\"disk full\"\n"))
    }

    @Test("metadata of the event goes before the provider's, and that before the logger's")
    func precedence() throws {
        let text = try written { sink in
            var handler = JSONLogHandler(label: "leeway.test", sink: sink, clock: time)
            handler.metadata = ["a": "logger", "b": "logger", "c": "logger"]
            handler.metadataProvider = Logger.MetadataProvider {
                ["b": "provider", "c": "provider"]
            }
            Logger(label: "leeway.test") { _ in handler }.info("x", metadata: ["c": "event"])
        }
        #expect(text.contains(#""Attributes":{"a":"logger","b":"provider","c":"event"}"#))
    }

    @Test("nested metadata stays nested")
    func nested() throws {
        let metadata: Logger.Metadata = [
            "list": ["x", "y"], "map": ["b": "2", "a": ["c": "3"]], "number": .stringConvertible(7),
        ]
        let text = try json { $0.info("x", metadata: metadata) }
        #expect(text.contains(#"{"list":["x","y"],"map":{"a":{"c":"3"},"b":"2"},"number":"7"}"#))
    }

    @Test("a level below the logger's is not written")
    func levels() throws {
        let text = try json(level: .notice) { logger in
            logger.info("no")
            logger.notice("yes")
            logger.logLevel = .critical
            logger.error("no")
        }
        #expect(text.split(separator: "\n").count == 1)
        #expect(text.contains("\"SeverityText\":\"NOTICE\",\"SeverityNumber\":10"))
    }

    @Test("messages are counted by level")
    func counts() throws {
        let registry = MetricRegistry(shards: 1)
        let counts = try LogMessageCounts(in: registry)
        _ = try json(counts: counts) { logger in
            logger.info("x")
            logger.error("x")
            logger.error("x")
        }
        let text = exposition(registry)
        #expect(text.contains("leeway_log_messages_total{level=\"info\"} 1\n"))
        #expect(text.contains("leeway_log_messages_total{level=\"error\"} 2\n"))
        #expect(text.contains("leeway_log_messages_total{level=\"trace\"} 0\n"))
    }

    @Test("a long message is cut and leaves room for the metadata")
    func longMessage() throws {
        let message = String(repeating: "m", count: 100_000)
        let text = try json { $0.info("\(message)", metadata: ["request.id": "1f"]) }
        let value = try JSONValue.parse(text)
        #expect(text.utf8.count <= JSONLine.bytesMax)
        #expect(value["Attributes"]?["request.id"] == .string("1f"))
    }

    @Test("the text form is readable, and quotes what would be unclear")
    func textForm() throws {
        let line = try text { logger in
            logger.info(
                "model swapped",
                metadata: ["version": "3", "label": "Ankle boot", "none": "", "odd": "a=\"b\""]
            )
        }
        #expect(
            line == """
                2026-11-23T20:59:06.123456Z INFO   leeway.test: model swapped \
                label="Ankle boot" none="" odd="a=\\"b\\"" version=3

                """
        )
    }

    @Test("colour is for the level alone, and only when asked")
    func colour() throws {
        let line = try text(colour: true) { $0.error("x") }
        #expect(line.contains(" \u{1b}[31mERROR\u{1b}[0m  leeway.test: x"))
    }

    @Test("what a client sends cannot end a line or steer a terminal")
    func injection() throws {
        let evil = "a\n2026 INFO forged\r\u{1b}[2J\u{9b}31m\u{2028}"
        for line in [
            try text { $0.info("\(evil)", metadata: ["k\n\u{1b}": "\(evil)"]) },
            try json { $0.info("\(evil)", metadata: ["k\n\u{1b}": "\(evil)"]) },
        ] {
            #expect(line.utf8.count(where: { $0 == UInt8(ascii: "\n") }) == 1)
            #expect(line.unicodeScalars.allSatisfy { $0 == "\n" || $0.value >= 0x20 })
            #expect(!line.unicodeScalars.contains { (0x7f...0x9f).contains($0.value) })
        }
    }

    @Test("a text line with endless metadata ends all the same")
    func longText() throws {
        let huge = String(repeating: "v", count: 50_000)
        let line = try text { $0.info("x", metadata: ["a": "\(huge)", "b": "1", "c": "\(huge) "]) }
        #expect(line.utf8.count <= 8192)
        #expect(line.utf8.last == UInt8(ascii: "\n"))
    }

    @Test("an access record begins like any other and puts its members in their place")
    func record() {
        let trace = TraceContext(traceIdentifier: 10, parentIdentifier: 11, sampled: true)
        var line = JSONLine()
        for (fields, expected) in [
            (
                LogFieldNames.otel,
                """
                {"Timestamp":"1970-01-01T00:00:00.000000Z","SeverityText":"ERROR",\
                "SeverityNumber":17,"Body":"request","TraceId":"0000000000000000000000000000000a",\
                "SpanId":"000000000000000b","InstrumentationScope":{"Name":"leeway.access"},\
                "Attributes":{"http.response.status_code":500}}

                """
            ),
            (
                .ecs,
                """
                {"@timestamp":"1970-01-01T00:00:00.000000Z","log.level":"error",\
                "message":"request","ecs.version":"8.11.0","log.logger":"leeway.access",\
                "trace.id":"0000000000000000000000000000000a","span.id":"000000000000000b",\
                "http.response.status_code":500}

                """
            ),
        ] {
            line.reset()
            line.beginRecord(
                fields,
                time: WallTime(nanosecondsSinceEpoch: 0),
                level: .error,
                body: "request",
                scope: "leeway.access",
                trace: trace
            )
            line.member("http.response.status_code", 500)
            line.finish()
            #expect(line.text == expected)
        }
    }
}
