/// A number that only grows.
///
/// Each event loop adds to a cell of its own, on its own cache line; a scrape adds the cells up.
package final class Counter: Sendable {
    /// One row for each shard, and one more for all other threads.
    private let cells: AtomicCells
    private let shared: Int

    init(shards: Int) {
        cells = AtomicCells(rows: shards + 1, width: 1)
        shared = shards
    }

    /// Adds to this shard's cell: no lock, no allocation, no locked instruction.
    ///
    /// - Parameters:
    ///   - amount: How much is added.
    ///   - shard: The index of the calling event loop. Only one thread may use an index; whatever
    ///     is not in `0..<shards` is counted like ``add(_:)``.
    package func increment(by amount: UInt64 = 1, shard: Int) {
        if UInt(bitPattern: shard) < UInt(bitPattern: shared) {
            cells.addAlone(amount, shard, 0)
        } else {
            cells.addShared(amount, shared, 0)
        }
    }

    /// Adds from any thread.
    package func add(_ amount: UInt64 = 1) {
        cells.addShared(amount, shared, 0)
    }

    /// Raises the counter to a total that something else counts, such as the kernel.
    ///
    /// A total below the present one changes nothing, so that the counter never falls. Use it on a
    /// counter that has no other writer.
    package func raise(to total: UInt64) {
        cells.update(shared, 0) { max($0, total) }
    }

    /// The sum of all cells, in raw units.
    package var value: UInt64 {
        var sum: UInt64 = 0
        for row in 0...shared { sum &+= cells.load(row, 0) }
        return sum
    }
}
