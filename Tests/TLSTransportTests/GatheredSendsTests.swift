import NIOCore
import NIOEmbedded
import TLSTransport
import Testing

@Suite("Answers that leave together at the end of a loop's turn") struct GatheredSendsTests {
    /// Connections of one event loop, with their clients.
    private struct Crowd {
        let loop = EmbeddedEventLoop()
        let pairs: [Pair]

        init(_ count: Int) throws {
            let fixture = try Fixture.shared()
            let scratch = TLSScratch()
            pairs = try (0..<count).map { [loop] _ in
                try Pair(
                    client: Endpoint(fixture.client, serverName: "localhost"),
                    server: Endpoint(fixture.server, loop: loop, scratch: scratch)
                )
            }
            for pair in pairs { try pair.connect() }
        }

        /// Answers on a connection, at a time.
        func answer(_ number: Int, _ text: String, at microseconds: UInt64) {
            pairs[number].server.handler.send(
                ByteBuffer(string: text),
                now: .uptimeNanoseconds(1_000_000_000 + microseconds * 1000)
            )
        }

        /// What each client has received.
        func texts() -> [String] {
            for pair in pairs { pair.interact() }
            return pairs.map(\.client.application.text)
        }

        func end() { for pair in pairs { pair.end() } }
    }

    @Test("the first is sent at once, those that follow it closely at the end of the turn")
    func together() throws {
        let crowd = try Crowd(3)
        defer { crowd.end() }
        for number in 0..<3 { crowd.answer(number, "\(number)", at: UInt64(number) * 20) }
        #expect(crowd.texts() == ["0", "", ""])
        crowd.loop.run()
        #expect(crowd.texts() == ["0", "1", "2"])
    }

    @Test("one connection alone never waits, nor does one that comes after a pause")
    func alone() throws {
        let crowd = try Crowd(2)
        defer { crowd.end() }
        for number in 0..<5 { crowd.answer(0, "\(number)", at: UInt64(number)) }
        #expect(crowd.texts() == ["01234", ""])
        crowd.answer(1, "x", at: 2000)
        #expect(crowd.texts() == ["01234", "x"])
    }

    @Test("eight that wait are sent before the turn is over, each with its own bytes")
    func enough() throws {
        let crowd = try Crowd(12)
        defer { crowd.end() }
        for number in 0..<12 { crowd.answer(number, "answer \(number)", at: UInt64(number)) }
        let texts = (0..<12).map { "answer \($0)" }
        #expect(crowd.texts() == texts[..<9] + ["", "", ""])
        crowd.loop.run()
        #expect(crowd.texts() == texts)
    }

    @Test("a large answer is sent at once, and two of one connection in their order")
    func order() throws {
        let crowd = try Crowd(3)
        defer { crowd.end() }
        let large = String(repeating: "x", count: 20_000)
        crowd.answer(0, "a", at: 0)
        crowd.answer(1, large, at: 1)
        crowd.answer(2, "b", at: 2)
        crowd.answer(2, "c", at: 3)
        #expect(crowd.texts() == ["a", large, "bc"])
        crowd.loop.run()
        #expect(crowd.texts() == ["a", large, "bc"])
    }

    /// What may happen to a connection while its answer is held.
    enum Event: CaseIterable {
        case close, closeOutput, lastWords, peerCloses, nothingMoreToRead, inputClosed
        case brokenRecord
    }

    @Test("whatever ends a connection, what was held has left before", arguments: Event.allCases)
    func ends(event: Event) throws {
        let crowd = try Crowd(2)
        defer { crowd.end() }
        crowd.answer(0, "first", at: 0)
        crowd.answer(1, "held", at: 1)
        #expect(crowd.texts() == ["first", ""])
        let (client, server) = (crowd.pairs[1].client, crowd.pairs[1].server)
        switch event {
        case .close: server.close()
        case .closeOutput: server.close(.output)
        case .lastWords: server.handler.sendLast(ByteBuffer(string: "!"), lingering: false)
        case .peerCloses: client.close()
        case .nothingMoreToRead: server.channel.pipeline.fireChannelReadComplete()
        case .inputClosed: server.fireInputClosed()
        case .brokenRecord:
            server.receive(ByteBuffer(bytes: [23, 3, 3, 0, 20] + [UInt8](repeating: 0, count: 20)))
        }
        if event == .peerCloses {
            // It is answered before our close, in the same turn.
            server.receive(client.edge.sent)
            client.edge.sent = ByteBuffer()
            #expect(records(in: server.edge.sent).count == 2)
            return
        }
        #expect(crowd.texts()[1] == (event == .lastWords ? "held!" : "held"))
    }
}
