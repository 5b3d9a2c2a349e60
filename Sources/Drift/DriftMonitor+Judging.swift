extension DriftMonitor {
    /// A family's own evidence, in nats; 0 at rest.
    package func evidence(of cause: DriftCause) -> Double { nats(excess(of: cause)) }

    /// The mean wealth of all streams, by their weights, less that at rest.
    var excess: Double {
        var sum = 0.0
        for stream in weights.indices { sum += weights[stream] * book.streamWealth[stream] }
        return sum - AlarmBudget.streams * book.rest
    }

    /// The mean wealth of a family's streams less that at rest.
    func excess(of cause: DriftCause) -> Double {
        var (sum, count) = (0.0, 0.0)
        for (index, stream) in profile.streams.enumerated() where DriftCause(stream.kind) == cause {
            sum += book.streamWealth[index]
            count += 1
        }
        return count > 0 ? sum / count - book.rest : -.infinity
    }

    /// What a stream has at most while nothing happens: fixed bets leave it a little more than at
    /// rest, the more the smaller blocks are.
    static let excessAtRest = 1.0

    func excess(ofStream stream: Int) -> Double { book.streamWealth[stream] - book.rest }

    func nats(_ excess: Double) -> Double { naturalLogarithm(1 + max(0, excess)) }

    /// Raises the alarm when ln(1 + excess) reaches ln A; compared without a logarithm.
    mutating func judge() -> FoldOutcome {
        if alarm != nil { return rejudge() }
        guard 1 + excess >= settings.falseAlarmInterval else { return .counted }
        raise()
        return .raised
    }

    /// Whether later evidence has changed what the standing alarm says.
    private mutating func rejudge() -> FoldOutcome {
        guard var worse = alarm, worse.cause != .quality else { return .counted }
        // It can only become graver: inputs, then answers, then bad data, which explains both.
        guard let found = gravest, found.rank > worse.cause.rank else { return .counted }
        worse.cause = found
        worse.level = .warning
        worse.families = families
        worse.suspects = suspects(of: found)
        alarm = worse
        return .worsened
    }

    func makeAlarm() -> DriftAlarm {
        let found = cause
        return DriftAlarm(
            row: rows,
            evidence: evidence,
            threshold: threshold,
            level: found == .input ? .info : .warning,
            cause: found,
            families: families,
            suspects: suspects(of: found)
        )
    }

    /// The gravest family with a stream that has much evidence of its own.
    ///
    /// That is half of the threshold. For bad data it is a quarter where so many recent rows are bad
    /// that they explain all else that is found with them, and the whole where they are few: some
    /// that come by chance must not hold up a retrain. Requests that were refused explain nothing of
    /// rows that were scored, so they count by their family alone.
    private var gravest: DriftCause? {
        let half = settings.falseAlarmInterval.squareRoot()
        let quarter = half.squareRoot()
        var gravest: DriftCause?
        for (index, stream) in profile.streams.enumerated() {
            let found = DriftCause(stream.kind)
            guard found.rank > gravest?.rank ?? -1, stream.source != .quality(check: .refused)
            else { continue }
            let own = 1 + excess(ofStream: index)
            let level =
                switch found {
                case .quality where own >= quarter && explains(index): quarter
                case .quality: settings.falseAlarmInterval
                case .prediction, .input: half
                }
            if own >= level { gravest = found }
        }
        return gravest
    }

    /// The part of recent rows beyond the usual from which bad data explain an alarm of answers.
    private static let explainingShareMin = 0.25

    /// Whether a stream of bad data has moved in so many recent rows that others move with it.
    private func explains(_ stream: Int) -> Bool {
        let live = book.decayedShares(stream: stream, memory: book.leadingMemory(of: stream))
        let moved = zip(live.shares, shares(ofStream: stream)).reduce(0) { $0 + abs($1.0 - $1.1) }
        return live.rows > 0 && moved / 2 >= Self.explainingShareMin
    }

    /// What an alarm is about now: the gravest finding, else the family with most evidence.
    private var cause: DriftCause {
        gravest ?? DriftCause.allCases.max { excess(of: $0) < excess(of: $1) } ?? .input
    }

    private var families: [DriftAlarm.Family] {
        DriftCause.allCases.map { DriftAlarm.Family(cause: $0, evidence: evidence(of: $0)) }
    }

    private func suspects(of cause: DriftCause) -> [DriftAlarm.Suspect] {
        let wealth = book.streamWealth
        let all = wealth.reduce(0, +)
        func rank(_ stream: Int) -> Int {
            DriftCause(profile.streams[stream].kind) == cause ? 1 : 0
        }
        return wealth.indices
            .filter { excess(ofStream: $0) > Self.excessAtRest }
            .sorted { (rank($1), wealth[$1], $0) < (rank($0), wealth[$0], $1) }
            .prefix(DriftAlarm.suspectsMax)
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
            reference: shares(ofStream: index),
            live: live.shares,
            liveRows: live.rows,
            windowCounts: windowCounts(ofStream: index)
        )
    }
}

extension DriftCause {
    /// How much more a finding explains than others.
    fileprivate var rank: Int {
        switch self {
        case .input: 0
        case .prediction: 1
        case .quality: 2
        }
    }
}
