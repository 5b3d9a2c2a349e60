import HTTPTransport
import NIOCore
import Telemetry
import Testing

@Suite("Responses and settings")
struct ResponseTests {
    @Test(
        "a field that could split a response cannot be made",
        arguments: [
            "a\r\nb", "a\nb", "a\rb", "a\u{0}b", "a\u{7f}", "\u{e9}", " a", "a ", "\ta",
        ]
    )
    func badFieldValues(_ value: String) {
        #expect(throws: HTTPTransportError.malformedField(name: "X-Test")) {
            try HTTPField("X-Test", value)
        }
    }

    @Test("a field that the transport writes itself, or that is no token, cannot be made")
    func badFieldNames() {
        for name: StaticString in [
            "Content-Length", "connection", "DATE", "a b", "a:", "", "transfer-encoding",
        ] {
            #expect(throws: HTTPTransportError.malformedField(name: "\(name)")) {
                try HTTPField(name, "x")
            }
        }
    }

    @Test("further fields are written in order")
    func fields() throws {
        let connection = try Connection()
        try connection.send(get("/later"))
        var response = HTTPResponse(status: .serviceUnavailable)
        response.fields = [try HTTPField("Retry-After", 5), try HTTPField("Allow", "GET, HEAD")]
        connection.responder.promise?.succeed(response)
        let text = try connection.received().text
        #expect(text.contains("\r\nRetry-After: 5\r\nAllow: GET, HEAD\r\n\r\n"))
    }

    @Test("the times of an answer's parts are told in milliseconds, however long they are")
    func serverTiming() throws {
        let connection = try Connection()
        try connection.send(get("/later"))
        var response = HTTPResponse(status: .ok)
        response.fields = [try HTTPField("Allow", "GET")]
        response.timing = ServerTiming(
            parse: 999,
            queue: 1_234_567,
            compute: 12_345_678_901,
            monitor: .max,
            serialise: 70_000
        )
        connection.responder.promise?.succeed(response)
        let text = try connection.received().text
        #expect(
            text.contains(
                "\r\nServer-Timing: parse;dur=0.000, queue;dur=1.234, compute;dur=12345.678, "
                    + "monitor;dur=3600000.000, serialise;dur=0.070\r\nAllow: GET\r\n\r\n"
            )
        )
        try connection.send(get("/echo"))
        #expect(try !connection.received().text.contains("Server-Timing"))
    }

    @Test(
        "dates are right at the edges of months, leap years and centuries",
        arguments: [
            (0, "Thu, 01 Jan 1970 00:00:00 GMT"), (784_111_777, "Sun, 06 Nov 1994 08:49:37 GMT"),
            (951_782_399, "Mon, 28 Feb 2000 23:59:59 GMT"),
            (951_782_400, "Tue, 29 Feb 2000 00:00:00 GMT"),
            (4_107_542_400, "Mon, 01 Mar 2100 00:00:00 GMT"),
            (1_798_761_599, "Thu, 31 Dec 2026 23:59:59 GMT"),
            (-1, "Wed, 31 Dec 1969 23:59:59 GMT"),
        ] as [(Int64, String)]
    )
    func dates(_ second: Int64, _ text: String) {
        #expect(HTTPDate.text(secondsSinceEpoch: second) == text)
    }

    @Test("a made name is written as the same digits everywhere")
    func names() {
        for (high, low) in [
            (UInt64(0), UInt64(0)), (UInt64.max, .max),
            (0x0123_4567_89ab_cdef, 0xfedc_ba98_7654_3210),
        ] {
            let identifier = RequestIdentifier(high: high, low: low)
            var bytes = ByteBuffer()
            RequestName.made(identifier).write(to: &bytes)
            #expect(String(buffer: bytes) == identifier.text)
        }
    }

    @Test("a limit that cannot be kept is refused by its name")
    func limits() throws {
        try TransportLimits().check()
        func failure(_ change: (inout TransportLimits) -> Void) -> String? {
            var limits = TransportLimits()
            change(&limits)
            do {
                try limits.check()
                return nil
            } catch .limitOutOfRange(let name, _, _) {
                return name
            } catch {
                return "\(error)"
            }
        }
        #expect(failure { $0.headerBytesMax = 65_536 } == "headerBytesMax")
        #expect(failure { $0.targetBytesMax = 16_385 } == "targetBytesMax")
        #expect(failure { $0.fieldsMax = 0 } == "fieldsMax")
        #expect(failure { $0.idleSeconds = .nan } == "idleSeconds")
        #expect(failure { $0.sendSeconds = .infinity } == "sendSeconds")
        #expect(failure { $0.headerSeconds = 0 } == "headerSeconds")
    }

    @Test("routes are a closed set of distinct labels")
    func routes() throws {
        let table = try RouteTable(["/a", "/b"])
        #expect(table.route("/b").index == 2)
        #expect(table.route("/c") == .other)
        #expect(throws: HTTPTransportError.self) { try RouteTable(["/a", "/a"]) }
        #expect(throws: HTTPTransportError.self) { try RouteTable(["other"]) }
        #expect(throws: HTTPTransportError.self) { try RouteTable((0...250).map { "/\($0)" }) }
    }

    @Test("every refusal has its own code, a message that needs no escaping, and an error status")
    func rejections() {
        let codes = RequestRejection.allCases.map { "\($0.code)" }
        #expect(Set(codes).count == codes.count)
        for rejection in RequestRejection.allCases {
            #expect((400...505).contains(rejection.status.rawValue))
            let isPlain = rejection.description.utf8.allSatisfy {
                (0x20..<0x7f).contains($0) && $0 != UInt8(ascii: "\"") && $0 != UInt8(ascii: "\\")
            }
            #expect(isPlain, "\(rejection)")
        }
    }
}
