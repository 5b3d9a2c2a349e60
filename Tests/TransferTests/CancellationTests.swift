import Files
import Synchronization
import TestSupport
import Testing
import Transfer

@Suite("Downloads that are cancelled", .enabled(if: DataServer.isPossible, "\(DataServer.wants)"))
struct CancellationTests {
    @Test("a running download ends at once when its task is cancelled", .timeLimit(.minutes(10)))
    func running() async throws {
        let server = try DataServer.shared()
        let bench = try DownloadBench(limits: DownloadLimits(stallSecondsMax: 3600))
        let (pieces, announce) = AsyncStream.makeStream(of: Void.self)
        let request = DownloadRequest(
            mirrors: [server.url("stall/body")],
            target: bench.target,
            progress: { _ in announce.yield() }
        )
        let task = Task { await result(of: bench.downloader, request) }
        // The server stalls after half of the body: once that half is there, nothing more comes.
        for await _ in pieces { break }
        task.cancel()
        #expect(await task.value == .failure(.cancelled))
        #expect(bench.names == [])
        // The thread is free for the next one.
        let outcome = try await bench.download(server.url("bytes/10"))
        #expect(outcome.file.bytes == 10)
    }

    @Test("a waiting download ends while another one runs on", .timeLimit(.minutes(10)))
    func queued() async throws {
        let server = try DataServer.shared()
        try server.put("queued", sample(100))
        let bench = try DownloadBench()
        let slow = DownloadRequest(
            mirrors: [server.url("slow/queued?t=queued")],
            target: bench.target
        )
        let waiting = DownloadRequest(
            mirrors: [server.url("bytes/10")],
            target: bench.folder.path("waiting")
        )
        let first = Task { await result(of: bench.downloader, slow) }
        while try server.log("queued").isEmpty { await Task.yield() }
        let second = Task { await result(of: bench.downloader, waiting) }
        second.cancel()
        #expect(await second.value == .failure(.cancelled))
        var session = try HTTPSession(HTTPSessionSettings(caFile: server.caFile))
        _ = try session.get(server.url("release?t=queued"))
        let outcome = try await first.value.get()
        #expect(outcome.file.bytes == 100)
        #expect(bench.names == ["data.bin", "data.bin.meta.json"])
    }

    @Test("a task cancelled beforehand never asks the server")
    func beforehand() async throws {
        let server = try DataServer.shared()
        let bench = try DownloadBench()
        let request = DownloadRequest(
            mirrors: [server.url("bytes/10?t=beforehand")],
            target: bench.target
        )
        let task = Task {
            while !Task.isCancelled { await Task.yield() }
            return await result(of: bench.downloader, request)
        }
        task.cancel()
        #expect(await task.value == .failure(.cancelled))
        #expect(try server.log("beforehand").isEmpty)
    }

    @Test("a cancelled task does not sit out its wait")
    func whileWaiting() async throws {
        let server = try DataServer.shared()
        let folder = try TemporaryDirectory()
        let (waits, announce) = AsyncStream.makeStream(of: Void.self)
        let downloader = try Downloader(
            settings: DownloadSettings(caFile: server.caFile, proxy: ""),
            logger: silentLogger,
            sleep: { _ in
                announce.yield()
                try await Task.sleep(for: .seconds(3600))
            }
        )
        let request = DownloadRequest(
            mirrors: [server.url("status/503")],
            target: folder.path("data")
        )
        let task = Task { await result(of: downloader, request) }
        for await _ in waits { break }
        task.cancel()
        #expect(await task.value == .failure(.cancelled))
    }

    @Test(
        "downloads of a downloader that nobody holds any more still end",
        .timeLimit(.minutes(10))
    )
    func ownerGone() async throws {
        let server = try DataServer.shared()
        let folder = try TemporaryDirectory()
        for _ in 0..<20 {
            let downloader = try Downloader(
                settings: DownloadSettings(caFile: server.caFile, proxy: "", retry: .never),
                logger: silentLogger
            )
            let request = DownloadRequest(
                mirrors: [server.url("bytes/10")],
                target: folder.path("data")
            )
            _ = try await downloader.download(request)
        }
    }
}

/// A download's outcome as a value, for tasks whose errors are typed.
private func result(
    of downloader: Downloader,
    _ request: DownloadRequest
) async -> Result<DownloadOutcome, TransferError> {
    do throws(TransferError) {
        return .success(try await downloader.download(request))
    } catch {
        return .failure(error)
    }
}
