import NIOCore
import TLSTransport
import Testing

@Suite("TLS with an application that is called directly") struct DirectTests {
    /// Notes what it is given.
    private final class Direct: TLSApplication {
        var text = ""
        var wantsMore = true
        var onAll: (() -> Void)?

        func received(_ plaintext: ByteBuffer) { text += String(buffer: plaintext) }

        func receivedAll() -> Bool {
            onAll?()
            return wantsMore
        }
    }

    @Test("plaintext and answers go past the pipeline, and each answer is one record")
    func exchange() throws {
        let pair = try Pair.connected(.shared())
        let direct = Direct()
        pair.server.handler.serve(direct)
        direct.onAll = {
            pair.server.handler.send(ByteBuffer(string: "yes"), promise: pair.server.promise("yes"))
        }
        pair.client.write("well?")
        pair.server.receive(pair.client.edge.sent)
        pair.client.edge.sent = ByteBuffer()
        #expect(direct.text == "well?")
        #expect(pair.server.application.log == ["active", "secure(http/1.1)"])
        #expect(pair.server.outcomes == ["yes": "done"])
        #expect(records(in: pair.server.edge.sent).count == 1)
        pair.interact()
        #expect(pair.client.application.text == "yes")
    }

    @Test("bytes are asked for while the application wants them")
    func reads() throws {
        let pair = try Pair.connected(.shared())
        let direct = Direct()
        pair.server.handler.serve(direct)
        var before = pair.server.edge.readsAsked
        pair.client.write("a")
        pair.interact()
        #expect(pair.server.edge.readsAsked == before + 1)
        direct.wantsMore = false
        before = pair.server.edge.readsAsked
        pair.client.write("b")
        pair.interact()
        #expect(direct.text == "ab")
        #expect(pair.server.edge.readsAsked == before)
    }

    @Test("what is sent before the handshake is finished waits for it, in its order")
    func early() throws {
        let fixture = try Fixture.shared()
        let pair = try Pair(fixture)
        try pair.server.connect()
        pair.server.handler.send(ByteBuffer(string: "a"))
        pair.server.write("b")
        pair.server.handler.sendLast(ByteBuffer(string: "c"), lingering: true)
        try pair.client.connect()
        pair.interact()
        #expect(pair.client.application.text == "abc")
        #expect(!pair.server.isOpen && !pair.client.isOpen)
        #expect(try pair.client.counted.uncleanCloses() == 0)
    }

    @Test("the last words and the close leave together")
    func last() throws {
        for lingering in [false, true] {
            let pair = try Pair.connected(.shared())
            let before = pair.server.edge.writes
            pair.server.handler.sendLast(ByteBuffer(string: "bye"), lingering: lingering)
            #expect(pair.server.edge.writes == before + 1)
            #expect(records(in: pair.server.edge.sent).count == 2)
            // Who has said all is not waited for; others may have more on its way.
            #expect(pair.server.isOpen == lingering)
            #expect(pair.server.edge.isOutputClosed == lingering)
            pair.interact()
            #expect(pair.client.application.text == "bye")
            #expect(!pair.server.isOpen && !pair.client.isOpen)
            for side in [pair.client, pair.server] {
                #expect(try side.counted.uncleanCloses() == 0)
            }
        }
    }

    @Test("last words that a socket does not take are given up after a while")
    func stuck() throws {
        let pair = try Pair.connected(.shared())
        pair.server.edge.isStuck = true
        pair.server.handler.sendLast(ByteBuffer(string: "bye"), lingering: false)
        pair.server.wait(seconds: 1)
        #expect(pair.server.isOpen)
        pair.server.wait(seconds: 1)
        #expect(!pair.server.isOpen)
    }

    @Test("a large answer leaves in full records, however it is sent")
    func large() throws {
        let pair = try Pair.connected(.shared())
        let text = String(repeating: "0123456789", count: 60_000)
        pair.server.handler.send(ByteBuffer(string: text))
        #expect(records(in: pair.server.edge.sent).count == 600_000 / 16_384 + 1)
        pair.interact()
        #expect(pair.client.application.text == text)
    }

    @Test("nothing is sent by a handler that has left its pipeline")
    func gone() throws {
        let pair = try Pair.connected(.shared())
        pair.server.edge.end()
        pair.interact()
        let handler = pair.server.handler
        handler.send(ByteBuffer(string: "x"), promise: pair.server.promise("x"))
        handler.sendLast(ByteBuffer(string: "y"), lingering: true)
        #expect(pair.server.outcomes["x"] == "\(ChannelError.ioOnClosedChannel)")
    }
}
