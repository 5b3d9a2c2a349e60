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

    /// Connects to a server that trusts the authority called `alice`.
    private func pair(
        _ files: Certificates,
        _ rule: ClientCertificates? = nil,
        client name: String?
    ) throws -> Pair {
        let rule = rule ?? .asked(authorities: files.path("alice.pem"))
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
        let pair = try pair(files, client: "alice")
        #expect(pair.server.application.log == ["active", "secure(http/1.1)"])
        let facts = try #require(pair.server.handler.facts)
        #expect(facts.clientStanding == .allowed)
        let peer = try #require(facts.peer)
        #expect(peer.names == ["alice.example"])
        #expect(peer.subject == "CN=alice,O=Leeway")
        #expect(peer.notAfter > now() + 29 * 86_400)
    }

    @Test("a client without a certificate is let in, and known as such")
    func absent() async throws {
        let files = try Certificates()
        try await makeClient(files, "alice")
        let pair = try pair(files, client: nil)
        #expect(pair.server.application.log == ["active", "secure(http/1.1)"])
        #expect(pair.server.handler.facts?.peer == nil)
        #expect(pair.server.handler.facts?.clientStanding == .unknown)
    }

    @Test("a client with a certificate of another authority is refused")
    func wrong() async throws {
        let files = try Certificates()
        try await makeClient(files, "alice")
        try await makeClient(files, "mallory")
        let pair = try pair(files, client: "mallory")
        #expect(pair.server.application.errors.map(\.failure) == [.certificateRefused])
        #expect(try pair.server.counted.failures(.certificateRefused) == 1)
        #expect(pair.server.handler.facts == nil)
        // TLS 1.3: the client thinks that it is connected until it hears the alert.
        #expect(pair.client.application.errors.map(\.code) == ["tls_connection_failed"])
        #expect(!pair.server.isOpen && !pair.client.isOpen)
    }

    @Test("a server that does not ask learns nothing")
    func ignored() async throws {
        let files = try Certificates()
        try await makeClient(files, "alice")
        let pair = try pair(files, .ignored, client: "alice")
        #expect(pair.server.application.log == ["active", "secure(http/1.1)"])
        #expect(pair.server.handler.facts?.peer == nil)
        #expect(pair.server.handler.facts?.clientStanding == .notAsked)
    }

    /// A server that allows only clients with one of some names, and the client's authority.
    private func settings(
        _ files: Certificates,
        _ authority: Authority,
        allowed: [String]
    ) -> TLSServerSettings {
        var settings = files.made.serverSettings
        settings.clientCertificates = .asked(authorities: authority.certificate)
        settings.allowedClientNames = allowed
        return settings
    }

    /// Connects our own client with a certificate; gives its standing, or nil without a connection.
    private func standing(
        _ files: Certificates,
        _ settings: TLSServerSettings,
        _ identity: TLSIdentity
    ) throws -> ClientStanding? {
        let client = try files.client {
            $0.certificate = (identity.certificateFile, identity.keyFile)
        }
        let pair = try Pair(client: client, server: TLSContext(server: settings))
        try pair.connect()
        defer { pair.end() }
        return pair.server.handler.facts?.clientStanding
    }

    @Test("of good certificates, only those with an allowed name are allowed")
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
            #expect(try standing(files, rules, identity) == .allowed, "\(name)")
        }
        for name in ["example", "*.example", "spiffe://mesh/ns/a", "c", "CN=c"] {
            let rules = settings(files, authority, allowed: [name])
            #expect(try standing(files, rules, identity) == .notAllowed, "\(name)")
        }
        // A name alone is not enough: the authority comes first.
        let strangers = try await Authority("stranger")
        let stranger = try await strangers.issue("c", names: "DNS:client.example")
        let rules = settings(files, authority, allowed: ["client.example"])
        #expect(try standing(files, rules, stranger) == nil)
    }

    @Test(
        "a session is resumed while its certificate is good, and its names are judged anew",
        .timeLimit(.minutes(10)),
        arguments: ["-tls1_2", "-tls1_3"]
    )
    func resumption(version: String) async throws {
        let files = try Certificates()
        let authority = try await Authority()
        let identity = try await authority.issue("c", names: "DNS:client.example", days: 10)
        let keys = try TLSTicketKeys()
        func talkAs(
            allowed: [String],
            _ option: String,
            later seconds: Int64 = 0
        ) async throws -> String {
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
            let lines = printed.output.split(whereSeparator: \.isNewline)
            let answer = lines.last { $0.hasPrefix("0 1.") } ?? ""
            return answer.split(separator: " ").suffix(2).joined(separator: " ")
        }
        let ours = ["client.example"]
        #expect(try await talkAs(allowed: ours, "-sess_out") == "allowed false")
        #expect(try await talkAs(allowed: ours, "-sess_in") == "allowed true")
        #expect(try await talkAs(allowed: ["other.example"], "-sess_in") == "notAllowed true")
        // The certificate has ended since, by our clock; by the library's, it has not, and so a
        // whole handshake succeeds.
        let later: Int64 = 11 * 86_400
        #expect(
            try await talkAs(allowed: ours, "-sess_in", later: later) == "allowed false"
        )
    }
}
