/// How often a row falls into the bin of the row before it, more than chance has it.
///
/// The alarm's guarantee is about each row's law given the rows before: where rows resemble their
/// predecessors (sessions, retries, seasons) it weakens.
struct DependenceGauge: Codable, Sendable, Equatable {
    /// For each stream the decayed count of repeated bins and of pairs.
    private(set) var pairs: [SIMD2<Float>]

    /// Pairs of rows after which one counts half.
    static let halfLife = 4096.0
    /// With fewer pairs nothing is said.
    static let pairsMin: Float = 200

    private static let keep = (0...BlockCounts.rowsMax).map { rows in
        Float(powerOfTwo(-Double(rows) / halfLife))
    }

    init(streams: Int) {
        pairs = [SIMD2<Float>](repeating: .zero, count: streams)
    }

    func hasForm(of other: DependenceGauge) -> Bool {
        pairs.count == other.pairs.count
            && pairs.allSatisfy { $0.x >= 0 && $0.y >= $0.x && $0.y.isFinite }
    }

    mutating func add(_ block: BlockCounts) {
        let rows = block.rowCount
        let keep =
            rows < Self.keep.count
            ? Self.keep[rows] : Float(powerOfTwo(-Double(rows) / Self.halfLife))
        for stream in pairs.indices {
            let added = block.repeats[stream]
            pairs[stream] = pairs[stream] * keep + SIMD2(Float(added.x), Float(added.y))
        }
    }

    /// (repeated − by chance)/(1 − by chance), where chance is Σ π²: for two bins the lag-1
    /// correlation.
    func value(stream: Int, shares: [Double]) -> Double {
        guard pairs[stream].y >= Self.pairsMin else { return .nan }
        let chance = shares.reduce(0) { $0 + $1 * $1 }
        guard chance < 0.999 else { return .nan }
        return (Double(pairs[stream].x / pairs[stream].y) - chance) / (1 - chance)
    }
}
