import TLSTransport
import Testing

@Suite("TLS client certificates") struct ClientCertificateTests {
    /// A client certificate that is its own authority.
    private func makeClient(_ files: Certificates, _ name: String) async throws {
        try await run(
            "openssl",
            "req",
            "-x509",
            "-newkey",
            "ec",
            "-pkeyopt",
            "ec_paramgen_curve:P-256",
            "-nodes",
            "-days",
            "30",
            "-subj",
            "/O=Leeway/CN=\(name)",
            "-addext",
            "subjectAltName=DNS:\(name).example",
            "-addext",
            "extendedKeyUsage=clientAuth",
            "-keyout",
            files.path("\(name).key"),
            "-out",
            files.path("\(name).pem")
        )
    }

    private func pair(
        _ files: Certificates,
        _ rule: ClientCertificates,
        client name: String?
    ) throws -> Pair {
        let client = try files.client { settings in
            guard let name else { return }
            settings.certificate = (files.path("\(name).pem"), files.path("\(name).key"))
        }
        let pair = try Pair(client: client, server: files.server { $0.clientCertificates = rule })
        try pair.connect()
        return pair
    }

    @Test("a client with a good certificate is let in, and known")
    func good() async throws {
        let files = try Certificates()
        try await makeClient(files, "alice")
        for rule in [
            ClientCertificates.required(authorities: files.path("alice.pem")),
            .optional(authorities: files.path("alice.pem")),
        ] {
            let pair = try pair(files, rule, client: "alice")
            #expect(pair.server.application.log == ["active", "secure(http/1.1)"])
            let peer = try #require(pair.server.handler.facts?.peer)
            #expect(peer.names == ["alice.example"])
            #expect(peer.subject == "CN=alice,O=Leeway")
            #expect(peer.notAfter > now() + 29 * 86_400)
        }
    }

    @Test("a client without a certificate is let in only when it is optional")
    func absent() async throws {
        let files = try Certificates()
        try await makeClient(files, "alice")
        let optional = try pair(files, .optional(authorities: files.path("alice.pem")), client: nil)
        #expect(optional.server.application.log == ["active", "secure(http/1.1)"])
        #expect(optional.server.handler.facts?.peer == nil)

        let required = try pair(files, .required(authorities: files.path("alice.pem")), client: nil)
        #expect(required.server.application.errors.map(\.failure) == [.certificateMissing])
        #expect(try required.server.counted.failures(.certificateMissing) == 1)
        // TLS 1.3: the client thinks that it is connected until it hears the alert.
        #expect(required.client.application.errors.map(\.code) == ["tls_connection_failed"])
        #expect(!required.server.isOpen && !required.client.isOpen)
    }

    @Test("a client with a certificate of another authority is refused, even when optional")
    func wrong() async throws {
        let files = try Certificates()
        try await makeClient(files, "alice")
        try await makeClient(files, "mallory")
        for rule in [
            ClientCertificates.required(authorities: files.path("alice.pem")),
            .optional(authorities: files.path("alice.pem")),
        ] {
            let pair = try pair(files, rule, client: "mallory")
            #expect(pair.server.application.errors.map(\.failure) == [.certificateRefused])
            #expect(pair.server.handler.facts == nil)
        }
    }

    @Test("a server that does not ask learns nothing")
    func ignored() async throws {
        let files = try Certificates()
        try await makeClient(files, "alice")
        let pair = try pair(files, .ignored, client: "alice")
        #expect(pair.server.application.log == ["active", "secure(http/1.1)"])
        #expect(pair.server.handler.facts?.peer == nil)
    }

    /// A server that lets in only clients with one of some names, and the client's authority.
    private func settings(
        _ files: Certificates,
        _ authority: Authority,
        allowed: [String]
    ) -> TLSServerSettings {
        var settings = files.made.serverSettings
        settings.clientCertificates = .required(authorities: authority.certificate)
        settings.allowedClientNames = allowed
        return settings
    }

    /// Connects our own client with a certificate; gives the server's failure.
    private func failure(
        _ files: Certificates,
        _ settings: TLSServerSettings,
        _ identity: TLSIdentity
    ) throws -> HandshakeFailure? {
        let client = try files.client {
            $0.certificate = (identity.certificateFile, identity.keyFile)
        }
        let pair = try Pair(client: client, server: TLSContext(server: settings))
        try pair.connect()
        defer { pair.end() }
        return pair.server.application.errors.first?.failure
    }

    @Test("of good certificates, only those with an allowed name are let in")
    func allowedNames() async throws {
        let files = try Certificates()
        let authority = try await Authority()
        let names = [
            "DNS:client.example", "URI:spiffe://mesh/ns/a/sa/b", "email:ops@example.com",
            "IP:10.0.0.7",
        ]
        let identity = try await authority.issue("c", names: names.joined(separator: ","))
        for name in [
            "client.example", "Client.Example", "spiffe://mesh/ns/a/sa/b", "ops@example.com",
            "10.0.0.7",
        ] {
            let rules = settings(files, authority, allowed: ["unknown", name])
            #expect(try failure(files, rules, identity) == nil, "\(name)")
        }
        for name in ["example", "*.example", "spiffe://mesh/ns/a", "c", "CN=c"] {
            let rules = settings(files, authority, allowed: [name])
            #expect(try failure(files, rules, identity) == .certificateNotAllowed, "\(name)")
        }
        // A name alone is not enough: the authority comes first.
        let strangers = try await Authority("stranger")
        let stranger = try await strangers.issue("c", names: "DNS:client.example")
        let rules = settings(files, authority, allowed: ["client.example"])
        #expect(try failure(files, rules, stranger) == .certificateRefused)
    }

    @Test(
        "a session is resumed only while its certificate is good and its name allowed",
        .timeLimit(.minutes(2)),
        arguments: ["-tls1_2", "-tls1_3"]
    )
    func resumption(version: String) async throws {
        let files = try Certificates()
        let authority = try await Authority()
        let identity = try await authority.issue("c", names: "DNS:client.example", days: 10)
        let keys = try TLSTicketKeys()
        func isResumed(
            allowed: [String],
            _ option: String,
            later seconds: Int64 = 0
        ) async throws -> Bool? {
            var rules = settings(files, authority, allowed: allowed)
            rules.ticketKeys = keys
            rules.now = { now() + seconds }
            let server = try await SocketServer.start(TLSContext(server: rules)) {
                LengthResponder()
            }
            let printed = try await talk(
                server,
                [version, option, files.path("session.pem"), "-cert", identity.certificateFile]
                    + ["-key", identity.keyFile]
            )
            try await server.stop()
            guard printed.output.contains("HTTP/1.1 200 OK") else { return nil }
            return printed.output.contains("Reused, TLS")
        }
        #expect(try await isResumed(allowed: ["client.example"], "-sess_out") == false)
        #expect(try await isResumed(allowed: ["client.example"], "-sess_in") == true)
        // The certificate has ended since, by our clock; by the library's, it has not, and so a
        // whole handshake succeeds.
        let later: Int64 = 11 * 86_400
        #expect(
            try await isResumed(allowed: ["client.example"], "-sess_in", later: later) == false
        )
        #expect(try await isResumed(allowed: ["other.example"], "-sess_in") == nil)
    }
}
