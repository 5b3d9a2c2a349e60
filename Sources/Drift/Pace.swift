/// How fast each half-life forgets, and how fast wealth fades where there is nothing to bet on.
struct Pace: Sendable {
    typealias Lanes = SIMD4<Float>

    let wealthMax: Double
    /// The weight of each lane in a stream's wealth; 0 for one that fills up.
    let shares: [Lanes]
    private let halfLives: [SIMD4<Double>]
    /// 2^(−n/h) for n rows, by lane group.
    private let keep: [[Lanes]]
    /// The weight of each of n new rows, such that the weights of all rows sum to what they would
    /// if the rows had come one by one.
    private let weight: [[Lanes]]
    /// What is left of a wealth after n rows inside the leeway.
    private let fadings: [Float]

    init(_ settings: DriftSettings, wealthMax: Double) {
        self.wealthMax = wealthMax
        let count = settings.halfLives.count
        let share = Float((1 - settings.fixedShare) / Double(count)).nextDown
        var (shares, lives): ([Lanes], [SIMD4<Double>]) = ([], [])
        for first in stride(from: 0, to: count, by: 4) {
            var (part, life) = (Lanes.zero, SIMD4<Double>(repeating: 1))
            for lane in 0..<min(4, count - first) {
                part[lane] = share
                life[lane] = settings.halfLives[first + lane]
            }
            shares.append(part)
            lives.append(life)
        }
        self.shares = shares
        halfLives = lives
        keep = lives.map { life in
            (0...BlockCounts.rowsMax).map { Self.step(rows: $0, life).keep }
        }
        weight = lives.map { life in
            (0...BlockCounts.rowsMax).map { Self.step(rows: $0, life).weight }
        }
        fadings = (0...BlockCounts.rowsMax).map { Self.fading(rows: $0) }
    }

    /// For larger blocks, which are sums over replicas, the exact values are computed.
    func step(rows: Int, group: Int) -> (keep: Lanes, weight: Lanes) {
        guard rows > BlockCounts.rowsMax else { return (keep[group][rows], weight[group][rows]) }
        return Self.step(rows: rows, halfLives[group])
    }

    /// What is left of a wealth inside the leeway.
    func fading(rows: Int) -> Float {
        rows > BlockCounts.rowsMax ? Self.fading(rows: rows) : fadings[rows]
    }

    private static func fading(rows: Int) -> Float {
        Float(powerOfTwo(-Double(rows) / EvidenceBook.fadingRows / naturalLogarithm(2)))
    }

    private static func step(
        rows: Int,
        _ halfLives: SIMD4<Double>
    ) -> (keep: Lanes, weight: Lanes) {
        var (keep, weight) = (Lanes.zero, Lanes.zero)
        for lane in 0..<4 {
            let kept = powerOfTwo(-Double(rows) / halfLives[lane])
            let one = powerOfTwo(-1 / halfLives[lane])
            keep[lane] = Float(kept)
            weight[lane] = Float((1 - kept) / (1 - one) / Double(max(1, rows)))
        }
        return (keep, weight)
    }
}
