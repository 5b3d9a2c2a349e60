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
    private var gains: [SIMD4<Float>]
    /// What a row elsewhere leaves: 4^(−n).
    private let losses: [Float]
    /// One over the number of bins with a bet, for each stream; 0 without any.
    private var shares: [Float] = []
    private let wealthMax: Float
    /// The wealth of each cell.
    private(set) var wealth: [SIMD4<Float>]
    /// The mean wealth of each stream's bets.
    private var streamWealth: [Float]

    /// A bin that holds more of the reference than this wins too little to be bet on.
    private static let shareMax = 0.6
    /// With more rows in a block there is no bet: the powers would leave the range of the numbers.
    private static let rowsMax = 32

    init(
        profile: ReferenceProfile,
        layout: CellLayout,
        settings: DriftSettings,
        wealthMax: Double
    ) {
        self.layout = layout
        self.wealthMax = Float(min(wealthMax, 1e30))
        losses = (0...Self.rowsMax).map { Float(powerOfTwo(-2 * Double($0))) }
        wealth = [SIMD4<Float>](repeating: .zero, count: layout.cellCount / 4)
        streamWealth = [Float](repeating: 0, count: layout.streamCount)
        gains = wealth
        // What has a bet in some hours has its place in the mean in all of them.
        var isBetOn = [Bool](repeating: false, count: layout.cellCount)
        for season in (0..<profile.seasonCount).reversed() {
            adopt(season: season, of: profile, settings.tolerances(profile, season: season))
            for cell in isBetOn.indices where gains[cell / 4][cell % 4] > 0 { isBetOn[cell] = true }
        }
        shares = (0..<layout.streamCount).map { stream in
            let count = layout.cells(of: stream).count { isBetOn[$0] }
            return count > 0 ? 1 / Float(count) : 0
        }
    }

    /// Makes the bets for a group of hours; a bin without one loses what it had won.
    mutating func adopt(season: Int, of profile: ReferenceProfile, _ tolerances: [Double]) {
        for stream in 0..<layout.streamCount {
            let law = profile.shares(ofStream: stream, season: season)
            for (cell, share) in zip(layout.cells(of: stream), law) {
                let most = share + tolerances[stream]
                // Rounded down, so that no bet is more than fair.
                let gain = (4 - (1 - most)) / most * (1 - 0x1p-22)
                gains[cell / 4][cell % 4] = most <= Self.shareMax ? Float(gain) : 0
            }
        }
    }

    /// Pays out the bets on a block.
    mutating func fold(_ counts: Span<UInt32>, rows: Int) {
        for stream in 0..<layout.streamCount where shares[stream] > 0 {
            let first = Int(layout.starts[stream]) / 4
            let groups = (Int(layout.binCounts[stream]) + 3) / 4
            // A stream without a number for some rows has bet on the others only.
            var (sum, most) = (SIMD4<UInt32>.zero, SIMD4<UInt32>.zero)
            for group in first..<first + groups {
                let four = counts.four(at: group * 4)
                sum &+= four
                most.replace(with: four, where: four .> most)
            }
            let own = Int(sum.wrappedSum())
            guard own > 0, own <= Self.rowsMax else { continue }
            let step = (rows: Float(rows), loss: losses[own], repeats: most.max())
            streamWealth[stream] = shares[stream] * payOut(counts, first..<first + groups, step)
        }
    }

    /// Pays out one stream's bets; gives their wealth together.
    @inline(__always)
    private mutating func payOut(
        _ counts: Span<UInt32>,
        _ groups: Range<Int>,
        _ step: (rows: Float, loss: Float, repeats: UInt32)
    ) -> Float {
        var sum = SIMD4<Float>.zero
        for group in groups {
            let (four, gain) = (counts.four(at: group * 4), gains[group])
            var won = (wealth[group] + step.rows) * step.loss
            // A power by one factor after another: few bins are met often in a block.
            for times in 0..<step.repeats {
                won = won.replacing(with: won * gain, where: four .> times)
            }
            won.replace(with: 0, where: gain .== 0)
            won.replace(with: wealthMax, where: won .> wealthMax)
            wealth[group] = won
            sum += won
        }
        return sum.sum()
    }

    /// The mean wealth of a stream's bets.
    func wealth(ofStream stream: Int) -> Double { Double(streamWealth[stream]) }

    mutating func forget() {
        for group in wealth.indices { wealth[group] = .zero }
        for stream in streamWealth.indices { streamWealth[stream] = 0 }
    }

    /// Puts saved wealth in place; its size has been compared.
    mutating func restore(_ saved: [SIMD4<Float>]) {
        wealth = saved
        for stream in streamWealth.indices {
            let first = Int(layout.starts[stream]) / 4
            var sum = SIMD4<Float>.zero
            for group in first..<first + (Int(layout.binCounts[stream]) + 3) / 4 {
                sum += wealth[group]
            }
            streamWealth[stream] = shares[stream] * sum.sum()
        }
    }
}

extension Span<UInt32> {
    /// Four counts from `start` on.
    @inline(__always)
    func four(at start: Int) -> SIMD4<UInt32> {
        precondition(start >= 0 && start + 4 <= count)
        // Bounds: by the line above.
        return unsafe SIMD4(
            self[unchecked: start],
            self[unchecked: start + 1],
            self[unchecked: start + 2],
            self[unchecked: start + 3]
        )
    }
}
