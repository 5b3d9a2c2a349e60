import Telemetry
import Testing

@Suite("Naming rules") struct MetricNameRuleTests {
    /// The error of declaring something, or nil.
    private func error(_ declare: (MetricRegistry) throws -> Void) -> TelemetryError? {
        do {
            try declare(MetricRegistry(shards: 1))
            return nil
        } catch {
            return error as? TelemetryError
        }
    }

    @Test(
        "a gauge's name that breaks a rule is refused with a reason",
        arguments: [
            ("", "snake case"), ("1abc", "snake case"), ("leewayLoss", "snake case"),
            ("leeway:loss", "snake case"), ("leeway-loss", "snake case"), ("_loss", "snake case"),
            ("leeway_größe", "snake case"), (String(repeating: "a", count: 129), "longer than"),
            ("leeway_loss_total", "only a counter"), ("leeway_loss_gauge", "type word"),
            ("leeway_histogram_loss", "type word"), ("leeway_wait_ms", "abbreviated unit"),
            ("leeway_size_kb", "abbreviated unit"), ("leeway_wait_milliseconds", "base unit"),
            ("leeway_wait_minutes", "base unit"), ("leeway_size_kibibytes", "base unit"),
            ("leeway_load_percent", "base unit"), ("leeway_loss_count", "reserved"),
            ("leeway_loss_sum", "reserved"), ("leeway_loss_bucket", "reserved"),
            ("leeway_loss_created", "reserved"),
        ]
    )
    func gaugeNames(name: String, reason: String) throws {
        let error = try #require(error { _ = try $0.gauge(name, help: "Test.") })
        #expect(error.code == "metric_name")
        #expect(error.description.contains(reason), "\(error)")
    }

    @Test(
        "a counter's name must end with _total, after its unit",
        arguments: [
            ("leeway_rows", HistogramUnit.count, false), ("leeway_rows_total", .count, true),
            ("leeway_work_seconds_total", .nanosecondsAsSeconds, true),
            ("leeway_work_total", .nanosecondsAsSeconds, false),
            ("leeway_sent_bytes_total", .bytes, true), ("leeway_sent_total", .bytes, false),
        ]
    )
    func counterNames(name: String, unit: HistogramUnit, isGood: Bool) {
        let error = error { _ = try $0.counter(name, help: "Test.", unit: unit) }
        #expect((error == nil) == isGood, "\(String(describing: error))")
    }

    @Test(
        "a histogram's name must end with its exported unit",
        arguments: [
            ("leeway_wait_seconds", HistogramUnit.nanosecondsAsSeconds, true),
            ("leeway_wait", .nanosecondsAsSeconds, false), ("leeway_body_bytes", .bytes, true),
            ("leeway_body_seconds", .bytes, false),
            ("leeway_confidence_ratio", .millionthsAsRatio, true),
            ("leeway_confidence", .millionthsAsRatio, false), ("leeway_batch_rows", .count, true),
            ("leeway_batch_rows_total", .count, false),
        ]
    )
    func histogramNames(name: String, unit: HistogramUnit, isGood: Bool) {
        let error = error { _ = try $0.histogram(name, help: "Test.", unit: unit, bounds: [1]) }
        #expect((error == nil) == isGood, "\(String(describing: error))")
    }

    @Test(
        "label names that break a rule are refused",
        arguments: [
            ["le"], ["quantile"], ["a", "a"], ["Model"], ["__name"], ["a-b"], [""], ["1a"],
            (0..<11).map { "l\($0)" },
        ] as [[String]]
    )
    func labelNames(labels: [String]) throws {
        let error = try #require(
            error { _ = try $0.gauge("leeway_test", help: "Test.", labels: labels) }
        )
        #expect(error.code == "metric_name")
        #expect(error.description.contains("label"), "\(error)")
    }

    @Test("a metric without help, or without room for a series, is refused")
    func helpAndRoom() {
        #expect(error { _ = try $0.gauge("leeway_test", help: "  ") }?.code == "metric_name")
        #expect(
            error { _ = try $0.gauge("leeway_test", help: "Test.", seriesMax: 0) }?.code
                == "metric_name"
        )
    }

    @Test("the same name with another shape is refused, and the first one stays")
    func conflicts() throws {
        let registry = MetricRegistry(shards: 1)
        _ = try registry.gauge("leeway_test", help: "Test.", labels: ["a"])
        let other: [(MetricRegistry) throws -> Void] = [
            { _ = try $0.gauge("leeway_test", help: "Other.", labels: ["a"]) },
            { _ = try $0.gauge("leeway_test", help: "Test.", labels: ["b"]) },
            { _ = try $0.gauge("leeway_test", help: "Test.", labels: ["a"], seriesMax: 7) },
            {
                _ = try $0.histogram(
                    "leeway_test",
                    help: "Test.",
                    unit: .count,
                    bounds: [1],
                    labels: ["a"]
                )
            },
        ]
        for declare in other {
            #expect {
                try declare(registry)
            } throws: { error in
                (error as? TelemetryError)?.code == "metric_conflict"
            }
        }
        #expect(registry.names == ["leeway_test"])
    }

    @Test("histograms of one name must agree on bounds and unit")
    func histogramConflicts() throws {
        let registry = MetricRegistry(shards: 1)
        _ = try registry.histogram("leeway_test", help: "Test.", unit: .count, bounds: [1, 2])
        #expect(throws: TelemetryError.self) {
            try registry.histogram("leeway_test", help: "Test.", unit: .count, bounds: [1, 3])
        }
    }
}
