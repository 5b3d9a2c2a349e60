import TLSTransport
import Testing

@Suite("TLS server names", .timeLimit(.minutes(10))) struct ServerNameTests {
    /// The names of the certificate that a client sees which asks for a name, or its failure.
    private func seen(
        _ server: TLSContext,
        _ client: TLSContext,
        _ name: String
    ) throws -> [String] {
        let pair = try Pair(client: client, server: server, serverName: name)
        try pair.connect()
        defer { pair.end() }
        if let failure = pair.server.application.errors.first?.failure { return ["\(failure)"] }
        return pair.client.handler.facts?.peer?.names ?? []
    }

    @Test("a client gets the certificate for the name that it asks for")
    func choice() async throws {
        let authority = try await Authority()
        var settings = TLSServerSettings(
            try await authority.issue("a", names: "DNS:a.example,DNS:fallback")
        )
        settings.others = [
            try await authority.issue("b", names: "DNS:b.example"),
            try await authority.issue("c", names: "DNS:*.c.example,DNS:exact.c.example"),
            try await authority.issue("d", names: "DNS:exact.c.example,DNS:d.example"),
        ]
        let server = try TLSContext(server: settings)
        let client = try authority.client()
        #expect(try seen(server, client, "a.example").first == "a.example")
        #expect(try seen(server, client, "b.example") == ["b.example"])
        #expect(try seen(server, client, "B.Example") == ["b.example"])
        #expect(try seen(server, client, "x.c.example").first == "*.c.example")
        #expect(try seen(server, client, "d.example").last == "d.example")
        // Both are for this name: the first in the order of the settings.
        #expect(try seen(server, client, "exact.c.example").first == "*.c.example")
        #expect(
            server.subjectAlternativeNames == [
                "a.example", "fallback", "b.example", "*.c.example", "exact.c.example", "d.example",
            ]
        )
    }

    @Test("a name that no certificate is for gets the first one, or is refused when that is wished")
    func unknown() async throws {
        let authority = try await Authority()
        var settings = TLSServerSettings(
            try await authority.issue("a", names: "DNS:a.example,IP:127.0.0.1")
        )
        let patient = try TLSContext(server: settings)
        let pair = try Pair(
            client: authority.client(),
            server: patient,
            serverName: "other.example"
        )
        try pair.connect()
        // The client says that this is not whom it wanted.
        #expect(pair.server.application.errors.count == 1)
        #expect(pair.server.application.errors.first?.failure != .unknownName)
        #expect(pair.client.application.errors.first?.failure == .certificateRefused)

        settings.refusesUnknownNames = true
        let strict = try TLSContext(server: settings)
        let client = try authority.client()
        #expect(try seen(strict, client, "other.example") == ["unknownName"])
        #expect(try seen(strict, client, "sub.a.example") == ["unknownName"])
        #expect(try seen(strict, client, "a.example").first == "a.example")
        // Who asks for an address sends no name.
        #expect(try seen(strict, client, "127.0.0.1").first == "a.example")
    }

    @Test("an RSA certificate beside an ECDSA one for the same names: each client gets its own")
    func twoKinds() async throws {
        let authority = try await Authority()
        var settings = TLSServerSettings(try await authority.issue("e", names: "DNS:localhost"))
        settings.others = [
            try await authority.issue("r", names: "DNS:localhost", key: Authority.newRSAKey)
        ]
        let server = try await SocketServer.start(TLSContext(server: settings)) {
            LengthResponder()
        }
        for (cipher, type) in [("ECDHE-ECDSA", "ECDSA"), ("ECDHE-RSA", "RSA-PSS")] {
            let options = ["-tls1_2", "-cipher", "\(cipher)-AES128-GCM-SHA256"]
            let printed = try await talk(server, options + ["-CAfile", authority.certificate])
            #expect(printed.output.contains("Peer signature type: \(type)"), "\(printed.output)")
            #expect(printed.output.contains("Verify return code: 0 (ok)"))
        }
        try await server.stop()
    }

    @Test("two certificates of one kind for the same names are refused")
    func twins() async throws {
        let authority = try await Authority()
        let one = try await authority.issue("one", names: "DNS:a.example,DNS:b.example")
        let other = try await authority.issue("other", names: "DNS:b.example,DNS:A.example")
        var settings = TLSServerSettings(one)
        settings.others = [other]
        #expect {
            try TLSContext(server: settings)
        } throws: { error in
            "\(error)".contains(other.certificateFile) && "\(error)".contains("same names")
        }
    }

    @Test("the end that is told is that of the certificate that ends first")
    func firstEnd() async throws {
        let authority = try await Authority()
        var settings = TLSServerSettings(try await authority.issue("a", names: "DNS:a", days: 20))
        settings.others = [try await authority.issue("b", names: "DNS:b", days: 3)]
        let end = try #require(try TLSContext(server: settings).certificateNotAfter)
        #expect(end > now() + 2 * 86_400)
        #expect(end < now() + 4 * 86_400)
    }
}
