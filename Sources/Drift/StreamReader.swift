/// Takes from a scored row the one number that each stream looks at.
///
/// The builder of the reference and the binner of live rows both read through this, so that the
/// two cannot disagree. It keeps its working space and what it must know of the rows before; after
/// it is made it allocates nothing.
struct StreamReader: Sendable {
    let form: RowForm
    private let frame: FrameReader?
    private let limits: QualityLimits?
    private let partition: JointPartition?
    private var projection: ProjectionReader?
    private var history: RowHistory
    private var answers: AnswerReader
    /// Every number that streams look at, but the raw ones, at fixed places.
    private var board: [Float]
    /// Where each stream's number stands: on the board, or behind it in the raw row.
    private let places: [Int32]

    /// What is measured of rows; made together with the bins, at the earliest.
    struct Parts: Sendable {
        var projection: Projection?
        var partition: JointPartition?
        var limits: QualityLimits?
    }

    init(sources: [StreamSource], form: RowForm, frame: FrameGeometry?, parts: Parts = Parts()) {
        self.form = form
        let usual = parts.limits.map { ($0.lower.first ?? 0, $0.upper.first ?? 0) }
        self.frame = frame.map { FrameReader($0, usual: usual ?? (-.infinity, .infinity)) }
        limits = parts.limits
        partition = parts.partition
        projection = parts.projection.map { ProjectionReader($0) }
        let board = Board(sources: sources)
        answers = AnswerReader(board)
        places = sources.map { board.place(of: $0, components: parts.projection?.count ?? 0) }
        self.board = [Float](repeating: .nan, count: board.size)
        let isColumns = frame == nil && !(parts.limits?.varying.isEmpty ?? true)
        history = RowHistory(previousWidth: isColumns ? form.rawWidth : 0)
    }

    /// Writes one value a stream into `values`, which has room for them; NaN where there is none.
    ///
    /// - Returns: false, and nothing is written, when a width is not the announced one.
    mutating func read(_ row: borrowing ScoredRows, into values: inout [Float]) -> Bool {
        guard form.fits(row), values.count >= places.count else { return false }
        answers.read(row, into: &board)
        readFrame(row.raw)
        readScores(row)
        gather(row.raw, into: &values)
        return true
    }

    private func gather(_ raw: Span<Float>, into values: inout [Float]) {
        let (places, board) = (places.span, board.span)
        var target = values.mutableSpan
        for index in places.indices {
            let place = Int(places[index])
            target[index] = place < board.count ? board[place] : raw[place - board.count]
        }
    }

    /// The frame's statistics of the row that was read last.
    private(set) var lastFrame = FrameSummary()

    private mutating func readFrame(_ raw: Span<Float>) {
        if let frame {
            lastFrame = frame.summary(of: raw)
            board[Board.frame] = lastFrame.mean
            board[Board.frame + 1] = lastFrame.deviation
            board[Board.frame + 2] = lastFrame.zeroFraction
            board[Board.frame + 3] = lastFrame.saturatedFraction
            board[Board.frame + 4] = lastFrame.rowCentroid
            board[Board.frame + 5] = lastFrame.columnCentroid
        }
        guard let limits else { return }
        let reading =
            frame == nil
            ? QualityReading(raw, limits, history) : QualityReading(lastFrame, limits)
        board[Board.quality] = 0
        board[Board.quality + 1] = reading.missing
        board[Board.quality + 2] = reading.outOfRange
        board[Board.quality + 3] = reading.unseen
        board[Board.quality + 4] = frame != nil && lastFrame.isConstant ? 1 : 0
        board[Board.quality + 5] = history.meets(reading.fingerprint) ? 1 : 0
        board[Board.quality + 6] = reading.stuck
        board[Board.quality + 7] = reading.scale
        history.remember(raw)
    }

    private mutating func readScores(_ row: borrowing ScoredRows) {
        guard let source = projection?.source else { return }
        guard source == .raw || row.hidden.count > 0 else {
            for place in Board.scores..<Board.odds { board[place] = .nan }
            return
        }
        projection?.read(
            source == .raw ? row.raw : row.hidden,
            into: &board,
            at: Board.scores
        )
        if let partition {
            board[Board.cell] = Float(partition.cell(of: board, at: Board.scores))
        }
    }
}

/// The widths of rows.
struct RowForm: Sendable, Equatable {
    let rawWidth: Int
    let outputWidth: Int
    /// The last hidden layer's; 0 for none.
    let hiddenWidth: Int

    /// Whether a row, or each of several, has these widths; logits and hidden may be left out, and a
    /// hidden layer that is not watched may have any width.
    func fits(_ rows: borrowing ScoredRows) -> Bool {
        let count = rows.rowCount
        return rows.raw.count == count * rawWidth && rows.probabilities.count == count * outputWidth
            && (rows.logits.count == 0 || rows.logits.count == count * outputWidth)
            && (hiddenWidth == 0 || rows.hidden.count == 0
                || rows.hidden.count == count * hiddenWidth)
    }
}

/// Where each number stands on a reader's board.
struct Board: Sendable {
    static let predicted = 0
    static let confidence = 1
    static let margin = 2
    static let first = 3
    static let confidenceOdds = 4
    static let entropy = 5
    static let energy = 6
    static let logOdds = 7
    static let frame = 8
    static let quality = 14
    static let scores = 22
    static let cell = scores + Projection.componentsMax + 2
    static let odds = cell + 1

    /// The classes whose odds are looked at, in their order on the board.
    let classes: [Int]
    /// Whether somebody looks at what costs logarithms.
    let hasEntropy: Bool
    let hasEnergy: Bool

    init(sources: [StreamSource]) {
        classes = sources.compactMap { if case .odds(let index) = $0 { index } else { nil } }
        hasEntropy = sources.contains(.entropy)
        hasEnergy = sources.contains(.energy)
    }

    var size: Int { Self.odds + classes.count }

    func place(of source: StreamSource, components: Int) -> Int32 {
        let place =
            switch source {
            case .predictedClass: Self.predicted
            case .confidence: Self.confidence
            case .margin: Self.margin
            case .probability, .value: Self.first
            case .confidenceOdds: Self.confidenceOdds
            case .entropy: Self.entropy
            case .energy: Self.energy
            case .logOdds: Self.logOdds
            case .absoluteLogOdds: Self.confidenceOdds
            case .frame(let statistic):
                Self.frame + (FrameStatistic.allCases.firstIndex(of: statistic) ?? 0)
            case .quality(let check):
                Self.quality + (QualityCheck.allCases.firstIndex(of: check) ?? 0)
            case .component(let index): Self.scores + index
            case .scoreDistance: Self.scores + components
            case .residual: Self.scores + components + 1
            case .partition: Self.cell
            case .odds(let index): Self.odds + (classes.firstIndex(of: index) ?? 0)
            case .column(let index): size + index
            }
        return Int32(place)
    }
}
