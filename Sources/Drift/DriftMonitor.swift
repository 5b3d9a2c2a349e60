/// Says when live traffic has left its leeway around the hold-out.
///
/// **Guarantee.** Let each stream's law, given all that came before, stay within total variation
/// `tolerance` of the law that the hold-out was drawn from. Then, with probability at least
/// 1 − `failureProbability` over the choice of the hold-out, the mean number of scored rows until
/// an alarm is at least `falseAlarmInterval`, however often one looks, and however the streams
/// depend on one another. ``EvidenceBook`` and ``HuberBet`` say why. Rows that depend on earlier
/// ones (many rows of one request, retries) break the premise: thin them first.
///
/// A value without a clock: the same blocks in the same order give the same state, bit for bit.
/// Folding takes no memory once the monitor is made.
package struct DriftMonitor: Sendable {
    /// What live traffic is compared with.
    package let profile: ReferenceProfile
    /// What was decided about the alarm.
    package let settings: DriftSettings
    /// The scored rows folded so far.
    package private(set) var rows: UInt64 = 0
    /// The alarm, from when it was raised until ``acknowledge()``.
    package internal(set) var alarm: DriftAlarm?
    /// Alarms raised so far.
    package private(set) var alarmsRaised: UInt64 = 0

    private(set) var book: EvidenceBook
    private var window: CountWindow
    private var tally: QualityTally
    private var dependence: DependenceGauge
    /// Which hours are in force, and whose rows the window has; nil without a season.
    private(set) var seasonWindow: SeasonWindow?
    private(set) var restRows: [UInt64]
    /// The weight of each stream's wealth.
    let weights: [Double]

    /// Starts without any evidence.
    package init(profile: ReferenceProfile, settings: DriftSettings) {
        self.profile = profile
        self.settings = settings
        book = EvidenceBook(profile: profile, settings: settings)
        window = CountWindow(cellCount: book.layout.cellCount)
        tally = QualityTally(profile.streams)
        dependence = DependenceGauge(streams: profile.streams.count)
        restRows = [UInt64](repeating: 0, count: profile.streams.count)
        weights = AlarmBudget.weights(profile)
        seasonWindow = profile.seasons.map { SeasonWindow(count: $0.groups.count) }
    }

    /// What became of a block.
    package enum FoldOutcome: Sendable, Equatable {
        /// It was counted.
        case counted
        /// It was counted, and ``alarm`` was raised by it.
        case raised
        /// It was counted, and the standing alarm's level rose.
        case worsened
        /// It is of another profile, or of hours that it has not, and was not counted.
        case foreign
    }

    /// Takes in a block of scored rows; an empty one changes nothing.
    @discardableResult
    package mutating func fold(_ block: BlockCounts) -> FoldOutcome {
        guard block.layout == book.layout, block.season < profile.seasonCount else {
            return .foreign
        }
        guard block.rowCount > 0 else { return .counted }
        enter(season: Int(block.season), rows: block.rowCount)
        book.fold(counts: block.counts.span, rows: block.rowCount)
        window.add(block.counts.span, rows: block.rowCount)
        tally.add(block.counts.span)
        dependence.add(block)
        rows &+= UInt64(block.rowCount)
        noteRest()
        return judge()
    }

    /// ln A, in nats: an alarm is raised when the evidence reaches it.
    package var threshold: Double { naturalLogarithm(settings.falseAlarmInterval) }

    /// The evidence of all streams together that traffic has left its leeway, in nats; 0 at rest.
    ///
    /// It is ln(1 + M − M₀), where M is the wealth of all streams by their weights
    /// (``AlarmBudget``) and M₀ that at rest, which is more than 1; so it never exceeds ln M, of
    /// which the guarantee speaks.
    package var evidence: Double { nats(excess) }

    /// The wealth of all streams by their weights, in rows.
    ///
    /// While all streams are in their leeway its mean over all that could have happened is at most
    /// the rows scored times the weights' sum, at any stopping time.
    package var wealth: Double { excess + AlarmBudget.streams * book.rest }

    /// A stream's own evidence, in nats; 0 at rest.
    package func evidence(ofStream stream: Int) -> Double { nats(excess(ofStream: stream)) }

    /// How far, in total variation, a stream may be from the reference without any evidence: the
    /// tolerance and its sampling error.
    package func tolerance(ofStream stream: Int) -> Double { book.tolerances[stream] }

    /// Whether a stream can never raise evidence: its leeway covers all there is, since the
    /// hold-out is too small.
    package func isBlind(stream: Int) -> Bool {
        let least = shares(ofStream: stream).min() ?? 1
        return book.tolerances[stream] >= 1 - least
    }

    /// Compares a stream's window of panes with the reference.
    package func effectSize(ofStream stream: Int) -> EffectSize {
        let (law, holdoutRows) = windowReference(ofStream: stream)
        return EffectSize(
            counts: window.counts(of: book.layout.cells(of: stream)),
            stream: law,
            holdoutRows: holdoutRows
        )
    }

    /// The live rows of each bin of a stream in the window of panes.
    package func windowCounts(ofStream stream: Int) -> [UInt64] {
        window.counts(of: book.layout.cells(of: stream))
    }

    /// Values of a stream that were missing, outside of the training data, or rare, since the
    /// monitor was started.
    package func quality(ofStream stream: Int) -> QualityCounts { tally.counts[stream] }

    /// How much a stream's bin depends on that of the row before, −1 to 1.
    ///
    /// It is 0 for independent rows and NaN before there are enough. The guarantee weakens when it
    /// is far above 0.
    package func dependence(ofStream stream: Int) -> Double {
        let slowest = book.halfLives.indices.max { book.halfLives[$0] < book.halfLives[$1] } ?? 0
        return dependence.value(
            stream: stream,
            shares: book.decayedShares(stream: stream, memory: slowest).shares
        )
    }

    /// The live rows in the window of panes.
    package var windowRows: Int { Int(clamping: window.rows) }

    /// Begins the next of the window's six panes, in the place of the oldest.
    ///
    /// The caller has the clock.
    package mutating func rotatePane() {
        window.rotate()
        seasonWindow?.rotate()
    }

    /// Ends the alarm and takes all evidence away.
    ///
    /// If traffic is still outside of its leeway, the
    /// next alarm is not far: what was learnt of traffic stays.
    package mutating func acknowledge() {
        alarm = nil
        book.forgetEvidence()
        for stream in restRows.indices { restRows[stream] = rows }
    }

    /// All that changes, for a restart; it belongs to this profile and these settings.
    package var state: DriftState {
        DriftState(
            settings: settings,
            streams: profile.streams.map { DriftState.StreamForm($0) },
            rows: rows,
            alarmsRaised: alarmsRaised,
            alarm: alarm,
            pages: book.pages,
            points: book.points.wealth,
            dependence: dependence,
            window: window,
            tally: tally.counts,
            restRows: restRows,
            seasons: seasonWindow
        )
    }

    /// Goes on from a saved state, as if there had been no restart.
    ///
    /// - Throws: ``DriftError/state(problem:)`` when the state is of another profile or of other
    ///   settings, or is damaged.
    package init(
        profile: ReferenceProfile,
        settings: DriftSettings,
        state: DriftState
    ) throws(DriftError) {
        self.init(profile: profile, settings: settings)
        try state.check(against: self.state)
        rows = state.rows
        alarmsRaised = state.alarmsRaised
        alarm = state.alarm
        seasonWindow = state.seasons
        book.adopt(season: season, of: profile, settings)
        book.restore(state.pages, points: state.points)
        dependence = state.dependence
        window = state.window
        tally.counts = state.tally
        restRows = state.restRows
    }
}

extension DriftMonitor {
    /// The group of hours in force; 0 without a season.
    package var season: Int { seasonWindow?.current ?? 0 }

    /// What a stream is compared with now.
    func shares(ofStream stream: Int) -> [Double] {
        profile.shares(ofStream: stream, season: season)
    }

    private mutating func enter(season next: Int, rows: Int) {
        guard seasonWindow != nil else { return }
        if next != season { book.enter(season: next, from: season, of: profile, settings) }
        seasonWindow?.add(season: next, rows: rows)
    }

    /// What a stream's window is compared with: each group of hours has the part in it that it has
    /// in the window.
    private func windowReference(ofStream stream: Int) -> (ReferenceStream, holdoutRows: Int) {
        guard let seasonWindow else { return (profile.streams[stream], profile.holdoutRows) }
        let mixture = profile.mixture(ofStream: stream, parts: seasonWindow.shares)
        let law = profile.streams[stream].with(probabilities: mixture.shares)
        return (law, mixture.holdoutRows)
    }

    mutating func raise() {
        alarmsRaised &+= 1
        alarm = makeAlarm()
    }

    private mutating func noteRest() {
        for stream in restRows.indices where excess(ofStream: stream) <= Self.excessAtRest {
            restRows[stream] = rows
        }
    }
}
