import HTTPTransport
import ModelTestSupport
import NIOCore
import Serving
import TLSTransport
import TestSupport
import Testing

/// Both listeners over real TLS, with `client_ca` and `client_names` set.
@Suite("Client certificates") struct ClientCertificateTests {
    /// The files of a server, of clients, and of the authority of the latter.
    private final class Files: Sendable {
        private let folder: TemporaryDirectory
        private let server: DevelopmentCertificate

        init() throws {
            folder = try TemporaryDirectory()
            server = try DevelopmentCertificate.ensure(
                in: folder.path("server"),
                now: WallClock.now
            )
            for client in ["allowed", "other"] { try make(client) }
            // Nobody trusts this one.
            try make("stranger")
            // Either of the two is its own authority.
            let authorities = ["allowed", "other"].map { folder.path("\($0).pem") }
            try ChildProcess.run([
                "sh", "-c", "cat \"$0\" \"$1\" > \"$2\"", authorities[0], authorities[1], ca,
            ])
        }

        private var ca: String { folder.path("ca.pem") }
        var authority: String { server.authorityFile }

        private func make(_ name: String) throws {
            try ChildProcess.run([
                "openssl", "req", "-x509", "-nodes", "-days", "30", "-subj", "/CN=\(name)",
                "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256",
                "-addext", "subjectAltName=URI:spiffe://mesh/\(name)",
                "-keyout", folder.path("\(name).key"), "-out", folder.path("\(name).pem"),
            ])
        }

        func client(_ name: String?) -> (certificateFile: String, keyFile: String)? {
            name.map { (folder.path("\($0).pem"), folder.path("\($0).key")) }
        }

        func listener() throws -> ListenerTLS {
            var settings = TLSServerSettings(
                certificateFile: server.certificateFile,
                keyFile: server.keyFile
            )
            settings.clientCertificates = .asked(authorities: ca)
            settings.allowedClientNames = ["spiffe://mesh/allowed"]
            return ListenerTLS(source: try TLSContext(server: settings), limits: .patient)
        }
    }

    /// What a client that shows a certificate, or none, is answered.
    private func ask(
        _ group: any EventLoopGroup,
        _ port: Int,
        _ files: Files,
        as name: String?,
        _ requests: [(method: String, target: String)]
    ) async throws -> [WebClient.Answer] {
        let client = try await WebClient.connect(
            group,
            port: port,
            authority: files.authority,
            certificate: files.client(name)
        )
        var answers: [WebClient.Answer] = []
        for (method, target) in requests {
            let body = method == "POST" ? Body.image(0) : ""
            answers.append(try await client.ask(method, target, body))
        }
        await client.close()
        return answers
    }

    private func checkRefused(_ answers: [WebClient.Answer], _ status: Int, _ code: String) throws {
        for answer in answers {
            #expect(answer.status == status)
            #expect(try Refusal(answer).code == code)
            let challenge = status == 401 ? "ClientCertificate" : nil
            #expect(answer.fields["www-authenticate"] == challenge)
        }
    }

    @Test("predictions are for allowed clients, health is for all, paths are told to no stranger")
    func api() async throws {
        let files = try Files()
        try await ServingBench.run(tls: files.listener()) { bench, plain in
            await plain.close()
            try await bench.publish()
            let health = [("GET", "/livez"), ("GET", "/readyz")]
            let rest = [("POST", "/predict"), ("GET", "/predict"), ("GET", "/nothing")]
            func ask(_ name: String?, _ requests: [(String, String)]) async throws
                -> [WebClient.Answer]
            { try await self.ask(bench.group, bench.port, files, as: name, requests) }
            for name in [nil, "other", "allowed"] {
                #expect(try await ask(name, health).map(\.status) == [200, 200])
            }
            try checkRefused(await ask(nil, rest), 401, "client_certificate_missing")
            try checkRefused(await ask("other", rest), 403, "client_certificate_not_allowed")
            #expect(try await ask("allowed", rest).map(\.status) == [200, 405, 404])
            // A certificate that nobody vouches for is worse than none.
            await #expect(throws: (any Error).self) { try await ask("stranger", health) }
        }
    }

    @Test("an alternative name opens its scopes, and a key does in a certificate's place")
    func mapped() async throws {
        let files = try Files()
        var random = SystemRandomNumberGenerator()
        let made = try AccessKey.make(name: "shop", scopes: "predict", limits: [], using: &random)
        let callers = try AccessFile("cart predict san:spiffe://mesh/allowed\n\(made.line)")
        try await ServingBench.run(callers: callers, tls: files.listener()) { bench, plain in
            await plain.close()
            try await bench.publish()
            func status(
                _ name: String?,
                _ target: String = "/predict",
                key: String? = nil
            ) async throws -> Int {
                let client = try await WebClient.connect(
                    bench.group,
                    port: bench.port,
                    authority: files.authority,
                    certificate: files.client(name)
                )
                let fields = key.map { "X-API-Key: \($0)\r\n" } ?? ""
                let answer = try await client.ask("POST", target, Body.image(0), fields: fields)
                await client.close()
                return answer.status
            }
            #expect(try await status("allowed") == 200)
            #expect(try await status("allowed", "/feedback") == 403)
            #expect(try await status("allowed", key: "wrong-key-wrong-key") == 401)
            #expect(try await status(nil) == 401)
            #expect(try await status(nil, key: made.key) == 200)
            // What tls.client_names leaves out stays out.
            #expect(try await status("other", key: made.key) == 403)
        }
    }

    @Test("operations are for allowed clients that also have the token, health is for all")
    func operations() async throws {
        let files = try Files()
        try await OperationsTests.serve(token: "secret", tls: files.listener()) {
            group,
            port,
            asked in
            let rest = [("GET", "/metrics"), ("POST", "/admin/rollback"), ("GET", "/nothing")]
            func ask(_ name: String?, _ requests: [(String, String)]) async throws
                -> [WebClient.Answer]
            { try await self.ask(group, port, files, as: name, requests) }
            for name in [nil, "other", "allowed"] {
                let health = [("GET", "/livez"), ("GET", "/readyz")]
                #expect(try await ask(name, health).map(\.status) == [200, 200])
            }
            try checkRefused(await ask(nil, rest), 401, "client_certificate_missing")
            try checkRefused(await ask("other", rest), 403, "client_certificate_not_allowed")
            #expect(try await ask("allowed", rest).map(\.status) == [401, 401, 401])
            // Nothing was done, but whoever was refused is told of.
            #expect(asked.all.count == 9)
            #expect(asked.all.allSatisfy { $0.action.hasPrefix("denied ") })
        }
    }
}
