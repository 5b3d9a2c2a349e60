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
    package private(set) var alarm: DriftAlarm?
    /// Alarms raised so far.
    package private(set) var alarmsRaised: UInt64 = 0

    private var book: EvidenceBook
    private var window: CountWindow
    private var tally: QualityTally
    private var restRows: [UInt64]

    /// Starts without any evidence.
    package init(profile: ReferenceProfile, settings: DriftSettings) {
        self.profile = profile
        self.settings = settings
        book = EvidenceBook(profile: profile, settings: settings)
        window = CountWindow(cellCount: book.layout.cellCount)
        tally = QualityTally(profile.streams)
        restRows = [UInt64](repeating: 0, count: profile.streams.count)
    }

    /// What became of a block.
    package enum FoldOutcome: Sendable, Equatable {
        /// It was counted.
        case counted
        /// It was counted, and ``alarm`` was raised by it.
        case raised
        /// It was counted, and the standing alarm's level rose.
        case worsened
        /// It is of another profile and was not counted.
        case foreign
    }

    /// Takes in a block of scored rows; an empty one changes nothing.
    @discardableResult
    package mutating func fold(_ block: BlockCounts) -> FoldOutcome {
        guard block.layout == book.layout else { return .foreign }
        guard block.rowCount > 0 else { return .counted }
        book.fold(counts: block.counts.span, rows: block.rowCount)
        window.add(block.counts.span, rows: block.rowCount)
        tally.add(block.counts.span)
        rows &+= UInt64(block.rowCount)
        noteRest()
        return judge()
    }

    /// ln A, in nats: an alarm is raised when the evidence reaches it.
    package var threshold: Double { naturalLogarithm(settings.falseAlarmInterval) }

    /// The evidence of all streams together that traffic has left its leeway, in nats; 0 at rest.
    ///
    /// It is ln(1 + M − M₀), where M is the mean wealth of all series and M₀ their wealth at rest,
    /// so it never exceeds ln M, of which the guarantee speaks.
    package var evidence: Double { nats(excess) }

    /// M, the mean wealth of all series, in rows.
    ///
    /// While all streams are in their leeway its mean
    /// over all that could have happened is at most the rows scored, at any stopping time.
    package var wealth: Double { excess + EvidenceBook.floor }

    /// A stream's own evidence, in nats; 0 at rest.
    package func evidence(ofStream stream: Int) -> Double { nats(excess(ofStream: stream)) }

    /// How far, in total variation, a stream may be from the reference without any evidence: the
    /// tolerance and its sampling error.
    package func tolerance(ofStream stream: Int) -> Double { book.tolerances[stream] }

    /// Whether a stream can never raise evidence: its leeway covers all there is, since the
    /// hold-out is too small.
    package func isBlind(stream: Int) -> Bool {
        let least = profile.streams[stream].probabilities.min() ?? 1
        return book.tolerances[stream] >= 1 - least
    }

    /// Compares a stream's window of panes with the reference.
    package func effectSize(ofStream stream: Int) -> EffectSize {
        EffectSize(
            counts: window.counts(of: book.layout.cells(of: stream)),
            stream: profile.streams[stream],
            holdoutRows: profile.holdoutRows
        )
    }

    /// The live rows of each bin of a stream in the window of panes.
    package func windowCounts(ofStream stream: Int) -> [UInt64] {
        window.counts(of: book.layout.cells(of: stream))
    }

    /// Values of a stream that were missing, outside of the training data, or rare, since the
    /// monitor was started.
    package func quality(ofStream stream: Int) -> QualityCounts { tally.counts[stream] }

    /// The live rows in the window of panes.
    package var windowRows: Int { Int(clamping: window.rows) }

    /// Begins the next of the window's twelve panes, in the place of the oldest.
    ///
    /// The caller has the clock.
    package mutating func rotatePane() { window.rotate() }

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
            window: window,
            tally: tally.counts,
            restRows: restRows
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
        book.restore(state.pages)
        window = state.window
        tally.counts = state.tally
        restRows = state.restRows
    }
}

extension DriftMonitor {
    /// The mean wealth of all series less that at rest.
    private var excess: Double {
        var sum = 0.0
        for wealth in book.streamWealth { sum += wealth }
        let series = book.streamWealth.count * book.halfLives.count
        return sum / Double(series) - EvidenceBook.floor
    }

    private func excess(ofStream stream: Int) -> Double {
        book.streamWealth[stream] / Double(book.halfLives.count) - EvidenceBook.floor
    }

    private func nats(_ excess: Double) -> Double { naturalLogarithm(1 + max(0, excess)) }

    private mutating func noteRest() {
        for stream in restRows.indices where excess(ofStream: stream) <= 0 {
            restRows[stream] = rows
        }
    }

    /// Raises the alarm when ln(1 + excess) reaches ln A; compared without a logarithm.
    private mutating func judge() -> FoldOutcome {
        if let alarm {
            guard alarm.level == .info, answersMoved else { return .counted }
            self.alarm?.level = .warning
            return .worsened
        }
        guard 1 + excess >= settings.falseAlarmInterval else { return .counted }
        alarmsRaised &+= 1
        alarm = DriftAlarm(
            row: rows,
            evidence: evidence,
            threshold: threshold,
            level: answersMoved ? .warning : .info,
            suspects: suspects()
        )
        return .raised
    }

    /// Whether a stream of answers has half of the threshold for itself.
    private var answersMoved: Bool {
        let half = settings.falseAlarmInterval.squareRoot()
        return profile.streams.indices.contains {
            profile.streams[$0].kind == .prediction && 1 + excess(ofStream: $0) >= half
        }
    }

    private func suspects() -> [DriftAlarm.Suspect] {
        let wealth = book.streamWealth
        let all = wealth.reduce(0, +)
        return wealth.indices
            .sorted { (wealth[$1], $0) < (wealth[$0], $1) }
            .prefix(DriftAlarm.suspectsMax)
            .filter { excess(ofStream: $0) > 0 }
            .map { suspect($0, share: wealth[$0] / all) }
    }

    private func suspect(_ index: Int, share: Double) -> DriftAlarm.Suspect {
        let memory = book.leadingMemory(of: index)
        let live = book.decayedShares(stream: index, memory: memory)
        let stream = profile.streams[index]
        return DriftAlarm.Suspect(
            stream: stream.name,
            kind: stream.kind,
            evidence: evidence(ofStream: index),
            share: share,
            halfLife: book.halfLives[memory],
            changedAfterRow: restRows[index],
            labels: stream.labels,
            reference: stream.probabilities,
            live: live.shares,
            liveRows: live.rows,
            windowCounts: windowCounts(ofStream: index)
        )
    }
}
