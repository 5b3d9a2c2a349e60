import Telemetry
import Testing

@Suite("Counters and gauges") struct CounterTests {
    private func counter(shards: Int) throws -> Counter {
        try MetricRegistry(shards: shards).counter("leeway_test_total", help: "Test.").series()
    }

    @Test("a counter is the sum of its shards and of what other threads add")
    func sum() throws {
        let counter = try counter(shards: 2)
        counter.increment(shard: 0)
        counter.increment(by: 10, shard: 1)
        counter.add(100)
        counter.add()
        #expect(counter.value == 112)
    }

    @Test(
        "a shard that does not exist is counted with the other threads",
        arguments: [
            -1, 2, 3, Int.min, Int.max,
        ]
    )
    func noSuchShard(shard: Int) throws {
        let counter = try counter(shards: 2)
        counter.increment(by: 5, shard: shard)
        counter.increment(shard: 1)
        #expect(counter.value == 6)
    }

    @Test("a registry without shards counts, too")
    func noShards() throws {
        let counter = try counter(shards: 0)
        counter.increment(shard: 0)
        counter.add()
        #expect(counter.value == 2)
    }

    @Test("no increment is lost when every shard and other threads count at once")
    func concurrent() async throws {
        let counter = try counter(shards: 3)
        let each: UInt64 = 20_000
        await withTaskGroup(of: Void.self) { group in
            for shard in 0..<3 {
                group.addTask { for _ in 0..<each { counter.increment(shard: shard) } }
            }
            for _ in 0..<2 {
                group.addTask { for _ in 0..<each { counter.add() } }
            }
        }
        #expect(counter.value == 5 * each)
    }

    @Test("a counter raised to an outside total never falls")
    func raise() throws {
        let counter = try counter(shards: 1)
        counter.raise(to: 7)
        counter.raise(to: 3)
        #expect(counter.value == 7)
        counter.raise(to: 9)
        #expect(counter.value == 9)
    }

    @Test("a gauge holds the last value, and deltas add to it")
    func gauge() throws {
        let gauge = try MetricRegistry(shards: 1).gauge("leeway_test", help: "Test.").series()
        #expect(gauge.value == 0)
        gauge.set(2.5)
        gauge.add(-3)
        #expect(gauge.value == -0.5)
    }

    @Test("no delta of a gauge is lost between threads")
    func concurrentGauge() async throws {
        let gauge = try MetricRegistry(shards: 1).gauge("leeway_test", help: "Test.").series()
        await withTaskGroup(of: Void.self) { group in
            for _ in 0..<4 {
                group.addTask {
                    for _ in 0..<5000 {
                        gauge.add(3)
                        gauge.add(-1)
                    }
                }
            }
        }
        #expect(gauge.value == 40_000)
    }
}
