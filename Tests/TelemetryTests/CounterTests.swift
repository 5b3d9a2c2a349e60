import Telemetry
import Testing

@Suite("Counters") struct CounterTests {
    @Test("a counter is the sum of its shards and of what other threads add")
    func sum() throws {
        let registry = MetricRegistry(shards: 2)
        let counter = try registry.counter("leeway_test_total", help: "Test.").series()
        counter.increment(shard: 0)
        counter.increment(by: 10, shard: 1)
        counter.add(100)
        #expect(counter.value == 111)
    }
}
