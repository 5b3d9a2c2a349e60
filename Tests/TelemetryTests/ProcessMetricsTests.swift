import Telemetry
import Testing

@Suite("Process metrics") struct ProcessMetricsTests {
    private let nothing: [UInt8] = []
    private let stat = Array(
        """
        4711 (a) b (c)) S 1 4711 4711 0 -1 4194560 1000 0 10 0 250 150 0 0 20 0 7 0 123456 \
        104857600 2560 18446744073709551615 1 1 0 0 0 0 0 4096 0 0 0 0 17 1 0 0 0 0 0
        """.utf8
    )
    private let status = Array("Name:\tleeway\nVmRSS:\t   10240 kB\nVmData:\t    2048 kB\n".utf8)
    private let limits = Array(
        """
        Limit                     Soft Limit           Hard Limit           Units
        Max address space         unlimited            unlimited            bytes
        Max open files            1024                 524288               files

        """.utf8
    )

    @Test("the kernel's texts are read, whatever the program is called")
    func reading() {
        let reading = ProcessReading(stat: stat.span, status: status.span, limits: limits.span)
        #expect(reading.processorTicks == 400)
        #expect(reading.threads == 7)
        #expect(reading.startTicks == 123_456)
        #expect(reading.virtualBytes == 104_857_600)
        #expect(reading.residentPages == 2560)
        #expect(reading.heapBytes == 2_097_152)
        #expect(reading.descriptorsMax == 1024)
        #expect(reading.virtualBytesMax == .max)
    }

    @Test("a text that is cut anywhere gives less, never a trap")
    func truncated() {
        for end in 0...stat.count {
            let reading = ProcessReading(
                stat: stat.span.extracting(first: end),
                status: status.span.extracting(first: min(end, status.count)),
                limits: limits.span.extracting(first: min(end, limits.count))
            )
            #expect(reading.processorTicks == nil || reading.processorTicks ?? 0 <= 400)
        }
        let reading = ProcessReading(stat: nothing.span, status: nothing.span, limits: nothing.span)
        #expect(reading.threads == nil && reading.heapBytes == nil)
    }

    @Test("numbers beyond 64 bits are left out")
    func huge() {
        let status = Array("VmData:\t18446744073709551615 kB\n".utf8)
        let limits = Array("Max open files 99999999999999999999999 1 files\n".utf8)
        let reading = ProcessReading(stat: nothing.span, status: status.span, limits: limits.span)
        #expect(reading.heapBytes == nil)
        #expect(reading.descriptorsMax == nil)
    }

    @Test("the machine's start is found among other lines")
    func boot() {
        let found = ProcessReading.bootSeconds(Array("cpu 1 2\nbtime 1795\nx".utf8).span)
        let missing = ProcessReading.bootSeconds(Array("cpu 1 2\n".utf8).span)
        #expect(found == 1795)
        #expect(missing == nil)
    }

    @Test("a live process has all of the metrics, with sane values")
    func live() throws {
        let registry = MetricRegistry(shards: 1)
        try ProcessMetrics.register(in: registry)
        var values: [Substring: Double] = [:]
        for line in exposition(registry).split(separator: "\n") where !line.hasPrefix("#") {
            let words = line.split(separator: " ")
            values[words[0]] = Double(words[1])
        }
        #expect(
            Set(values.keys) == [
                "process_cpu_seconds_total", "process_open_fds", "process_max_fds",
                "process_virtual_memory_bytes", "process_virtual_memory_max_bytes",
                "process_resident_memory_bytes", "process_heap_bytes", "process_threads",
                "process_start_time_seconds",
            ]
        )
        let now = WallTime.now().secondsSinceEpoch
        let start = try #require(values["process_start_time_seconds"])
        #expect(start > now - 86_400 && start < now + 5)
        #expect(values["process_open_fds"] ?? 0 >= 3)
        #expect(values["process_resident_memory_bytes"] ?? 0 > 1_000_000)
        #expect(values["process_threads"] ?? 0 >= 1)
    }
}
