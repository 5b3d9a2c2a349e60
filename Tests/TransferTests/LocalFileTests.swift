import Digest
import Files
import Glibc
import TestSupport
import Testing
import Transfer

@Suite("Downloads from this machine's disk and URLs that are none") struct LocalFileTests {
    @Test("a file:// URL is read, and an unchanged file is known by its digest")
    func reads() async throws {
        let bench = try LocalBench()
        let source = bench.folder.path("source file.bin")
        try WholeFile.create(source, sample(50_000))
        let url = "file://\(bench.folder.path)/source%20file.bin"
        let first = try await bench.download(url)
        let digest = try SHA256Digest.of(sample(50_000))
        #expect(first == .downloaded(first.file))
        #expect(first.file.sha256 == digest)
        #expect(first.file.etag == nil)
        let stamp = FileStamp(bench.target)
        #expect(try await bench.download(url) == .unchanged(first.file))
        // It was not copied again: a second name of it shares its room.
        #expect(FileStamp(bench.target) == stamp)
        // Same length, perhaps within the same second: only the content tells.
        try WholeFile.replace(source, sample(50_000, seed: 3))
        let third = try await bench.download(url)
        #expect(third == .downloaded(third.file))
        #expect(try WholeFile.read(bench.target, bytesMax: 1 << 20) == sample(50_000, seed: 3))
    }

    @Test("an empty local file is a file")
    func empty() async throws {
        let bench = try LocalBench()
        try WholeFile.create(bench.folder.path("nothing"), [])
        let outcome = try await bench.download("file://\(bench.folder.path)/nothing")
        #expect(outcome.file.bytes == 0)
        #expect(try WholeFile.read(bench.target, bytesMax: 1).isEmpty)
    }

    @Test("what is missing or no regular file is refused, pipes and devices too")
    func unreadable() async throws {
        let bench = try LocalBench()
        let pipe = bench.folder.path("pipe")
        #expect(unsafe mkfifo(pipe, 0o600) == 0)
        for path in [bench.folder.path("none"), bench.folder.path, pipe, "/dev/zero", "/proc"] {
            let error = await bench.failure("file://\(path)")
            #expect(error?.code == "source_unreadable", "\(path)")
            #expect(error?.isTransient == false)
        }
        #expect(!Folder.exists(bench.target))
    }

    @Test("a local file over the limit is refused")
    func tooLarge() async throws {
        let bench = try LocalBench(bytesMax: 999)
        try WholeFile.create(bench.folder.path("large"), sample(1000))
        let error = await bench.failure("file://\(bench.folder.path)/large")
        #expect(error?.code == "too_large")
        #expect(try Folder.list(bench.folder.path) == ["large"])
    }

    @Test("a missing local file gives way to the next mirror")
    func fallsBack() async throws {
        let bench = try LocalBench()
        try WholeFile.create(bench.folder.path("there"), sample(10))
        let outcome = try await bench.download(
            "file://\(bench.folder.path)/missing",
            "file://\(bench.folder.path)/there"
        )
        #expect(outcome.file.mirror.hasSuffix("/there"))
    }

    @Test(
        "what is no https:// or file:// URL is refused before anything is sent",
        arguments: [
            "", "data.csv", "/data.csv", "http://127.0.0.1/x", "ftp://127.0.0.1/x",
            "gopher://127.0.0.1/", "scp://host/x", "https://", "https:///path", "https:/host/x",
            "https:host", "file://host/x", "file:/tmp/x",
            "https://user:secret@127.0.0.1/x", "https://127.0.0.1/a b", "https://127.0.0.1/\u{0}x",
            "https://127.0.0.1/\r\nHost: x", "https://127.0.0.1:99999/", "https://[::1/",
            "file:///tmp/%00", "https://" + String(repeating: "a", count: 9000),
        ]
    )
    func invalid(url: String) async throws {
        let bench = try LocalBench()
        let error = await bench.failure(url)
        #expect(error?.code == "url_invalid", "\(error.map(\.description) ?? "no error")")
        #expect(error?.description.contains("secret") == false)
        // One bad URL spoils the list: it is the configuration that is wrong.
        #expect(await bench.failure("file:///dev/null", url)?.code == "url_invalid")
    }

    @Test("an empty list of mirrors is refused")
    func noMirror() async throws {
        let bench = try LocalBench()
        #expect(await bench.failure()?.code == "url_invalid")
    }

    @Test("a target that cannot be written is the disk's fault, and no other mirror is tried")
    func disk() async throws {
        let bench = try LocalBench()
        let blocked = bench.folder.path("file")
        try WholeFile.create(blocked, sample(10))
        let request = DownloadRequest(
            mirrors: ["file://\(blocked)", "file://\(blocked)"],
            target: "\(blocked)/below/data"
        )
        await #expect {
            try await bench.downloader.download(request)
        } throws: {
            ($0 as? TransferError)?.code == "disk_failed"
        }
        #expect(bench.attempts.all.isEmpty)
    }

    @Test("a target that is a folder is not replaced, and nothing is left behind")
    func targetIsFolder() async throws {
        let bench = try LocalBench()
        try WholeFile.create(bench.folder.path("source"), sample(10))
        try Folder.make(bench.target)
        let error = await bench.failure("file://\(bench.folder.path)/source")
        #expect(error?.code == "disk_failed")
        #expect(try Folder.list(bench.folder.path) == ["data.bin", "source"])
    }

    @Test("a disk that takes no more gives an error, and nothing is left behind")
    func fullDisk() async {
        await #expect(processExitsWith: .success) {
            let bench = try LocalBench()
            try WholeFile.create(bench.folder.path("source"), sample(100_000))
            // The largest file that this process may write stands for the end of the disk.
            signal(SIGXFSZ, SIG_IGN)
            var limit = rlimit(rlim_cur: 50_000, rlim_max: 50_000)
            unsafe setrlimit(__rlimit_resource_t(RLIMIT_FSIZE.rawValue), &limit)
            let error = await bench.failure("file://\(bench.folder.path)/source")
            #expect(error?.code == "disk_failed")
            #expect(try Folder.list(bench.folder.path) == ["source"])
        }
    }
}

/// Downloads of local files, without the data server.
final class LocalBench: Sendable {
    let folder: TemporaryDirectory
    let downloader: Downloader
    let attempts = Collected<DownloadAttempt>()

    init(bytesMax: Int = 1 << 20) throws {
        folder = try TemporaryDirectory()
        let attempts = attempts
        downloader = try Downloader(
            settings: DownloadSettings(
                proxy: "",
                limits: DownloadLimits(bytesMax: bytesMax),
                retry: .never
            ),
            logger: silentLogger,
            onAttempt: { attempts.append($0) }
        )
    }

    var target: String { folder.path("data.bin") }

    func download(_ mirrors: String...) async throws -> DownloadOutcome {
        try await downloader.download(DownloadRequest(mirrors: mirrors, target: target))
    }

    func failure(_ mirrors: String...) async -> TransferError? {
        do throws(TransferError) {
            _ = try await downloader.download(DownloadRequest(mirrors: mirrors, target: target))
            return nil
        } catch {
            return error
        }
    }
}
