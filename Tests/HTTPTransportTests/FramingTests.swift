import HTTPTransport
import NIOCore
import NIOEmbedded
import Testing

/// The lists of operations.md §B3, each case on a whole connection.
@Suite("Framing")
struct FramingTests {
    /// What must be refused, as bytes of Latin-1 so that every byte value can be written.
    static let refused: [(why: String, request: String)] = heads + lengths + codings + chunks

    static let heads: [(why: String, request: String)] = [
        ("bytes of a TLS hello", "\u{16}\u{3}\u{1}\u{2}\u{0}\u{1}\u{0}\u{1}\u{fc}\r\n\r\n"),
        ("junk before the method", "\u{0}GET / HTTP/1.1\r\nHost: a\r\n\r\n"),
        ("a blank before the method", " GET / HTTP/1.1\r\nHost: a\r\n\r\n"),
        ("two empty lines first", "\r\n\r\nGET / HTTP/1.1\r\nHost: a\r\n\r\n"),
        ("a bare line feed first", "\nGET / HTTP/1.1\r\nHost: a\r\n\r\n"),
        ("a bare carriage return first", "\rGET / HTTP/1.1\r\nHost: a\r\n\r\n"),
        ("a method with a bad byte", "G{T / HTTP/1.1\r\nHost: a\r\n\r\n"),
        ("a method with a control", "G\u{1}T / HTTP/1.1\r\nHost: a\r\n\r\n"),
        ("no method", "/ HTTP/1.1\r\nHost: a\r\n\r\n"),
        ("two spaces after the method", "GET  / HTTP/1.1\r\nHost: a\r\n\r\n"),
        ("a tab after the method", "GET\t/ HTTP/1.1\r\nHost: a\r\n\r\n"),
        ("two spaces before the version", "GET /  HTTP/1.1\r\nHost: a\r\n\r\n"),
        ("a space after the version", "GET / HTTP/1.1 \r\nHost: a\r\n\r\n"),
        ("a space in the target", "GET /a b HTTP/1.1\r\nHost: a\r\n\r\n"),
        ("a control in the target", "GET /a\u{7}b HTTP/1.1\r\nHost: a\r\n\r\n"),
        ("a backslash in the target", "GET /a\\b HTTP/1.1\r\nHost: a\r\n\r\n"),
        ("a byte above 0x7f in the target", "GET /\u{e9} HTTP/1.1\r\nHost: a\r\n\r\n"),
        ("a fragment in the target", "GET /a#b HTTP/1.1\r\nHost: a\r\n\r\n"),
        ("a broken escape in the target", "GET /%4 HTTP/1.1\r\nHost: a\r\n\r\n"),
        ("a target that is no path", "GET a/b HTTP/1.1\r\nHost: a\r\n\r\n"),
        ("an asterisk for GET", "GET * HTTP/1.1\r\nHost: a\r\n\r\n"),
        ("CONNECT", "CONNECT a:443 HTTP/1.1\r\nHost: a\r\n\r\n"),
        ("another scheme", "GET ftp://a/ HTTP/1.1\r\nHost: a\r\n\r\n"),
        ("user information in the target", "GET http://u@a/ HTTP/1.1\r\nHost: a\r\n\r\n"),
        ("an empty authority", "GET http:/// HTTP/1.1\r\nHost: a\r\n\r\n"),
        ("a line feed in the request line", "GET /\nHTTP/1.1\r\nHost: a\r\n\r\n"),
        ("a line feed for the last space", "GET / \nHTTP/1.1\r\nHost: a\r\n\r\n"),
        ("a request line that ends in LF", "GET / HTTP/1.1\nHost: a\r\n\r\n"),
        ("version 0.9", "GET /\r\n\r\n"),
        ("version HTTP/0.9", "GET / HTTP/0.9\r\nHost: a\r\n\r\n"),
        ("version 1.32", "GET / HTTP/1.32\r\nHost: a\r\n\r\n"),
        ("version 1.2", "GET / HTTP/1.2\r\nHost: a\r\n\r\n"),
        ("version 11.1", "GET / HTTP/11.1\r\nHost: a\r\n\r\n"),
        ("version 2.0", "GET / HTTP/2.0\r\nHost: a\r\n\r\n"),
        ("the HTTP/2 preface", "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"),
        ("an absurd version", "GET / HTTP/4294967295.255\r\nHost: a\r\n\r\n"),
        ("a carriage return in the version", "GET / HTTP/\r\r1.1\r\nHost: a\r\n\r\n"),
        ("a lower-case version", "GET / http/1.1\r\nHost: a\r\n\r\n"),
        ("a version with a comma", "GET / HTTP/1,1\r\nHost: a\r\n\r\n"),
        ("no Host", "GET / HTTP/1.1\r\n\r\n"),
        ("two Hosts", "GET / HTTP/1.1\r\nHost: a\r\nHost: a\r\n\r\n"),
        ("two Hosts in HTTP/1.0", "GET / HTTP/1.0\r\nHost: a\r\nHost: b\r\n\r\n"),
        ("an empty Host", "GET / HTTP/1.1\r\nHost:\r\n\r\n"),
        ("a Host with a path", "GET / HTTP/1.1\r\nHost: a/b\r\n\r\n"),
        ("a Host with user information", "GET / HTTP/1.1\r\nHost: u@a\r\n\r\n"),
        ("a Host list", "GET / HTTP/1.1\r\nHost: a, b\r\n\r\n"),
        ("a Host with a bad port", "GET / HTTP/1.1\r\nHost: a:8x\r\n\r\n"),
        ("a Host with an open bracket", "GET / HTTP/1.1\r\nHost: [::1\r\n\r\n"),
        ("a blank before the first field", "GET / HTTP/1.1\r\n Host: a\r\n\r\n"),
        ("a folded field", "GET / HTTP/1.1\r\nHost: a\r\nX: b\r\n c\r\n\r\n"),
        ("a folded field with a tab", "GET / HTTP/1.1\r\nHost: a\r\nX: b\r\n\tc\r\n\r\n"),
        ("a space before the colon", "GET / HTTP/1.1\r\nHost : a\r\n\r\n"),
        ("a tab before the colon", "GET / HTTP/1.1\r\nHost\t: a\r\n\r\n"),
        ("an empty field name", "GET / HTTP/1.1\r\nHost: a\r\n: b\r\n\r\n"),
        ("a field without a colon", "GET / HTTP/1.1\r\nHost: a\r\nFoo\r\n\r\n"),
        ("a name with a bad byte", "GET / HTTP/1.1\r\nHost: a\r\nX@: b\r\n\r\n"),
        ("a name with a NUL", "GET / HTTP/1.1\r\nHost: a\r\nX\u{0}: b\r\n\r\n"),
        ("a name above 0x7f", "GET / HTTP/1.1\r\nHost: a\r\nX\u{e9}: b\r\n\r\n"),
        ("a NUL in a value", "GET / HTTP/1.1\r\nHost: a\r\nX: b\u{0}c\r\n\r\n"),
        ("a control in a value", "GET / HTTP/1.1\r\nHost: a\r\nX: b\u{8}c\r\n\r\n"),
        ("DEL in a value", "GET / HTTP/1.1\r\nHost: a\r\nX: b\u{7f}\r\n\r\n"),
        ("a carriage return in a value", "GET / HTTP/1.1\r\nHost: a\r\nX: b\rc\r\n\r\n"),
        ("a field that ends in LF", "GET / HTTP/1.1\r\nHost: a\nX: b\r\n\r\n"),
        ("a head that ends in LF LF", "GET / HTTP/1.1\r\nHost: a\n\n"),
        ("a head that ends in CR LF LF", "GET / HTTP/1.1\r\nHost: a\r\n\n"),
        ("a head that ends in CR X", "GET / HTTP/1.1\r\nHost: a\r\n\rX\n"),
        ("two carriage returns at a line's end", "GET / HTTP/1.1\r\nHost: a\r\r\n\r\n"),
    ]

    static let lengths: [(why: String, request: String)] =
        [
            "", "+1", "-1", "1_0", "0x10", "1Z", "1,1", "1, 1", "1 1", "1;1", "\u{b}1", "\u{a0}1",
            "1\u{85}", "1.0", "99999999999999999999", "18446744073709551617", "9223372036854775808",
        ].map { ("Content-Length: \($0)", withFields("Content-Length: \($0)\r\n", "x")) } + [
            ("equal lengths twice", withFields("Content-Length: 1\r\nContent-Length: 1\r\n", "x")),
            ("two lengths", withFields("Content-Length: 1\r\nContent-Length: 2\r\n", "xy")),
            ("a length and a coding", withFields(length + coding, "0\r\n\r\n")),
            ("a coding and a length", withFields(coding + length, "0\r\n\r\n")),
            (
                "a length and an unknown coding",
                withFields(length + "TE: a\r\n" + "Transfer-Encoding: x\r\n", "x")
            ),
        ]

    static let codings: [(why: String, request: String)] =
        [
            "", ",chunked", "chunked,", "chunked, identity", "identity", "xchunked", "chunkedx",
            "gzip", "gzip, chunked", "chunked, chunked", "chunked;a=b", "\u{b}chunked",
            "\"chunked\"",
            "chunked\u{a0}", "cow", "chunked foo",
        ].map {
            ("Transfer-Encoding: \($0)", withFields("Transfer-Encoding: \($0)\r\n", "0\r\n\r\n"))
        } + [
            ("two codings", withFields(coding + coding, "0\r\n\r\n")),
            (
                "two different codings",
                withFields("Transfer-Encoding: gzip\r\n" + coding, "0\r\n\r\n")
            ),
            ("a coding in HTTP/1.0", "POST / HTTP/1.0\r\nHost: a\r\n\(coding)\r\n0\r\n\r\n"),
            (
                "a coding with a space before the colon",
                withFields("Transfer-Encoding : chunked\r\n", "0\r\n\r\n")
            ),
        ]

    static let chunks: [(why: String, request: String)] = [
        "0x1\r\nx\r\n0\r\n\r\n", "1_0\r\nx\r\n0\r\n\r\n", "+1\r\nx\r\n0\r\n\r\n",
        "-1\r\nx\r\n0\r\n\r\n", "\r\nx\r\n0\r\n\r\n", "g\r\nx\r\n0\r\n\r\n",
        " 1\r\nx\r\n0\r\n\r\n", "1 \r\nx\r\n0\r\n\r\n", "1 a\r\nx\r\n0\r\n\r\n",
        "1\u{0}\r\nx\r\n0\r\n\r\n", "10000000000000001\r\nx\r\n0\r\n\r\n",
        "ffffffffffffffff\r\nx\r\n0\r\n\r\n", "00000000000000001\r\nx\r\n0\r\n\r\n",
        "1\nx\r\n0\r\n\r\n", "1\r\nx\n0\r\n\r\n", "1\rx\r\n0\r\n\r\n", "1\r\rx\r\n0\r\n\r\n",
        "1\rX\nx\r\n0\r\n\r\n", "1\r\nxy\r\n0\r\n\r\n", "1\r\nx0\r\n\r\n", "1\r\nx\rX0\r\n\r\n",
        "1\r\nx\r\n\r\n0\r\n\r\n", "1;\r\nx\r\n0\r\n\r\n", "1;=a\r\nx\r\n0\r\n\r\n",
        "1;a=\r\nx\r\n0\r\n\r\n", "1;a=\"b\r\nx\r\n0\r\n\r\n", "1;a=\"\n\"\r\nx\r\n0\r\n\r\n",
        "1;a=\"\\\r\"\r\nx\r\n0\r\n\r\n", "1;a=\"\\\"\r\nx\r\n0\r\n\r\n",
        "1;a\nb\r\nx\r\n0\r\n\r\n", "1;a\u{1}\r\nx\r\n0\r\n\r\n", "0\r\n\n", "0\n\n", "0\r\n\rX\n",
        "0\r\nContent-Length: 9\r\n\r\n", "0\r\nHost: a\r\n\r\n",
        "0\r\nTransfer-Encoding: chunked\r\n\r\n", "0\r\nX : y\r\n\r\n", "0\r\nX\r\n\r\n",
        "0\r\n folded\r\n\r\n", "0\r\nX: \u{0}\r\n\r\n",
    ].map { ("chunks \($0.debugDescription)", chunked($0)) }

    static let length = "Content-Length: 5\r\n"
    static let coding = "Transfer-Encoding: chunked\r\n"

    static func withFields(_ fields: String, _ body: String) -> String {
        "POST / HTTP/1.1\r\nHost: a\r\n\(fields)\r\n\(body)"
    }

    static func latin(_ text: String) -> [UInt8] {
        text.unicodeScalars.map { UInt8(truncatingIfNeeded: $0.value) }
    }

    @Test(
        "what two HTTP programs may read differently is refused and ends the connection",
        arguments: refused
    )
    func refuses(_ example: (why: String, request: String)) throws {
        let bytes = Self.latin(example.request + get("/canary"))
        for pieces in [[bytes], bytes.map { [$0] }] {
            let connection = try Connection()
            for piece in pieces where connection.channel.isActive { try connection.send(piece) }
            let answers = try connection.answers()
            try #require(answers.count == 1, "\(example.why): \(answers)")
            #expect([400, 501, 505].contains(answers[0].status), "\(example.why): \(answers[0])")
            #expect(answers[0].closes, "\(example.why)")
            #expect(answers[0].fields["date"] != nil)
            #expect(connection.responder.requests.isEmpty, "\(example.why)")
            #expect(!connection.responder.admitted.contains("GET /canary"), "\(example.why)")
            connection.advance(seconds: 60)
            #expect(!connection.channel.isActive, "\(example.why)")
        }
    }

    /// What must be understood, and the bodies that a responder then gets.
    static let accepted: [(why: String, request: String, bodies: [String])] = [
        ("a plain GET", get("/echo"), [""]),
        ("one empty line first", "\r\n" + get("/echo"), [""]),
        ("an absolute target", "GET http://a:80/echo?x HTTP/1.1\r\nHost: a\r\n\r\n", [""]),
        ("OPTIONS for the server", "OPTIONS * HTTP/1.1\r\nHost: a\r\n\r\n", [""]),
        ("an unknown method", "BREW /echo HTTP/1.1\r\nHost: a\r\n\r\n", [""]),
        ("an IPv6 Host", "GET /echo HTTP/1.1\r\nHost: [::1]:8443\r\n\r\n", [""]),
        ("a Host with an empty port", "GET /echo HTTP/1.1\r\nHost: a:\r\n\r\n", [""]),
        ("no blank after the colon", "GET /echo HTTP/1.1\r\nHost:a\r\n\r\n", [""]),
        ("tabs around a value", "GET /echo HTTP/1.1\r\nHost:\t a \t\r\n\r\n", [""]),
        ("an empty value", get("/echo", "X-Empty:\r\n"), [""]),
        ("bytes above 0x7f in a value", get("/echo", "X: \u{e9}\u{a0}\r\n"), [""]),
        ("a field in capitals", "GET /echo HTTP/1.1\r\nHOST: a\r\n\r\n", [""]),
        ("a body", post("/echo", "abc"), ["abc"]),
        (
            "a length with leading zeros", post("/echo", "abc").replacing(": 3", with: ": 003"),
            ["abc"]
        ),
        ("an empty body", post("/echo", ""), [""]),
        ("a body that looks like a request", post("/echo", get("/x")), [get("/x")]),
        ("chunks", chunked("3\r\nabc\r\n2\r\nde\r\n0\r\n\r\n"), ["abcde"]),
        ("a lower-case chunk size", chunked("a\r\n0123456789\r\n0\r\n\r\n"), ["0123456789"]),
        ("an upper-case chunk size", chunked("A\r\n0123456789\r\n0\r\n\r\n"), ["0123456789"]),
        ("a chunk size with zeros", chunked("003\r\nabc\r\n000\r\n\r\n"), ["abc"]),
        ("no chunk but the last", chunked("0\r\n\r\n"), [""]),
        ("an extension", chunked("3;a\r\nabc\r\n0\r\n\r\n"), ["abc"]),
        ("an extension with a value", chunked("3;a=b;c=d\r\nabc\r\n0;e\r\n\r\n"), ["abc"]),
        ("an extension with blanks", chunked("3 ; a = b\r\nabc\r\n0\r\n\r\n"), ["abc"]),
        ("a quoted extension", chunked("3;a=\"b;\\\"\u{20}c\"\r\nabc\r\n0\r\n\r\n"), ["abc"]),
        ("trailers", chunked("3\r\nabc\r\n0\r\nX: y\r\nDate: 9\r\n\r\n"), ["abc"]),
        ("a coding in capitals", chunked("0\r\n\r\n").replacing("chunked", with: "CHUNKED"), [""]),
        (
            "pipelined requests", post("/echo", "1") + get("/echo") + post("/echo", "3"),
            ["1", "", "3"]
        ),
        ("pipelined chunks", chunked("1\r\nx\r\n0\r\n\r\n") + post("/echo", "y"), ["x", "y"]),
        (
            "an empty line between requests", post("/echo", "1") + "\r\n" + post("/echo", "2"),
            ["1", "2"]
        ),
    ]

    @Test("what is sound is understood, whole or byte by byte", arguments: accepted)
    func accepts(_ example: (why: String, request: String, bodies: [String])) throws {
        let bytes = Self.latin(example.request)
        for pieces in [[bytes], bytes.map { [$0] }] {
            let connection = try Connection()
            for piece in pieces { try connection.send(piece) }
            #expect(connection.responder.bodies == example.bodies, "\(example.why)")
            let answers = try connection.answers()
            #expect(answers.map(\.status) == example.bodies.map { _ in 200 }, "\(example.why)")
            #expect(answers.map(\.body) == example.bodies.map { "[\($0)]" }, "\(example.why)")
            #expect(connection.channel.isActive, "\(example.why)")
        }
    }

    @Test("two pieces give the same answers wherever they are cut")
    func cutAnywhere() throws {
        let requests =
            "\r\n" + post("/echo", "abc") + chunked("2;a\r\nde\r\n0\r\nT: u\r\n\r\n") + get("/none")
        let bytes = Array(requests.utf8)
        let whole = try Connection()
        try whole.send(bytes)
        let expected = try whole.answers().map { [$0.status.description, $0.body] }
        #expect(expected == [["200", "[abc]"], ["200", "[de]"], ["204", ""]])
        for cut in 1..<bytes.count {
            let connection = try Connection()
            try connection.send(Array(bytes[..<cut]))
            try connection.send(Array(bytes[cut...]))
            let answers = try connection.answers().map { [$0.status.description, $0.body] }
            #expect(answers == expected, "cut at \(cut)")
        }
    }

    @Test("a request without its last chunk is never acted on")
    func truncatedChunks() throws {
        let connection = try Connection()
        try connection.send(chunked("3\r\nabc\r\n"))
        connection.channel.pipeline.fireUserInboundEventTriggered(ChannelEvent.inputClosed)
        #expect(connection.responder.requests.isEmpty)
        #expect(!connection.channel.isActive)
    }

    @Test("HTTP/1.0 is answered and the connection closed")
    func oldVersion() throws {
        let connection = try Connection()
        try connection.send("GET /echo HTTP/1.0\r\nConnection: keep-alive\r\n\r\n")
        let answers = try connection.answers()
        #expect(answers.map(\.status) == [200])
        #expect(answers.first?.closes == true)
        #expect(!connection.channel.isActive)
    }
}
