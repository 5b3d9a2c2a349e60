import NIOCore
import TLSTransport
import Testing

/// Applications that close or write from inside each event.
@Suite("TLS re-entrancy") struct ReentrancyTests {
    @Test("the application may close in the handshake's event, even with bytes behind it")
    func closeInHandshake() throws {
        let pair = try Pair(.shared())
        pair.client.write("together with Finished")
        pair.server.write("waits")
        pair.server.application.onHandshake = { $0.close(promise: nil) }
        try pair.connect()
        #expect(pair.server.application.log == ["active", "secure(http/1.1)", "inactive"])
        #expect(pair.server.hasKeptPromises && pair.client.hasKeptPromises)
        #expect(!pair.client.isOpen)
    }

    @Test("the application may close in the channel's first event")
    func closeInActive() throws {
        let server = try Endpoint(Fixture.shared().server)
        server.application.onActive = { $0.close(promise: nil) }
        try server.connect()
        #expect(server.application.log == ["active", "inactive"])
        server.wait(seconds: 100)
        #expect(server.application.errors.isEmpty)
    }

    @Test("the application may close while it reads, with more bytes in the same burst")
    func closeInRead() throws {
        let pair = try Pair.connected(.shared())
        pair.server.application.onRead = { context, _ in
            context.writeAndFlush(NIOAny(ByteBuffer(string: "bye")), promise: nil)
            context.close(promise: nil)
        }
        pair.client.write("one")
        pair.client.write("two")
        pair.interact()
        #expect(pair.client.application.text == "bye")
        #expect(!pair.server.isOpen && !pair.client.isOpen)
        #expect(pair.server.application.errors.isEmpty)
    }

    @Test("the application may close when it hears of an error, and of the end")
    func closeInError() throws {
        let server = try Endpoint(Fixture.shared().server)
        server.application.onError = { $0.close(promise: nil) }
        server.application.onInactive = { context in
            context.close(promise: nil)
            context.writeAndFlush(NIOAny(ByteBuffer(string: "too late")), promise: nil)
        }
        try server.connect()
        server.receive(ByteBuffer(string: "garbage that is no TLS at all"))
        server.edge.end()
        #expect(server.application.log == ["active", "error(tls_handshake_failed)", "inactive"])
    }

    @Test("a promise may close or write again when it is completed")
    func inPromises() throws {
        let pair = try Pair.connected(.shared())
        let channel = pair.server.channel
        let written = pair.server.promise("written")
        written.futureResult.assumeIsolated().whenSuccess {
            channel.writeAndFlush(ByteBuffer(string: " second"), promise: nil)
            pair.server.close()
        }
        channel.writeAndFlush(ByteBuffer(string: "first"), promise: written)
        pair.interact()
        #expect(pair.client.application.text == "first second")
        #expect(pair.server.outcomes == ["written": "done", "close": "done"])

        let failing = try Pair.connected(.shared())
        let abandoned = failing.server.promise("abandoned")
        abandoned.futureResult.assumeIsolated().whenFailure { _ in
            failing.server.write("again")
            failing.server.close(as: "again")
        }
        failing.server.channel.write(ByteBuffer(string: "x"), promise: abandoned)
        failing.server.close()
        failing.interact()
        #expect(failing.server.hasKeptPromises)
        #expect(failing.server.outcomes["again"] != nil)
    }
}
