import CoreMetrics
import Telemetry
import Testing

/// The whole exposition of a registry in a text format.
private func open(_ registry: MetricRegistry) -> String {
    var bytes: [UInt8] = []
    registry.write(.openMetrics, into: &bytes)
    return String(decoding: bytes, as: UTF8.self)
}

@Suite("OpenMetrics") struct OpenMetricsTests {
    @Test("a registry is written with units, infos, state sets, exemplars and an end")
    func golden() throws {
        let registry = MetricRegistry(shards: 1)
        let family = try registry.histogram(
            "leeway_wait_seconds",
            help: "Time \"in\" the queue.",
            unit: .nanosecondsAsSeconds,
            bounds: [0.005, 1]
        )
        family.series().observe(5_000_000, shard: 0)
        family.series().observe(2_500_000_000)
        family.series().note(
            Exemplar(
                trace: 0x0af7_6519_16cd_43dd_8448_eb21_1c80_319c,
                span: 0xb7ad_6b71_6920_3331,
                raw: 2_500_000_000,
                time: WallTime(nanosecondsSinceEpoch: 1_795_466_160_123_456_789)
            )
        )
        try registry.counter("leeway_rows_total", help: "Rows.", labels: ["model"])
            .series(["a"]).add(2)
        try registry.info("leeway_build_info", help: "Build.", labels: ["version"]).state(["1.0"])
        let states = try registry.stateSet("leeway_state", help: "State.", states: ["up", "down"])
        states.series()[1].set(1)
        #expect(
            open(registry) == """
                # TYPE leeway_build info
                # HELP leeway_build Build.
                leeway_build_info{version="1.0"} 1
                # TYPE leeway_rows counter
                # HELP leeway_rows Rows.
                leeway_rows_total{model="a"} 2
                # TYPE leeway_state stateset
                # HELP leeway_state State.
                leeway_state{leeway_state="down"} 1
                leeway_state{leeway_state="up"} 0
                # TYPE leeway_wait_seconds histogram
                # UNIT leeway_wait_seconds seconds
                # HELP leeway_wait_seconds Time \\"in\\" the queue.
                leeway_wait_seconds_bucket{le="0.005"} 1
                leeway_wait_seconds_bucket{le="1.0"} 1
                leeway_wait_seconds_bucket{le="+Inf"} 2 # {trace_id="0af7651916cd43dd8448eb\
                211c80319c",span_id="b7ad6b7169203331"} 2.5 1795466160.123
                leeway_wait_seconds_sum 2.505
                leeway_wait_seconds_count 2
                # EOF

                """
        )
    }

    @Test("in the format 0.0.4 the samples are the same, and infos and states are gauges")
    func oldFormat() throws {
        let registry = MetricRegistry(shards: 1)
        try registry.info("leeway_build_info", help: "Build.", labels: ["version"]).state(["1.0"])
        _ = try registry.stateSet("leeway_state", help: "State.", states: ["up"]).series()
        let text = exposition(registry)
        #expect(
            text.contains("# TYPE leeway_build_info gauge\nleeway_build_info{version=\"1.0\"} 1")
        )
        #expect(text.contains("# TYPE leeway_state gauge\nleeway_state{leeway_state=\"up\"} 0\n"))
        let samples = { (text: String) in text.split(separator: "\n").filter { $0.first != "#" } }
        #expect(samples(text) == samples(open(registry)))
    }

    @Test("an exemplar stays for a second, and is the one of its bucket")
    func exemplars() throws {
        let registry = MetricRegistry(shards: 1)
        let one = try registry.histogram(
            "leeway_size_bytes",
            help: "Size.",
            unit: .bytes,
            bounds: [10, 100]
        ).series()
        for (raw, nanoseconds): (UInt64, Int64) in [
            (5, 0), (6, 999_999_999), (50, 0), (7, 1_000_000_000), (51, 500_000_000),
        ] {
            one.observe(raw, shard: 0)
            one.note(
                Exemplar(
                    trace: UInt128(raw),
                    span: 1,
                    raw: raw,
                    time: WallTime(nanosecondsSinceEpoch: nanoseconds)
                )
            )
        }
        let text = open(registry)
        #expect(text.contains("le=\"10.0\"} 3 # {trace_id=\"00000000000000000000000000000007\""))
        #expect(text.contains("le=\"100.0\"} 5 # {trace_id=\"00000000000000000000000000000032\""))
        #expect(text.contains("le=\"+Inf\"} 5\n"))
    }

    @Test("names that would meet in OpenMetrics are refused")
    func collisions() throws {
        let registry = MetricRegistry(shards: 1)
        _ = try registry.counter("leeway_rows_total", help: "Rows.")
        #expect(throws: TelemetryError.self) { try registry.gauge("leeway_rows", help: "Rows.") }
        _ = try registry.info("leeway_build_info", help: "Build.", labels: [])
        #expect(throws: TelemetryError.self) { try registry.gauge("leeway_build", help: "Build.") }
        #expect(throws: TelemetryError.self) { try registry.gauge("leeway_x_info", help: "X.") }
        #expect(throws: TelemetryError.self) {
            try registry.info("leeway_y", help: "Y.", labels: [])
        }
    }
}

@Suite("Negotiation") struct NegotiationTests {
    @Test(
        "the form that is liked best is chosen",
        arguments: [
            ("", "text"), ("*/*", "text"), ("application/json", "text"), (",;q=,=;;", "text"),
            (
                "application/openmetrics-text;version=1.0.0,application/openmetrics-text;"
                    + "version=0.0.1;q=0.75,text/plain;version=0.0.4;q=0.5,*/*;q=0.1",
                "openmetrics"
            ),
            (
                "application/vnd.google.protobuf;proto=io.prometheus.client.MetricFamily;"
                    + "encoding=delimited,application/openmetrics-text;version=1.0.0;q=0.8",
                "protobuf"
            ),
            (
                "application/vnd.google.protobuf;proto=io.prometheus.client.MetricFamily;"
                    + "encoding=text,application/openmetrics-text;version=\"1.0.0\";q=0.8",
                "openmetrics"
            ),
            ("application/openmetrics-text; q=0.5, text/plain; q=0.6", "text"),
            ("text/plain;version=1.0.0, application/OpenMetrics-Text ; q=0.001", "openmetrics"),
            ("application/openmetrics-text;q=0, */*", "text"),
            ("application/openmetrics-text;version=2.0.0", "text"),
            ("application/openmetrics-text, text/plain", "openmetrics"),
            ("text/plain, application/openmetrics-text", "text"),
            ("application/openmetrics-text;q=nan;q=0.7", "openmetrics"),
        ]
    )
    func choice(accept: String, name: String) {
        #expect(ExpositionFormat.negotiated(accept: accept).rawValue == name)
    }
}

@Suite("Native histograms") struct NativeHistogramTests {
    /// A field of a protobuf message, as a reader of our own sees it.
    private struct Field {
        let number: Int
        let value: UInt64
        let bytes: ArraySlice<UInt8>
    }

    private func varint(_ bytes: inout ArraySlice<UInt8>) -> UInt64 {
        var (value, shift): (UInt64, UInt64) = (0, 0)
        while let byte = bytes.popFirst() {
            value |= UInt64(byte & 0x7f) << shift
            shift += 7
            if byte < 0x80 { break }
        }
        return value
    }

    private func fields(_ message: ArraySlice<UInt8>) -> [Field] {
        var (rest, found): (ArraySlice<UInt8>, [Field]) = (message, [])
        while !rest.isEmpty {
            let key = varint(&rest)
            switch key & 7 {
            case 0: found.append(Field(number: Int(key >> 3), value: varint(&rest), bytes: []))
            case 1:
                let bytes = rest.prefix(8)
                let value = bytes.reversed().reduce(UInt64(0)) { $0 << 8 | UInt64($1) }
                found.append(Field(number: Int(key >> 3), value: value, bytes: bytes))
                rest = rest.dropFirst(8)
            default:
                let count = Int(varint(&rest))
                let bytes = rest.prefix(count)
                found.append(Field(number: Int(key >> 3), value: 0, bytes: bytes))
                rest = rest.dropFirst(count)
            }
        }
        return found
    }

    private func zigzag(_ value: UInt64) -> Int64 { Int64(value >> 1) ^ -Int64(value & 1) }

    /// The buckets by their numbers, 0 bucket aside, as Prometheus reads them.
    private func buckets(_ histogram: [Field]) -> [Int64: Int64] {
        let spans = histogram.filter { $0.number == 12 }.map { fields($0.bytes) }
        var deltas: [Int64] = []
        for packed in histogram where packed.number == 13 {
            var bytes = packed.bytes
            while !bytes.isEmpty { deltas.append(zigzag(varint(&bytes))) }
        }
        var (key, count, found): (Int64, Int64, [Int64: Int64]) = (0, 0, [:])
        for span in spans {
            key += zigzag(span.first { $0.number == 1 }?.value ?? 0)
            for _ in 0..<(span.first { $0.number == 2 }?.value ?? 0) {
                count += deltas.removeFirst()
                found[key] = count
                key += 1
            }
        }
        return found
    }

    @Test("each value is in the bucket whose bounds hold it, and the counts add up")
    func boundsHold() throws {
        let registry = MetricRegistry(shards: 2)
        let one = try registry.histogram(
            "leeway_wait_seconds",
            help: "Wait.",
            unit: .nanosecondsAsSeconds,
            bounds: [0.001, 1],
            native: true
        ).series()
        // Powers of two, their neighbours, and numbers in between.
        let values: [UInt64] = [
            0, 1, 59, 60, 61, 1000, 1001, 125_000_000, 250_000_000, 250_000_001, 500_000_000,
            707_106_781, 707_106_782, 999_999_999, 1_000_000_000, 1_000_000_001, 1_090_507_732,
            1_090_507_733, 8_000_000_000, 4_096_000_000_000, .max,
        ]
        for (index, value) in values.enumerated() { one.observe(value, shard: index % 3) }
        var bytes: [UInt8] = []
        registry.write(.protobuf, into: &bytes)
        var stream = bytes[...]
        #expect(varint(&stream) == UInt64(stream.count))
        let family = fields(stream)
        let metric = try #require(family.first { $0.number == 4 })
        let histogram = fields(try #require(fields(metric.bytes).first { $0.number == 7 }).bytes)
        #expect(zigzag(histogram.first { $0.number == 5 }?.value ?? 0) == 3)
        #expect(histogram.first { $0.number == 1 }?.value == UInt64(values.count))
        let threshold = Double(bitPattern: histogram.first { $0.number == 6 }?.value ?? 0)
        let zeros = histogram.first { $0.number == 7 }?.value ?? 0
        #expect(zeros == UInt64(values.count { Double($0) / 1e9 <= threshold }))
        let found = buckets(histogram)
        #expect(found.values.reduce(Int64(zeros), +) == Int64(values.count))
        for value in values where Double(value) / 1e9 > threshold && value < .max {
            let seconds = Double(value) / 1e9
            let key = try #require(
                found.keys.first { power($0 - 1) < seconds && seconds <= power($0) },
                "\(value)"
            )
            #expect(found[key, default: 0] > 0)
        }
    }

    /// 2^(key/8).
    private func power(_ key: Int64) -> Double {
        let (octave, step) = (key >> 3, key & 7)
        let root2 = 2.0.squareRoot()
        let (root4, root8) = (root2.squareRoot(), root2.squareRoot().squareRoot())
        let factor =
            (step & 4 != 0 ? root2 : 1) * (step & 2 != 0 ? root4 : 1) * (step & 1 != 0 ? root8 : 1)
        return Double(sign: .plus, exponent: Int(octave), significand: factor)
    }
}

@Suite("Metrics of libraries") struct LibraryMetricsTests {
    private let registry = MetricRegistry(shards: 1)

    @Test("counters, meters, recorders and timers appear under names of Prometheus' form")
    func appear() {
        let library = LibraryMetrics(registry)
        Counter(label: "http.client.requestCount", factory: library).increment(by: 3)
        Counter(label: "errors_total", dimensions: [("kind", "a")], factory: library).increment()
        Counter(label: "errors_total", dimensions: [("other", "b")], factory: library).increment()
        FloatingPointCounter(label: "energy", factory: library).increment(by: 2.5)
        Meter(label: "pool.size", factory: library).set(7)
        Recorder(label: "batch", factory: library).record(20)
        Recorder(label: "temperature", dimensions: [], aggregate: false, factory: library)
            .record(36.5)
        Timer(label: "query", factory: library).recordNanoseconds(2_000_000)
        let lines = exposition(registry).split(separator: "\n").map(String.init)
        for line in [
            "http_client_request_count_total 3", "errors_total{kind=\"a\"} 1",
            "errors_total{kind=\"\"} 1", "energy_total 2", "pool_size 7", "batch_count 1",
            "batch_sum 20", "temperature 36.5", "query_seconds_sum 0.002000000",
            "query_seconds_bucket{le=\"0.0025\"} 1",
        ] {
            #expect(lines.contains(line) || lines.contains(line.replacing("2000000", with: "2")))
        }
    }

    @Test("a name that is taken or impossible is counted, and harms nobody")
    func refused() throws {
        try registry.gauge("leeway_mine", help: "Mine.").series().set(1)
        let library = LibraryMetrics(registry)
        Meter(label: "leeway.mine", factory: library).set(9)
        Meter(label: "", factory: library).set(9)
        Meter(label: "1st", factory: library).set(9)
        Counter(label: "sum_total", dimensions: [("le", "x")], factory: library).increment()
        #expect(registry.refusedNames == 4)
        #expect(exposition(registry).contains("leeway_mine 1\n"))
        #expect(registry.names == ["leeway_mine"])
    }
}
