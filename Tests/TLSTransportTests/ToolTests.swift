import TLSTransport
import Testing

/// Our server against the tools that its users have.
@Suite("TLS with curl and openssl", .timeLimit(.minutes(10))) struct ToolTests {
    private func start(
        _ files: Certificates,
        _ change: (inout TLSServerSettings) -> Void = { _ in }
    ) async throws -> SocketServer {
        try await SocketServer.start(files.server(change)) { LengthResponder() }
    }

    @Test("curl trusts the generated authority", arguments: ["localhost", "127.0.0.1"])
    func curl(host: String) async throws {
        let files = try Certificates()
        let server = try await start(files)
        let url = "https://\(host):\(server.port)/"
        let answer = try await run("curl", "-sS", "--cacert", files.made.authorityFile, url)
        #expect(answer.output == "0 1.3 false\n")
        let old = try await run(
            "curl",
            "-sS",
            "--tls-max",
            "1.2",
            "--cacert",
            files.made.authorityFile,
            url
        )
        #expect(old.output == "0 1.2 false\n")
        let wary = try await attempt("curl", ["-sS", url])
        #expect(!wary.isSuccess)
        #expect(wary.errors.contains("certificate"))
        try await server.stop()
    }

    @Test("curl posts three million bytes, and uses one connection for several requests")
    func curlPost() async throws {
        let files = try Certificates()
        let server = try await start(files)
        let url = "https://localhost:\(server.port)/"
        let answer = try await run(
            "curl",
            "-sS",
            "--cacert",
            files.made.authorityFile,
            "-H",
            "Expect:",
            "--data-binary",
            "@-",
            url,
            url,
            input: String(repeating: "x", count: 3_000_000)
        )
        #expect(answer.output == "3000000 1.3 false\n3000000 1.3 false\n")
        try await server.stop()
    }

    @Test(
        "a session is resumed, also by a renewed context with the same ticket key",
        arguments: ["-tls1_2", "-tls1_3"]
    )
    func resumption(version: String) async throws {
        let files = try Certificates()
        let first = try files.server()
        let renewed = try Certificates().server { $0.ticketKeys = first.ticketKeys }
        let stranger = try files.server()

        let session = files.path("session.pem")
        for (context, option, isResumed) in [
            (first, "-sess_out", false), (first, "-sess_in", true), (renewed, "-sess_in", true),
            (stranger, "-sess_in", false),
        ] {
            let server = try await SocketServer.start(context) { LengthResponder() }
            let printed = try await talk(server, [version, option, session])
            #expect(printed.output.contains(isResumed ? "Reused, TLS" : "New, TLS"))
            #expect(printed.output.contains(" \(isResumed)\n"))
            try await server.stop()
        }
    }

    @Test("only what the profile allows is spoken")
    func profiles() async throws {
        let files = try Certificates()
        let intermediate = try await start(files)
        let modern = try await start(files) { $0.profile = .modern }
        for (server, options, isWelcome) in [
            (intermediate, ["-tls1_3"], true), (intermediate, ["-tls1_2"], true),
            (intermediate, ["-tls1_1", "-cipher", "DEFAULT@SECLEVEL=0"], false),
            (intermediate, ["-tls1_2", "-cipher", "ECDHE-ECDSA-AES128-SHA"], false),
            (intermediate, ["-tls1_2", "-cipher", "ECDHE-ECDSA-CHACHA20-POLY1305"], true),
            (intermediate, ["-groups", "P-384"], true),
            (intermediate, ["-groups", "P-521"], false),
            (modern, ["-tls1_3"], true), (modern, ["-tls1_2"], false),
        ] {
            let printed = try await talk(server, options)
            #expect(printed.output.contains("HTTP/1.1 200 OK") == isWelcome, "\(options)")
        }
        try await intermediate.stop()
        try await modern.stop()
    }

    @Test("ALPN chooses ours, or refuses")
    func protocols() async throws {
        let files = try Certificates()
        let server = try await start(files)
        let chosen = try await talk(server, ["-alpn", "h2,http/1.1"])
        #expect(chosen.output.contains("ALPN protocol: http/1.1"))
        let refused = try await talk(server, ["-alpn", "h2"])
        #expect(refused.errors.contains("no application protocol"))
        let without = try await talk(server, [])
        #expect(without.output.contains("No ALPN negotiated"))
        #expect(without.output.contains("HTTP/1.1 200 OK"))
        try await server.stop()
    }

    /// One request by `openssl s_client`, which goes on until the server closes.
    private func talk(_ server: SocketServer, _ options: [String]) async throws -> Printed {
        let request = "GET / HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n"
        let target = ["-connect", "127.0.0.1:\(server.port)", "-servername", "localhost"]
        return try await attempt(
            "openssl",
            ["s_client", "-ign_eof"] + target + options,
            input: request
        )
    }
}
