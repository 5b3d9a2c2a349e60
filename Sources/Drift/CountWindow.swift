/// The counts of the last while, in panes that the caller turns by its own clock.
///
/// The pane in use is exact. Closed ones are kept in 16 bits: where a bin was met more often than
/// that holds, all counts of the pane are rounded to the same power of two.
struct CountWindow: Codable, Sendable, Equatable {
    static let paneCount = 6

    /// The counts of the pane in use.
    private(set) var open: [UInt32]
    /// The counts of the others, pane by pane, each divided by a power of two.
    private(set) var closed: [UInt16]
    /// The exponents of these powers.
    private(set) var shifts: [UInt8]
    private(set) var paneRows: [UInt64]
    private(set) var current = 0

    init(cellCount: Int) {
        open = [UInt32](repeating: 0, count: cellCount)
        closed = [UInt16](repeating: 0, count: cellCount * Self.paneCount)
        shifts = [UInt8](repeating: 0, count: Self.paneCount)
        paneRows = [UInt64](repeating: 0, count: Self.paneCount)
    }

    /// All rows in the window.
    var rows: UInt64 { paneRows.reduce(0, &+) }

    /// Whether a saved window has the form of this one.
    func hasForm(of other: CountWindow) -> Bool {
        open.count == other.open.count && closed.count == other.closed.count
            && paneRows.count == other.paneRows.count && shifts.count == other.shifts.count
            && shifts.allSatisfy { $0 <= Self.shiftMax } && (0..<Self.paneCount).contains(current)
    }

    /// 32 bits less 16.
    private static let shiftMax: UInt8 = 16

    mutating func add(_ counts: Span<UInt32>, rows: Int) {
        var cells = open.mutableSpan
        precondition(cells.count == counts.count)
        for cell in counts.indices { cells[cell] &+= counts[cell] }
        paneRows[current] &+= UInt64(rows)
    }

    /// Begins the next pane in the place of the oldest.
    mutating func rotate() {
        let shift = Self.shift(for: open.max() ?? 0)
        for cell in open.indices {
            let rounded = (UInt64(open[cell]) + (1 << shift) / 2) >> shift
            closed[current * open.count + cell] = UInt16(clamping: rounded)
            open[cell] = 0
        }
        shifts[current] = UInt8(shift)
        current = (current + 1) % Self.paneCount
        for cell in open.indices { closed[current * open.count + cell] = 0 }
        (shifts[current], paneRows[current]) = (0, 0)
    }

    /// The least power of two that brings a count into 16 bits.
    private static func shift(for most: UInt32) -> UInt64 {
        UInt64(max(0, 32 - 16 - most.leadingZeroBitCount))
    }

    /// The counts of some cells over the whole window.
    func counts(of cells: Range<Int>) -> [UInt64] {
        cells.map { cell in
            (0..<Self.paneCount).reduce(UInt64(open[cell])) { sum, pane in
                sum + UInt64(closed[pane * open.count + cell]) << UInt64(shifts[pane])
            }
        }
    }
}
