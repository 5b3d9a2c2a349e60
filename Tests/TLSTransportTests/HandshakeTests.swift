import NIOCore
import TLSTransport
import Testing

@Suite("TLS handshake") struct HandshakeTests {
    @Test("both sides agree and say so once")
    func succeeds() throws {
        let pair = try Pair.connected(.shared())
        #expect(pair.client.application.log == ["active", "secure(http/1.1)"])
        #expect(pair.server.application.log == ["active", "secure(http/1.1)"])
        for side in [pair.client, pair.server] {
            let facts = try #require(side.handler.facts)
            #expect(facts.version == .tls13)
            #expect(facts.cipher.hasPrefix("TLS_"))
            #expect(facts.applicationProtocol == "http/1.1")
            #expect(!facts.isResumed)
            #expect(try side.counted.handshakes(.tls13) == 1)
            #expect(try side.counted.failuresInAll() == 0)
        }
        #expect(pair.server.handler.facts?.peer == nil)
        #expect(pair.client.handler.facts?.peer?.names == ["localhost", "127.0.0.1", "::1"])
        #expect(pair.client.handler.facts?.peer?.subject == "CN=Leeway development server")
    }

    @Test("it works with any fragmentation", arguments: [1, 2, 5, 100, 1400])
    func fragmented(chunkBytes: Int) throws {
        let pair = try Pair(.shared())
        try pair.server.connect()
        try pair.client.connect()
        pair.client.write("hello")
        pair.interact(chunkBytes: chunkBytes)
        #expect(pair.server.application.text == "hello")
        pair.server.write("answer")
        pair.interact(chunkBytes: chunkBytes)
        #expect(pair.client.application.text == "answer")
    }

    @Test("bytes that come before the channel is said to be active begin the handshake")
    func earlyBytes() throws {
        let pair = try Pair(.shared())
        try pair.client.connect()
        pair.server.receive(pair.client.edge.sent)
        #expect(pair.server.edge.sent.readableBytes > 0)
    }

    @Test("writes before the handshake wait, in order, and their promises with them")
    func earlyWrites() throws {
        let pair = try Pair(.shared())
        pair.client.write("a")
        try pair.server.connect()
        try pair.client.connect()
        pair.client.write("b", flushing: false)
        pair.client.write("c")
        pair.client.write("not flushed", flushing: false)
        #expect(pair.client.outcomes.isEmpty)
        pair.interact()
        #expect(pair.server.application.text == "abc")
        #expect(pair.client.outcomes == ["a": "done", "b": "done", "c": "done"])
        pair.client.flush()
        pair.interact()
        #expect(pair.server.application.text == "abcnot flushed")
        #expect(pair.client.hasKeptPromises)
    }

    @Test("bytes that come together with the end of the handshake are read after its event")
    func bytesWithFinished() throws {
        let pair = try Pair(.shared())
        try pair.server.connect()
        try pair.client.connect()
        pair.client.write("early bird")
        pair.server.receive(take(pair.client))
        // The client's Finished and its first bytes are one burst.
        pair.client.receive(take(pair.server))
        pair.server.receive(take(pair.client))
        #expect(pair.server.application.log == ["active", "secure(http/1.1)", "read"])
        #expect(pair.server.application.text == "early bird")
    }

    @Test("the answer given in the handshake's event is sent")
    func writeInEvent() throws {
        let pair = try Pair(.shared())
        pair.server.application.onHandshake = { context in
            context.writeAndFlush(NIOAny(ByteBuffer(string: "welcome")), promise: nil)
        }
        try pair.connect()
        #expect(pair.client.application.text == "welcome")
    }

    @Test("a client without ALPN is served")
    func withoutProtocols() throws {
        let files = try Certificates()
        let pair = try Pair(
            client: files.client { $0.applicationProtocols = [] },
            server: files.server()
        )
        try pair.connect()
        #expect(pair.server.application.log == ["active", "secure(-)"])
        #expect(pair.server.handler.facts?.applicationProtocol == nil)
    }

    @Test("our order decides between application protocols")
    func protocolOrder() throws {
        let files = try Certificates()
        let pair = try Pair(
            client: files.client { $0.applicationProtocols = ["h2", "http/1.0", "http/1.1"] },
            server: files.server { $0.applicationProtocols = ["http/1.1", "http/1.0"] }
        )
        try pair.connect()
        #expect(pair.server.handler.facts?.applicationProtocol == "http/1.1")
    }

    @Test("TLS 1.2 is spoken when the client knows no other, unless the profile is modern")
    func versions() throws {
        let files = try Certificates()
        let peer = try RawPeer(versionMax: .tls12)
        let server = try Endpoint(files.server())
        try server.connect()
        peer.interact(with: server)
        #expect(server.handler.facts?.version == .tls12)
        #expect(try server.counted.handshakes(.tls12) == 1)

        let strict = try Endpoint(files.server { $0.profile = .modern })
        let old = try RawPeer(versionMax: .tls12)
        try strict.connect()
        old.interact(with: strict)
        #expect(strict.application.errors.map(\.failure) == [.protocolVersion])
        #expect(try strict.counted.failures(.protocolVersion) == 1)
    }

    /// Takes what a side has sent.
    private func take(_ side: Endpoint) -> ByteBuffer {
        defer { side.edge.sent = ByteBuffer() }
        return side.edge.sent
    }
}
