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
///
/// Four half-lives are worked on at once, each in a lane of a vector. Logarithms of bets are
/// rounded down by ``margin`` a row, which is more than all rounding of 32-bit numbers.
struct EvidenceBook: Sendable {
    /// One number for each of four half-lives.
    typealias Lanes = SIMD4<Float>

    /// The wealth at rest, that of one block, however rows come in blocks.
    static let floor = Double(BlockCounts.rowsMax)
    /// Inside the leeway any e ≤ 1 is valid; wealth falls by one nat in so many rows, so that a
    /// passed disturbance fades.
    static let fadingRows = 2048.0
    /// What is taken off the logarithm of every bet.
    static let margin: Float = 4e-6
    /// Rows after which bets are made anew.
    static let refreshRows = 8

    let layout: CellLayout
    let halfLives: [Double]
    /// δ of each stream: the tolerance and the sampling error.
    let tolerances: [Double]
    /// What stands on fixed bets.
    var points: PointBets
    /// The part of a stream's wealth that stands on fixed bets.
    let fixedShare: Double
    /// The wealth of each stream: the mean over its half-lives and fixed bets.
    var streamWealth: [Double]
    /// All that changes from block to block, but the fixed bets.
    var pages: Pages

    let laneGroups: Int
    let pace: Pace
    let solver: BetSolver
    private var guess: [Lanes]

    /// What changes from block to block.
    struct Pages: Codable, Sendable, Equatable {
        /// The decayed count of each cell; cells lie as in the layout, lane groups innermost.
        var decayed: [Lanes]
        /// ln e of each cell.
        var bets: [Lanes]
        /// The series, ordered by stream, lane groups innermost.
        var accounts: [Account]
        /// Rows since bets were made.
        var rowsSinceRefresh = 0
    }

    /// What four series of a stream have.
    struct Account: Codable, Sendable, Equatable {
        /// The wealth.
        var wealth = SIMD4<Double>.zero
        /// What is left of the account of rows.
        var unspent = SIMD4<Double>.zero
        /// 1 where the series bets at all, else 0.
        var betting = Lanes.zero
    }

    /// A block's size, for four half-lives.
    fileprivate struct Step {
        let rows: Int
        let group: Int
        let groups: Int
        let keep: Lanes
        let weight: Lanes
        let fading: SIMD4<Double>
        let fade: Float
        let wealthMax: Double

        init(rows: Int, group: Int, groups: Int, pace: Pace) {
            (self.rows, self.group, self.groups) = (rows, group, groups)
            (keep, weight) = pace.step(rows: rows, group: group)
            (fading, fade) = (pace.fading(rows: rows), pace.fade(rows))
            wealthMax = pace.wealthMax
        }
    }

    init(profile: ReferenceProfile, settings: DriftSettings) {
        let layout = CellLayout(profile.streams)
        let tolerances = profile.streams.map {
            ($0.isRare ? settings.rareTolerance : settings.tolerance) + $0.samplingError
        }
        let groups = (settings.halfLives.count + 3) / 4
        self.layout = layout
        self.tolerances = tolerances
        halfLives = settings.halfLives
        fixedShare = settings.fixedShare
        laneGroups = groups
        // Enough to alarm from one series alone, and not so much that it takes days to fade.
        let series = Double(profile.streams.count * settings.halfLives.count)
        pace = Pace(settings, wealthMax: settings.falseAlarmInterval * series * 1024)
        solver = BetSolver(profile, layout, tolerances, pseudoCount: settings.pseudoCount)
        points = PointBets(
            profile: profile,
            layout: layout,
            tolerances: tolerances,
            wealthMax: pace.wealthMax
        )
        let count = profile.streams.count * groups
        streamWealth = [Double](repeating: 0, count: profile.streams.count)
        pages = Pages(
            decayed: [Lanes](repeating: .zero, count: layout.cellCount * groups),
            bets: [Lanes](repeating: .zero, count: layout.cellCount * groups),
            accounts: [Account](repeating: Account(), count: count)
        )
        guess = [Lanes](repeating: .zero, count: ReferenceStream.binsMax)
    }

    /// A stream's wealth while nothing happens.
    var rest: Double { (1 - fixedShare) * Self.floor }

    /// Settles the bets on a block, learns its counts and makes new bets, in this order, so that
    /// no bet knows the rows it is on.
    ///
    /// - Parameters:
    ///   - counts: how often each cell was met, in this book's layout.
    ///   - rows: the rows of the block, at least 1.
    mutating func fold(counts: Span<UInt32>, rows: Int) {
        if fixedShare > 0 { points.fold(counts, rows: rows) }
        for group in 0..<laneGroups {
            let step = Step(rows: rows, group: group, groups: laneGroups, pace: pace)
            Self.settle(counts, step, layout, pages.bets, &pages.decayed, &pages.accounts)
        }
        for stream in streamWealth.indices { sumUp(stream) }
        pages.rowsSinceRefresh += rows
        guard pages.rowsSinceRefresh >= Self.refreshRows else { return }
        pages.rowsSinceRefresh = 0
        for group in 0..<laneGroups {
            let place = (group, laneGroups)
            Self.refresh(place, layout, solver, pages.decayed, &guess, &pages.bets, &pages.accounts)
        }
    }

    /// Takes all wealth and the accounts away; what was learnt of traffic stays.
    mutating func forgetEvidence() {
        for series in pages.accounts.indices {
            pages.accounts[series].wealth = .zero
            pages.accounts[series].unspent = .zero
        }
        points.forget()
        for stream in streamWealth.indices { streamWealth[stream] = 0 }
    }

    /// The half-life that holds most of a stream's wealth.
    func leadingMemory(of stream: Int) -> Int {
        let wealth = halfLives.indices.map {
            pages.accounts[stream * laneGroups + $0 / 4].wealth[$0 % 4]
        }
        return wealth.indices.max { wealth[$0] < wealth[$1] } ?? 0
    }

    /// The decayed shares of a stream's bins and the rows they amount to.
    func decayedShares(stream: Int, memory: Int) -> (shares: [Double], rows: Double) {
        let counts = layout.cells(of: stream).map { cell in
            Double(pages.decayed[cell * laneGroups + memory / 4][memory % 4])
        }
        let rows = counts.reduce(0, +)
        return (rows > 0 ? counts.map { $0 / rows } : counts, rows)
    }

    /// Puts saved pages in place of these; their sizes have been compared.
    mutating func restore(_ saved: Pages, points pointWealth: [SIMD4<Float>]) {
        pages = saved
        points.restore(pointWealth)
        for stream in streamWealth.indices { sumUp(stream) }
    }

    private mutating func sumUp(_ stream: Int) {
        var sum = 0.0
        for group in 0..<laneGroups {
            sum += (pages.accounts[stream * laneGroups + group].wealth * pace.shares[group]).sum()
        }
        streamWealth[stream] = sum + fixedShare * points.wealth(ofStream: stream)
    }

    /// Pays out the bets of four half-lives on a block, after topping up, and adds its counts to
    /// the decayed ones.
    private static func settle(
        _ counts: Span<UInt32>,
        _ step: Step,
        _ layout: CellLayout,
        _ allBets: [Lanes],
        _ allDecayed: inout [Lanes],
        _ allAccounts: inout [Account]
    ) {
        let bets = allBets.span
        var decayed = allDecayed.mutableSpan
        var accounts = allAccounts.mutableSpan
        let (starts, binCounts) = (layout.starts.span, layout.binCounts.span)
        for stream in starts.indices {
            let start = Int(starts[stream])
            var logarithm = Lanes.zero
            for cell in start..<start + Int(binCounts[stream]) {
                let count = Lanes(repeating: Float(counts[cell]))
                let place = cell * step.groups + step.group
                logarithm += count * bets[place]
                decayed[place] = decayed[place] * step.keep + count * step.weight
            }
            accounts[stream * step.groups + step.group].payOut(logarithm, step)
        }
    }

    /// Makes the next bets of four half-lives from what they have learnt.
    private static func refresh(
        _ place: (group: Int, groups: Int),
        _ layout: CellLayout,
        _ solver: BetSolver,
        _ allDecayed: [Lanes],
        _ allGuesses: inout [Lanes],
        _ allBets: inout [Lanes],
        _ allAccounts: inout [Account]
    ) {
        let decayed = allDecayed.span
        var room = allGuesses.mutableSpan
        var bets = allBets.mutableSpan
        var accounts = allAccounts.mutableSpan
        for stream in 0..<layout.streamCount {
            let cells = layout.cells(of: stream)
            for cell in cells {
                room[cell - cells.lowerBound] = decayed[cell * place.groups + place.group]
            }
            accounts[stream * place.groups + place.group].betting = solver.solve(
                stream: stream,
                start: cells.lowerBound,
                count: cells.count,
                counts: &room
            )
            for cell in cells {
                bets[cell * place.groups + place.group] = room[cell - cells.lowerBound]
            }
        }
    }
}

extension EvidenceBook.Account {
    /// Tops the wealth up, out of the account, and multiplies it by e to the power of what the
    /// bets won; in the leeway it fades.
    @inline(__always)
    fileprivate mutating func payOut(_ logarithm: SIMD4<Float>, _ step: EvidenceBook.Step) {
        let gain =
            betting == .zero
            ? step.fading
            : fastExponential(SIMD4<Double>(logarithm + (1 - betting) * step.fade))
        let floor = EvidenceBook.floor
        let account = unspent + Double(step.rows)
        let affordable = account.replacing(with: floor, where: account .> floor)
        let wanted = affordable - wealth
        let topUp = wanted.replacing(with: 0, where: wanted .< 0)
        let won = (wealth + topUp) * gain
        unspent = account - topUp
        wealth = won.replacing(with: step.wealthMax, where: won .> step.wealthMax)
    }
}

/// How fast each half-life forgets.
struct Pace: Sendable {
    let wealthMax: Double
    /// The weight of each lane in a stream's wealth; 0 for one that fills up.
    let shares: [SIMD4<Double>]
    private let halfLives: [SIMD4<Double>]
    /// 2^(−n/h) for n rows, by lane group.
    private let keep: [[SIMD4<Float>]]
    /// The weight of each of n new rows, such that the weights of all rows sum to what they would
    /// if the rows had come one by one.
    private let weight: [[SIMD4<Float>]]

    init(_ settings: DriftSettings, wealthMax: Double) {
        self.wealthMax = wealthMax
        let count = settings.halfLives.count
        let share = (1 - settings.fixedShare) / Double(count)
        var (shares, lives): ([SIMD4<Double>], [SIMD4<Double>]) = ([], [])
        for first in stride(from: 0, to: count, by: 4) {
            var (part, life) = (SIMD4<Double>.zero, SIMD4<Double>(repeating: 1))
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
    }

    /// For larger blocks, which are sums over replicas, the exact values are computed.
    func step(rows: Int, group: Int) -> (keep: SIMD4<Float>, weight: SIMD4<Float>) {
        guard rows > BlockCounts.rowsMax else { return (keep[group][rows], weight[group][rows]) }
        return Self.step(rows: rows, halfLives[group])
    }

    /// What the logarithm of a wealth loses inside the leeway.
    func fade(_ rows: Int) -> Float { -Float(rows) / Float(EvidenceBook.fadingRows) }

    /// What is left of a wealth inside the leeway.
    func fading(rows: Int) -> SIMD4<Double> {
        fastExponential(SIMD4(repeating: Double(fade(rows))))
    }

    private static func step(
        rows: Int,
        _ halfLives: SIMD4<Double>
    ) -> (keep: SIMD4<Float>, weight: SIMD4<Float>) {
        var (keep, weight) = (SIMD4<Float>.zero, SIMD4<Float>.zero)
        for lane in 0..<4 {
            let kept = powerOfTwo(-Double(rows) / halfLives[lane])
            let one = powerOfTwo(-1 / halfLives[lane])
            keep[lane] = Float(kept)
            weight[lane] = Float((1 - kept) / (1 - one) / Double(max(1, rows)))
        }
        return (keep, weight)
    }
}

/// e to the power of numbers between −700 and 700, to about ten digits; in a fixed order of
/// operations.
@inline(__always)
func fastExponential(_ x: SIMD4<Double>) -> SIMD4<Double> {
    let high = x.replacing(with: 700, where: x .> 700)
    let bounded = high.replacing(with: -700, where: high .< -700)
    // Adding 1.5·2^52 rounds to a whole number k, which then stands in the lowest bits.
    let shift = SIMD4<Double>(repeating: 0x1.8p52)
    let shifted = bounded * 1.442_695_040_888_963_4 + shift
    let k = shifted - shift
    let r = bounded - k * 0.693_147_180_559_945_3
    var series = r * (1.0 / 40_320) + SIMD4(repeating: 1.0 / 5_040)
    series = series * r + SIMD4(repeating: 1.0 / 720)
    series = series * r + SIMD4(repeating: 1.0 / 120)
    series = series * r + SIMD4(repeating: 1.0 / 24)
    series = series * r + SIMD4(repeating: 1.0 / 6)
    series = series * r + SIMD4(repeating: 0.5)
    series = series * r + SIMD4(repeating: 1)
    series = series * r + SIMD4(repeating: 1)
    let bits = unsafe unsafeBitCast(shifted, to: SIMD4<UInt64>.self)
    let power =
        ((bits &+ SIMD4(repeating: 1023)) & SIMD4(repeating: 0x7FF)) &<< SIMD4(repeating: 52)
    return series * (unsafe unsafeBitCast(power, to: SIMD4<Double>.self))
}

extension SIMD4<Double> {
    func sum() -> Double { x + y + z + w }
}
