/// Fixed bets that a stream collapses into one of its bins: they need nothing to be learnt first.
///
/// The bet on bin b pays g for a row in b and 1/4 for any other, with
///
///     (π_b + δ)·g + (1 − π_b − δ)/4 = 1,
///
/// so no law of the ball, under which b has at most π_b + δ, lets it win on average. Its wealth is
/// that of Shiryaev and Roberts' procedure, W ← (W + n)·g^k·4^(k − n) for a block of n rows of which
/// k are in b: W less the rows is a supermartingale. A stream's wealth is the mean over its bins. At
/// rest W is next to nothing, since nearly every block has a row elsewhere.
struct PointBets: Sendable {
    private let layout: CellLayout
    /// 4g of each cell, rounded down; 0 for a cell on which there is no bet.
    private let gains: [SIMD4<Float>]
    /// What a row elsewhere leaves: 4^(−n).
    private let losses: [Float]
    /// One over the number of bins with a bet, for each stream; 0 without any.
    private let shares: [Float]
    private let wealthMax: Float
    /// The wealth of each cell.
    private(set) var wealth: [SIMD4<Float>]

    /// A bin that holds more of the reference than this wins too little to be bet on.
    private static let shareMax = 0.6
    /// With more rows in a block there is no bet: the powers would leave the range of the numbers.
    private static let rowsMax = 32

    init(
        profile: ReferenceProfile,
        layout: CellLayout,
        tolerances: [Double],
        wealthMax: Double
    ) {
        self.layout = layout
        self.wealthMax = Float(min(wealthMax, 1e30))
        losses = (0...Self.rowsMax).map { Float(powerOfTwo(-2 * Double($0))) }
        var gains = [SIMD4<Float>](repeating: .zero, count: layout.cellCount / 4)
        var shares: [Float] = []
        for (index, stream) in profile.streams.enumerated() {
            var count = 0
            for (bin, share) in stream.probabilities.enumerated() {
                let most = share + tolerances[index]
                guard most <= Self.shareMax else { continue }
                let cell = Int(layout.starts[index]) + bin
                // Rounded down, so that no bet is more than fair.
                let gain = (4 - (1 - most)) / most * (1 - 0x1p-22)
                gains[cell / 4][cell % 4] = Float(gain)
                count += 1
            }
            shares.append(count > 0 ? 1 / Float(count) : 0)
        }
        self.gains = gains
        self.shares = shares
        wealth = [SIMD4<Float>](repeating: .zero, count: layout.cellCount / 4)
    }

    /// Pays out the bets on a block.
    mutating func fold(_ counts: Span<UInt32>, rows: Int) {
        for stream in 0..<layout.streamCount where shares[stream] > 0 {
            let first = Int(layout.starts[stream]) / 4
            let groups = (Int(layout.binCounts[stream]) + 3) / 4
            // A stream without a number for some rows has bet on the others only.
            var sum = SIMD4<UInt32>.zero
            for group in first..<first + groups { sum &+= counts.four(at: group * 4) }
            let own = Int(sum.wrappedSum())
            guard own > 0, own <= Self.rowsMax else { continue }
            let loss = losses[own]
            let added = Float(rows)
            for group in first..<first + groups {
                let base = (wealth[group] + added) * loss
                let gain = Self.power(gains[group], counts.four(at: group * 4))
                let most = SIMD4(repeating: wealthMax)
                let won = (base * gain).replacing(with: 0, where: gains[group] .== 0)
                wealth[group] = won.replacing(with: most, where: won .> most)
            }
        }
    }

    /// The mean wealth of a stream's bets.
    func wealth(ofStream stream: Int) -> Double {
        guard shares[stream] > 0 else { return 0 }
        let first = Int(layout.starts[stream]) / 4
        let groups = (Int(layout.binCounts[stream]) + 3) / 4
        var sum = SIMD4<Float>.zero
        for group in first..<first + groups { sum += wealth[group] }
        return Double(sum.x + sum.y + sum.z + sum.w) * Double(shares[stream])
    }

    mutating func forget() {
        for group in wealth.indices { wealth[group] = .zero }
    }

    /// Puts saved wealth in place; its size has been compared.
    mutating func restore(_ saved: [SIMD4<Float>]) { wealth = saved }

    /// `base` to small whole powers, in a fixed order of multiplications.
    @inline(__always)
    private static func power(_ base: SIMD4<Float>, _ exponent: SIMD4<UInt32>) -> SIMD4<Float> {
        var result = SIMD4<Float>(repeating: 1)
        var square = base
        var rest = exponent
        while rest.max() > 0 {
            let odd = (rest & 1) .== 1
            result = result.replacing(with: result * square, where: odd)
            square *= square
            rest = rest &>> 1
        }
        return result
    }
}

extension Span<UInt32> {
    /// Four counts from `start` on.
    @inline(__always)
    func four(at start: Int) -> SIMD4<UInt32> {
        SIMD4(self[start], self[start + 1], self[start + 2], self[start + 3])
    }
}
