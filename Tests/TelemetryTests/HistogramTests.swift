import Synchronization
import Telemetry
import Testing

@Suite("Histograms") struct HistogramTests {
    private func histogram(
        _ bounds: [Double],
        unit: HistogramUnit = .count,
        shards: Int = 1
    ) throws -> (MetricRegistry, Histogram) {
        let registry = MetricRegistry(shards: shards)
        let name =
            switch unit {
            case .nanosecondsAsSeconds: "leeway_test_seconds"
            case .bytes: "leeway_test_bytes"
            case .millionthsAsRatio: "leeway_test_ratio"
            case .count: "leeway_test"
            }
        let family = try registry.histogram(name, help: "Test.", unit: unit, bounds: bounds)
        return (registry, family.series())
    }

    /// The cumulative bucket counts in the exposition, `+Inf` last.
    private func buckets(_ registry: MetricRegistry) -> [Int] {
        exposition(registry).split(separator: "\n").filter { $0.contains("_bucket{") }
            .map { Int($0.split(separator: " ")[1]) ?? -1 }
    }

    @Test("a value on a bound belongs to the bucket below it, one more to the next")
    func bounds() throws {
        let (registry, histogram) = try histogram([1, 2, 4, 8, 100])
        for value: UInt64 in [0, 1, 2, 3, 4, 5, 8, 9, 100, 101, .max] {
            histogram.observe(value, shard: 0)
        }
        #expect(buckets(registry) == [2, 3, 5, 7, 9, 11])
        #expect(histogram.count == 11)
    }

    @Test(
        "every value finds the bucket that a plain search finds",
        arguments: [
            HistogramBounds.httpSeconds, HistogramBounds.stageSeconds, HistogramBounds.jobSeconds,
        ]
    )
    func search(bounds: [Double]) throws {
        let raw = bounds.map { UInt64(($0 * 1e9).rounded()) }
        let values = raw.flatMap { [$0 - 1, $0, $0 + 1] } + [0, .max, 1 << 40]
        for value in values {
            let (registry, histogram) = try histogram(bounds, unit: .nanosecondsAsSeconds)
            histogram.observe(value, shard: 0)
            let expected = raw.map { value <= $0 ? 1 : 0 } + [1]
            #expect(buckets(registry) == expected, "\(value)")
        }
    }

    @Test("a bound between two integers admits the lower one")
    func fractionalBound() throws {
        let (registry, histogram) = try histogram([0.5, 2.5])
        for value: UInt64 in 0...3 { histogram.observe(value, shard: 0) }
        #expect(buckets(registry) == [1, 3, 4])
    }

    @Test("shards, other threads and shards that do not exist add up")
    func addsUp() throws {
        let (registry, histogram) = try histogram([10], shards: 2)
        histogram.observe(1, shard: 0)
        histogram.observe(2, shard: 1)
        histogram.observe(30, shard: 2)
        histogram.observe(40)
        #expect(histogram.count == 4)
        #expect(histogram.rawSum == 73)
        #expect(buckets(registry) == [2, 4])
    }

    @Test("a scrape sees an observation together with its sum")
    func consistent() async throws {
        let (_, histogram) = try histogram(HistogramBounds.rows)
        let reading = Reading()
        await withTaskGroup(of: Void.self) { group in
            group.addTask {
                var index: UInt64 = 0
                var source = RequestIdentifierSource(seed: 1)
                while reading.isOn.load(ordering: .relaxed) {
                    histogram.observe((index & 1) * 1000, shard: 0)
                    index += 1
                    // A writer does other things, too, and on one core the reader needs its turn.
                    for _ in 0..<10 { _ = source.next() }
                    if index % 4096 == 0 { await Task.yield() }
                }
            }
            group.addTask {
                var last: UInt64 = 0
                var (moved, torn) = (0, 0)
                // Only readings that find the writer at work can show anything.
                for index in 0..<1_000_000 where moved < 2000 {
                    // Every second value is 1000, so that the sum follows from the count.
                    let (count, sum) = histogram.countAndRawSum
                    if count < last { Issue.record("the count fell from \(last) to \(count)") }
                    if count > last {
                        moved += 1
                        if sum != count / 2 * 1000 { torn += 1 }
                    }
                    last = count
                    if index % 64 == 0 { await Task.yield() }
                }
                // Without the sequence number a good part is torn. What may remain is a writer
                // that the system stops in the middle of an observation, which a busy machine
                // does to some of a hundred.
                #expect(torn <= 3 + moved / 10)
                reading.isOn.store(false, ordering: .relaxed)
            }
        }
    }

    /// Tells the writer when the reader has seen enough.
    private final class Reading: Sendable {
        let isOn = Atomic<Bool>(true)
    }

    @Test(
        "bounds that make no sense are refused",
        arguments: [
            [], [2, 1], [1, 1], [.nan], [.infinity], [-1], [1e300], [0.1, 0.2],
            (0..<65).map(Double.init),
        ] as [[Double]]
    )
    func badBounds(bounds: [Double]) {
        #expect {
            try histogram(bounds)
        } throws: { error in
            (error as? TelemetryError)?.code == "histogram_bounds"
        }
    }

    @Test("sums are exact decimals of the raw integers")
    func exactSum() throws {
        let (registry, histogram) = try histogram([1], unit: .nanosecondsAsSeconds)
        histogram.observe(100_000_001, shard: 0)
        histogram.observe(9_007_199_254_740_993, shard: 0)
        #expect(exposition(registry).contains("leeway_test_seconds_sum 9007199.354740994\n"))
    }
}
