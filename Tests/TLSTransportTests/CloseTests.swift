import NIOCore
import TLSTransport
import Testing

@Suite("TLS close") struct CloseTests {
    @Test("a close is said, and both sides end without complaint")
    func clean() throws {
        let pair = try Pair.connected(.shared())
        pair.server.close()
        pair.interact()
        #expect(!pair.server.isOpen && !pair.client.isOpen)
        #expect(pair.server.outcomes == ["close": "done"])
        for side in [pair.client, pair.server] {
            #expect(side.application.log == ["active", "secure(http/1.1)", "inactive"])
            #expect(try side.counted.uncleanCloses() == 0)
        }
    }

    @Test("our close waits for the peer's end, dropping what comes, but not for ever")
    func lingers() throws {
        let pair = try Pair.connected(.shared())
        pair.server.write("last words")
        pair.server.close()
        #expect(pair.server.edge.isOutputClosed)
        #expect(pair.server.isOpen)
        #expect(pair.server.edge.readsAsked > 0)
        pair.client.write("still talking")
        pair.server.receive(pair.client.edge.sent)
        #expect(pair.server.application.text.isEmpty)
        pair.server.wait(seconds: 1)
        #expect(pair.server.isOpen)
        #expect(pair.server.outcomes["close"] == nil)
        pair.server.wait(seconds: 1)
        #expect(!pair.server.isOpen)
        #expect(pair.server.outcomes["close"] == "done")
        #expect(try pair.server.counted.uncleanCloses() == 0)
        pair.client.edge.sent = ByteBuffer()
        pair.interact()
        #expect(pair.client.application.text == "last words")
    }

    @Test("our close waits until what was flushed has left, but not for ever")
    func waitsForSocket() throws {
        let pair = try Pair.connected(.shared())
        pair.server.edge.isStuck = true
        pair.server.write("slow")
        pair.server.close()
        #expect(!pair.server.edge.isOutputClosed)
        pair.server.edge.isStuck = false
        #expect(pair.server.edge.isOutputClosed)
        pair.interact()
        #expect(pair.client.application.text == "slow")

        let stuck = try Pair.connected(.shared())
        stuck.server.edge.isStuck = true
        stuck.server.write("never")
        stuck.server.close()
        stuck.server.wait(seconds: 2)
        #expect(!stuck.server.isOpen)
        #expect(stuck.server.outcomes["close"] == "done")
        #expect(stuck.server.outcomes["never"] == "\(ChannelError.ioOnClosedChannel)")
    }

    @Test("all who close get an answer, and later writes are refused")
    func closeTwice() throws {
        let pair = try Pair.connected(.shared())
        pair.server.write("not flushed", flushing: false)
        pair.server.close(as: "first")
        pair.server.close(as: "second")
        pair.server.write("late")
        pair.server.close(.output, as: "output")
        pair.server.close(.input, as: "input")
        pair.interact()
        #expect(
            pair.server.outcomes == [
                "not flushed": "\(ChannelError.ioOnClosedChannel)",
                "late": "\(ChannelError.ioOnClosedChannel)",
                "first": "done", "second": "done",
                "output": "\(ChannelError.outputClosed)",
                "input": "\(ChannelError.operationUnsupported)",
            ]
        )
        pair.server.close(as: "third")
        pair.server.write("later")
        #expect(pair.server.outcomes["third"] == "\(ChannelError.alreadyClosed)")
        #expect(pair.server.hasKeptPromises)
    }

    @Test("a close during the handshake ends the channel at once")
    func duringHandshake() throws {
        let pair = try Pair(.shared())
        try pair.server.connect()
        try pair.client.connect()
        pair.client.write("waits")
        pair.client.close()
        #expect(!pair.client.isOpen)
        #expect(
            pair.client.outcomes == ["waits": "\(ChannelError.ioOnClosedChannel)", "close": "done"]
        )
        #expect(pair.client.application.errors.isEmpty)
        #expect(try pair.client.counted.failuresInAll() == 0)
    }

    @Test("a channel that never was connected can be closed")
    func beforeStart() throws {
        let pair = try Pair(.shared())
        pair.client.write("waits")
        pair.client.close()
        #expect(pair.client.hasKeptPromises)
    }

    @Test("the answer flushed at the end of the read that brought the close is sent")
    func answerAfterPeerClose() throws {
        let pair = try Pair.connected(.shared())
        pair.server.application.onReadComplete = { context in
            context.writeAndFlush(NIOAny(ByteBuffer(string: "answer")), promise: nil)
        }
        pair.client.write("request")
        pair.client.close()
        // Both in one burst, as a client does that has nothing else to say.
        pair.server.receive(pair.client.edge.sent)
        pair.client.edge.sent = ByteBuffer()
        #expect(pair.server.application.text == "request")
        #expect(!pair.server.isOpen)
        #expect(records(in: pair.server.edge.sent).count == 2)
        pair.end()
        #expect(try pair.server.counted.uncleanCloses() == 0)
    }

    @Test("our close is in the answer to the peer's close")
    func closeDuringPeerClose() throws {
        let pair = try Pair.connected(.shared())
        pair.server.application.onReadComplete = { $0.close(promise: nil) }
        pair.client.close()
        pair.interact()
        #expect(!pair.server.isOpen && !pair.client.isOpen)
        #expect(pair.server.application.errors.isEmpty)
    }

    @Test("ending the outgoing direction leaves the other open")
    func halfClose() throws {
        let pair = try Pair.connected(.shared())
        pair.server.write("last")
        pair.server.write("not flushed", flushing: false)
        pair.server.close(.output)
        #expect(pair.server.outcomes["close"] == "done")
        #expect(pair.server.outcomes["not flushed"] == "\(ChannelError.outputClosed)")
        #expect(pair.server.edge.isOutputClosed)
        pair.client.write("more")
        pair.server.receive(pair.client.edge.sent)
        pair.client.edge.sent = ByteBuffer()
        #expect(pair.server.application.text == "more")
        pair.server.write("late")
        #expect(pair.server.outcomes["late"] == "\(ChannelError.outputClosed)")
        pair.interact()
        #expect(pair.client.application.text == "last")
        #expect(!pair.server.isOpen && !pair.client.isOpen)
        #expect(try pair.server.counted.uncleanCloses() == 0)
    }

    @Test("a half-closed connection can be closed at once")
    func halfThenWhole() throws {
        let pair = try Pair.connected(.shared())
        pair.server.close(.output, as: "half")
        pair.server.close(.all, as: "whole")
        #expect(!pair.server.isOpen)
        #expect(pair.server.outcomes == ["half": "done", "whole": "done"])
    }

    @Test("an end without close_notify is counted")
    func unclean() throws {
        let pair = try Pair.connected(.shared())
        pair.server.write("not flushed", flushing: false)
        pair.server.edge.end()
        #expect(try pair.server.counted.uncleanCloses() == 1)
        #expect(pair.server.application.log == ["active", "secure(http/1.1)", "inactive"])
        #expect(pair.server.hasKeptPromises)
    }

    @Test("a half-closing channel's end of input is treated as the end")
    func inputClosedEvent() throws {
        let pair = try Pair.connected(.shared())
        pair.server.fireInputClosed()
        #expect(!pair.server.isOpen)
        #expect(try pair.server.counted.uncleanCloses() == 1)
        let early = try Endpoint(Fixture.shared().server)
        try early.connect()
        early.fireInputClosed()
        #expect(early.application.errors.map(\.failure) == [.probe])
    }

    @Test("bytes after the peer's close are ignored")
    func bytesAfterClose() throws {
        let pair = try Pair.connected(.shared())
        pair.client.close()
        var sent = pair.client.edge.sent
        pair.client.edge.sent = ByteBuffer()
        sent.writeString("garbage after the end")
        pair.server.receive(sent)
        #expect(pair.server.application.errors.isEmpty)
        #expect(!pair.server.isOpen)
        pair.end()
    }
}
