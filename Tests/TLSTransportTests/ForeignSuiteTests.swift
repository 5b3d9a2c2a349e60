import Files
import Glibc
import NIOCore
import TLSTransport
import Testing

/// Where tlsfuzzer is; nil skips its scripts.
private let checkout = variable("LEEWAY_TLSFUZZER")

private func variable(_ name: String) -> String? {
    // Bounds: the system gives a zero-ended text, or none.
    unsafe getenv(name).map { unsafe String(cString: $0) }
}

/// The scripts of tlsfuzzer (https://github.com/tlsfuzzer/tlsfuzzer, GPL 2) against our handler.
///
/// None of its code is here. With a checkout of it, and a `python3` that has the packages of its
/// `requirements.txt` first in the path:
///
///     LEEWAY_TLSFUZZER=/path/to/checkout swift test --filter ForeignSuiteTests
///
/// runs the scripts that `openssl s_server` 3.0 passes as a whole, which ours must pass, too. With
/// `LEEWAY_TLSFUZZER_ALL=PORT`, where `openssl s_server -accept PORT -cert … -key … -www -no_dhe -no_tls1
/// -no_tls1_1` listens with an RSA certificate, also all others, of which ours may fail only kinds of
/// conversations that this server fails.
@Suite("TLS against tlsfuzzer", .enabled(if: checkout != nil)) struct ForeignSuiteTests {
    struct Script: CustomTestStringConvertible {
        let words: [String]
        var testDescription: String { words.joined(separator: " ") }

        init(_ text: String) { words = text.split(separator: " ").map(String.init) }
    }

    /// With `-d`, where the script would otherwise want a key exchange that is not offered.
    static let mustPass = [
        "tls13-conversation", "tls13-ccs", "tls13-connection-abort", "tls13-empty-alert",
        "tls13-unencrypted-alert", "tls13-finished", "tls13-finished-plaintext", "tls13-hrr",
        "tls13-invalid-ciphers", "tls13-keyshare-omitted", "tls13-nociphers",
        "tls13-record-padding", "tls13-unrecognised-groups", "tls13-zero-content-type",
        "tls13-zero-length-data", "tls13-count-tickets -t 1", "tls13-0rtt-garbage",
        "tls13-serverhello-random", "tls13-ecdhe-curves", "tls13-signature-algorithms",
        "conversation -d", "connection-abort -d", "atypical-padding -d", "fuzzed-ciphertext -d",
        "fuzzed-plaintext -d", "invalid-content-type -d", "message-skipping -d",
        "record-layer-fragmentation -d", "zero-length-data -d", "sessionID-resumption -d",
        "ssl-death-alert -d", "version-numbers -d", "sslv2-connection",
    ].map { Script($0) }

    /// A page for whoever asks, and the end, as `openssl s_server -www` has it.
    final class Page: ChannelInboundHandler {
        typealias InboundIn = ByteBuffer
        typealias OutboundOut = ByteBuffer

        private var received = ByteBuffer()

        func channelRead(context: ChannelHandlerContext, data: NIOAny) {
            var bytes = unwrapInboundIn(data)
            received.writeBuffer(&bytes)
            // The first line is enough: some scripts send nothing more.
            guard received.readableBytesView.contains(UInt8(ascii: "\n")) else { return }
            let page = ByteBuffer(string: "HTTP/1.0 200 ok\r\nContent-type: text/html\r\n\r\nyes\n")
            context.writeAndFlush(wrapOutboundOut(page), promise: nil)
            context.close(promise: nil)
        }
    }

    /// Gives back what it is given, at the end of a line.
    final class Echo: ChannelInboundHandler {
        typealias InboundIn = ByteBuffer
        typealias OutboundOut = ByteBuffer

        private var received = ByteBuffer()

        func channelRead(context: ChannelHandlerContext, data: NIOAny) {
            var bytes = unwrapInboundIn(data)
            received.writeBuffer(&bytes)
            guard received.readableBytesView.last == UInt8(ascii: "\n") else { return }
            context.writeAndFlush(wrapOutboundOut(received), promise: nil)
            received = ByteBuffer()
        }
    }

    /// A server whose certificate is its own authority: an RSA key alone is what scripts expect.
    private func start(
        _ files: Certificates,
        application: @escaping @Sendable () -> any ChannelHandler = { Page() }
    ) async throws -> SocketServer {
        let (certificate, key) = (files.path("rsa.pem"), files.path("rsa.key"))
        try await TLSTransportTests.run(
            "openssl",
            ["req", "-x509", "-nodes", "-days", "30", "-subj", "/CN=localhost"]
                + Authority.newRSAKey + ["-keyout", key, "-out", certificate]
        )
        var settings = TLSServerSettings(certificateFile: certificate, keyFile: key)
        settings.profile = .libraryDefaults
        settings.applicationProtocols = []
        return try await SocketServer.start(TLSContext(server: settings), application: application)
    }

    /// Runs a script against a port; gives what it printed.
    private func run(_ script: Script, port: Int) async throws -> Printed {
        let checkout = checkout ?? ""
        let name = script.words.first ?? ""
        return try await attempt(
            "env",
            ["PYTHONPATH=\(checkout)", "timeout", "100", "python3"]
                + ["\(checkout)/scripts/test-\(name).py", "-h", "127.0.0.1", "-p", "\(port)"]
                + script.words.dropFirst()
        )
    }

    @Test("a script that the library's own server passes", arguments: mustPass)
    func passes(script: Script) async throws {
        let files = try Certificates()
        let server = try await start(files)
        let printed = try await run(script, port: server.port)
        let failures = failures(printed)
        let reasons = Set(printed.output.split(separator: "\n").filter { $0.contains("Error: ") })
        #expect(printed.output.contains("TOTAL:"), "the script has run")
        #expect(failures.isEmpty, "\(failures.sorted()) \(reasons.sorted())")
        try await server.stop()
    }

    @Test(
        "messages of all lengths come back in one record, which wants a server that echoes",
        arguments: [Script("tls13-lengths -n 300"), Script("lengths -d -n 300")]
    )
    func lengths(script: Script) async throws {
        let server = try await start(Certificates()) { Echo() }
        let printed = try await run(script, port: server.port)
        #expect(printed.output.contains("TOTAL:"), "the script has run")
        #expect(failures(printed).isEmpty)
        try await server.stop()
    }

    /// The conversations that a script says have failed.
    private func failures(_ printed: Printed) -> Set<String> {
        let lines = printed.output.split(separator: "\n", omittingEmptySubsequences: false)
        guard let start = lines.lastIndex(of: "FAILED:") else {
            return printed.isSuccess ? [] : ["the script as a whole"]
        }
        let names = lines[(start + 1)...].prefix { $0.hasPrefix("\t") }.map(String.init)
        // The library answers a Finished that is too long with another alert than this script
        // wants; it tries some of many, at random.
        return Set(names).filter { !$0.contains("padding - cipher TLS_AES") }
    }

    /// The names without their numbers: many scripts try some of many numbers, at random.
    private func kinds(_ names: Set<String>) -> Set<String> {
        Set(
            names.map { name in
                name.split(separator: " ").filter { !$0.contains { $0.isNumber } }
                    .joined(separator: " ")
            }
        )
    }

    @Test(
        "of the other scripts, ours fails nothing that the library's own server passes",
        .enabled(if: variable("LEEWAY_TLSFUZZER_ALL") != nil)
    )
    func others() async throws {
        let files = try Certificates()
        let server = try await start(files)
        let reference = Int(variable("LEEWAY_TLSFUZZER_ALL") ?? "") ?? 0
        // Without an echo, each of the thousand lengths is waited for.
        let known = Set(Self.mustPass.compactMap(\.words.first) + ["tls13-lengths", "lengths"])
        for file in try Folder.list("\(checkout ?? "")/scripts") {
            guard file.hasPrefix("test-"), file.hasSuffix(".py") else { continue }
            let name = String(file.dropFirst(5).dropLast(3))
            if known.contains(name) { continue }
            let ours = failures(try await run(Script(name), port: server.port))
            if ours.isEmpty { continue }
            let theirs = failures(try await run(Script(name), port: reference))
            let more = kinds(ours).subtracting(kinds(theirs)).sorted()
            // Many scripts try some conversations of many, at random, so that the same number of
            // failures may have other names.
            #expect(more.isEmpty || ours.count <= theirs.count, "\(name): \(more)")
        }
        try await server.stop()
    }
}
