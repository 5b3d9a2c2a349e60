import Glibc
import HTTPTransport
import NIOCore
import NIOEmbedded
import Telemetry
import Testing

/// Bytes of any kind, given to whole connections: whatever they are, nothing traps, nothing is acted
/// on after a refusal, and how they are cut changes nothing.
///
/// `LEEWAY_FUZZ_ROUNDS` makes the search longer.
@Suite("Bytes of any kind")
struct FuzzTests {
    static let rounds =
        unsafe getenv("LEEWAY_FUZZ_ROUNDS").flatMap { unsafe Int(String(cString: $0)) }
        ?? 1500

    /// Requests that touch every part of the reader and of what reads header values.
    static let seeds: [[UInt8]] = [
        get("/echo?model=a%20b&x", "Accept-Encoding: gzip;q=0.5, *;q=0\r\n"),
        get(
            "/echo",
            "traceparent: 00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01\r\n"
                + "tracestate: a=b\r\nX-Request-Id: a-1\r\nUser-Agent: t\r\n"
        ),
        post("/echo", "abcdef", "Content-Type: application/json; charset=utf-8\r\n"),
        chunked("3;a=\"b\"\r\nabc\r\n2\r\nde\r\n0\r\nX: y\r\n\r\n") + get("/vital"),
        post("/echo", "abc", "Expect: 100-continue\r\nConnection: close, x\r\n"),
        "GET http://[::1]:80/echo?a HTTP/1.1\r\nHost: [::1]:80\r\n\r\n",
        "OPTIONS * HTTP/1.0\r\nHost: a\r\n\r\n" + get("/none"),
        post("/echo", "\u{1f}\u{8b}\u{8}\u{0}\u{0}", "Content-Encoding: gzip\r\n"),
        post("/echo", "\u{78}\u{9c}", "Content-Encoding: deflate\r\n"),
    ].map { FramingTests.latin($0) }

    static let pieces: [[UInt8]] =
        DifferentialTests.pieces + [[0xff], [0x80, 0xc0], [0xf4, 0x90, 0x80, 0x80], [0x7f]]
        + ["gzip", "q=", "-", "%", "HTTP/1.1", "Content-Encoding: gzip\r\n", "Host: a\r\n"].map {
            Array($0.utf8)
        }

    /// A damaged request, or bytes that are none at all.
    static func sample(_ random: inout SplitMix) -> [UInt8] {
        if UInt8.random(in: 0..<16, using: &random) == 0 {
            return (0..<Int.random(in: 1..<200, using: &random)).map { _ in
                UInt8.random(in: 0...255, using: &random)
            }
        }
        var bytes = seeds.randomElement(using: &random) ?? []
        for _ in 0..<Int.random(in: 1...6, using: &random) where !bytes.isEmpty {
            let place = Int.random(in: 0..<bytes.count, using: &random)
            switch Int.random(in: 0..<5, using: &random) {
            case 0: bytes.remove(at: place)
            case 1: bytes[place] = UInt8.random(in: 0...255, using: &random)
            case 2: bytes.insert(contentsOf: pieces.randomElement(using: &random) ?? [], at: place)
            case 3: bytes.removeSubrange(place..<min(bytes.count, place + 8))
            default: bytes.insert(contentsOf: bytes[place...].prefix(40), at: place)
            }
        }
        return bytes
    }

    @Test("a connection answers or refuses whatever comes, however it is cut")
    func connections() throws {
        var random = SplitMix(state: 20_261_126)
        var answered = 0
        var refused = 0
        for _ in 0..<Self.rounds {
            let bytes = Self.sample(&random)
            let cut = Int.random(in: 0...bytes.count, using: &random)
            var seen: [[String]] = []
            for pieces in [[bytes], [Array(bytes[..<cut]), Array(bytes[cut...])]] {
                let connection = try Connection(bodyBytesMax: 64)
                for piece in pieces where connection.channel.isActive && !piece.isEmpty {
                    try connection.send(piece)
                }
                connection.responder.promise?.succeed(HTTPResponse(status: .ok))
                let text = try connection.received().text.replacing(Self.continued, with: "")
                let answers = try Answer.read(text, heads: Self.heads(connection))
                seen.append(answers.map { "\($0.status) \($0.closes)" })
                answered += answers.count { $0.status == 200 }
                refused += answers.count { $0.status >= 400 }
                #expect(connection.responder.requests.count >= answers.count { $0.status == 200 })
                connection.channel.close(promise: nil)
            }
            #expect(
                seen[0] == seen[1],
                "\(String(decoding: bytes, as: UTF8.self).debugDescription)"
            )
        }
        // Neither half of the search may be empty.
        #expect(answered > Self.rounds / 10 && refused > Self.rounds / 10)
    }

    private static let continued = "HTTP/1.1 100 Continue\r\n\r\n"

    /// Which answers are to HEAD, which none of the seeds is but a damaged one might become.
    private static func heads(_ connection: Connection) -> Set<Int> {
        Set(
            connection.responder.admitted.enumerated()
                .filter { $0.element.hasPrefix("HEAD ") }.map(\.offset)
        )
    }

    @Test("header values of any bytes are read, by everything that reads them")
    func headerValues() throws {
        var random = SplitMix(state: 7)
        let names = [
            "traceparent", "x-request-id", "accept-encoding", "content-type", "user-agent", "x-a",
            "connection", "expect",
        ]
        var read = 0
        for _ in 0..<Self.rounds * 4 {
            let value = (0..<Int.random(in: 0..<70, using: &random)).map { _ -> UInt8 in
                let byte = UInt8.random(in: 0...255, using: &random)
                // Mostly what a value may consist of, so that most heads are read to their end.
                return byte < 0x20 || byte == 0x7f ? UInt8(ascii: "0") + (byte & 7) : byte
            }
            let name = names.randomElement(using: &random) ?? "x-a"
            var head = Array("GET /a?b=%7a%2B&c=%C3%28 HTTP/1.1\r\nHost: a\r\n\(name): ".utf8)
            head += value + Array("\r\n\r\n".utf8)
            var reader = RequestReader(limits: TransportLimits())
            var buffer = ByteBuffer(bytes: head)
            guard case .head(let found) = reader.next(&buffer) else { continue }
            read += 1
            _ = found.acceptsGzip
            _ = found.contentTypeIs("application/json")
            _ = found.field("x-a", is: "b")
            _ = [found.value(of: "x-a"), found.queryValue("b"), found.queryValue("c"), found.path]
            found.withValue(of: "traceparent") { _ = TraceContext.parse($0) }
        }
        #expect(read > Self.rounds)
    }
}
