import FoundationEssentials
import Glibc
import Telemetry
import TestSupport
import Testing

@Suite("Text exposition") struct PrometheusTextTests {
    @Test("a registry is written whole, sorted by family and by label values")
    func golden() throws {
        let registry = MetricRegistry(shards: 2)
        let histogram = try registry.histogram(
            "leeway_wait_seconds",
            help: "Time in the queue.",
            unit: .nanosecondsAsSeconds,
            bounds: [0.00001, 0.005, 1],
            labels: ["route"]
        ).series(["/predict"])
        histogram.observe(5_000, shard: 0)
        histogram.observe(5_000_000, shard: 1)
        histogram.observe(2_500_000_000)
        let rows = try registry.counter("leeway_rows_total", help: "Rows.", labels: ["model"])
        rows.series(["b"]).add(2)
        rows.series(["a"]).increment(by: 18_446_744_073_709_551_615, shard: 1)
        try registry.gauge("leeway_loss", help: "Loss.").series().set(0.1)
        _ = try registry.gauge("leeway_unused", help: "Never has a series.")
        #expect(
            exposition(registry) == """
                # HELP leeway_loss Loss.
                # TYPE leeway_loss gauge
                leeway_loss 0.1
                # HELP leeway_rows_total Rows.
                # TYPE leeway_rows_total counter
                leeway_rows_total{model="a"} 18446744073709551615
                leeway_rows_total{model="b"} 2
                # HELP leeway_wait_seconds Time in the queue.
                # TYPE leeway_wait_seconds histogram
                leeway_wait_seconds_bucket{route="/predict",le="1e-05"} 1
                leeway_wait_seconds_bucket{route="/predict",le="0.005"} 2
                leeway_wait_seconds_bucket{route="/predict",le="1.0"} 2
                leeway_wait_seconds_bucket{route="/predict",le="+Inf"} 3
                leeway_wait_seconds_sum{route="/predict"} 2.505005
                leeway_wait_seconds_count{route="/predict"} 3

                """
        )
    }

    @Test("an empty registry is an empty text")
    func empty() {
        #expect(exposition(MetricRegistry(shards: 1)).isEmpty)
    }

    @Test("quotes, backslashes and line feeds are escaped where the format says so")
    func escaping() throws {
        let registry = MetricRegistry(shards: 1)
        try registry.gauge("leeway_test", help: "A \"b\" \\ c\nd", labels: ["x"])
            .series(["é \"b\" \\ c\nd"]).set(1)
        #expect(
            exposition(registry) == #"""
                # HELP leeway_test A "b" \\ c\nd
                # TYPE leeway_test gauge
                leeway_test{x="é \"b\" \\ c\nd"} 1

                """#
        )
    }

    @Test(
        "floating-point values are written as Go reads them",
        arguments: [
            (0, "0"), (-0.0, "0"), (1, "1"), (-12, "-12"), (0.25, "0.25"), (1e-7, "1e-07"),
            (1e22, "1e+22"), (9_007_199_254_740_992, "9007199254740992"), (.nan, "NaN"),
            (.infinity, "+Inf"), (-.infinity, "-Inf"), (1_795_469_367.93, "1795469367.93"),
            (.leastNonzeroMagnitude, "5e-324"),
        ] as [(Double, String)]
    )
    func values(value: Double, text: String) throws {
        let registry = MetricRegistry(shards: 1)
        try registry.gauge("leeway_test", help: "Test.").series().set(value)
        #expect(exposition(registry).hasSuffix("\nleeway_test \(text)\n"))
    }

    @Test(
        "bounds have the canonical form of OpenMetrics",
        arguments: [
            (0, "0.0"), (1, "1.0"), (10, "10.0"), (0.5, "0.5"), (0.005, "0.005"),
            (0.0001, "0.0001"),
            (0.00025, "0.00025"), (1e-5, "1e-05"), (2.5e-6, "2.5e-06"), (99999, "99999.0"),
            (100_000, "100000.0"), (1e6, "1e+06"), (1_048_576, "1.048576e+06"), (1e10, "1e+10"),
            (123.456, "123.456"), (7.5, "7.5"), (1e17, "1e+17"),
        ] as [(Double, String)]
    )
    func bounds(bound: Double, text: String) throws {
        let registry = MetricRegistry(shards: 1)
        // Ratios have a million raw units in one, so small bounds stay apart from zero.
        let unit: HistogramUnit = bound < 1 ? .nanosecondsAsSeconds : .count
        let name = bound < 1 ? "leeway_test_seconds" : "leeway_test"
        _ = try registry.histogram(name, help: "Test.", unit: unit, bounds: [bound]).series()
        #expect(exposition(registry).contains("_bucket{le=\"\(text)\"} 0\n"))
    }

    @Test("collectors run before each exposition")
    func collectors() throws {
        let registry = MetricRegistry(shards: 1)
        let gauge = try registry.gauge("leeway_test", help: "Test.").series()
        registry.onScrape { gauge.add(1) }
        registry.onScrape { gauge.add(10) }
        #expect(exposition(registry).hasSuffix("leeway_test 11\n"))
        #expect(exposition(registry).hasSuffix("leeway_test 22\n"))
    }

    @Test("the build is told in labels")
    func build() throws {
        let registry = MetricRegistry(shards: 1)
        let build = BuildInfo(
            version: "1.2.3",
            revision: "abc",
            opensslVersion: "3.0.22",
            libcurlVersion: "7.88.1"
        )
        try build.register(in: registry)
        #expect(
            exposition(registry).hasSuffix(
                """
                leeway_build_info{version="1.2.3",revision="abc",swift_version="\
                \(BuildInfo.swiftVersion)",openssl_version="3.0.22",libcurl_version="7.88.1"} 1

                """
            )
        )
    }

    @Test(
        "promtool finds nothing to say about the exposition",
        .enabled(if: promtoolIsThere, "promtool (Debian package prometheus) is not on PATH")
    )
    func promtool() throws {
        let directory = try TemporaryDirectory()
        let text = directory.path("metrics")
        let answer = directory.path("answer")
        try Data(exposition(everyKind()).utf8).write(to: URL(filePath: text))
        let command = "promtool check metrics --extended < \(text) > \(answer) 2>&1"
        let status = unsafe system(command)
        let said = FileManager.default.contents(atPath: answer) ?? Data()
        #expect(status == 0, "\(String(decoding: said, as: UTF8.self))")
    }

    /// A registry with all kinds, units and hard characters, and everything built in.
    private func everyKind() throws -> MetricRegistry {
        let registry = MetricRegistry(shards: 2)
        try ProcessMetrics.register(in: registry)
        try registry.registerOwnMetrics()
        _ = try LogMessageCounts(in: registry)
        let null = unsafe open("/dev/null", O_WRONLY | O_CLOEXEC)
        try LogSink(descriptor: null).register(in: registry)
        try BuildInfo(version: "1", revision: "", opensslVersion: "é\"\\\n", libcurlVersion: "")
            .register(in: registry)
        let units: [(HistogramUnit, String, [Double])] = [
            (
                .nanosecondsAsSeconds, "http_server_request_duration_seconds",
                HistogramBounds.httpSeconds
            ),
            (.nanosecondsAsSeconds, "leeway_stage_duration_seconds", HistogramBounds.stageSeconds),
            (.bytes, "http_server_request_body_size_bytes", HistogramBounds.bodyBytes),
            (.millionthsAsRatio, "leeway_confidence_ratio", HistogramBounds.ratio),
            (.count, "leeway_batch_rows", HistogramBounds.rows),
        ]
        for (unit, name, bounds) in units {
            let family = try registry.histogram(
                name,
                help: "A \"b\" \\ c\nd",
                unit: unit,
                bounds: bounds,
                labels: ["http_route"]
            )
            for value: UInt64 in [0, 1, 999_999, 1 << 62] {
                family.series(["/predict"]).observe(value, shard: 1)
            }
        }
        for value in [Double.nan, .infinity, -.infinity, 1e-300, -0.0, 1e300] {
            try registry.gauge("leeway_value", help: "Values.", labels: ["v"])
                .series(["\(value)"]).set(value)
        }
        return registry
    }
}

/// Whether promtool can be run.
private let promtoolIsThere = unsafe system("command -v promtool > /dev/null 2>&1") == 0
