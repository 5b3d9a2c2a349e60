import Compression
import HTTPTransport
import NIOCore
import NIOEmbedded
import Telemetry
import Testing

@Suite("Connection")
struct ConnectionTests {
    @Test("an answer has Date, length, type and the request's name, and nothing twice")
    func answerFields() throws {
        let connection = try Connection()
        try connection.send(post("/echo", "abc"))
        let text = try connection.received().text
        #expect(text.hasPrefix("HTTP/1.1 200 OK\r\nDate: Sun, 06 Nov 1994 08:49:37 GMT\r\n"))
        let answer = try #require(Answer.read(text).first)
        #expect(answer.fields["content-type"] == "text/plain; charset=utf-8")
        #expect(answer.fields["content-length"] == "5")
        #expect(answer.fields["connection"] == nil)
        #expect(answer.fields["x-content-type-options"] == "nosniff")
        let name = try #require(answer.fields["x-request-id"])
        #expect(name.count == 32 && name.allSatisfy(\.isHexDigit))
        #expect(connection.responder.requests.first?.name.text == name)
    }

    @Test("a client's own valid request id is used, an invalid or repeated one is not")
    func requestIdentifiers() throws {
        let connection = try Connection()
        let long = String(repeating: "a", count: 65)
        try connection.send(
            get("/echo", "X-Request-Id: abc-1.2_3~4:5\r\n")
                + get("/echo", "X-Request-Id: a\"b\r\n") + get("/echo", "X-Request-Id: \(long)\r\n")
                + get("/echo", "X-Request-Id: a\r\nX-Request-Id: a\r\n")
                + get("/echo", "X-Request-Id:\r\n")
        )
        let names = try connection.answers().map { $0.fields["x-request-id"] ?? "" }
        #expect(names.first == "abc-1.2_3~4:5")
        #expect(names.dropFirst().allSatisfy { $0.count == 32 })
        #expect(Set(names).count == 5)
    }

    @Test("a trace is taken from one valid traceparent and made otherwise")
    func traces() throws {
        let connection = try Connection()
        let valid = "traceparent: 00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01\r\n"
        try connection.send(get("/echo", valid) + get("/echo", valid + valid) + get("/echo"))
        let traces = connection.responder.requests.map(\.trace)
        let given = UInt128(0x0af7_6519_16cd_43dd) << 64 | UInt128(0x8448_eb21_1c80_319c)
        #expect(traces.map { $0.traceIdentifier == given } == [true, false, false])
        #expect(traces.map(\.sampled) == [true, false, false])
        #expect(traces[1] != traces[2])
        // Only who began a trace is told where its request stands in it.
        let told = try connection.answers().map { $0.fields["traceresponse"] }
        let span = connection.responder.requests[0].span
        let digits = String(span, radix: 16)
        let padding = String(repeating: "0", count: 16 - digits.count)
        #expect(
            told == ["00-0af7651916cd43dd8448eb211c80319c-\(padding)\(digits)-01", nil, nil]
        )
    }

    @Test("the answers to one read leave in one write")
    func coalescing() throws {
        let connection = try Connection()
        try connection.send(String(repeating: post("/echo", "x"), count: 20))
        let (text, writes) = try connection.received()
        #expect(writes == 1)
        #expect(try Answer.read(text).map(\.body) == Array(repeating: "[x]", count: 20))
    }

    @Test("HEAD gets the head of GET and no body, and the connection goes on")
    func head() throws {
        let connection = try Connection()
        try connection.send("HEAD /large HTTP/1.1\r\nHost: a\r\n\r\n" + get("/echo"))
        let answers = try connection.answers(heads: [0])
        #expect(answers.map(\.fields["content-length"]) == ["200000", "2"])
        #expect(answers.map(\.body) == ["", "[]"])
    }

    @Test("204 has neither body nor length, 304 no body")
    func noContent() throws {
        let connection = try Connection()
        try connection.send(get("/none") + get("/unchanged") + get("/echo"))
        let answers = try connection.answers()
        #expect(answers.map(\.status) == [204, 304, 200])
        #expect(answers.map(\.fields["content-length"]) == [nil, nil, "2"])
        #expect(answers.map(\.fields["content-type"]).prefix(2) == [nil, nil])
    }

    @Test("a large body is sent whole and in order between small ones")
    func largeBody() throws {
        let connection = try Connection()
        try connection.send(get("/echo") + get("/large") + get("/echo"))
        let answers = try connection.answers()
        #expect(answers.map(\.body.utf8.count) == [2, 200_000, 2])
    }

    @Test("path, query and fields are read without case where HTTP has none")
    func parts() throws {
        let connection = try Connection()
        let query = "model=my%20net+1&x=%ff&model=b&empty&part=%4"
        try connection.send(
            get("/a/b?\(query)".replacing("%4", with: "%41"), "X-One: 1\r\nx-one: 2\r\n")
        )
        let head = try #require(connection.responder.requests.first?.head)
        #expect(head.path == "/a/b" && head.pathIs("/a/b") && head.pathHasPrefix("/a/"))
        #expect(!head.pathIs("/a") && !head.pathHasPrefix("/a/b/"))
        #expect(head.queryValue("model") == "my net 1")
        #expect(head.queryValue("x") == nil)
        #expect(head.queryValue("empty") == "")
        #expect(head.queryValue("part") == "A")
        #expect(head.queryValue("mod") == nil)
        #expect(head.value(of: "x-one") == "1" && head.count(of: "x-one") == 2)
        #expect(!head.field("x-one", is: "1"))
        #expect(head.field("host", is: "a"))
    }

    @Test("an absolute target without a path means the root")
    func absoluteTarget() throws {
        let connection = try Connection()
        try connection.send("GET http://a?model=b HTTP/1.1\r\nHost: a\r\n\r\n")
        try connection.send("GET https://a HTTP/1.1\r\nHost: a\r\n\r\n")
        #expect(connection.responder.admitted == ["GET /", "GET /"])
        #expect(connection.responder.requests.first?.head.queryValue("model") == "b")
    }

    @Test("a media type is found before its parameters")
    func mediaType() throws {
        let connection = try Connection()
        try connection.send(get("/echo", "Content-Type: Application/JSON ; charset=utf-8\r\n"))
        let head = try #require(connection.responder.requests.first?.head)
        #expect(head.contentTypeIs("application/json"))
        #expect(!head.contentTypeIs("application/js"))
    }

    // MARK: Limits

    @Test("each limit of the head has its status, whether the head comes at once or in bytes")
    func headLimits() throws {
        var limits = TransportLimits()
        limits.headerBytesMax = 512
        limits.targetBytesMax = 100
        limits.fieldsMax = 5
        let long = String(repeating: "a", count: 600)
        let examples = [
            ("GET /\(long) HTTP/1.1\r\nHost: a\r\n\r\n", 414),
            ("GET /\(long.prefix(100)) HTTP/1.1\r\nHost: a\r\n\r\n", 414),
            (get("/", "X: \(long)\r\n"), 431),
            (get("/", "X: \(long)"), 431),
            (get("/", String(repeating: "X: y\r\n", count: 5)), 431),
            (get("/\(long.prefix(99))", String(repeating: "X: y\r\n", count: 4)), 200),
            (chunked("0\r\nX: \(long)\r\n\r\n"), 400),
            (chunked("0\r\n" + String(repeating: "X: y\r\n", count: 6) + "\r\n"), 431),
            (chunked("1;a=\(long)\r\nx\r\n0\r\n\r\n"), 400),
        ]
        for (request, status) in examples {
            for isWhole in [true, false] {
                let connection = try Connection(limits: limits)
                if isWhole { try connection.send(request) }
                for byte in request.utf8 where !isWhole { try connection.send([byte]) }
                #expect(try connection.answers().first?.status == status, "\(request.prefix(30))")
            }
        }
    }

    @Test("framing that outweighs its data is refused")
    func wastefulChunks() throws {
        let connection = try Connection(bodyBytesMax: 1_000_000)
        let extensions = String(repeating: "a", count: 900)
        try connection.send(chunked(String(repeating: "1;a=\(extensions)\r\nx\r\n", count: 30)))
        #expect(try connection.answers().map(\.status) == [400])
        let fair = try Connection(bodyBytesMax: 1_000_000)
        try fair.send(chunked(String(repeating: "1\r\nx\r\n", count: 20_000) + "0\r\n\r\n"))
        #expect(try fair.answers().map(\.status) == [200])
    }

    @Test("a body at the limit is taken, one byte more is refused before it is read")
    func bodyLimit() throws {
        let connection = try Connection(bodyBytesMax: 10)
        try connection.send(post("/echo", "0123456789"))
        #expect(try connection.answers().map(\.status) == [200])
        try connection.send(post("/echo", "0123456789x") + get("/echo"))
        let answers = try connection.answers()
        // The body that was not wanted is small: it is dropped and the connection kept.
        #expect(answers.map(\.status) == [413, 200])
        #expect(answers[0].body.contains(#""code":"body_too_large""#))
        #expect(connection.responder.requests.count == 2)
    }

    @Test("chunks beyond the limit are refused when their size is announced")
    func chunkedBodyLimit() throws {
        let connection = try Connection(bodyBytesMax: 10)
        try connection.send(chunked("5\r\n01234\r\n6\r\n"))
        let answers = try connection.answers()
        #expect(answers.map(\.status) == [413])
        #expect(answers[0].closes)
    }

    @Test("a huge announced body costs an answer and the connection, not memory")
    func hugeBody() throws {
        let connection = try Connection()
        try connection.send(
            "POST /echo HTTP/1.1\r\nHost: a\r\nContent-Length: 9000000000000000\r\n\r\n"
        )
        let answers = try connection.answers()
        #expect(answers.map(\.status) == [413])
        #expect(answers[0].closes)
    }

    @Test("the responder refuses by the head, and small bodies do not end the connection")
    func refusedByResponder() throws {
        let connection = try Connection()
        try connection.send(post("/refused", "abc") + get("/refused") + post("/echo", "x"))
        let answers = try connection.answers()
        #expect(answers.map(\.status) == [404, 404, 200])
        #expect(answers.map(\.body) == ["no\n", "no\n", "[x]"])
        #expect(connection.responder.bodies == ["x"])
    }

    // MARK: Expectations

    @Test("a client that expects 100 gets it when the body is wanted")
    func expectContinue() throws {
        let connection = try Connection()
        let request = post("/echo", "abc", "Expect: 100-continue\r\n")
        try connection.send(String(request.dropLast(3)))
        #expect(try connection.received().text == "HTTP/1.1 100 Continue\r\n\r\n")
        try connection.send("abc")
        #expect(try connection.answers().map(\.body) == ["[abc]"])
    }

    @Test("a client that sends its body with the head gets no 100")
    func expectContinueTooLate() throws {
        let connection = try Connection()
        try connection.send(post("/echo", "abc", "Expect: 100-Continue\r\n"))
        #expect(try connection.answers().map(\.status) == [200])
    }

    @Test("a client that expects 100 for a body that is not wanted gets the final answer only")
    func expectContinueRefused() throws {
        let connection = try Connection(bodyBytesMax: 10)
        try connection.send(
            "POST /echo HTTP/1.1\r\nHost: a\r\nContent-Length: 11\r\nExpect: 100-continue\r\n\r\n"
        )
        let answers = try connection.answers()
        #expect(answers.map(\.status) == [413])
        #expect(answers[0].closes)
    }

    @Test("any other expectation is refused with 417")
    func unknownExpectation() throws {
        let connection = try Connection()
        try connection.send(get("/echo", "Expect: 200-ok\r\n"))
        try connection.send(get("/echo", "Expect: 100-continue\r\nExpect: x\r\n"))
        #expect(try connection.answers().map(\.status) == [417, 417])
        #expect(connection.responder.requests.isEmpty)
    }

    // MARK: Content codings

    static func coded(_ coding: String, _ body: [UInt8]) -> [UInt8] {
        let head =
            "POST /echo HTTP/1.1\r\nHost: a\r\nContent-Length: \(body.count)\r\nContent-Encoding: \(coding)\r\n\r\n"
        return Array(head.utf8) + body
    }

    @Test("gzip and deflate bodies are decoded, whole or byte by byte")
    func codedBodies() throws {
        let text = String(repeating: "leeway ", count: 100)
        for (coding, format) in [
            ("gzip", CompressionFormat.gzip), ("X-Gzip", .gzip), ("deflate", .zlib),
        ] {
            let request = Self.coded(coding, try Gzip.compress(Array(text.utf8), format: format))
            let connection = try Connection()
            try connection.send(request)
            for byte in request { try connection.send([byte]) }
            #expect(connection.responder.bodies == [text, text])
        }
    }

    @Test("a chunked gzip body is decoded")
    func chunkedGzip() throws {
        let body = try Gzip.compress(Array("abc".utf8))
        let head =
            "POST /echo HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\nContent-Encoding: gzip\r\n\r\n"
        let size = String(body.count, radix: 16)
        let connection = try Connection()
        try connection.send(Array("\(head)\(size)\r\n".utf8) + body + Array("\r\n0\r\n\r\n".utf8))
        #expect(connection.responder.bodies == ["abc"])
    }

    @Test("a bomb is stopped at the limit of the decoded bytes")
    func bomb() throws {
        let bomb = try Gzip.compress([UInt8](repeating: 0, count: 10_000_000), level: 9)
        let connection = try Connection(bodyBytesMax: 100_000)
        try #require(bomb.count < 100_000)
        try connection.send(Self.coded("gzip", bomb))
        let answers = try connection.answers()
        #expect(answers.map(\.status) == [413])
        #expect(answers[0].closes)
        #expect(connection.responder.requests.isEmpty)
    }

    @Test("exactly the limit of decoded bytes is taken")
    func decodedLimit() throws {
        let connection = try Connection(bodyBytesMax: 40_000)
        let body = try Gzip.compress([UInt8](repeating: 0x61, count: 40_000))
        try connection.send(Self.coded("gzip", body))
        #expect(connection.responder.bodies.first?.utf8.count == 40_000)
        let more = try Gzip.compress([UInt8](repeating: 0x61, count: 40_001))
        try connection.send(Self.coded("gzip", more))
        #expect(try connection.answers().map(\.status) == [200, 413])
    }

    @Test("corrupt, cut and overlong coded bodies are refused with 400")
    func corruptBodies() throws {
        let whole = try Gzip.compress(Array("leeway".utf8))
        var flipped = whole
        flipped[whole.count - 6] ^= 1
        let examples = [flipped, Array(whole.dropLast()), whole + [0, 1, 2], Array("text".utf8)]
        for body in examples {
            let connection = try Connection()
            try connection.send(Self.coded("gzip", body))
            let answer = try connection.answers().first
            #expect(answer?.status == 400)
            #expect(answer?.body.contains("malformed_content") == true)
            #expect(connection.responder.requests.isEmpty)
        }
    }

    @Test("an unknown coding is refused with 415, and ignored where there is no body")
    func unknownCodings() throws {
        for coding in ["br", "gzip, gzip", "gzip\r\nContent-Encoding: gzip"] {
            let connection = try Connection()
            try connection.send(post("/echo", "abc", "Content-Encoding: \(coding)\r\n"))
            #expect(try connection.answers().map(\.status) == [415])
            try connection.send(get("/echo", "Content-Encoding: \(coding)\r\n"))
            #expect(try connection.answers().map(\.status) == [200])
        }
    }

    @Test("many pieces of a body are put together")
    func bodyInPieces() throws {
        let body = String(repeating: "0123456789", count: 60_000)
        let connection = try Connection(bodyBytesMax: 600_000)
        let bytes = Array(post("/echo", body).utf8)
        for start in stride(from: 0, to: bytes.count, by: 4099) {
            try connection.send(Array(bytes[start..<min(start + 4099, bytes.count)]))
        }
        #expect(connection.responder.bodies == [body])
    }
}
