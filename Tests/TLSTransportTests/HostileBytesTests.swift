import NIOCore
import TLSTransport
import Testing

/// Connections that are cut, or whose bytes are changed, at every point.
@Suite("TLS with hostile bytes") struct HostileBytesTests {
    /// What has to hold at the end of any connection, however it went.
    private func checkEnd(_ side: Endpoint, _ what: Comment) throws {
        #expect(!side.isOpen, what)
        #expect(side.hasKeptPromises, what)
        #expect(side.application.errors.count <= 1, what)
        #expect(side.application.log.filter { $0 == "inactive" }.count == 1, what)
        #expect(side.application.log.last == "inactive", what)
        // Each connection ends in exactly one account.
        let accounts = try [
            side.counted.handshakes(.tls13), side.counted.failuresInAll(),
        ]
        #expect(accounts.reduce(0, +) == 1, what)
    }

    /// Runs a whole exchange; the bytes from the client number `cut` on are not delivered.
    private func exchange(cutAfter cut: Int) throws -> (Pair, delivered: Int) {
        let pair = try Pair(.shared())
        pair.client.write("request")
        pair.server.application.onRead = { context, _ in
            context.writeAndFlush(NIOAny(ByteBuffer(string: "answer")), promise: nil)
        }
        try pair.server.connect()
        try pair.client.connect()
        var delivered = 0
        while delivered < cut {
            var sent = pair.client.edge.sent
            pair.client.edge.sent = ByteBuffer()
            guard let part = sent.readSlice(length: min(sent.readableBytes, cut - delivered)),
                part.readableBytes > 0
            else { break }
            delivered += part.readableBytes
            pair.server.receive(part)
            let answer = pair.server.edge.sent
            pair.server.edge.sent = ByteBuffer()
            pair.client.receive(answer)
        }
        return (pair, delivered)
    }

    @Test("the channel may end after any byte of the client")
    func cut() throws {
        let total = try exchange(cutAfter: .max).delivered
        #expect(total > 300)
        for cut in 0...total {
            let (pair, _) = try exchange(cutAfter: cut)
            pair.server.write("waits")
            pair.server.edge.end()
            pair.client.edge.end()
            try checkEnd(pair.server, "cut after \(cut)")
            try checkEnd(pair.client, "cut after \(cut)")
        }
    }

    @Test("the application may close after any byte of the client")
    func closed() throws {
        let total = try exchange(cutAfter: .max).delivered
        for cut in 0...total {
            let (pair, _) = try exchange(cutAfter: cut)
            pair.server.write("waits")
            pair.server.close()
            pair.interact()
            pair.client.edge.end()
            #expect(!pair.server.isOpen && !pair.client.isOpen, "closed after \(cut)")
            #expect(pair.server.outcomes["close"] == "done", "closed after \(cut)")
            #expect(pair.server.hasKeptPromises, "closed after \(cut)")
            #expect(pair.server.application.errors.isEmpty, "closed after \(cut)")
        }
    }

    @Test("any byte of the client may be changed", arguments: [UInt8(1), 0x80, 0xff])
    func changed(mask: UInt8) throws {
        let total = try exchange(cutAfter: .max).delivered
        // A stride that meets every residue keeps the debug build quick.
        for position in stride(from: Int(mask % 3), to: total, by: 3) {
            let pair = try Pair(.shared())
            pair.client.write("request")
            try pair.server.connect()
            try pair.client.connect()
            var seen = 0
            for _ in 0..<4 {
                var sent = pair.client.edge.sent
                pair.client.edge.sent = ByteBuffer()
                let index = position - seen
                seen += sent.readableBytes
                if (0..<sent.readableBytes).contains(index),
                    let byte = sent.getInteger(at: sent.readerIndex + index, as: UInt8.self)
                {
                    sent.setInteger(byte ^ mask, at: sent.readerIndex + index)
                }
                if sent.readableBytes > 0, pair.server.isOpen { pair.server.receive(sent) }
                let answer = pair.server.edge.sent
                pair.server.edge.sent = ByteBuffer()
                if answer.readableBytes > 0, pair.client.isOpen { pair.client.receive(answer) }
            }
            pair.server.wait(seconds: 12)
            pair.client.wait(seconds: 12)
            pair.server.edge.end()
            pair.client.edge.end()
            try checkEnd(pair.server, "byte \(position) changed")
            try checkEnd(pair.client, "byte \(position) changed")
            // No change goes through as if nothing had happened.
            #expect(
                pair.server.application.text.isEmpty || pair.server.application.text == "request",
                "byte \(position) changed"
            )
        }
    }

    @Test("random bytes never do more than fail")
    func random() throws {
        var random = SystemRandomNumberGenerator()
        for _ in 0..<300 {
            let server = try Endpoint(Fixture.shared().server)
            try server.connect()
            var bytes = (0..<Int.random(in: 1...700)).map { _ in
                UInt8.random(in: 0...255, using: &random)
            }
            // Half of them look like a handshake record at first.
            if Bool.random(using: &random), bytes.count > 5 {
                bytes.replaceSubrange(0..<5, with: [22, 3, 1, 0, UInt8(min(255, bytes.count - 5))])
            }
            server.receive(ByteBuffer(bytes: bytes))
            server.wait(seconds: 12)
            try checkEnd(server, "\(bytes.prefix(8))")
        }
    }

    @Test("a changed record of a secure connection ends it, and the peer is told")
    func changedRecord() throws {
        let pair = try Pair.connected(.shared())
        pair.client.write("good")
        pair.interact()
        pair.client.write("changed")
        var sent = pair.client.edge.sent
        pair.client.edge.sent = ByteBuffer()
        let last = sent.writerIndex - 1
        sent.setInteger((sent.getInteger(at: last, as: UInt8.self) ?? 0) ^ 1, at: last)
        pair.server.receive(sent)
        #expect(pair.server.application.text == "good")
        #expect(pair.server.application.errors.map(\.code) == ["tls_connection_failed"])
        pair.interact()
        #expect(pair.client.application.errors.map(\.code) == ["tls_connection_failed"])
        #expect(pair.client.application.errors.first?.description.contains("alert") == true)
        #expect(!pair.server.isOpen && !pair.client.isOpen)
        for side in [pair.client, pair.server] {
            #expect(try side.counted.brokenConnections() == 1)
            #expect(try side.counted.uncleanCloses() == 0)
        }
    }

    @Test("good bytes before a changed record are delivered before the error")
    func goodBeforeBad() throws {
        let pair = try Pair.connected(.shared())
        pair.client.write("good")
        var sent = pair.client.edge.sent
        pair.client.edge.sent = ByteBuffer()
        sent.writeBytes([23, 3, 3, 0, 20])
        sent.writeRepeatingByte(7, count: 20)
        pair.server.receive(sent)
        #expect(
            pair.server.application.log
                == ["active", "secure(http/1.1)", "read", "error(tls_connection_failed)"]
        )
        #expect(pair.server.application.text == "good")
    }

    @Test("a client cannot renegotiate")
    func renegotiation() throws {
        let peer = try RawPeer(versionMax: .tls12)
        let server = try Endpoint(Fixture.shared().server)
        try server.connect()
        peer.interact(with: server)
        peer.renegotiate()
        peer.interact(with: server)
        // The client takes our refusal for fatal, and says so.
        #expect(peer.failure == 1)
        #expect(server.application.errors.map(\.code) == ["tls_connection_failed"])
        #expect(try server.counted.handshakes(.tls12) == 1)
        #expect(try server.counted.handshakes(.tls12, resumed: true) == 0)
    }

    @Test("a peer that asks for key updates gets them, unless it never reads")
    func keyUpdates() throws {
        let peer = try RawPeer()
        var limits = TLSLimits()
        limits.waitingAnswerBytesMax = 200
        let server = try Endpoint(Fixture.shared().server, limits: limits)
        try server.connect()
        peer.interact(with: server)
        server.edge.isStuck = true
        for _ in 0..<50 {
            peer.askForKeyUpdate()
            server.receive(peer.takeSent())
        }
        #expect(server.isOpen)
        server.edge.isStuck = false
        peer.write("after new keys")
        peer.interact(with: server)
        #expect(server.application.text == "after new keys")
        server.write("answer")
        peer.interact(with: server)
        #expect(peer.received == Array("answer".utf8))

        server.becomeUnwritable()
        for _ in 0..<50 where server.isOpen {
            peer.askForKeyUpdate()
            server.receive(peer.takeSent())
        }
        #expect(!server.isOpen || server.edge.isOutputClosed)
        #expect(server.application.errors.map(\.code) == ["tls_connection_failed"])
        #expect(try server.counted.brokenConnections() == 1)
    }
}
