internal import FoundationEssentials
internal import Telemetry

/// `leeway bench telemetry`: what counting, timing and a scrape cost on this machine.
package struct TelemetryBench: Sendable {
    private let seriesWanted: Int

    /// Takes the number of lines of samples that the registry of the scrapes has, at least.
    package init(series: Int) { seriesWanted = max(1, series) }

    /// What was measured; times are medians.
    package struct Report: Encodable, Sendable {
        /// Adding to a counter of one's own shard.
        package var counterNanoseconds = 0.0
        /// Adding to a counter that any thread may write.
        package var sharedCounterNanoseconds = 0.0
        /// Counting a duration in a histogram of 17 bounds.
        package var histogramNanoseconds = 0.0
        /// The same with native buckets.
        package var nativeHistogramNanoseconds = 0.0
        /// Lines of samples in a scrape.
        package var series = 0
        /// One scrape each.
        package var scrapes: [Scrape] = []
    }

    /// What one form of a scrape costs.
    package struct Scrape: Encodable, Sendable {
        /// The form.
        package let format: String
        /// Its time.
        package let milliseconds: Double
        /// Its length.
        package let bytes: Int
    }

    private static let rounds = 21
    private static let countsPerRound = 200_000

    /// Measures; takes about a second.
    ///
    /// - Throws: `TelemetryError`, should a name be refused.
    package func run() throws -> Report {
        let registry = MetricRegistry(shards: 2)
        let counter = try registry.counter("leeway_bench_total", help: "Bench.").series()
        let plain = try histogram(registry, "leeway_bench_plain_seconds", native: false)
        let native = try histogram(registry, "leeway_bench_native_seconds", native: true)
        var report = Report()
        report.counterNanoseconds = perCall { _ in counter.increment(shard: 1) }
        report.sharedCounterNanoseconds = perCall { _ in counter.add() }
        report.histogramNanoseconds = perCall { plain.observe($0, shard: 1) }
        report.nativeHistogramNanoseconds = perCall { native.observe($0, shard: 1) }
        let full = try filled()
        for format in ExpositionFormat.allCases {
            var output: [UInt8] = []
            let times = (0..<Self.rounds).map { _ in
                output.removeAll(keepingCapacity: true)
                return ContinuousClock().measure { full.write(format, into: &output) }
            }
            report.scrapes.append(
                Scrape(
                    format: format.rawValue,
                    milliseconds: median(times) * 1000,
                    bytes: output.count
                )
            )
            if format == .text { report.series = lines(output) }
        }
        return report
    }

    private func histogram(
        _ registry: MetricRegistry,
        _ name: String,
        native: Bool
    ) throws -> Histogram {
        try registry.histogram(
            name,
            help: "Bench.",
            unit: .nanosecondsAsSeconds,
            bounds: HistogramBounds.httpSeconds,
            native: native
        ).series()
    }

    /// A registry like that of an appliance with many models: a third each of what is counted,
    /// what is set and what is timed.
    private func filled() throws -> MetricRegistry {
        let registry = MetricRegistry(shards: 3)
        let third = (seriesWanted + 2) / 3
        let counters = try registry.counter(
            "leeway_bench_rows_total",
            help: "Rows.",
            labels: ["model", "class"],
            seriesMax: third
        )
        let gauges = try registry.gauge(
            "leeway_bench_psi",
            help: "Shift.",
            labels: ["model", "stream"],
            seriesMax: third
        )
        for index in 0..<third {
            let labels = ["model-\(index % 7)", "\(index)"]
            counters.series(labels).add(UInt64(index) &* 7919)
            gauges.series(labels).set(Double(index) / 7)
        }
        let linesOfOne = HistogramBounds.httpSeconds.count + 3
        let times = try registry.histogram(
            "leeway_bench_duration_seconds",
            help: "Time.",
            unit: .nanosecondsAsSeconds,
            bounds: HistogramBounds.httpSeconds,
            labels: ["route"],
            native: true
        )
        for index in 0..<(third + linesOfOne - 1) / linesOfOne {
            let one = times.series(["/v2/models/{model}/infer/\(index)"])
            for step in 0..<100 { one.observe(UInt64(step) &* 1_000_003, shard: step % 4) }
        }
        return registry
    }

    private func lines(_ bytes: [UInt8]) -> Int {
        bytes.split(separator: UInt8(ascii: "\n")).count { $0.first != UInt8(ascii: "#") }
    }

    /// Nanoseconds of one call; it is given durations from microseconds to a second.
    private func perCall(_ body: (UInt64) -> Void) -> Double {
        let times = (0..<Self.rounds).map { round in
            var value = UInt64(truncatingIfNeeded: round) &* 0x9e37_79b9_7f4a_7c15
            return ContinuousClock().measure {
                for _ in 0..<Self.countsPerRound {
                    value = value &* 6_364_136_223_846_793_005 &+ 1_442_695_040_888_963_407
                    body(value >> 34)
                }
            }
        }
        return median(times) * 1e9 / Double(Self.countsPerRound)
    }

    /// The median in seconds.
    private func median(_ times: [Duration]) -> Double {
        let (seconds, attoseconds) = times.sorted()[times.count / 2].components
        return Double(seconds) + Double(attoseconds) * 1e-18
    }
}

extension TelemetryBench.Report {
    /// The report as JSON.
    package var json: String {
        let encoder = JSONEncoder()
        encoder.keyEncodingStrategy = .convertToSnakeCase
        encoder.outputFormatting = [.prettyPrinted, .sortedKeys]
        guard let data = try? encoder.encode(self) else { return "{}" }
        return String(decoding: data, as: UTF8.self)
    }

    /// The report for a person.
    package var text: String {
        var lines = [
            "counter, own shard       \(fixed(counterNanoseconds, 1)) ns",
            "counter, any thread      \(fixed(sharedCounterNanoseconds, 1)) ns",
            "histogram                \(fixed(histogramNanoseconds, 1)) ns",
            "histogram, native too    \(fixed(nativeHistogramNanoseconds, 1)) ns",
        ]
        for scrape in scrapes {
            let padded = scrape.format + String(repeating: " ", count: 12 - scrape.format.count)
            lines.append(
                "scrape, \(padded)     \(fixed(scrape.milliseconds, 3)) ms, \(scrape.bytes) bytes"
            )
        }
        lines.append("lines of samples         \(series)")
        return lines.joined(separator: "\n")
    }
}
