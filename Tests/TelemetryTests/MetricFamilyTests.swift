import Telemetry
import Testing

@Suite("Families and their series") struct MetricFamilyTests {
    @Test("asking for a series again gives the same handle")
    func idempotent() throws {
        let family = try MetricRegistry(shards: 1)
            .counter("leeway_test_total", help: "Test.", labels: ["model", "version"])
        #expect(family.series(["a", "1"]) === family.series(["a", "1"]))
        #expect(family.series(["a", "1"]) !== family.series(["a", "2"]))
    }

    @Test("declaring a family again in the same way gives the same series")
    func sameFamily() throws {
        let registry = MetricRegistry(shards: 1)
        let first = try registry.counter("leeway_test_total", help: "Test.", labels: ["model"])
        let second = try registry.counter("leeway_test_total", help: "Test.", labels: ["model"])
        #expect(first.series(["a"]) === second.series(["a"]))
    }

    @Test("a removed series leaves the exposition, and begins anew when it comes back")
    func remove() throws {
        let registry = MetricRegistry(shards: 1)
        let family = try registry.gauge("leeway_test", help: "Test.", labels: ["version"])
        let old = family.series(["1"])
        old.set(5)
        family.series(["2"]).set(6)
        family.remove(["1"])
        family.remove(["no such series"])
        old.set(7)
        #expect(!exposition(registry).contains("version=\"1\""))
        #expect(exposition(registry).contains("leeway_test{version=\"2\"} 6\n"))
        #expect(family.series(["1"]).value == 0)
    }

    @Test("at its limit a family folds new series into other, and keeps the known ones")
    func cardinality() throws {
        let registry = MetricRegistry(shards: 1)
        let family = try registry.counter(
            "leeway_test_total",
            help: "Test.",
            labels: ["a", "b"],
            seriesMax: 2
        )
        for index in 0..<5 { family.series(["\(index)", "x"]).add() }
        family.series(["1", "x"]).add()
        #expect(
            exposition(registry).hasSuffix(
                """
                leeway_test_total{a="0",b="x"} 1
                leeway_test_total{a="1",b="x"} 2
                leeway_test_total{a="other",b="other"} 3

                """
            )
        )
        #expect(registry.foldedOverLimit == 3)
        family.remove(["0", "x"])
        #expect(family.series(["9", "x"]) === family.series(["other", "other"]))
        family.remove(["1", "x"])
        family.series(["9", "x"]).add()
        #expect(exposition(registry).contains("leeway_test_total{a=\"9\",b=\"x\"} 1\n"))
    }

    @Test(
        "a wrong number of label values is folded into other and counted",
        arguments: [
            [], ["a"], ["a", "b", "c"],
        ] as [[String]]
    )
    func wrongLabels(values: [String]) throws {
        let registry = MetricRegistry(shards: 1)
        try registry.registerOwnMetrics()
        let family = try registry.counter("leeway_test_total", help: "Test.", labels: ["a", "b"])
        family.series(values).add()
        let text = exposition(registry)
        #expect(text.contains("leeway_test_total{a=\"other\",b=\"other\"} 1\n"))
        #expect(text.contains("leeway_metrics_folded_series_total{reason=\"labels\"} 1\n"))
        #expect(text.contains("leeway_metrics_folded_series_total{reason=\"limit\"} 0\n"))
        #expect(text.contains("leeway_metrics_series 5\n"))
    }

    @Test("a registry tells what was declared, in order")
    func summaries() throws {
        let registry = MetricRegistry(shards: 1)
        _ = try registry.histogram("leeway_two", help: "B.", unit: .count, bounds: [1])
        _ = try registry.gauge("leeway_one", help: "A.", labels: ["x", "y"])
        #expect(registry.summaries.map(\.name) == ["leeway_one", "leeway_two"])
        #expect(registry.summaries.map(\.type) == ["gauge", "histogram"])
        #expect(registry.summaries.map(\.help) == ["A.", "B."])
        #expect(registry.summaries.map(\.labels) == [["x", "y"], []])
    }

    @Test("a family without labels has one series")
    func noLabels() throws {
        let family = try MetricRegistry(shards: 1).gauge("leeway_test", help: "Test.")
        #expect(family.series() === family.series([]))
        #expect(family.series() === family.series(["surplus"]))
    }

    @Test("series can be asked for, removed and scraped from many threads at once")
    func concurrent() async throws {
        let registry = MetricRegistry(shards: 1)
        let family = try registry.counter("leeway_test_total", help: "Test.", labels: ["a"])
        let kept = family.series(["kept"])
        await withTaskGroup(of: Void.self) { group in
            for task in 0..<4 {
                group.addTask {
                    for index in 0..<200 {
                        family.series(["\(index % 7)"]).add()
                        family.series(["kept"]).add()
                        if index % 50 == task { family.remove(["\(index % 7)"]) }
                        if index % 20 == 0 { _ = exposition(registry) }
                    }
                }
            }
        }
        #expect(kept.value == 800)
        #expect(family.series(["kept"]) === kept)
    }
}
