import Files
import TestSupport
import Testing
import Transfer

@Suite("Circuits") struct CircuitBreakerTests {
    @Test("five failures in a row open a circuit, whose pause doubles up to a day")
    func opens() {
        var breaker = CircuitBreaker()
        for _ in 0..<4 { breaker.failed("a", now: 100) }
        #expect(breaker.secondsLeft("a", now: 100) == nil)
        breaker.failed("a", now: 100)
        #expect(breaker.secondsLeft("a", now: 100) == 900)
        #expect(breaker.secondsLeft("a", now: 999) == 1)
        #expect(breaker.secondsLeft("b", now: 100) == nil)
        // One try is allowed; it fails.
        #expect(breaker.secondsLeft("a", now: 1000) == nil)
        breaker.failed("a", now: 1000)
        #expect(breaker.secondsLeft("a", now: 1000) == 1800)
        for _ in 0..<100 { breaker.failed("a", now: 1000) }
        #expect(breaker.secondsLeft("a", now: 1000) == 86_400)
    }

    @Test("a success closes it, and the count begins anew")
    func closes() {
        var breaker = CircuitBreaker()
        for _ in 0..<9 { breaker.failed("a", now: 0) }
        breaker.succeeded("a")
        #expect(breaker == CircuitBreaker())
        for _ in 0..<4 { breaker.failed("a", now: 0) }
        #expect(breaker.secondsLeft("a", now: 0) == nil)
    }

    @Test(
        "clocks that were set back, or to nonsense, neither trap nor keep a circuit open for ever"
    )
    func clocks() {
        var breaker = CircuitBreaker()
        for _ in 0..<9 { breaker.failed("a", now: 1 << 40) }
        #expect(breaker.secondsLeft("a", now: 0) == 86_400)
        for _ in 0..<9 { breaker.failed("b", now: .max) }
        _ = breaker.secondsLeft("b", now: .min)
    }

    @Test("hosts that are long forgotten do not pile up")
    func many() {
        var breaker = CircuitBreaker()
        for host in 0..<3000 {
            for _ in 0..<5 { breaker.failed("\(host)", now: Int64(host)) }
        }
        #expect(breaker.secondsLeft("0", now: 0) == nil)
        #expect(breaker.secondsLeft("2999", now: 2999) == 900)
    }

    @Test(
        "a host in trouble is left alone by the next process, too, until its pause is over",
        .enabled(if: DataServer.isPossible, "\(DataServer.wants)")
    )
    func kept() async throws {
        let server = try DataServer.shared()
        try server.put("circuit", sample(10))
        let folder = try TemporaryDirectory()
        let path = folder.path("circuits.json")
        let clock = Clock()
        func bench() throws -> DownloadBench {
            try DownloadBench(
                caFile: server.caFile,
                circuits: CircuitFile(path, now: { clock.now })
            )
        }
        let url = server.url("status/503?t=circuit")
        for _ in 0..<5 { #expect(await (try bench()).failure(url)?.code == "status_server_error") }
        let next = try bench()
        #expect(await next.failure(url)?.code == "circuit_open")
        #expect(next.attempts.map(\.result) == ["circuit_open"])
        #expect(try server.log("circuit").count == 5)
        // Another host, here the same one by its other name, is asked alone.
        let both = try bench()
        let good = server.url("files/circuit", host: "localhost")
        #expect(try await both.download(url, good).file.mirror == good)
        #expect(both.attempts.count == 1)
        // By hand it is asked all the same.
        var request = DownloadRequest(mirrors: [url], target: next.target)
        request.ignoresCircuits = true
        await #expect {
            try await next.downloader.download(request)
        } throws: {
            ($0 as? TransferError)?.code == "status_server_error"
        }
        clock.set(1_000_000)
        let recovered = try bench()
        #expect(try await recovered.download(server.url("files/circuit")).file.bytes == 10)
        for _ in 0..<4 { _ = await (try bench()).failure(url) }
        #expect(await (try bench()).failure(url)?.code == "status_server_error")
    }

    @Test(
        "a file that is not there, or is a wrong one, is no trouble of the host",
        .enabled(if: DataServer.isPossible, "\(DataServer.wants)")
    )
    func wellButWrong() async throws {
        let server = try DataServer.shared()
        let folder = try TemporaryDirectory()
        for _ in 0..<7 {
            let bench = try DownloadBench(
                circuits: CircuitFile(folder.path("circuits.json"), now: { 5 })
            )
            #expect(await bench.failure(server.url("status/404"))?.code == "status_refused")
        }
        #expect(try Folder.list(folder.path) == [])
    }

    @Test("a file of circuits that is none means that all is well")
    func damaged() throws {
        let folder = try TemporaryDirectory()
        let path = folder.path("circuits.json")
        for text in ["", "{", "[]", #"{"format":1}"#] {
            try WholeFile.replace(path, Array(text.utf8))
            _ = CircuitFile(path, now: { 5 })
        }
    }
}
