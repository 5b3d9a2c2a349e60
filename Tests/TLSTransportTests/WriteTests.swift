import NIOCore
import TLSTransport
import Testing

@Suite("TLS writes") struct WriteTests {
    /// TLS 1.3: a header, the content type and the tag.
    static let overhead = 22

    @Test("one flush of small writes is one record")
    func gathers() throws {
        let pair = try Pair.connected(.shared())
        for part in ["head", "", "body", "tail"] {
            pair.server.write(ByteBuffer(string: part), as: "part \(part)", flushing: false)
        }
        pair.server.flush()
        pair.server.write("next")
        let found = records(in: pair.server.edge.sent)
        #expect(found.map(\.type) == [23, 23])
        #expect(found.map(\.length) == [12 + Self.overhead - 5, 4 + Self.overhead - 5])
        pair.interact()
        #expect(pair.client.application.text == "headbodytailnext")
        #expect(pair.server.hasKeptPromises)
    }

    @Test("what is not flushed stays")
    func flushesToTheMark() throws {
        let pair = try Pair.connected(.shared())
        pair.server.write("a", flushing: false)
        pair.server.write("b")
        pair.server.write("c", flushing: false)
        pair.interact()
        #expect(pair.client.application.text == "ab")
        #expect(pair.server.outcomes == ["a": "done", "b": "done"])
        pair.end()
        #expect(pair.server.hasKeptPromises)
    }

    @Test("empty writes complete, alone or among others")
    func emptyWrites() throws {
        let pair = try Pair.connected(.shared())
        pair.server.write(ByteBuffer(), as: "alone")
        #expect(pair.server.outcomes == ["alone": "done"])
        pair.server.write(ByteBuffer(), as: "first", flushing: false)
        pair.server.write("x", flushing: false)
        pair.server.write(ByteBuffer(), as: "last")
        pair.interact()
        #expect(pair.client.application.text == "x")
        #expect(pair.server.hasKeptPromises)
        #expect(Set(pair.server.outcomes.values) == ["done"])
    }

    @Test(
        "writes of any sizes arrive whole and in order, in records as full as can be",
        arguments: [
            [16_383], [16_384], [16_385], [16_384, 1], [1, 16_384], [10_000, 10_000, 10_000],
            [300_000], [1, 300_000, 1], [262_144, 262_144], [5, 0, 40_000, 0, 7],
        ]
    )
    func sizes(sizes: [Int]) throws {
        let pair = try Pair.connected(.shared())
        var expected: [UInt8] = []
        for (index, size) in sizes.enumerated() {
            let bytes = (0..<size).map { UInt8(truncatingIfNeeded: $0 &* 31 &+ index) }
            expected += bytes
            pair.server.write(ByteBuffer(bytes: bytes), as: "\(index)", flushing: false)
        }
        pair.server.flush()
        let found = records(in: pair.server.edge.sent)
        #expect(found.allSatisfy { $0.length <= 16_384 + Self.overhead - 5 })
        // At most one record more than needed for each large write that others surround.
        #expect(found.count <= expected.count / 16_384 + 1 + sizes.count)
        #expect(
            pair.server.edge.sent.readableBytes
                == expected.count + found.count * Self.overhead
        )
        pair.interact()
        #expect(pair.client.application.received == expected)
        #expect(pair.server.hasKeptPromises)
        #expect(Set(pair.server.outcomes.values) == ["done"])
    }

    @Test("the promise of a write waits for its last byte")
    func promises() throws {
        let pair = try Pair.connected(.shared())
        pair.server.edge.isStuck = true
        pair.server.write(ByteBuffer(repeating: 1, count: 600_000), as: "large", flushing: false)
        pair.server.write("small")
        #expect(pair.server.outcomes.isEmpty)
        pair.server.edge.isStuck = false
        #expect(pair.server.outcomes == ["large": "done", "small": "done"])
    }
}
