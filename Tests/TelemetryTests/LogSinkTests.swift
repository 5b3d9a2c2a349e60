import FoundationEssentials
import Glibc
import Telemetry
import TestSupport
import Testing

@Suite("Log sink") struct LogSinkTests {
    /// Submits a line; `#expect` cannot take a span itself.
    @discardableResult
    private func submit(_ text: String, end: String = "\n", to sink: LogSink) -> Bool {
        sink.submit(bytes: Array((text + end).utf8).span)
    }

    @Test("lines are written whole and in order")
    func order() throws {
        let text = try written { sink in
            for index in 0..<500 { #expect(submit("line \(index)", to: sink)) }
            var json = JSONLine()
            json.member("last", true)
            sink.submit(json)
        }
        let expected = (0..<500).map { "line \($0)\n" }.joined() + "{\"last\":true}\n"
        #expect(text == expected)
    }

    @Test("lines of many threads are never mixed, lost or doubled", arguments: [4096, 1 << 20])
    func manyThreads(capacityBytes: Int) async throws {
        let directory = try TemporaryDirectory()
        let path = directory.path("log")
        let descriptor = unsafe open(path, O_WRONLY | O_CREAT | O_CLOEXEC, 0o600)
        defer { _ = close(descriptor) }
        let sink = try LogSink(descriptor: descriptor, capacityBytes: capacityBytes)
        let accepted = await withTaskGroup(of: Set<String>.self) { group in
            for task in 0..<4 {
                group.addTask {
                    var accepted: Set<String> = []
                    for index in 0..<3000 {
                        // Lengths vary, so that records wrap around at every offset.
                        let text = "\(task).\(index)." + String(repeating: "x", count: index % 97)
                        let bytes = Array("\(text)\n".utf8)
                        if sink.submit(bytes: bytes.span) { accepted.insert(text) }
                    }
                    return accepted
                }
            }
            return await group.reduce(into: Set<String>()) { $0.formUnion($1) }
        }
        sink.shutdown()
        let data = FileManager.default.contents(atPath: path) ?? Data()
        let lines = String(decoding: data, as: UTF8.self).split(separator: "\n").map(String.init)
        #expect(lines.count == accepted.count)
        #expect(Set(lines) == accepted)
        #expect(sink.linesWritten == UInt64(accepted.count))
        #expect(sink.dropped(.full) == UInt64(12_000 - accepted.count))
    }

    /// Fills a pipe to the last byte.
    ///
    /// - Returns: How many bytes it took.
    private func fill(_ pipe: borrowing Pipe) -> Int {
        _ = fcntl(pipe.writeEnd, F_SETFL, O_NONBLOCK)
        defer { _ = fcntl(pipe.writeEnd, F_SETFL, 0) }
        var (filled, size) = (0, 4096)
        let bytes = [UInt8](repeating: UInt8(ascii: "."), count: size)
        while size > 0 {
            // Bounds: `size` is not above the array's count.
            let count = unsafe bytes.withUnsafeBytes {
                unsafe write(pipe.writeEnd, $0.baseAddress, size)
            }
            if count > 0 { filled += count } else { size /= 2 }
        }
        return filled
    }

    @Test("a reader that does not read costs lines, which are counted, and never a wait")
    func full() throws {
        let pipe = try Pipe()
        _ = fill(pipe)
        let sink = try LogSink(descriptor: pipe.writeEnd, capacityBytes: 4096, flushSecondsMax: 0)
        var accepted: UInt64 = 0
        // One batch leaves the queue for the writer, who waits; then the queue fills.
        while sink.dropped(.full) < 50 { if submit("line", to: sink) { accepted += 1 } }
        #expect(sink.linesWritten == 0)
        sink.shutdown()
        #expect(sink.linesWritten == 0)
        #expect(sink.dropped(.shutdown) == accepted)
    }

    @Test("when a reader reads again, the lines that were queued come in order")
    func readsAgain() throws {
        let pipe = try Pipe()
        let filled = fill(pipe)
        let sink = try LogSink(descriptor: pipe.writeEnd, flushSecondsMax: 60)
        for index in 0..<100 { submit("line \(index)", to: sink) }
        let expected = Array((0..<100).map { "line \($0)\n" }.joined().utf8)
        var bytes: [UInt8] = []
        while bytes.count < filled + expected.count { bytes += read(pipe) }
        #expect(Array(bytes[filled...]) == expected)
        sink.shutdown()
        #expect(sink.linesWritten == 100)
    }

    /// Reads what a pipe holds; waits while it is empty.
    private func read(_ pipe: borrowing Pipe) -> [UInt8] {
        var bytes = [UInt8](repeating: 0, count: 4096)
        // Bounds: the kernel is given exactly the array.
        let count = unsafe bytes.withUnsafeMutableBytes { buffer in
            unsafe Glibc.read(pipe.readEnd, buffer.baseAddress, buffer.count)
        }
        return Array(bytes.prefix(max(count, 0)))
    }

    @Test("a reader that is gone costs lines, not the process")
    func brokenPipe() throws {
        var pipe: Pipe? = try Pipe()
        let writeEnd = dup(pipe?.writeEnd ?? -1)
        defer { _ = close(writeEnd) }
        pipe = nil
        let sink = try LogSink(descriptor: writeEnd)
        for _ in 0..<3 { #expect(submit("lost", to: sink)) }
        sink.shutdown()
        #expect(sink.dropped(.brokenPipe) == 3)
        #expect(sink.linesWritten == 0)
    }

    @Test("a full disk costs lines, not the process")
    func fullDisk() throws {
        let descriptor = unsafe open("/dev/full", O_WRONLY | O_CLOEXEC)
        try #require(descriptor >= 0)
        defer { _ = close(descriptor) }
        let sink = try LogSink(descriptor: descriptor)
        for _ in 0..<3 { submit("lost", to: sink) }
        sink.shutdown()
        #expect(sink.dropped(.noSpace) == 3)
    }

    @Test("a descriptor that is not open costs lines, not the process")
    func badDescriptor() throws {
        let sink = try LogSink(descriptor: -1, flushSecondsMax: 0)
        submit("lost", to: sink)
        sink.shutdown()
        #expect(sink.dropped(.failed) + sink.dropped(.shutdown) == 1)
    }

    @Test("a line longer than a quarter of the queue is refused")
    func tooLarge() throws {
        let text = try written(
            { sink in
                #expect(!submit(String(repeating: "a", count: 1016), to: sink))
                #expect(submit(String(repeating: "a", count: 1015), to: sink))
                #expect(sink.dropped(.tooLarge) == 1)
            },
            capacityBytes: 4096
        )
        #expect(text.utf8.count == 1016)
    }

    @Test("after the shutdown lines are refused and counted; a second shutdown does nothing")
    func afterShutdown() throws {
        var late: LogSink?
        let text = try written { sink in
            submit("in time", to: sink)
            late = sink
        }
        #expect(text == "in time\n")
        #expect(!submit("late", to: try #require(late)))
        #expect(late?.dropped(.shutdown) == 1)
        late?.shutdown()
    }

    @Test("a sink that is let go writes what it has")
    func released() throws {
        let pipe = try Pipe()
        do {
            let sink = try LogSink(descriptor: pipe.writeEnd)
            submit("last words", to: sink)
        }
        #expect(read(pipe) == Array("last words\n".utf8))
    }

    @Test("after a failure within a line the next one begins on its own")
    func resumes() throws {
        let directory = try TemporaryDirectory()
        let path = directory.path("log")
        let descriptor = unsafe open(path, O_WRONLY | O_CREAT | O_CLOEXEC, 0o600)
        defer { _ = close(descriptor) }
        let sink = try LogSink(descriptor: descriptor)
        submit("no line feed", end: "", to: sink)
        let isWritten = { (FileManager.default.contents(atPath: path)?.count ?? 0) > 0 }
        while !isWritten() { sched_yield() }
        submit("next", to: sink)
        sink.shutdown()
        let data = FileManager.default.contents(atPath: path) ?? Data()
        #expect(String(decoding: data, as: UTF8.self) == "no line feed\nnext\n")
    }

    @Test("what is written and dropped is exported with every reason")
    func metrics() throws {
        let registry = MetricRegistry(shards: 1)
        _ = try written { sink in
            try sink.register(in: registry)
            #expect(exposition(registry).contains("leeway_log_dropped_total{reason=\"full\"} 0\n"))
            submit("four", to: sink)
            sink.shutdown()
            submit("late", to: sink)
        }
        let text = exposition(registry)
        for reason in LogDropReason.allCases {
            let count = reason == .shutdown ? 1 : 0
            #expect(
                text.contains("leeway_log_dropped_total{reason=\"\(reason.rawValue)\"} \(count)\n")
            )
        }
        #expect(text.contains("leeway_log_lines_total 1\n"))
        #expect(text.contains("leeway_log_written_bytes_total 5\n"))
    }
}
