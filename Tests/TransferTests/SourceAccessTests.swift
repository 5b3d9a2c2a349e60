import Files
import TestSupport
import Testing
import Transfer

@Suite("Sources with secrets", .enabled(if: DataServer.isPossible, "\(DataServer.wants)"))
struct SourceAccessTests {
    private func fetch(
        _ bench: DownloadBench,
        _ url: String,
        _ access: SourceAccess
    ) async throws -> DownloadedFile {
        var request = DownloadRequest(mirrors: [url], target: bench.target)
        request.access = [url: access]
        return try await bench.downloader.download(request).file
    }

    private func failure(
        _ bench: DownloadBench,
        _ url: String,
        _ access: SourceAccess
    ) async -> TransferError? {
        do {
            _ = try await fetch(bench, url, access)
            return nil
        } catch {
            return error as? TransferError
        }
    }

    /// A file with a secret, and the access that uses it.
    private func secret(
        _ bench: DownloadBench,
        _ text: String,
        _ make: (String) -> SourceSecret
    ) throws -> SourceAccess {
        let path = bench.folder.path("secret")
        try WholeFile.replace(path, Array(text.utf8), mode: 0o600)
        return SourceAccess(secret: make(path))
    }

    @Test("tokens, passwords and API keys are sent, read anew each time")
    func kinds() async throws {
        let server = try DataServer.shared()
        try server.put("kinds", sample(100))
        let bench = try DownloadBench()
        let cases: [(String, String, (String) -> SourceSecret)] = [
            ("TOKEN\n", "Bearer%20TOKEN", { .bearer(file: $0) }),
            ("me:pass word\r\n", "Basic%20bWU6cGFzcyB3b3Jk", { .basic(file: $0) }),
            ("KEY-1", "KEY-1", { .header(name: "X-API-Key", file: $0) }),
        ]
        for (text, wanted, make) in cases {
            let access = try secret(bench, text, make)
            let url = server.url("secret/kinds?want=\(wanted)")
            #expect(try await fetch(bench, url, access).bytes == 100)
            _ = try secret(bench, "another:one", make)
            #expect(await failure(bench, url, access)?.code == "status_refused")
        }
    }

    @Test("where a source redirects, no secret goes along, to another host or to the same")
    func redirects() async throws {
        let server = try DataServer.shared()
        try server.put("away", sample(100))
        let bench = try DownloadBench()
        for (token, make) in [
            ("bearer", { SourceSecret.bearer(file: $0) }),
            ("key", { SourceSecret.header(name: "X-API-Key", file: $0) }),
            ("basic", { SourceSecret.basic(file: $0) }),
        ] as [(String, (String) -> SourceSecret)] {
            let access = try secret(bench, "me:CANARY", make)
            let url = server.url("redirect/secret/away?t=away-\(token)")
            #expect(try await fetch(bench, url, access).bytes == 100)
            let log = try server.log("away-\(token)")
            let shown = log.map { $0.headers.values.contains { $0.contains("CANARY") } }
            #expect(log.map(\.path) == ["/redirect/secret/away", "/files/away"])
            // Basic is encoded: its header's presence tells.
            #expect(log.last?.headers["Authorization"] == nil)
            #expect(log.last?.headers["X-API-Key"] == nil)
            #expect(shown.last == false)
            #expect(
                log.first?.headers["Authorization"] != nil || log.first?.headers["X-API-Key"] != nil
            )
        }
    }

    @Test("redirects of a source with a secret have the same limits as others")
    func redirectLimits() async throws {
        let server = try DataServer.shared()
        let bench = try DownloadBench()
        let access = try secret(bench, "TOKEN") { .bearer(file: $0) }
        for (path, code) in [
            ("redirect/file", "redirect_refused"), ("redirect/plain", "redirect_refused"),
            ("redirect/user", "redirect_refused"), ("redirect/loop", "redirects_too_many"),
        ] {
            #expect(await failure(bench, server.url(path), access)?.code == code, "\(path)")
        }
    }

    @Test("a secret that cannot be read is told by its file's name, and its text never")
    func unreadable() async throws {
        let server = try DataServer.shared()
        let bench = try DownloadBench()
        let url = server.url("bytes/10")
        let missing = SourceAccess(secret: .bearer(file: bench.folder.path("nowhere")))
        #expect(await failure(bench, url, missing)?.code == "secret_unreadable")
        for text in ["", "CANARY one\nCANARY two\n", "CANARY\u{1}"] {
            let access = try secret(bench, text) { .bearer(file: $0) }
            let error = await failure(bench, url, access)
            #expect(error?.code == "secret_unreadable")
            #expect(error?.description.contains("CANARY") == false)
            #expect(error?.description.contains("secret") == true)
        }
        let noPassword = try secret(bench, "CANARY") { .basic(file: $0) }
        #expect(await failure(bench, url, noPassword)?.code == "secret_unreadable")
        // Another mirror needs none.
        var request = DownloadRequest(mirrors: [url, server.url("bytes/11")], target: bench.target)
        request.access = [url: missing]
        #expect(try await bench.downloader.download(request).file.bytes == 11)
    }

    @Test("a server with the pinned key is taken, one with another key is not, nor a redirect")
    func pinned() async throws {
        let server = try DataServer.shared()
        let bench = try DownloadBench()
        let (pin, other) = (try server.pin(), "sha256//" + String(repeating: "A", count: 43) + "=")
        let url = server.url("bytes/100")
        // The second of two: keys are replaced one after the other.
        let right = SourceAccess(pinnedKeys: [other, pin])
        #expect(try await fetch(bench, url, right).bytes == 100)
        let wrong = await failure(bench, url, SourceAccess(pinnedKeys: [other]))
        #expect(wrong?.code == "pin_mismatch")
        #expect(wrong?.isTransient == false)
        let away = await failure(bench, server.url("redirect/other"), right)
        #expect(away?.code == "redirect_refused")
    }

    @Test("S3 is asked with a signature that the server works out for itself")
    func s3() async throws {
        let server = try DataServer.shared()
        try server.put("object.csv", sample(500))
        let bench = try DownloadBench()
        let text = """
            [default]
            aws_access_key_id = KEY
            aws_secret_access_key=SECRET

            [other]
            aws_access_key_id = NOT-THIS
            """
        let access = try secret(bench, text) { .s3(region: "eu-central-1", file: $0) }
        let url = server.url("s3/eu-central-1/object.csv?")
        #expect(await failure(bench, url, access)?.code == "url_invalid")
        let key = server.url("s3/eu-central-1/object.csv")
        #expect(try await fetch(bench, key, access).bytes == 500)
        let otherRegion = try secret(bench, text) { .s3(region: "us-east-1", file: $0) }
        #expect(await failure(bench, key, otherRegion)?.code == "status_refused")
        let wrong = try secret(bench, text.replacing("SECRET", with: "WRONG")) {
            .s3(region: "eu-central-1", file: $0)
        }
        #expect(await failure(bench, key, wrong)?.code == "status_refused")
        for path in ["s3/eu-central-1/a%20b", "s3/eu-central-1/a+b", "s3/eu-central-1/a?x=y"] {
            #expect(await failure(bench, server.url(path), wrong)?.code == "url_invalid", "\(path)")
        }
        let half = try secret(bench, "aws_access_key_id = KEY") { .s3(region: "r", file: $0) }
        #expect(await failure(bench, key, half)?.code == "secret_unreadable")
    }

    @Test(
        "a proxy is gone through by CONNECT, with its own password, and left out where it says so"
    )
    func proxy() async throws {
        let server = try DataServer.shared()
        let proxy = try DataServer(usesTLS: false)
        let bench = try DownloadBench()
        let file = bench.folder.path("proxy-secret")
        try WholeFile.create(file, Array("me:pass\n".utf8))
        let access = try secret(bench, "TOKEN") { .bearer(file: $0) }
        var settings = DownloadSettings(
            caFile: server.caFile,
            proxy: "http://127.0.0.1:\(proxy.port)",
            proxySecretFile: file,
            retry: .never
        )
        func get() async throws {
            let url = server.url("bytes/77")
            var request = DownloadRequest(mirrors: [url], target: bench.target)
            request.access = [url: access]
            let downloader = try Downloader(settings: settings, logger: silentLogger)
            #expect(try await downloader.download(request).file.bytes == 77)
        }
        try await get()
        let log = try proxy.plainLog()
        #expect(log.map(\.method) == ["CONNECT"])
        #expect(log.first?.path == "127.0.0.1:\(server.port)")
        #expect(log.first?.headers["Proxy-Authorization"] == "Basic bWU6cGFzcw==")
        // What is for the server is not for the proxy.
        #expect(log.first?.headers["Authorization"] == nil)
        settings.noProxy = "localhost,127.0.0.1"
        try await get()
        #expect(try proxy.plainLog().count == 1)
    }
}
