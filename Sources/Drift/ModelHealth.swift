/// All that is known of a version while it serves, beside its streams: what its answers and its
/// labels say of its errors, when which row was scored, and what it all amounts to.
package struct ModelHealth: Sendable {
    /// The estimate without labels; nil for a version whose probabilities tell nothing.
    package private(set) var performance: PerformanceMonitor?
    /// When which row was scored.
    package private(set) var clock = RowClock()
    /// What the findings amount to.
    package private(set) var verdict = DriftVerdict.calm
    /// Whether labels show more errors than the limit allows.
    package var hasErrors = false
    /// When the standing alarm was seen first, in Unix seconds.
    private var alarmSeen: Double?
    /// The row at which what the standing alarm is about was found back at rest; nil while it is not.
    private var restSince: UInt64?
    private var asking = RetrainAsking()
    private let errorTolerance: Double

    /// Starts without evidence.
    ///
    /// - Parameters:
    ///   - reference: What the hold-out says of the answers; nil where it is not known.
    ///   - errorTolerance: How much the expected error may rise, 0 to 1.
    ///   - falseAlarmInterval: The mean number of rows between false alarms of the expected error,
    ///     at least.
    package init(
        _ reference: PerformanceReference?,
        errorTolerance: Double,
        falseAlarmInterval: Double
    ) {
        self.errorTolerance = errorTolerance
        performance = PerformanceMonitor(
            reference,
            tolerance: errorTolerance,
            falseAlarmInterval: falseAlarmInterval
        )
    }

    /// What a new verdict is beside the one before.
    package enum Change: Sendable, Equatable {
        /// It is the same, or milder.
        case none
        /// There was none before.
        case raised
        /// It is graver.
        case worsened
    }

    /// Takes in counted answers.
    package mutating func fold(_ counts: PerformanceCounts) { _ = performance?.fold(counts) }

    /// Begins the next pane of the estimates' window; the caller has the clock.
    package mutating func rotatePane() { performance?.rotatePane() }

    /// Scored rows, or seconds, after an alarm before it may ask for a retrain.
    private static let settling = (rows: UInt64(64), seconds: 5.0)

    private mutating func isSettled(_ monitor: DriftMonitor, _ seconds: Double) -> Bool {
        guard let alarm = monitor.alarm else {
            alarmSeen = nil
            return true
        }
        let seen = alarmSeen ?? seconds
        alarmSeen = seen
        return monitor.rows >= alarm.row + Self.settling.rows
            || abs(seconds - seen) >= Self.settling.seconds
    }

    /// Judges anew.
    ///
    /// - Parameters:
    ///   - monitor: The version's streams.
    ///   - seconds: Unix seconds.
    /// - Returns: How the verdict has changed, and whether to ask for a retrain now.
    package mutating func judge(_ monitor: DriftMonitor, seconds: Double) -> (
        change: Change, asksForRetrain: Bool
    ) {
        clock.mark(row: monitor.rows, seconds: seconds)
        noteRest(monitor)
        let (before, cause) = (verdict.level, verdict.cause)
        verdict = DriftVerdict(facts(monitor))
        var change = Change.none
        if let level = verdict.level {
            // That the data are bad is news, whatever the level was.
            let isNewlyBad = verdict.cause == .quality && cause != .quality
            change = before.map { level > $0 || isNewlyBad ? .worsened : .none } ?? .raised
        }
        // Bad data move answers, too, and may be recognised a little later.
        return (change, isSettled(monitor, seconds) && asking.isDue(verdict, now: seconds))
    }

    /// Ends the alarms that are kept here.
    package mutating func acknowledge() {
        performance?.acknowledge()
        hasErrors = false
        restSince = nil
        verdict = .calm
        asking = RetrainAsking()
    }

    /// Rows at rest after which the cause of an alarm counts as passed.
    package static let passedRowsMin: UInt64 = 2048

    /// Rows since the streams that the standing alarm names are back at rest, once there are enough of
    /// them; nil while its cause lasts, or without an alarm.
    ///
    /// The alarm stands all the same until it is acknowledged: only a person knows whether what came in
    /// between must be looked at.
    package func quietRows(_ monitor: DriftMonitor) -> UInt64? {
        guard monitor.alarm != nil, let restSince, monitor.rows >= restSince else { return nil }
        let rows = monitor.rows - restSince
        return rows >= Self.passedRowsMin ? rows : nil
    }

    private mutating func noteRest(_ monitor: DriftMonitor) {
        guard let alarm = monitor.alarm, !alarm.suspects.isEmpty else {
            restSince = nil
            return
        }
        let suspects = Set(alarm.suspects.map(\.stream))
        let isAtRest = monitor.profile.streams.indices.allSatisfy { index in
            // Twice the wealth at rest, of which fixed bets may leave a little.
            !suspects.contains(monitor.profile.streams[index].name)
                || monitor.evidence(ofStream: index) <= 0.7
        }
        restSince = isAtRest ? restSince ?? monitor.rows : nil
    }

    private func facts(_ monitor: DriftMonitor) -> DriftFacts {
        var facts = DriftFacts()
        facts.hasErrors = hasErrors
        facts.expectsErrors = performance?.isRaised ?? false
        facts.alarm = monitor.finding
        if facts.alarm == .input { facts.isCertain = monitor.hasMovedForCertain }
        return facts
    }

    /// What is kept over a restart.
    package struct State: Codable, Sendable, Equatable {
        fileprivate let performance: PerformanceMonitor.State?
        fileprivate let clock: RowClock
        fileprivate let hasErrors: Bool
        fileprivate let asking: RetrainAsking
        /// Of states that were saved by earlier versions there is none.
        fileprivate let restSince: UInt64?
    }

    /// All that changes, for a restart.
    package var state: State {
        State(
            performance: performance?.state,
            clock: clock,
            hasErrors: hasErrors,
            asking: asking,
            restSince: restSince
        )
    }

    /// Goes on from a saved state; what does not fit begins anew.
    package mutating func restore(_ state: State, _ monitor: DriftMonitor) {
        if let saved = state.performance { performance?.restore(saved) }
        if state.clock.isOrdered { clock = state.clock }
        (hasErrors, asking, restSince) = (state.hasErrors, state.asking, state.restSince)
        // What was told before the restart is not told again.
        verdict = DriftVerdict(facts(monitor))
    }
}

extension DriftMonitor {
    /// The family behind the standing alarm: bad data before answers, answers before inputs.
    fileprivate var finding: DriftFinding? {
        switch alarm?.cause {
        case .quality: .quality
        case .prediction: .prediction
        case .input: .input
        case nil: nil
        }
    }

    /// Whether a suspect of the alarm is farther off than the tolerance and chance together.
    fileprivate var hasMovedForCertain: Bool {
        let suspects = Set(alarm?.suspects.map(\.stream) ?? [])
        return profile.streams.indices.contains { index in
            suspects.contains(profile.streams[index].name)
                && effectSize(ofStream: index).totalVariationLowerBound > settings.tolerance
        }
    }
}
