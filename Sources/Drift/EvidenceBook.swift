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
/// Four half-lives are worked on at once, each in a lane of a vector. What a bet pays is rounded
/// down by ``margin``, which is more than all rounding of 32-bit numbers, and capped at
/// ``payoffMax``, so that a block's product is a 32-bit number: less than fair is always valid.
struct EvidenceBook: Sendable {
    /// One number for each of four half-lives.
    typealias Lanes = SIMD4<Float>

    /// The wealth at rest, that of one block, however rows come in blocks.
    static let floor = Double(BlockCounts.rowsMax)
    /// Inside the leeway any e ≤ 1 is valid; wealth falls by one nat in so many rows, so that a
    /// passed disturbance fades.
    static let fadingRows = 2048.0
    /// The part that is taken off what every bet pays.
    static let margin: Float = 4e-6
    /// The most that a bet pays for a row: its 16th power is still a 32-bit number.
    static let payoffMax: Float = 128
    /// The most that is kept of an account of rows; what is not spent in time is forfeited.
    static let unspentMax: Float = 4096
    /// Rows after which bets are made anew.
    static let refreshRows = 8

    let layout: CellLayout
    let halfLives: [Double]
    /// δ of each stream: the tolerance and the sampling error.
    var tolerances: [Double]
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
    var solver: BetSolver
    private var room: [Lanes]

    /// What changes from block to block.
    struct Pages: Codable, Sendable, Equatable {
        /// The decayed count of each cell times the scale of its lanes; cells lie as in the layout,
        /// lane groups innermost.
        var decayed: [Lanes]
        /// What a new row counts for: it grows, so that rows before need not be made smaller.
        var scales: [Lanes]
        /// e of each cell.
        var payoffs: [Lanes]
        /// The series, ordered by stream, lane groups innermost.
        var accounts: [Account]
        /// Rows since bets were made.
        var rowsSinceRefresh = 0
    }

    /// What four series of a stream have.
    struct Account: Codable, Sendable, Equatable {
        /// The wealth.
        var wealth = Lanes.zero
        /// What is left of the account of rows.
        var unspent = Lanes.zero
        /// 1 where the series bets at all, else 0.
        var betting = Lanes.zero
    }

    /// A block's size, for four half-lives.
    fileprivate struct Step {
        let rows: Int
        let group: Int
        let groups: Int
        /// What a row of the block counts for, in the units of the scaled counts.
        let weight: Lanes
        let fading: Float
        let wealthMax: Float

        /// Whether it is a sum over replicas: too many rows for a product of 32-bit numbers.
        var isSum: Bool { rows > BlockCounts.rowsMax }
    }

    init(profile: ReferenceProfile, settings: DriftSettings) {
        let layout = CellLayout(profile.streams)
        let tolerances = settings.tolerances(profile, season: 0)
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
            settings: settings,
            wealthMax: pace.wealthMax
        )
        let count = profile.streams.count * groups
        streamWealth = [Double](repeating: 0, count: profile.streams.count)
        pages = Pages(
            decayed: [Lanes](repeating: .zero, count: layout.cellCount * groups),
            scales: [Lanes](repeating: Lanes(repeating: 1), count: groups),
            payoffs: [Lanes](repeating: Lanes(repeating: 1), count: layout.cellCount * groups),
            accounts: [Account](repeating: Account(), count: count)
        )
        room = [Lanes](repeating: .zero, count: ReferenceStream.binsMax)
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
            let (keep, weight) = pace.step(rows: rows, group: group)
            pages.scales[group] /= keep
            let step = Step(
                rows: rows,
                group: group,
                groups: laneGroups,
                weight: weight * pages.scales[group],
                fading: pace.fading(rows: rows),
                wealthMax: Float(pace.wealthMax)
            )
            Self.settle(counts, step, layout, pages.payoffs, &pages.decayed, &pages.accounts)
            if pages.scales[group].max() > Self.scaleMax { rescale(group) }
        }
        for stream in streamWealth.indices { sumUp(stream) }
        pages.rowsSinceRefresh += rows
        guard pages.rowsSinceRefresh >= Self.refreshRows else { return }
        refresh()
    }

    /// Makes the next bets from what was learnt.
    mutating func refresh() {
        pages.rowsSinceRefresh = 0
        for group in 0..<laneGroups {
            Self.refresh(
                (group, laneGroups),
                layout,
                solver,
                (pages.decayed, pages.scales[group]),
                &room,
                &pages.payoffs,
                &pages.accounts
            )
        }
    }

    /// Beyond it counts are brought back to the scale 1.
    private static let scaleMax: Float = 0x1p40

    private mutating func rescale(_ group: Int) {
        let factor = 1 / pages.scales[group]
        for place in stride(from: group, to: pages.decayed.count, by: laneGroups) {
            pages.decayed[place] *= factor
        }
        pages.scales[group] = Lanes(repeating: 1)
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
        let scale = Double(pages.scales[memory / 4][memory % 4])
        let counts = layout.cells(of: stream).map { cell in
            Double(pages.decayed[cell * laneGroups + memory / 4][memory % 4]) / scale
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
        var sum: Float = 0
        for group in 0..<laneGroups {
            sum += (pages.accounts[stream * laneGroups + group].wealth * pace.shares[group]).sum()
        }
        streamWealth[stream] = Double(sum) + fixedShare * points.wealth(ofStream: stream)
    }

    /// Pays out the bets of four half-lives on a block, after topping up, and adds its counts to
    /// the decayed ones.
    private static func settle(
        _ counts: Span<UInt32>,
        _ step: Step,
        _ layout: CellLayout,
        _ allPayoffs: [Lanes],
        _ allDecayed: inout [Lanes],
        _ allAccounts: inout [Account]
    ) {
        let payoffs = allPayoffs.span
        var decayed = allDecayed.mutableSpan
        var accounts = allAccounts.mutableSpan
        let (starts, binCounts) = (layout.starts.span, layout.binCounts.span)
        for stream in starts.indices {
            let start = Int(starts[stream])
            var product = Lanes(repeating: 1)
            var logarithm = Lanes.zero
            // Blocks are small: most cells were not met, and are passed over four at a time.
            for first in stride(from: start, to: start + Int(binCounts[stream]), by: 4) {
                let four = counts.four(at: first)
                guard four.isAnySet else { continue }
                for lane in 0..<4 where four[lane] > 0 {
                    let place = (first + lane) * step.groups + step.group
                    let count = Float(four[lane])
                    decayed[place] += count * step.weight
                    if step.isSum {
                        logarithm += count * fastLogarithm(payoffs[place])
                    } else {
                        for _ in 0..<four[lane] { product *= payoffs[place] }
                    }
                }
            }
            let gain = step.isSum ? boundedExponential(logarithm) : product
            accounts[stream * step.groups + step.group].payOut(gain, step)
        }
    }

    /// e to some power, but never more than 32-bit numbers hold; less than fair is valid.
    private static func boundedExponential(_ x: Lanes) -> Lanes {
        var result = Lanes.zero
        for lane in 0..<4 {
            let bounded = max(-80, min(80, Double(x[lane])))
            result[lane] = Float(powerOfTwo(bounded / naturalLogarithm(2)))
        }
        return result
    }

    /// Makes the next bets of four half-lives from what they have learnt.
    private static func refresh(
        _ place: (group: Int, groups: Int),
        _ layout: CellLayout,
        _ solver: BetSolver,
        _ counts: (decayed: [Lanes], scale: Lanes),
        _ allRoom: inout [Lanes],
        _ allPayoffs: inout [Lanes],
        _ allAccounts: inout [Account]
    ) {
        let decayed = counts.decayed.span
        var room = allRoom.mutableSpan
        var payoffs = allPayoffs.mutableSpan
        var accounts = allAccounts.mutableSpan
        for stream in 0..<layout.streamCount {
            accounts[stream * place.groups + place.group].betting = solver.solve(
                BetSolver.Place(
                    stream: stream,
                    cells: layout.cells(of: stream),
                    group: place.group,
                    groups: place.groups
                ),
                decayed: decayed,
                scale: counts.scale,
                room: &room,
                payoffs: &payoffs
            )
        }
    }
}

extension EvidenceBook.Account {
    /// Tops the wealth up, out of the account, and multiplies it by what the bets won; in the
    /// leeway, where nothing is won or lost, it fades.
    @inline(__always)
    fileprivate mutating func payOut(_ product: EvidenceBook.Lanes, _ step: EvidenceBook.Step) {
        let floor = Float(EvidenceBook.floor)
        let account = unspent + Float(step.rows)
        let affordable = account.replacing(with: floor, where: account .> floor)
        let wanted = affordable - wealth
        let topUp = wanted.replacing(with: 0, where: wanted .< 0)
        let gain = product * (betting + (1 - betting) * step.fading)
        let won = (wealth + topUp) * gain
        // Rounded down, as all that can be spent.
        let left = (account - topUp) * (1 - 0x1p-21)
        unspent = left.bounded(by: EvidenceBook.unspentMax)
        wealth = won.bounded(by: step.wealthMax)
    }
}

extension SIMD4<Float> {
    func sum() -> Float { x + y + z + w }
}

extension SIMD4<UInt32> {
    /// Whether a lane is not 0.
    @inline(__always)
    var isAnySet: Bool {
        let halves = unsafe unsafeBitCast(self, to: SIMD2<UInt64>.self)
        return halves.x | halves.y != 0
    }
}
