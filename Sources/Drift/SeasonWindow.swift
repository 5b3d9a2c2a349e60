/// How many rows of each group of hours the window of panes has, for effect sizes, and which group
/// is in force.
struct SeasonWindow: Codable, Sendable, Equatable {
    /// The group of the last block.
    private(set) var current: Int
    /// Group after group within a pane.
    private var rows: [UInt64]
    private var pane = 0
    private let count: Int

    init(count: Int) {
        self.count = count
        current = 0
        rows = [UInt64](repeating: 0, count: count * CountWindow.paneCount)
    }

    /// Whether a saved one has the form of this one.
    func hasForm(of other: SeasonWindow) -> Bool {
        count == other.count && rows.count == other.rows.count
            && (0..<max(1, count)).contains(current)
            && (0..<CountWindow.paneCount).contains(pane)
    }

    mutating func add(season: Int, rows added: Int) {
        current = season
        rows[pane * count + season] &+= UInt64(added)
    }

    mutating func rotate() {
        pane = (pane + 1) % CountWindow.paneCount
        for season in 0..<count { rows[pane * count + season] = 0 }
    }

    /// The part that each group has in the window; that in force has all of an empty one.
    var shares: [Double] {
        let sums = (0..<count).map { season in
            (0..<CountWindow.paneCount).reduce(UInt64(0)) { $0 &+ rows[$1 * count + season] }
        }
        let whole = sums.reduce(0, &+)
        guard whole > 0 else { return (0..<count).map { $0 == current ? 1 : 0 } }
        return sums.map { Double($0) / Double(whole) }
    }
}
