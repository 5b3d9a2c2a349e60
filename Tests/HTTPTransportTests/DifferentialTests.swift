import HTTPTransport
import NIOCore
import NIOEmbedded
import NIOHTTP1
import Testing

/// The same bytes read by this reader and by NIO's, which stands for a proxy in front.
@Suite("Against another reader")
struct DifferentialTests {
    /// A request as both readers can tell it.
    struct Seen: Equatable {
        var method: String
        var path: String
        var fields: [String]
        var body: String
    }

    static func readHere(_ bytes: [UInt8]) -> [Seen] {
        var reader = RequestReader(limits: TransportLimits())
        var buffer = ByteBuffer(bytes: bytes)
        var seen: [Seen] = []
        var current: Seen?
        while true {
            switch reader.next(&buffer) {
            case .head(let head):
                reader.bodyBytesMax = 1000
                let names = ["host", "x-a", "content-length", "transfer-encoding"]
                let values = [
                    head.value(of: "host"), head.value(of: "x-a"),
                    head.value(of: "content-length"), head.value(of: "transfer-encoding"),
                ]
                let fields = zip(names, values).compactMap { pair in
                    pair.1.map { "\(pair.0)=\($0)" }
                }
                current = Seen(method: head.methodText, path: head.path, fields: fields, body: "")
            case .body(let piece):
                current?.body += String(buffer: piece)
            case .end:
                if let done = current { seen.append(done) }
                current = nil
            case .needMoreBytes, .rejected:
                return seen
            }
        }
    }

    static func readThere(_ bytes: [UInt8]) -> (seen: [Seen], isRefused: Bool) {
        let channel = EmbeddedChannel()
        defer { _ = try? channel.finish() }
        let decoder = ByteToMessageHandler(HTTPRequestDecoder(leftOverBytesStrategy: .dropBytes))
        guard (try? channel.pipeline.syncOperations.addHandler(decoder)) != nil else {
            return ([], false)
        }
        // A refusal is an error; what was read before it is there all the same.
        let isRefused = (try? channel.writeInbound(ByteBuffer(bytes: bytes))) == nil
        var seen: [Seen] = []
        var current: Seen?
        while let part = try? channel.readInbound(as: HTTPServerRequestPart.self) {
            switch part {
            case .head(let head):
                let names = ["host", "x-a", "content-length", "transfer-encoding"]
                let fields = names.compactMap { name in
                    // NIO's keeps the blanks after a value, which are no part of it.
                    head.headers.first(name: name).map { value in
                        "\(name)=" + value.split { $0 == " " || $0 == "\t" }.joined(separator: " ")
                    }
                }
                let path = head.uri.split(separator: "?", omittingEmptySubsequences: false)[0]
                current = Seen(
                    method: head.method.rawValue,
                    path: "\(path)",
                    fields: fields,
                    body: ""
                )
            case .body(let piece):
                current?.body += String(buffer: piece)
            case .end:
                if let done = current { seen.append(done) }
                current = nil
            }
        }
        return (seen, isRefused)
    }

    static let seeds = [
        get("/one?a=b", "X-A: y\r\n") + post("/two", "body"),
        chunked("4\r\nbody\r\n3;a=b\r\nend\r\n0\r\nX-T: u\r\n\r\n") + get("/three"),
        post("/four", "GET /x HTTP/1.1\r\nHost: b\r\n\r\n") + get("/five"),
        "POST /six HTTP/1.1\r\nHost: a\r\nContent-Length: 3\r\nX-A: 1\r\n\r\nabc" + get("/seven"),
    ]

    @Test("both see the same requests in what is sound")
    func sameOnSeeds() {
        for seed in Self.seeds {
            let here = Self.readHere(Array(seed.utf8))
            #expect(here.count == 2)
            #expect(here == Self.readThere(Array(seed.utf8)).seen)
        }
    }

    /// Bytes that framing turns on, more likely than others to be put in.
    static let pieces: [[UInt8]] = [
        "\r\n", "\n", "\r", " ", "\t", ":", ",", ";", "0", "1", "a", "\u{0}", "\"", "-", "+",
        "chunked",
        "Content-Length: 2\r\n", "Transfer-Encoding: chunked\r\n", "\r\n\r\n", "0\r\n\r\n",
        "X-A: z\r\n",
    ].map { Array($0.utf8) }

    @Test(
        "whatever is damaged, a request that is understood here is not understood otherwise there"
    )
    func sameOnMutants() {
        var random = SplitMix(state: 20_261_123)
        var understood = 0
        for round in 0..<6000 {
            var bytes = Array(Self.seeds[round % Self.seeds.count].utf8)
            for _ in 0...Int.random(in: 0...2, using: &random) {
                let place = Int.random(in: 0..<bytes.count, using: &random)
                switch Int.random(in: 0..<4, using: &random) {
                case 0: bytes.remove(at: place)
                case 1: bytes[place] = UInt8.random(in: 0...255, using: &random)
                case 2:
                    let piece = Self.pieces.randomElement(using: &random) ?? []
                    bytes.insert(contentsOf: piece, at: place)
                default: bytes.swapAt(place, Int.random(in: 0..<bytes.count, using: &random))
                }
            }
            // Any token is a method here, while NIO's reader has a list.
            let here = Array(Self.readHere(bytes).prefix { ["GET", "POST"].contains($0.method) })
            let there = Self.readThere(bytes)
            understood += here.count
            // What only the other refuses does no harm; what it still waits for would.
            let isRead = here.count <= there.seen.count || there.isRefused
            let isSame = zip(here, there.seen).allSatisfy { $0 == $1 } && isRead
            #expect(
                isSame,
                "\(String(decoding: bytes, as: UTF8.self).debugDescription)\n\(here)\n\(there)"
            )
        }
        // The mutants must not all be refused, or nothing was compared.
        #expect(understood > 1000)
    }
}

/// A small repeatable source of random numbers.
struct SplitMix: RandomNumberGenerator {
    var state: UInt64

    mutating func next() -> UInt64 {
        state &+= 0x9e37_79b9_7f4a_7c15
        var mixed = state
        mixed = (mixed ^ mixed >> 30) &* 0xbf58_476d_1ce4_e5b9
        mixed = (mixed ^ mixed >> 27) &* 0x94d0_49bb_1331_11eb
        return mixed ^ mixed >> 31
    }
}
