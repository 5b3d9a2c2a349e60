import NIOCore
import TLSTransport
import Testing

@Suite("TLS handshake failures") struct HandshakeFailureTests {
    @Test(
        "bytes that are no TLS end the connection with a reason",
        arguments: [
            ("GET / HTTP/1.1\r\nHost: x\r\n\r\n", HandshakeFailure.plainHTTP),
            ("CONNECT x:443 HTTP/1.1\r\n\r\n", .plainHTTP),
            ("SSH-2.0-OpenSSH_9.2\r\n", .notTLS),
            (String(repeating: "\0", count: 600), .notTLS),
            ("\u{16}\u{3}\u{1}\0\u{5}\u{2}\0\0\u{1}\0", .protocolError),
        ]
    )
    func garbage(text: String, reason: HandshakeFailure) throws {
        let server = try Endpoint(Fixture.shared().server)
        try server.connect()
        server.write("never sent")
        server.receive(ByteBuffer(string: text))
        #expect(server.application.errors.map(\.failure) == [reason])
        #expect(try server.counted.failures(reason) == 1)
        #expect(try server.counted.failuresInAll() == 1)
        #expect(server.outcomes == ["never sent": "\(ChannelError.ioOnClosedChannel)"])
        server.wait(seconds: 2)
        #expect(!server.isOpen)
        #expect(server.application.log.last == "inactive")
        #expect(server.application.errors.count == 1)
    }

    @Test("a peer that speaks plain HTTP gets the answer prepared for it")
    func plainHTTP() throws {
        let answer = ByteBuffer(string: "HTTP/1.1 400 Bad Request\r\n\r\n")
        let server = try Endpoint(Fixture.shared().server, plainHTTPAnswer: answer)
        try server.connect()
        server.receive(ByteBuffer(string: "GET / HTTP/1.1\r\n\r\n"))
        #expect(server.edge.sent == answer)
        #expect(server.edge.isOutputClosed)
    }

    @Test("a connection that is opened and closed without a byte is a probe, not a failure of TLS")
    func probe() throws {
        let server = try Endpoint(Fixture.shared().server)
        try server.connect()
        server.edge.end()
        #expect(server.application.errors.map(\.failure) == [.probe])
        #expect(try server.counted.failures(.probe) == 1)
    }

    @Test("a handshake that takes too long ends, whatever was sent")
    func timeout() throws {
        let pair = try Pair(.shared())
        try pair.client.connect()
        try pair.server.connect()
        pair.server.receive(pair.client.edge.sent)
        pair.server.write("waits")
        pair.server.wait(seconds: 9)
        #expect(pair.server.application.errors.isEmpty)
        pair.server.wait(seconds: 1)
        #expect(pair.server.application.errors.map(\.failure) == [.timedOut])
        #expect(!pair.server.isOpen)
        #expect(pair.server.hasKeptPromises)
        #expect(try pair.server.counted.failures(.timedOut) == 1)
    }

    @Test("the time for the handshake ends with it")
    func timeoutStops() throws {
        let pair = try Pair.connected(.shared())
        pair.server.wait(seconds: 1000)
        #expect(pair.server.isOpen)
        #expect(pair.server.application.errors.isEmpty)
    }

    @Test("a handshake of too many bytes ends")
    func tooLong() throws {
        var limits = TLSLimits()
        limits.handshakeBytesMax = 200
        let server = try Endpoint(Fixture.shared().server, limits: limits)
        try server.connect()
        // One record of 4096 bytes with the begin of one large ClientHello.
        server.receive(ByteBuffer(bytes: [22, 3, 1, 16, 0, 1, 0, 15, 252, 3, 3]))
        for _ in 0..<18 { server.receive(ByteBuffer(repeating: 0, count: 10)) }
        #expect(server.application.errors.isEmpty)
        server.receive(ByteBuffer(repeating: 0, count: 10))
        #expect(server.application.errors.map(\.failure) == [.tooLong])
    }

    @Test("without a common application protocol both sides learn why")
    func noCommonProtocol() throws {
        let files = try Certificates()
        let pair = try Pair(
            client: files.client { $0.applicationProtocols = ["h2"] },
            server: files.server()
        )
        try pair.connect()
        #expect(pair.server.application.errors.map(\.failure) == [.noApplicationProtocol])
        #expect(pair.client.application.errors.map(\.failure) == [.noApplicationProtocol])
        #expect(!pair.server.isOpen && !pair.client.isOpen)
    }

    @Test(
        "a client refuses a certificate for another name",
        arguments: ["example.org", "10.0.0.1"]
    )
    func wrongName(name: String) throws {
        let fixture = try Fixture.shared()
        let pair = try Pair(client: fixture.client, server: fixture.server, serverName: name)
        try pair.connect()
        #expect(pair.client.application.errors.map(\.failure) == [.certificateRefused])
        #expect(pair.client.application.errors.first?.description.contains("mismatch") == true)
        #expect(pair.server.application.errors.map(\.failure) == [.refusedByPeer])
    }

    @Test("a client finds the address in the certificate", arguments: ["127.0.0.1", "::1"])
    func addresses(name: String) throws {
        let fixture = try Fixture.shared()
        let pair = try Pair(client: fixture.client, server: fixture.server, serverName: name)
        try pair.connect()
        #expect(pair.client.application.log == ["active", "secure(http/1.1)"])
    }

    @Test("a client refuses an unknown authority and an ended certificate")
    func untrusted() throws {
        let fixture = try Fixture.shared()
        let other = try Certificates()
        let pair = try Pair(client: fixture.client, server: other.server())
        try pair.connect()
        #expect(pair.client.application.errors.map(\.failure) == [.certificateRefused])
        #expect(pair.server.application.errors.map(\.failure) == [.refusedByPeer])

        let old = try Certificates(now: 1_000_000_000)
        let late = try Pair(client: old.client(), server: old.server())
        try late.connect()
        #expect(late.client.application.errors.map(\.failure) == [.certificateRefused])
        #expect(late.client.application.errors.first?.description.contains("expired") == true)
    }

    @Test("every reason has its own word for the label and advice for people")
    func reasons() {
        for reason in HandshakeFailure.allCases {
            #expect(reason.rawValue.allSatisfy { $0.isLowercase || $0 == "_" })
            let error = TLSError.handshakeFailed(reason, reason: "why")
            #expect(error.code == "tls_handshake_failed")
            #expect(error.description.hasPrefix("TLS handshake: \(reason.rawValue): why: "))
        }
    }
}
