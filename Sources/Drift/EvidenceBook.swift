/// The evidence of every stream at every half-life: an e-detector with an account of its own.
///
/// A *series* is a stream at a half-life. Its wealth M is a CUSUM in the units of rows:
///
///     M ← (M + m) · Π_b e_b^(n_b)        for a block with n_b rows in bin b
///
/// The bets e depend on earlier blocks only. m tops M up to ``floor``, out of an account that
/// gets one unit for every row and is never overdrawn. So M less all top-ups is a supermartingale
/// while the stream is in its leeway, the top-ups are at most the rows, and at any stopping time
/// E[M] ≤ E[rows]. The same holds for a mean of any number of such wealths, however dependent:
/// stopping when the mean reaches A takes at least A rows on average. (Shin, Ramdas and Rinaldo's
/// e-detectors; with m = 1 a row it would be Shiryaev and Roberts', with the top-up it is a CUSUM
/// that does not grow while nothing happens.)
struct EvidenceBook: Sendable {
    /// The wealth at rest, that of one block, however rows come in blocks.
    static let floor = Double(BlockCounts.rowsMax)
    /// Inside the leeway any e ≤ 1 is valid; wealth falls by one nat in so many rows, so that a
    /// passed disturbance fades.
    static let fadingRows = 2048.0

    /// Makes a 32-bit rounding of any number less than the number, so that no bet is rounded up.
    private static let roundingDown = 1 - 0x1p-23

    /// The most rows of a bin that are noted one by one.
    private static let notesMax: UInt32 = 4

    let layout: CellLayout
    let halfLives: [Double]
    private let pseudoCount: Double
    /// δ of each stream: the tolerance and the sampling error.
    let tolerances: [Double]
    private let reference: [SIMD4<Double>]
    private let memories: [Memory]
    private let fading: [Double]
    private let wealthMax: Double

    /// Σ over half-lives of a stream's wealth.
    var streamWealth: [Double]
    /// All that changes from block to block.
    var pages: Pages

    private var guess: [SIMD4<Double>]
    private var blockCells: [SIMD4<Float>]
    private var touched: [Touched]

    /// What changes from block to block; series are ordered by stream, then by half-life.
    struct Pages: Codable, Sendable, Equatable {
        /// The decayed count of each cell, four cells together.
        var decayed: [SIMD4<Float>]
        /// e of each cell.
        var bets: [Float]
        /// Whether the series bets at all.
        var isBetting: [Bool]
        var wealth: [Double]
        /// What is left of each series' account of rows.
        var unspent: [Double]
        /// Rows since the bets of each half-life were refreshed.
        var rowsSinceRefresh: [Double]
    }

    /// How fast a half-life forgets.
    private struct Memory: Sendable {
        let halfLife: Double
        /// 2^(−n/h) for n rows.
        let keep: [Double]
        /// The weight of each of n new rows, such that the weights of all rows sum to what they
        /// would if the rows had come one by one.
        let weight: [Double]

        init(halfLife: Double) {
            self.halfLife = halfLife
            let whole = 1 / (1 - powerOfTwo(-1 / halfLife))
            keep = (0...BlockCounts.rowsMax).map { powerOfTwo(-Double($0) / halfLife) }
            weight = keep.enumerated().map { whole * (1 - $1) / Double(max(1, $0)) }
        }

        /// For larger blocks, which are sums over replicas, the exact values are computed.
        func step(rows: Int) -> (keep: Double, weight: Double) {
            guard rows >= keep.count else { return (keep[rows], weight[rows]) }
            let kept = powerOfTwo(-Double(rows) / halfLife)
            return (kept, (1 - kept) / (1 - keep[1]) / Double(rows))
        }
    }

    private struct Touched: Sendable {
        var cell: Int32
        var count: UInt32
    }

    init(profile: ReferenceProfile, settings: DriftSettings) {
        let layout = CellLayout(profile.streams)
        let series = profile.streams.count * settings.halfLives.count
        self.layout = layout
        halfLives = settings.halfLives
        pseudoCount = settings.pseudoCount
        tolerances = profile.streams.map { settings.tolerance + $0.samplingError }
        memories = settings.halfLives.map { Memory(halfLife: $0) }
        fading = (0...BlockCounts.rowsMax).map {
            powerOfTwo(-Double($0) / (Self.fadingRows * naturalLogarithm(2)))
        }
        // Enough to alarm from one series alone, and not so much that it takes days to fade.
        wealthMax = settings.falseAlarmInterval * Double(series) * 1024
        var reference = [SIMD4<Double>](repeating: .zero, count: layout.cellCount / 4)
        for (index, stream) in profile.streams.enumerated() {
            for (bin, share) in stream.probabilities.enumerated() {
                let cell = Int(layout.starts[index]) + bin
                reference[cell / 4][cell % 4] = share
            }
        }
        self.reference = reference
        streamWealth = [Double](repeating: 0, count: profile.streams.count)
        let cells = layout.cellCount * settings.halfLives.count
        pages = Pages(
            decayed: [SIMD4<Float>](repeating: .zero, count: cells / 4),
            bets: [Float](repeating: 1, count: cells),
            isBetting: [Bool](repeating: false, count: series),
            wealth: [Double](repeating: 0, count: series),
            unspent: [Double](repeating: 0, count: series),
            rowsSinceRefresh: [Double](repeating: 0, count: settings.halfLives.count)
        )
        let widest = (ReferenceStream.binsMax + 3) / 4
        guess = [SIMD4<Double>](repeating: .zero, count: widest)
        blockCells = [SIMD4<Float>](repeating: .zero, count: widest)
        touched = [Touched](
            repeating: Touched(cell: 0, count: 0),
            count: widest * 4 * Int(Self.notesMax)
        )
    }

    /// Takes a stream's counts out of a block: the cells met, and all of them in groups of four.
    mutating func collect(_ counts: Span<UInt32>, stream: Int) -> Int {
        let start = Int(layout.starts[stream])
        var found = 0
        for group in 0..<groupCount(of: stream) {
            let first = start + group * 4
            let four = SIMD4(counts[first], counts[first + 1], counts[first + 2], counts[first + 3])
            blockCells[group] = SIMD4<Float>(four)
            for lane in 0..<4 {
                let count = counts[first + lane]
                // Few rows are noted one by one: a loop over powers costs more in wrong guesses
                // of the processor than multiplications do.
                let notes = count > Self.notesMax ? 1 : Int(count)
                for _ in 0..<notes {
                    touched[found].cell = Int32(group * 4 + lane)
                    touched[found].count = count > Self.notesMax ? count : 1
                    found += 1
                }
            }
        }
        return found
    }

    /// Pays out a series' bets on the block, after topping up, and returns its wealth.
    mutating func settle(series: Int, cells: Int, touchedCount: Int, rows: Int) -> Double {
        var gain = 1.0
        if pages.isBetting[series] {
            for index in 0..<touchedCount {
                let bet = Double(pages.bets[cells + Int(touched[index].cell)])
                gain *= touched[index].count == 1 ? bet : power(bet, touched[index].count)
            }
        } else {
            gain = rows < fading.count ? fading[rows] : power(fading[1], UInt32(clamping: rows))
        }
        let account = pages.unspent[series] + Double(rows)
        let before = pages.wealth[series]
        let topUp = max(0, min(Self.floor, account) - before)
        let wealth = min(wealthMax, (before + topUp) * gain)
        pages.unspent[series] = account - topUp
        pages.wealth[series] = wealth
        return wealth
    }

    /// Lets a series' counts decay by the block's rows and adds them.
    mutating func remember(stream: Int, memory: Int, cells: Int, rows: Int) {
        let (keep, weight) = memories[memory].step(rows: rows)
        let first = cells / 4
        for group in 0..<groupCount(of: stream) {
            let decayed = pages.decayed[first + group] * Float(keep)
            pages.decayed[first + group] = decayed + blockCells[group] * Float(weight)
        }
    }

    /// Makes a series' next bets from what it has learnt.
    mutating func refresh(series: Int, stream: Int, cells: Int) {
        let groups = groupCount(of: stream)
        let first = Int(layout.starts[stream]) / 4
        var total = SIMD4<Double>.zero
        for group in 0..<groups {
            guess[group] = SIMD4<Double>(pages.decayed[cells / 4 + group])
            total += guess[group]
        }
        let scale = 1 / (total.sum() + pseudoCount)
        for group in 0..<groups {
            guess[group] = (guess[group] + reference[first + group] * pseudoCount) * scale
        }
        let clip = HuberBet.clip(
            guess: guess.span.extracting(0..<groups),
            reference: reference.span.extracting(first..<first + groups),
            tolerance: tolerances[stream]
        )
        pages.isBetting[series] = clip != nil
        guard let clip else { return }
        for group in 0..<groups {
            // A cell that fills up is 0/0 here and gets `high`; it is never read.
            let bets = SIMD4<Float>(
                (guess[group] / reference[first + group]).clipped(to: clip) * Self.roundingDown
            )
            let cell = cells + group * 4
            pages.bets[cell] = bets.x
            pages.bets[cell + 1] = bets.y
            pages.bets[cell + 2] = bets.z
            pages.bets[cell + 3] = bets.w
        }
    }
}

/// `base` to a small whole power; the order of multiplications is fixed by the power alone.
private func power(_ base: Double, _ exponent: UInt32) -> Double {
    var result = 1.0
    var square = base
    var rest = exponent
    while rest > 0 {
        if rest & 1 == 1 { result *= square }
        square *= square
        rest >>= 1
    }
    return result
}
