/// A number that goes up and down, set from any thread.
package final class Gauge: Sendable {
    /// The bit pattern of a Double, on a cache line of its own.
    private let cells = AtomicCells(rows: 1, width: 1)

    init() {}

    /// Replaces the value.
    package func set(_ value: Double) {
        cells.store(value.bitPattern, 0, 0)
    }

    /// Adds to the value; subtracts with a negative delta.
    package func add(_ delta: Double) {
        cells.update(0, 0) { (Double(bitPattern: $0) + delta).bitPattern }
    }

    /// The value now.
    package var value: Double { Double(bitPattern: cells.load(0, 0)) }
}
