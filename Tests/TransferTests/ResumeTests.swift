import Files
import TestSupport
import Testing
import Transfer

@Suite("Downloads that broke off", .enabled(if: DataServer.isPossible, "\(DataServer.wants)"))
struct ResumeTests {
    private static let patient = RetryPolicy(roundsMax: 4, baseMilliseconds: 1)

    /// A bench, the URL of a file whose first download breaks off, and what the file holds.
    private func broken(_ name: String, _ query: String) throws -> (
        bench: DownloadBench, url: String, body: [UInt8], server: DataServer
    ) {
        let server = try DataServer.shared()
        let body = sample(90_001, seed: name.count)
        try server.put(name, body)
        let bench = try DownloadBench(retry: Self.patient)
        return (bench, server.url("broken/\(name)?t=\(name)\(query)"), body, server)
    }

    @Test("the rest alone is fetched, if the server says that it is still the same file")
    func resumed() async throws {
        let (bench, url, body, server) = try broken("resumed", "")
        let outcome = try await bench.download(url)
        #expect(outcome == .downloaded(outcome.file))
        #expect(bench.content == body)
        #expect(bench.attempts.map(\.result) == ["interrupted", "downloaded"])
        #expect(bench.attempts.map(\.status) == [200, 206])
        #expect(bench.attempts.map(\.resumedBytes) == [nil, 45_000])
        #expect(bench.attempts.map(\.bytes) == [45_000, 45_001])
        let asked = try server.log("resumed").map { $0.headers["Range"] }
        #expect(asked == [nil, "bytes=45000-"])
        #expect(try server.log("resumed").last?.headers["If-Range"] == outcome.file.etag)
        #expect(bench.names == ["data.bin", "data.bin.meta.json"])
    }

    @Test("a download that breaks off twice goes on twice")
    func twice() async throws {
        let (bench, url, body, _) = try broken("twice", "&then=cut")
        _ = try await bench.download(url)
        #expect(bench.content == body)
        #expect(bench.attempts.map(\.resumedBytes) == [nil, 45_000, 67_500])
        #expect(bench.attempts.map(\.bytes).reduce(0, +) == body.count)
    }

    /// What goes wrong with the rest, and what comes of it.
    static let wrongs: [(then: String, isNew: Bool, statuses: [Int])] = [
        ("other", true, [200, 200]),
        ("stubborn", true, [200, 200]),
        ("shifted", false, [200, 200]),
        ("gone", false, [200, 200]),
        ("longer", false, [200, 200]),
    ]

    @Test(
        "a rest that is none of the same file is dropped, and the whole is fetched",
        arguments: wrongs
    )
    func restarted(then: String, isNew: Bool, statuses: [Int]) async throws {
        let (bench, url, body, _) = try broken("restarted-\(then)", "&then=\(then)")
        _ = try await bench.download(url)
        #expect(bench.content == (isNew ? body.reversed() + Array("new".utf8) : body))
        #expect(bench.attempts.map(\.status) == statuses)
        #expect(bench.names == ["data.bin", "data.bin.meta.json"])
    }

    @Test("what one run left, the next one goes on with, even after a restart of the process")
    func nextRun() async throws {
        let server = try DataServer.shared()
        let body = sample(80_000)
        try server.put("next-run", body)
        let url = server.url("broken/next-run?t=next-run")
        let bench = try DownloadBench()
        #expect(await bench.failure(url)?.code == "interrupted")
        #expect(bench.names == ["data.bin.part", "data.bin.part.json"])
        #expect(bench.content == nil)
        let outcome = try await bench.download(url)
        #expect(bench.content == body)
        #expect(outcome.file.bytes == 80_000)
        #expect(bench.attempts.last?.resumedBytes == 40_000)
        #expect(bench.names == ["data.bin", "data.bin.meta.json"])
    }

    @Test("a part is of one mirror: another one gives the whole file")
    func otherMirror() async throws {
        let server = try DataServer.shared()
        try server.put("part-mirrored", sample(60_000))
        let bench = try DownloadBench(retry: Self.patient)
        let urls = [server.url("broken/part-mirrored?t=m"), server.url("plain/part-mirrored?t=m")]
        _ = try await bench.download(urls[0], urls[1])
        #expect(bench.content == sample(60_000))
        #expect(try server.log("m").allSatisfy { $0.headers["Range"] == nil })
        #expect(bench.names == ["data.bin", "data.bin.meta.json"])
    }

    @Test("without a strong entity tag nothing is kept, and the whole is fetched again")
    func weak() async throws {
        let server = try DataServer.shared()
        try server.put("weak", sample(60_000))
        let bench = try DownloadBench()
        let url = server.url("cut-weak/weak?t=cut-weak")
        #expect(await bench.failure(url)?.code == "interrupted")
        #expect(bench.names == [])
        _ = try await bench.download(url)
        #expect(bench.content == sample(60_000))
        #expect(try server.log("cut-weak").allSatisfy { $0.headers["Range"] == nil })
    }

    @Test("a part that was damaged on the disk is seen by the digest, never published")
    func damagedPart() async throws {
        let server = try DataServer.shared()
        let body = sample(80_000)
        try server.put("damaged-part", body)
        let url = server.url("broken/damaged-part")
        let bench = try DownloadBench()
        _ = await bench.failure(url)
        // One byte less: the record does not fit, and all is fetched.
        let part = bench.folder.path("data.bin.part")
        var bytes = try WholeFile.read(part, bytesMax: 1 << 20)
        try WholeFile.replace(part, Array(bytes.dropLast()))
        _ = try await bench.download(url)
        #expect(bench.content == body)
        #expect(bench.attempts.last?.resumedBytes == nil)
        // Another byte: only the digest can tell.
        try Folder.remove(bench.target)
        try server.put("damaged-part-2", body)
        _ = await bench.failure(server.url("broken/damaged-part-2"))
        bytes = try WholeFile.read(part, bytesMax: 1 << 20)
        bytes[100] ^= 1
        try WholeFile.replace(part, bytes)
        var request = DownloadRequest(
            mirrors: [server.url("broken/damaged-part-2")],
            target: bench.target
        )
        request.expected = try ExpectedFile(bytes: body.count, sha256: digest(body))
        await #expect(throws: TransferError.self) { try await bench.downloader.download(request) }
        #expect(bench.content == nil)
        #expect(bench.names == ["data.bin.meta.json"])
        _ = try await bench.downloader.download(request)
        #expect(bench.content == body)
    }

    @Test("records of parts that are none cost a full download and nothing else")
    func damagedRecord() async throws {
        let server = try DataServer.shared()
        try server.put("part-record", sample(1000))
        let bench = try DownloadBench()
        let url = server.url("files/part-record")
        let weak = #"W/\"x\""#
        for text in [
            "", "[]", #"{"format":1,"url":"\#(url)","etag":"","bytes":4}"#,
            #"{"format":1,"url":"\#(url)","etag":"\#(weak)","bytes":4}"#,
            #"{"format":1,"url":"\#(url)","etag":"\"a\r\nX-Bad: 1\"","bytes":4}"#,
            #"{"format":1,"url":"\#(url)","etag":"\"a\"","bytes":-4}"#,
            #"{"format":1,"url":"\#(url)","etag":"\"a\"","bytes":9223372036854775807}"#,
            #"{"format":1,"url":"\#(url)","etag":"\"a\"","bytes":4}"#,
        ] {
            try Folder.remove(bench.folder.path)
            try Folder.make(bench.folder.path)
            try WholeFile.create(bench.folder.path("data.bin.part"), [1, 2, 3, 4])
            try WholeFile.create(bench.folder.path("data.bin.part.json"), Array(text.utf8))
            _ = try await bench.download(url)
            #expect(bench.content == sample(1000))
            #expect(bench.names == ["data.bin", "data.bin.meta.json"])
        }
    }

    @Test("what is whole must be what a trusted list says: neither longer, nor shorter, nor other")
    func expected() async throws {
        let server = try DataServer.shared()
        let body = sample(5000)
        try server.put("expected", body)
        let bench = try DownloadBench()
        for (bytes, content) in [(4999, body), (5001, body), (5000, sample(5000, seed: 3))] {
            var request = DownloadRequest(
                mirrors: [server.url("files/expected")],
                target: bench.target
            )
            request.expected = ExpectedFile(bytes: bytes, sha256: try digest(content))
            await #expect {
                try await bench.downloader.download(request)
            } throws: {
                ($0 as? TransferError)?.code == "check_refused"
            }
            #expect(bench.names == [])
        }
    }
}
