import Files
import TLSTransport
import Testing

@Suite("TLS stapled OCSP responses", .timeLimit(.minutes(10))) struct StapleTests {
    /// What `openssl s_client -status` says of the response.
    private func status(_ context: TLSContext, _ version: String) async throws -> String {
        let server = try await SocketServer.start(context) { LengthResponder() }
        let printed = try await talk(server, [version, "-status"])
        try await server.stop()
        #expect(printed.output.contains("HTTP/1.1 200 OK"), "\(printed.errors)")
        return printed.output
    }

    @Test("a response is stapled until it ends", arguments: ["-tls1_2", "-tls1_3"])
    func stapled(version: String) async throws {
        let authority = try await Authority()
        let identity = try await authority.issue("server", names: "DNS:localhost")
        var settings = TLSServerSettings(identity)
        settings.stapleFiles = [try await authority.respond(about: identity)]
        let context = try TLSContext(server: settings)
        let end = try #require(context.stapleNotAfter)
        #expect(end > now() + 86_000 && end <= now() + 86_400)
        #expect(try await status(context, version).contains("OCSP Response Status: successful"))
        let counted = try Counted()
        counted.metrics.certificate(of: context)
        #expect(try counted.stapleNotAfter() == Double(end))

        settings.now = { end + 1 }
        let late = try await status(TLSContext(server: settings), version)
        #expect(late.contains("OCSP response: no response sent"))
    }

    @Test("each certificate gets its own response")
    func several() async throws {
        let authority = try await Authority()
        let one = try await authority.issue("one", names: "DNS:one.example", serial: "0x11")
        let two = try await authority.issue("two", names: "DNS:two.example", serial: "0x22")
        var settings = TLSServerSettings(one)
        settings.others = [two]
        settings.stapleFiles = [
            try await authority.respond(about: two, serial: "22", to: "two.der")
        ]
        let server = try await SocketServer.start(TLSContext(server: settings)) {
            LengthResponder()
        }
        let first = try await talk(server, ["-status", "-servername", "one.example"])
        #expect(first.output.contains("OCSP response: no response sent"))
        let second = try await talk(server, ["-status", "-servername", "two.example"])
        #expect(second.output.contains("Serial Number: 22"))
        try await server.stop()
    }

    @Test("a response that clients would take for a reason to refuse us is refused")
    func refused() async throws {
        let authority = try await Authority()
        let identity = try await authority.issue("server", names: "DNS:localhost")
        let stranger = try await authority.issue("other", names: "DNS:x", serial: "0x99")
        let impostor = try await Authority("impostor")
        let forged = try await impostor.issue("server", names: "DNS:localhost")
        try WholeFile.replace(authority.path("garbage"), Array("garbage".utf8))
        try WholeFile.replace(authority.path("refusal"), [0x30, 0x03, 0x0a, 0x01, 0x06])
        for (file, reason) in [
            (try await authority.respond(about: identity, state: "R", to: "r"), "is good"),
            (try await authority.respond(about: stranger, serial: "99", to: "s"), "not about"),
            (try await authority.respond(about: identity, validity: [], to: "n"), "until when"),
            (try await impostor.respond(about: forged), "certificate verify error"),
            (authority.path("garbage"), "garbage"), (authority.path("refusal"), "not answer"),
            ("/none/response.der", "No such file"),
        ] {
            var settings = TLSServerSettings(identity)
            settings.stapleFiles = [file]
            #expect("\(reason)") {
                try TLSContext(server: settings)
            } throws: { error in
                "\(error)".contains(file) && "\(error)".contains(reason)
            }
        }
    }
}
