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
}
