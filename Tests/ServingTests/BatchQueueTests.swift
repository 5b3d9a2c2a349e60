import Serving
import Testing

/// A version, as far as the queue cares.
private final class Version {}

/// Which rows are computed together, without a clock and without a thread.
@Suite("Batch queue") struct BatchQueueTests {
    private typealias Queue = BatchQueue<String>
    private let one = Version()
    private let other = Version()

    private func rules(_ rowsMax: Int = 8, delay: UInt64 = 0) -> Queue.Rules {
        Queue.Rules(rowsMax: rowsMax, delayNanoseconds: delay)
    }

    private func add(
        _ job: String,
        _ queue: inout Queue,
        of version: Version? = nil,
        rows: Int = 1,
        _ rules: Queue.Rules? = nil,
        now: UInt64 = 0
    ) {
        queue.add(
            job,
            group: ObjectIdentifier(version ?? one),
            rows: rows,
            rules: rules ?? self.rules(),
            now: now
        )
    }

    /// What is computed next; nil when nothing is.
    private func next(
        _ queue: inout Queue,
        now: UInt64 = 0,
        gone: Set<String> = []
    ) -> [String]? {
        guard case .compute(let jobs) = queue.next(now: now, isWanted: { !gone.contains($0) })
        else { return nil }
        return jobs
    }

    @Test("what waits for the same version is computed together, in the order of arrival")
    func together() {
        var queue = Queue()
        #expect(next(&queue) == nil)
        for job in ["a", "b", "c"] { add(job, &queue) }
        #expect(next(&queue) == ["a", "b", "c"])
        #expect(next(&queue) == nil)
    }

    @Test("a product has at most its rows, and nobody overtakes a larger request")
    func rowsMax() {
        var queue = Queue()
        add("a", &queue, rows: 5)
        add("b", &queue, rows: 4)
        add("c", &queue, rows: 3)
        #expect(next(&queue) == ["a"])
        #expect(next(&queue) == ["b", "c"])
    }

    @Test("a request with more rows than a product has goes alone, and whole")
    func large() {
        var queue = Queue()
        add("a", &queue, rows: 1)
        add("b", &queue, rows: 100)
        add("c", &queue, rows: 1)
        #expect(next(&queue) == ["a"])
        #expect(next(&queue) == ["b"])
        #expect(next(&queue) == ["c"])
    }

    @Test("versions are never mixed; the one that waits longest is next")
    func versions() {
        var queue = Queue()
        add("a", &queue)
        add("x", &queue, of: other)
        add("b", &queue)
        add("y", &queue, of: other)
        #expect(next(&queue) == ["a", "b"])
        #expect(next(&queue) == ["x", "y"])
    }

    @Test("what nobody wants any more is forgotten, wherever it stands")
    func gone() {
        var queue = Queue()
        for job in ["a", "b", "c", "d"] { add(job, &queue) }
        #expect(next(&queue, gone: ["a", "c"]) == ["b", "d"])
        add("e", &queue)
        #expect(next(&queue, gone: ["e"]) == nil)
        #expect(queue.count == 0)
    }

    @Test("rows wait for company until their time, or until they are enough")
    func delay() {
        var queue = Queue()
        let rules = rules(3, delay: 100)
        add("a", &queue, rules, now: 1000)
        guard case .wait(let until) = queue.next(now: 1000, isWanted: { _ in true }) else {
            Issue.record("it does not wait")
            return
        }
        #expect(until == 1100)
        add("b", &queue, rules, now: 1050)
        #expect(next(&queue, now: 1099) == nil)
        #expect(next(&queue, now: 1100) == ["a", "b"])
        for job in ["c", "d", "e"] { add(job, &queue, rules, now: 2000) }
        #expect(next(&queue, now: 2000) == ["c", "d", "e"])
    }

    @Test("nobody waits for company while another version waits, or a request that does not fit")
    func noDelay() {
        var queue = Queue()
        let rules = rules(3, delay: 100)
        add("a", &queue, rules, now: 1000)
        add("x", &queue, of: other, rules, now: 1000)
        #expect(next(&queue, now: 1000) == ["a"])
        #expect(next(&queue, now: 1000) == nil)
        #expect(next(&queue, now: 1100) == ["x"])
        add("b", &queue, rows: 2, rules, now: 2000)
        add("c", &queue, rows: 2, rules, now: 2000)
        #expect(next(&queue, now: 2000) == ["b"])
    }
}

@Suite("Batch load") struct BatchLoadTests {
    private let millisecond: UInt64 = 1 << 20

    @Test("what comes now waits for what waits and for the rest of what is computed")
    func wait() {
        let load = BatchLoad()
        #expect(load.wait(now: 5) == 0)
        load.added(3 * millisecond)
        load.added(2 * millisecond)
        #expect(load.wait(now: 5) == 5 * millisecond)
        load.removed(3 * millisecond)
        load.began(estimate: 4 * millisecond, now: millisecond)
        #expect(load.wait(now: millisecond) == 6 * millisecond)
        #expect(load.wait(now: 3 * millisecond) == 4 * millisecond)
        // What takes longer than estimated ends at any moment.
        #expect(load.wait(now: 100 * millisecond) == 2 * millisecond)
    }

    @Test("products that take longer than estimated make all that waits count for more")
    func slowdown() {
        let load = BatchLoad()
        var now: UInt64 = 0
        for _ in 0..<100 {
            load.began(estimate: millisecond, now: now)
            now += 3 * millisecond
            load.ended(now: now)
        }
        load.added(millisecond)
        let wait = load.wait(now: now)
        #expect(wait > 29 * millisecond / 10 && wait <= 3 * millisecond)
        // One that stood still for an hour does not count for an hour.
        load.began(estimate: millisecond, now: now)
        load.ended(now: now + 3_600_000 * millisecond)
        #expect(load.wait(now: now) < 5 * millisecond)
    }

    @Test("a request may wait to the limit, or as long as it takes itself")
    func admission() {
        let load = BatchLoad()
        let limit = 10 * millisecond
        load.added(limit)
        #expect(load.admits(own: 1, product: 0, limit: always(limit), now: 0))
        #expect(!load.admits(own: 1, product: 0, limit: always(limit - 1), now: 0))
        #expect(load.admits(own: limit, product: 0, limit: always(0), now: 0))
    }

    private func always(_ limit: UInt64) -> BatchLoad.Limit { .init(standing: limit, burst: 0) }

    @Test("a burst may wait longer; once many are refused it may not, until few would be")
    func burst() {
        let load = BatchLoad()
        let limit = BatchLoad.Limit(standing: 5 * millisecond, burst: 50 * millisecond)
        func admits() -> Bool { load.admits(own: millisecond, product: 0, limit: limit, now: 0) }
        load.added(20 * millisecond)
        #expect(admits())
        // One refusal now and then is chance.
        load.added(40 * millisecond)
        #expect(!admits())
        load.removed(40 * millisecond)
        #expect(admits())
        load.added(40 * millisecond)
        for _ in 0..<10 { #expect(!admits()) }
        load.removed(40 * millisecond)
        #expect(!admits())
        load.removed(16 * millisecond)
        for _ in 0..<300 { #expect(admits()) }
        load.added(16 * millisecond)
        #expect(admits())
    }

    @Test("the next product is filled, however long the present one takes")
    func room() {
        let load = BatchLoad()
        load.began(estimate: 100 * millisecond, now: 0)
        load.added(3 * millisecond)
        #expect(load.admits(own: millisecond, product: 4 * millisecond, limit: always(0), now: 0))
        load.added(millisecond)
        #expect(!load.admits(own: millisecond, product: 4 * millisecond, limit: always(0), now: 0))
    }

    @Test("a job is begun or withdrawn, never both")
    func ticket() {
        let begun = BatchTicket()
        #expect(begun.isWaiting)
        #expect(begun.begin())
        #expect(!begun.isWaiting)
        #expect(!begun.withdraw())
        let withdrawn = BatchTicket()
        #expect(withdrawn.withdraw())
        #expect(!withdrawn.withdraw())
        #expect(!withdrawn.begin())
    }
}
