import Compression
import HTTPTransport
import NIOCore
import Testing

@Suite("Compressed responses")
struct CodedResponseTests {
    static func head(_ fields: String) throws -> HTTPRequestHead {
        var reader = RequestReader(limits: TransportLimits())
        var buffer = ByteBuffer(string: get("/metrics", fields))
        guard case .head(let head) = reader.next(&buffer) else {
            throw Answer.CutShort(text: fields)
        }
        return head
    }

    @Test(
        "gzip is used where the client names it, and not where it forbids it",
        arguments: [
            ("", false), ("Accept-Encoding:\r\n", false), ("Accept-Encoding: gzip\r\n", true),
            ("Accept-Encoding: GZIP\r\n", true), ("Accept-Encoding: x-gzip\r\n", true),
            ("Accept-Encoding: deflate, gzip\r\n", true), ("Accept-Encoding: br\r\n", false),
            ("Accept-Encoding: gzip;q=0\r\n", false), ("Accept-Encoding: gzip; q=0.000\r\n", false),
            ("Accept-Encoding: gzip;q=0.001\r\n", true), ("Accept-Encoding: gzip ; Q=0\r\n", false),
            ("Accept-Encoding: *\r\n", true), ("Accept-Encoding: *;q=0\r\n", false),
            ("Accept-Encoding: gzip, *;q=0\r\n", true),
            ("Accept-Encoding: *, gzip;q=0\r\n", false),
            ("Accept-Encoding: br\r\nAccept-Encoding: gzip\r\n", true),
            ("Accept-Encoding: gzipped\r\n", false), ("Accept-Encoding: gzip;\r\n", true),
            ("Accept-Encoding: ,,gzip,,\r\n", true), ("Accept-Encoding: identity\r\n", false),
        ]
    )
    func wish(_ fields: String, _ isWanted: Bool) throws {
        #expect(try Self.head(fields).acceptsGzip == isWanted)
    }

    @Test("a long body is compressed, and says that it varies with the wish")
    func long() throws {
        let text = String(repeating: "leeway_http_connections 17\n", count: 500)
        let plain = HTTPResponse(status: .ok, contentType: .text, body: ByteBuffer(string: text))
        let connection = try Connection()
        try connection.send(get("/later"))
        connection.responder.promise?.succeed(plain.gzipped(true))
        let sent = try connection.received().text
        #expect(sent.contains("\r\nVary: Accept-Encoding\r\nContent-Encoding: gzip\r\n\r\n"))
        let coded = plain.gzipped(true).body
        #expect(coded.readableBytes < text.utf8.count / 10)
        let decoded = try Gzip.decompress(Array(coded.readableBytesView), outputBytesMax: 1 << 20)
        #expect(String(decoding: decoded, as: UTF8.self) == text)
    }

    @Test("a body that is short, or grows, or is not wanted so, is left as it is")
    func leftAlone() throws {
        var random = SplitMix(state: 3)
        let noise = (0..<4000).map { _ in UInt8.random(in: 0...255, using: &random) }
        let short = ByteBuffer(repeating: 0x61, count: HTTPResponse.gzipBytesMin - 1)
        let long = ByteBuffer(repeating: 0x61, count: HTTPResponse.gzipBytesMin)
        #expect(HTTPResponse(status: .ok, body: short).gzipped(true).body == short)
        #expect(HTTPResponse(status: .ok, body: long).gzipped(false).body == long)
        #expect(HTTPResponse(status: .ok, body: long).gzipped(true).body != long)
        let kept = HTTPResponse(status: .ok, body: ByteBuffer(bytes: noise)).gzipped(true)
        #expect(kept.body == ByteBuffer(bytes: noise))
    }
}
