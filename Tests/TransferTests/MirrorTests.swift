import Digest
import Files
import TestSupport
import Testing
import Transfer

@Suite("Mirrors, retries and checks", .enabled(if: DataServer.isPossible, "\(DataServer.wants)"))
struct MirrorTests {
    @Test("the first mirror that works is used, in order, without waiting")
    func order() async throws {
        let server = try DataServer.shared()
        let bench = try DownloadBench(retry: RetryPolicy())
        let outcome = try await bench.download(
            server.url("status/404"),
            server.url("status/503"),
            server.url("bytes/10"),
            server.url("bytes/20")
        )
        #expect(outcome.file.mirror == server.url("bytes/10"))
        #expect(outcome.file.bytes == 10)
        #expect(bench.attempts.map(\.status) == [404, 503, 200])
        #expect(bench.waits.isEmpty)
    }

    @Test("what two mirrors say of the same bytes is remembered for both")
    func validatorsByMirror() async throws {
        let server = try DataServer.shared()
        try server.put("mirrored", sample(500))
        let (first, second) = (server.url("files/mirrored"), server.url("weak/mirrored"))
        let bench = try DownloadBench()
        let original = try await bench.download(first, second)
        // The first mirror is out of order for one run: the second has no 304 to give yet.
        let other = try await bench.download(server.url("status/500"), second, first)
        #expect(other == .unchanged(other.file))
        #expect(other.file.sha256 == original.file.sha256)
        _ = try await bench.download(second)
        #expect(bench.attempts.map(\.status) == [200, 500, 200, 304])
    }

    @Test("new bytes at one mirror make what the others said worthless")
    func staleValidators() async throws {
        let server = try DataServer.shared()
        try server.put("stale-a", sample(500))
        try server.put("stale-b", sample(500, seed: 5))
        let (first, second) = (server.url("files/stale-a"), server.url("files/stale-b"))
        let bench = try DownloadBench()
        _ = try await bench.download(first, second)
        _ = try await bench.download(server.url("status/500"), second, first)
        #expect(bench.content == sample(500, seed: 5))
        let third = try await bench.download(first, second)
        #expect(third == .downloaded(third.file))
        #expect(bench.content == sample(500))
    }

    @Test("a server that recovers is asked again, after the wait it asked for")
    func recovers() async throws {
        let server = try DataServer.shared()
        try server.put("recovers", sample(50))
        let bench = try DownloadBench(retry: RetryPolicy(baseMilliseconds: 1))
        let url = server.url("flaky/2/recovers?t=recovers&retry-after=7")
        let outcome = try await bench.download(url)
        #expect(outcome.file.bytes == 50)
        #expect(bench.attempts.map(\.status) == [503, 503, 200])
        #expect(bench.waits == [.seconds(7), .seconds(7)])
    }

    @Test(
        "what Retry-After asks for stays within its limits",
        arguments: [("-100", 0...1), ("1000000000", 20...20), ("soon", 0...1), ("", 0...1)]
    )
    func retryAfter(text: String, secondsRange: ClosedRange<Int>) async throws {
        let server = try DataServer.shared()
        let bench = try DownloadBench(
            retry: RetryPolicy(roundsMax: 2, baseMilliseconds: 1000, capMilliseconds: 20_000)
        )
        let error = await bench.failure(server.url("status/503?retry-after=\(text)"))
        #expect(error?.code == "status_server_error")
        #expect(bench.waits.count == 1)
        let (lower, upper) = (secondsRange.lowerBound, secondsRange.upperBound)
        #expect(bench.waits.allSatisfy { $0 >= .seconds(lower) && $0 <= .seconds(upper) })
    }

    @Test("rounds come to an end, and the error names every mirror")
    func givesUp() async throws {
        let server = try DataServer.shared()
        let bench = try DownloadBench(retry: RetryPolicy(roundsMax: 3, baseMilliseconds: 10))
        let error = await bench.failure(
            server.url("status/500"),
            server.url("status/404"),
            server.url("early-close")
        )
        guard case .mirrorsFailed(let errors) = error else {
            Issue.record("\(error.map(\.description) ?? "no error")")
            return
        }
        #expect(errors.map(\.code) == ["status_server_error", "status_refused", "interrupted"])
        // The mirror that failed for good is asked once, the others in every round.
        #expect(bench.attempts.map(\.status) == [500, 404, 200, 500, 200, 500, 200])
        #expect(bench.waits.count == 2)
    }

    @Test("the check sees the whole file before it is published, and can refuse it")
    func check() async throws {
        let server = try DataServer.shared()
        try server.put("wanted", sample(300))
        try server.put("unwanted", sample(300, seed: 8))
        let bench = try DownloadBench(retry: RetryPolicy())
        let wanted = try SHA256Digest.of(sample(300))
        let seen = Collected<String>()
        let request = DownloadRequest(
            mirrors: [server.url("files/unwanted"), server.url("files/wanted")],
            target: bench.target,
            check: { path in
                seen.append(path)
                let bytes = try WholeFile.read(path, bytesMax: 1000)
                if try SHA256Digest.of(bytes) != wanted { throw WrongContent() }
            }
        )
        let outcome = try await bench.downloader.download(request)
        #expect(outcome.file.sha256 == wanted)
        #expect(bench.content == sample(300))
        #expect(bench.attempts.map(\.result) == ["check_refused", "downloaded"])
        #expect(bench.names == ["data.bin", "data.bin.meta.json"])
        #expect(!seen.all.contains(bench.target))
        // An unchanged file has to pass, too: the check may be another one today.
        var stricter = request
        stricter.mirrors = [server.url("files/wanted")]
        stricter.check = { _ in throw WrongContent() }
        await #expect(
            throws: TransferError.refused(
                url: server.url("files/wanted"),
                reason: "the content is another one"
            )
        ) {
            try await bench.downloader.download(stricter)
        }
        #expect(bench.content == sample(300))
    }

    private struct WrongContent: Error, CustomStringConvertible {
        let description = "the content is another one"
    }
}
