import Files
import TestSupport
import Testing
import Transfer

@Suite("Downloads that fail", .enabled(if: DataServer.isPossible, "\(DataServer.wants)"))
struct DownloadFaultTests {
    /// A path of the data server, and the code of the error it must give.
    static let faults: [(path: String, code: String)] = [
        ("early-close", "interrupted"),
        ("no-length-cut", "length_unknown"),
        ("chunked-cut", "interrupted"),
        ("chunked-bad", "interrupted"),
        ("reset", "interrupted"),
        ("garbage", "answer_unexpected"),
        ("big-head", "interrupted"),
        ("partial", "status_refused"),
        ("unasked-304", "answer_unexpected"),
        ("status/204", "status_refused"),
        ("status/403", "status_refused"),
        ("status/404", "status_refused"),
        ("status/500", "status_server_error"),
        ("status/503?retry-after=-5", "status_server_error"),
        ("redirect/loop", "redirects_too_many"),
        ("redirect/hops/6", "redirects_too_many"),
        ("redirect/file", "redirect_refused"),
        ("redirect/plain", "redirect_refused"),
        ("redirect/user", "redirect_refused"),
        ("redirect/to?url=ftp://127.0.0.1/x", "redirect_refused"),
        ("redirect/to?url=https://%5Bbad/", "redirect_refused"),
        ("endless", "too_large"),
        ("endless-plain", "too_large"),
        ("bytes/100001", "too_large"),
    ]

    @Test("every fault has its code, and leaves the folder as it was", arguments: faults)
    func fault(path: String, code: String) async throws {
        let server = try DataServer.shared()
        let bench = try DownloadBench(limits: DownloadLimits(bytesMax: 100_000))
        let missing = await bench.failure(server.url(path))
        #expect(missing?.code == code, "\(missing.map(\.description) ?? "no error")")
        #expect(bench.names == [])
        // And once more with a good file there, which must stay.
        let good = try await bench.download(server.url("bytes/100"))
        let failed = await bench.failure(server.url(path))
        #expect(failed == missing || path == "reset")
        #expect(bench.content?.count == good.file.bytes)
        #expect(bench.names == ["data.bin", "data.bin.meta.json"])
        #expect(bench.attempts.map(\.result) == [code, "downloaded", code])
    }

    @Test("a server that stalls or drips is given up", arguments: ["stall/body", "drip"])
    func stalls(path: String) async throws {
        let server = try DataServer.shared()
        let bench = try DownloadBench(
            limits: DownloadLimits(bytesPerSecondMin: 1_000_000, stallSecondsMax: 1)
        )
        let error = await bench.failure(server.url(path))
        #expect(error?.code == "stalled", "\(error.map(\.description) ?? "no error")")
        #expect(error?.isTransient == true)
        #expect(bench.names == [])
    }

    @Test("a server that never answers runs into the time limit")
    func silence() async throws {
        let server = try DataServer.shared()
        let bench = try DownloadBench(limits: DownloadLimits(totalSecondsMax: 1))
        let error = await bench.failure(server.url("stall/head"))
        #expect(error?.code == "timed_out")
    }

    @Test("a file of exactly the limit passes; the request's limit can only be narrower")
    func sizeLimit() async throws {
        let server = try DataServer.shared()
        let bench = try DownloadBench(limits: DownloadLimits(bytesMax: 1000))
        _ = try await bench.download(server.url("bytes/1000"))
        try server.put("limit", sample(1000))
        for path in ["bytes/1000", "chunked/limit", "plain/limit"] {
            var request = DownloadRequest(mirrors: [server.url(path)], target: bench.target)
            request.bytesMax = 999
            await #expect(throws: TransferError.tooLarge(url: server.url(path), bytesMax: 999)) {
                try await bench.downloader.download(request)
            }
            request.bytesMax = 5000
            _ = try await bench.downloader.download(request)
        }
    }

    @Test("nothing listens, and a name that does not exist")
    func unreachable() async throws {
        let port = try DataServer(usesTLS: false).port
        let bench = try DownloadBench()
        #expect(await bench.failure("https://127.0.0.1:\(port)/x")?.code == "host_unreachable")
        // The name is refused by libcurl itself, so that no name server is asked.
        #expect(await bench.failure("https://nothing.onion/x")?.code == "host_unresolved")
    }

    @Test("a server that speaks no TLS")
    func noTLS() async throws {
        let server = try DataServer(usesTLS: false)
        let bench = try DownloadBench()
        #expect(await bench.failure(server.url("bytes/1"))?.code == "tls_failed")
    }

    @Test("a handshake that fails is tried once more, and not again")
    func handshakeOnce() async throws {
        let server = try DataServer(usesTLS: false)
        let bench = try DownloadBench(retry: RetryPolicy())
        #expect(await bench.failure(server.url("bytes/1"))?.code == "tls_failed")
        #expect(bench.attempts.map(\.result) == ["tls_failed", "tls_failed"])
        #expect(bench.waits.count == 1)
    }

    @Test("an attempt without a transfer tells nothing of the one before")
    func noTransfer() async throws {
        let server = try DataServer.shared()
        let bench = try DownloadBench()
        _ = try await bench.download(server.url("bytes/10"))
        #expect(await bench.failure("file:///nothing/there")?.code == "source_unreadable")
        let attempt = try #require(bench.attempts.last)
        #expect(attempt.status == 0 && attempt.effective == nil && attempt.address == nil)
    }

    @Test("where an answer came from is told without user and query")
    func effective() async throws {
        let server = try DataServer.shared()
        let bench = try DownloadBench()
        _ = try await bench.download(server.url("redirect/hops/2?token=SECRET"))
        let attempt = try #require(bench.attempts.first)
        #expect(attempt.effective == server.url("bytes/100"))
        #expect(attempt.mirror == server.url("redirect/hops/2"))
        #expect(attempt.address == "127.0.0.1" && attempt.status == 200)
    }

    @Test("a certificate of another host, or of another authority, is refused and not retried")
    func certificates() async throws {
        let other = try DataServer(names: "DNS:elsewhere.example")
        let bench = try DownloadBench(caFile: other.caFile, retry: RetryPolicy())
        let wrongHost = await bench.failure(other.url("bytes/1"))
        #expect(wrongHost?.code == "certificate_refused")
        let wrongAuthority = await bench.failure(try DataServer.shared().url("bytes/1"))
        #expect(wrongAuthority?.code == "certificate_refused")
        #expect(bench.waits.isEmpty)
        #expect(bench.names == [])
    }

    @Test("a certificate that has ended is refused and not retried")
    func expiredCertificate() async throws {
        let expired = try DataServer(isExpired: true)
        let bench = try DownloadBench(caFile: expired.caFile, retry: RetryPolicy())
        let error = await bench.failure(expired.url("bytes/1"))
        #expect(error?.code == "certificate_refused")
        #expect(error?.description.contains("expired") == true)
        #expect(bench.waits.isEmpty)
    }

    @Test("a server that knows nothing after TLS 1.1 is refused, though it may be updated one day")
    func oldTLS() async throws {
        let old = try DataServer(isOld: true)
        let bench = try DownloadBench(caFile: old.caFile)
        #expect(await bench.failure(old.url("bytes/1"))?.code == "tls_failed")
        #expect(bench.names == [])
    }

    /// `Retry-After` as a server may send it, and the seconds that are waited at least and at most.
    static let pauses: [(text: String, seconds: ClosedRange<Int>)] = [
        ("7", 7...7),
        ("-7", 0...0),
        ("1000000000", 600...600),
        ("99999999999999999999", 0...600),
        ("soon", 0...0),
        // A date long gone, and one that is far off.
        ("Sun, 06 Nov 1994 08:49:37 GMT", 0...0),
        ("Fri, 06 Nov 2037 08:49:37 GMT", 600...600),
    ]

    @Test("Retry-After is believed up to ten minutes, whatever it says", arguments: pauses)
    func retryAfter(text: String, seconds: ClosedRange<Int>) async throws {
        let server = try DataServer.shared()
        let name = "pause-\(text.utf8.reduce(0) { ($0 &* 31) &+ Int($1) })"
        try server.put(name, sample(100))
        let bench = try DownloadBench(retry: RetryPolicy(roundsMax: 2, baseMilliseconds: 0))
        let query = text.replacing(" ", with: "%20").replacing(",", with: "%2C")
        _ = try await bench.download(server.url("flaky/1/\(name)?retry-after=\(query)"))
        #expect(bench.content == sample(100))
        let waited = try #require(bench.waits.first)
        #expect(bench.waits.count == 1)
        #expect((.seconds(seconds.lowerBound) ... .seconds(seconds.upperBound)).contains(waited))
    }

    @Test("without a CA file the system's authorities decide")
    func systemAuthorities() async throws {
        let server = try DataServer.shared()
        let bench = try DownloadBench()
        let settings = DownloadSettings(proxy: "", retry: .never)
        let downloader = try Downloader(settings: settings, logger: silentLogger)
        await #expect {
            try await downloader.download(
                DownloadRequest(mirrors: [server.url("bytes/1")], target: bench.target)
            )
        } throws: {
            ($0 as? TransferError)?.code == "certificate_refused"
        }
    }

    @Test("a CA file that is not there is our fault: no mirror is blamed, nothing is tried again")
    func missingAuthority() async throws {
        let server = try DataServer.shared()
        let bench = try DownloadBench(caFile: "/nowhere/ca.pem", retry: RetryPolicy())
        let error = await bench.failure(server.url("bytes/1"), server.url("bytes/2"))
        #expect(error?.code == "ca_unreadable")
        #expect(error?.isOurs == true)
        #expect(bench.attempts.count == 1)
    }

    @Test("errors and attempts show no query, where a key may be")
    func secrets() async throws {
        let server = try DataServer.shared()
        let bench = try DownloadBench()
        let error = await bench.failure(server.url("status/404?key=SECRET"))
        #expect(error?.description.contains("SECRET") == false)
        #expect(bench.attempts.allSatisfy { !$0.mirror.contains("SECRET") })
        #expect(error?.description.contains("/status/404") == true)
    }
}
