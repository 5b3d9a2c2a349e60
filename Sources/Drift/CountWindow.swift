/// The counts of the last while, in panes that the caller turns by its own clock.
struct CountWindow: Codable, Sendable, Equatable {
    static let paneCount = 12

    private(set) var panes: [UInt32]
    private(set) var paneRows: [UInt64]
    private(set) var current = 0

    init(cellCount: Int) {
        panes = [UInt32](repeating: 0, count: cellCount * Self.paneCount)
        paneRows = [UInt64](repeating: 0, count: Self.paneCount)
    }

    /// All rows in the window.
    var rows: UInt64 { paneRows.reduce(0, &+) }

    /// Whether a saved window has the form of this one.
    func hasForm(of other: CountWindow) -> Bool {
        panes.count == other.panes.count && paneRows.count == other.paneRows.count
            && (0..<Self.paneCount).contains(current)
    }

    mutating func add(_ counts: Span<UInt32>, rows: Int) {
        let start = counts.count * current
        for cell in counts.indices { panes[start + cell] &+= counts[cell] }
        paneRows[current] &+= UInt64(rows)
    }

    /// Begins the next pane in the place of the oldest.
    mutating func rotate() {
        current = (current + 1) % Self.paneCount
        let cells = panes.count / Self.paneCount
        for cell in current * cells..<(current + 1) * cells { panes[cell] = 0 }
        paneRows[current] = 0
    }

    /// The counts of some cells over the whole window.
    func counts(of cells: Range<Int>) -> [UInt64] {
        let width = panes.count / Self.paneCount
        return cells.map { cell in
            (0..<Self.paneCount).reduce(UInt64(0)) { $0 + UInt64(panes[$1 * width + cell]) }
        }
    }
}
