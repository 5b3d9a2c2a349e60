import Glibc
import Synchronization

/// Counts observations by size, and adds them up.
///
/// Each event loop writes a row of its own: a sequence number, the sum, one cell for each bucket,
/// and those of the native buckets. The sequence number is odd while the loop writes, so that a
/// scrape can tell when it has read a bucket without its sum and reads again; the writer never
/// waits. The count is the sum of the buckets by construction.
package final class Histogram: Sendable {
    let layout: HistogramLayout
    /// The exponential buckets, where they are kept.
    let native: NativeBuckets?
    private let cells: AtomicCells
    private let shared: Int
    private let firstNative: Int
    /// Held by whoever writes or reads the row that is not one event loop's own.
    private let sharedRow = Mutex<Void>(())
    private let store = ExemplarStore()

    private static let sequence = 0
    private static let sum = 1
    private static let firstBucket = 2
    /// How often a scrape reads a row again before it takes what is there.
    ///
    /// Then the writer was most likely preempted within an observation, and the sum may be ahead
    /// or behind by that one; the scrape does not wait for it.
    private static let readsMax = 64
    /// From here on, the scrape lets others run between two readings.
    private static let readsBeforeYield = 16

    init(shards: Int, layout: HistogramLayout, native: NativeBuckets? = nil) {
        self.layout = layout
        self.native = native
        firstNative = Self.firstBucket + layout.bucketCount
        cells = AtomicCells(rows: shards + 1, width: firstNative + (native?.cellCount ?? 0))
        shared = shards
    }

    /// Counts a value in this shard's row: no lock, no allocation, no locked instruction.
    ///
    /// - Parameters:
    ///   - raw: The value in raw units, such as nanoseconds.
    ///   - shard: The index of the calling event loop. Only one thread may use an index; whatever
    ///     is not in `0..<shards` is counted like ``observe(_:)``.
    package func observe(_ raw: UInt64, shard: Int) {
        guard UInt(bitPattern: shard) < UInt(bitPattern: shared) else { return observe(raw) }
        write(raw, shard)
    }

    /// Counts a value from any thread; threads wait for each other.
    package func observe(_ raw: UInt64) {
        sharedRow.withLock { _ in write(raw, shared) }
    }

    /// Keeps an observation, counted before, as the example of its bucket.
    ///
    /// For those few that are traced: it takes a lock when that is free, and allocates once.
    package func note(_ exemplar: Exemplar) {
        store.note(exemplar, bucket: layout.bucket(of: exemplar.raw), of: layout.bucketCount)
    }

    @inline(__always)
    private func write(_ raw: UInt64, _ row: Int) {
        let bucket = layout.bucket(of: raw)
        let before = cells.load(row, Self.sequence)
        cells.store(before &+ 1, row, Self.sequence)
        atomicMemoryFence(ordering: .releasing)
        cells.addAlone(1, row, Self.firstBucket + bucket)
        if let native { cells.addAlone(1, row, firstNative + native.cell(of: raw)) }
        cells.addAlone(raw, row, Self.sum)
        cells.storeReleasing(before &+ 2, row, Self.sequence)
    }

    /// Observations so far.
    package var count: UInt64 { read().buckets.reduce(0, &+) }

    /// The sum of all observations, in raw units (modulo 2^64).
    package var rawSum: UInt64 { read().rawSum }

    /// The count and the sum (in raw units) of one moment.
    package var countAndRawSum: (count: UInt64, rawSum: UInt64) {
        let (buckets, rawSum) = read()
        return (buckets.reduce(0, &+), rawSum)
    }

    /// The exemplars by bucket; empty when there has been none.
    var exemplars: [Exemplar?] { store.all }

    /// The observations of each bucket (not cumulative), `+Inf` last, and their sum.
    func read() -> (buckets: [UInt64], rawSum: UInt64) { read(layout.bucketCount) }

    /// As ``read()``, with the cells of the native buckets after those of the bounds.
    func readAll() -> (buckets: [UInt64], rawSum: UInt64) {
        read(layout.bucketCount + (native?.cellCount ?? 0))
    }

    /// Adds the rows up, each as it was in one moment.
    private func read(_ count: Int) -> (buckets: [UInt64], rawSum: UInt64) {
        var sums = [UInt64](repeating: 0, count: count)
        var rawSum: UInt64 = 0
        var row = sums
        for shard in 0..<shared {
            rawSum &+= readRow(shard, into: &row)
            for index in sums.indices { sums[index] &+= row[index] }
        }
        rawSum &+= sharedRow.withLock { _ in readRow(shared, into: &row) }
        for index in sums.indices { sums[index] &+= row[index] }
        return (sums, rawSum)
    }

    /// Reads one row, again while its writer was at it, and gives its sum.
    private func readRow(_ shard: Int, into row: inout [UInt64]) -> UInt64 {
        var rawSum: UInt64 = 0
        for attempt in 0..<Self.readsMax {
            if attempt >= Self.readsBeforeYield { sched_yield() }
            let before = cells.loadAcquiring(shard, Self.sequence)
            for index in row.indices { row[index] = cells.load(shard, Self.firstBucket + index) }
            rawSum = cells.load(shard, Self.sum)
            atomicMemoryFence(ordering: .acquiring)
            if before & 1 == 0, before == cells.load(shard, Self.sequence) { break }
        }
        return rawSum
    }
}
