import Digest
import Files
import TestSupport
import Testing
import Transfer

@Suite("Downloads over TLS", .enabled(if: DataServer.isPossible, "\(DataServer.wants)"))
struct DownloaderTests {
    @Test("a file comes whole, with its digest and what the server says of it")
    func whole() async throws {
        let server = try DataServer.shared()
        try server.put("whole", sample(100_000))
        let bench = try DownloadBench()
        let outcome = try await bench.download(server.url("files/whole"))
        let file = outcome.file
        let digest = try SHA256Digest.of(sample(100_000))
        #expect(outcome == .downloaded(file))
        #expect(file.bytes == 100_000)
        #expect(file.sha256 == digest)
        #expect(file.mirror == server.url("files/whole"))
        #expect(file.etag?.count == 18)
        #expect(file.lastModified?.hasSuffix("GMT") == true)
        #expect(file.contentEncoding == nil)
        #expect(bench.content == sample(100_000))
        #expect(bench.names == ["data.bin", "data.bin.meta.json"])
        #expect(bench.attempts.map(\.result) == ["downloaded"])
        #expect(bench.attempts.map(\.bytes) == [100_000])
        #expect(bench.attempts.map(\.status) == [200])
    }

    @Test("an empty file is a file")
    func empty() async throws {
        let server = try DataServer.shared()
        try server.put("empty", [])
        let bench = try DownloadBench()
        let outcome = try await bench.download(server.url("files/empty"))
        #expect(outcome == .downloaded(outcome.file))
        #expect(bench.content == [])
    }

    @Test(
        "unchanged data costs one request without a body",
        arguments: [
            ("files", "If-None-Match"), ("weak", "If-None-Match"),
            ("modified", "If-Modified-Since"),
        ]
    )
    func unchanged(path: String, header: String) async throws {
        let server = try DataServer.shared()
        let token = "unchanged-\(path)"
        try server.put(token, sample(5000))
        let bench = try DownloadBench()
        let url = server.url("\(path)/\(token)?t=\(token)")
        let first = try await bench.download(url)
        let second = try await bench.download(url)
        #expect(second == .unchanged(first.file))
        #expect(bench.attempts.map(\.status) == [200, 304])
        #expect(bench.attempts.map(\.bytes) == [5000, 0])
        let requests = try server.log(token)
        #expect(requests.count == 2)
        #expect(requests.map { $0.headers[header] != nil } == [false, true])
    }

    @Test("a server without validators sends all, and the digest says that nothing changed")
    func unchangedByDigest() async throws {
        let server = try DataServer.shared()
        try server.put("no-validators", sample(3000))
        let bench = try DownloadBench()
        let first = try await bench.download(server.url("plain/no-validators"))
        let second = try await bench.download(server.url("plain/no-validators"))
        #expect(first == .downloaded(first.file))
        #expect(second == .unchanged(first.file))
        #expect(bench.attempts.map(\.status) == [200, 200])
    }

    @Test("changed data is fetched again")
    func changed() async throws {
        let server = try DataServer.shared()
        let bench = try DownloadBench()
        try server.put("changed", sample(3000))
        _ = try await bench.download(server.url("files/changed"))
        try server.put("changed", sample(3000, seed: 99))
        let second = try await bench.download(server.url("files/changed"))
        #expect(second == .downloaded(second.file))
        #expect(bench.content == sample(3000, seed: 99))
        let third = try await bench.download(server.url("files/changed"))
        #expect(third == .unchanged(second.file))
    }

    @Test("a target that is gone, cut or damaged is fetched again, though the server has no news")
    func damagedTarget() async throws {
        let server = try DataServer.shared()
        try server.put("damaged", sample(3000))
        let url = server.url("files/damaged")
        let bench = try DownloadBench()
        _ = try await bench.download(url)
        var flipped = sample(3000)
        flipped[1234] ^= 1
        for damage in [nil, sample(2999), flipped] as [[UInt8]?] {
            try Folder.remove(bench.target)
            if let damage { try WholeFile.create(bench.target, damage) }
            let outcome = try await bench.download(url)
            #expect(outcome == .unchanged(outcome.file))
            #expect(bench.content == sample(3000))
        }
        #expect(bench.attempts.last?.status == 200)
    }

    @Test("a record that is no record costs a full download and nothing else")
    func damagedRecord() async throws {
        let server = try DataServer.shared()
        try server.put("record", sample(3000))
        let bench = try DownloadBench()
        let records = [
            "", "{", "[]", #"{"format":2}"#, #"{"format":1,"bytes":-1,"sha256":"zz","mirrors":{}}"#,
        ]
        for record in records {
            try WholeFile.replace(bench.target + ".meta.json", Array(record.utf8))
            let outcome = try await bench.download(server.url("files/record"))
            #expect(outcome == .downloaded(outcome.file))
        }
        let last = try await bench.download(server.url("files/record"))
        #expect(last == .unchanged(last.file))
    }

    @Test("a record with a line break in its validator never reaches the wire as two headers")
    func injectedValidator() async throws {
        let server = try DataServer.shared()
        try server.put("injected", sample(10))
        let bench = try DownloadBench()
        let url = server.url("files/injected?t=injected")
        let first = try await bench.download(url)
        let record = #"""
            {"bytes": 10, "format": 1, "sha256": "\#(first.file.sha256)",
             "mirrors": {"\#(url)": {"etag": "\"x\"\r\nX-Injected: yes"}}}
            """#
        try WholeFile.replace(bench.target + ".meta.json", Array(record.utf8))
        _ = try await bench.download(url)
        #expect(try server.log("injected").allSatisfy { $0.headers["X-Injected"] == nil })
    }

    @Test("bodies come whole in every framing", arguments: ["chunked", "plain"])
    func framings(path: String) async throws {
        let server = try DataServer.shared()
        try server.put("framing-\(path)", sample(40_000))
        let bench = try DownloadBench()
        _ = try await bench.download(server.url("\(path)/framing-\(path)"))
        #expect(bench.content == sample(40_000))
    }

    @Test("an answer that ends with the connection is taken only where that was said to do")
    func unknownLength() async throws {
        let server = try DataServer.shared()
        try server.put("no-length", sample(40_000))
        let bench = try DownloadBench()
        let url = server.url("no-length/no-length")
        #expect(await bench.failure(url)?.code == "length_unknown")
        #expect(bench.names == [])
        let request = DownloadRequest(
            mirrors: [url],
            target: bench.target,
            allowsUnknownLength: true
        )
        _ = try await bench.downloader.download(request)
        #expect(bench.content == sample(40_000))
    }

    @Test("compression that nobody asked for is kept as it came, and named")
    func unaskedCompression() async throws {
        let server = try DataServer.shared()
        try server.put("compressed", [UInt8](repeating: 7, count: 10_000))
        let bench = try DownloadBench()
        let outcome = try await bench.download(server.url("gzip/compressed"))
        #expect(outcome.file.contentEncoding == "gzip")
        #expect(bench.content?.prefix(2) == [0x1f, 0x8b])
        #expect(outcome.file.bytes == bench.content?.count)
    }

    @Test(
        "redirects are followed, to the same host and to another, and the mirror stays the mirror"
    )
    func redirects() async throws {
        let server = try DataServer.shared()
        for path in ["redirect/hops/3", "redirect/other"] {
            let bench = try DownloadBench()
            let url = server.url(path)
            let first = try await bench.download(url)
            #expect(first.file.bytes == 100)
            #expect(first.file.mirror == url)
            let second = try await bench.download(url)
            #expect(second == .unchanged(first.file))
            #expect(bench.attempts.last?.status == 304)
        }
    }

    @Test("an ETag too long to be sent back is not")
    func oddETag() async throws {
        let server = try DataServer.shared()
        try server.put("odd", sample(10))
        let bench = try DownloadBench()
        let outcome = try await bench.download(server.url("odd-etag/odd"))
        #expect(outcome.file.etag == nil)
    }

    @Test("progress is told with the bytes expected")
    func progress() async throws {
        let server = try DataServer.shared()
        try server.put("progress", sample(100_000))
        let bench = try DownloadBench()
        let seen = Collected<DownloadProgress>()
        let request = DownloadRequest(
            mirrors: [server.url("files/progress")],
            target: bench.target,
            progress: { seen.append($0) }
        )
        _ = try await bench.downloader.download(request)
        #expect(seen.all.allSatisfy { $0.bytesExpected == 100_000 })
        #expect(seen.all.map(\.bytes) == seen.all.map(\.bytes).sorted())
        #expect(seen.all.last?.bytes == 100_000)
    }

    @Test("the target's folder is made")
    func folder() async throws {
        let server = try DataServer.shared()
        let bench = try DownloadBench()
        let target = bench.folder.path("a/b/c.bin")
        let request = DownloadRequest(mirrors: [server.url("bytes/10")], target: target)
        let outcome = try await bench.downloader.download(request)
        #expect(outcome.file.path == target)
        #expect(try WholeFile.read(target, bytesMax: 100).count == 10)
    }

    @Test("many downloads at once all come whole")
    func manyAtOnce() async throws {
        let server = try DataServer.shared()
        let bench = try DownloadBench()
        try await withThrowingTaskGroup(of: Int.self) { group in
            for count in 1...20 {
                let request = DownloadRequest(
                    mirrors: [server.url("bytes/\(count * 100)")],
                    target: bench.folder.path("many-\(count)")
                )
                group.addTask { try await bench.downloader.download(request).file.bytes }
            }
            let total = try await group.reduce(0, +)
            #expect(total == 21_000)
        }
    }
}
