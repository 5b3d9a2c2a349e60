/// What the operator decides about the alarm.
///
/// All of it is fixed for the life of a run: the guarantee is about one interval, one tolerance.
package struct DriftSettings: Codable, Sendable, Equatable {
    /// How far, in total variation (0 to 1), live traffic may move without being drift.
    ///
    /// The error with which the hold-out knows its own distribution is added, stream by stream.
    package let tolerance: Double
    /// The mean number of scored rows between false alarms is at least this many.
    package let falseAlarmInterval: Double
    /// The memories of the bets, in scored rows: after so many rows a row counts half.
    package let halfLives: [Double]
    /// How many reference rows are mixed into every bet.
    package let pseudoCount: Double
    /// The tolerance of streams that look at tails and at bad data, where a hundredth is much.
    ///
    /// It never exceeds ``tolerance``.
    package let rareTolerance: Double
    /// The part of a stream's evidence that stands on fixed bets (``PointBets``), 0 to 1.
    package let fixedShare: Double

    /// Most half-lives that a monitor follows.
    package static let halfLivesMax = 8

    /// Takes settings that are in range.
    ///
    /// - Throws: ``DriftError/setting(name:problem:)`` naming the setting and its range.
    package init(
        tolerance: Double = 0.05,
        falseAlarmInterval: Double = 1_000_000,
        halfLives: [Double] = [8, 32, 256, 2048],
        pseudoCount: Double = 10,
        rareTolerance: Double = 0.01,
        fixedShare: Double = 0.1
    ) throws(DriftError) {
        self.tolerance = tolerance
        self.falseAlarmInterval = falseAlarmInterval
        self.halfLives = halfLives
        self.pseudoCount = pseudoCount
        self.rareTolerance = min(rareTolerance, tolerance)
        self.fixedShare = fixedShare
        try check("rareTolerance", rareTolerance, in: 0...0.9)
        try check("fixedShare", fixedShare, in: 0...1)
        try check("tolerance", tolerance, in: 0...0.9)
        try check("falseAlarmInterval", falseAlarmInterval, in: 1...1e15)
        try check("pseudoCount", pseudoCount, in: 0.01...100_000)
        guard (1...Self.halfLivesMax).contains(halfLives.count) else {
            throw .setting(
                name: "halfLives",
                problem: "\(halfLives.count) values, 1 to \(Self.halfLivesMax) are possible"
            )
        }
        for halfLife in halfLives { try check("halfLives", halfLife, in: 1...1_000_000) }
    }

    /// Reads settings and refuses those that are out of range.
    package init(from decoder: any Decoder) throws {
        let container = try decoder.container(keyedBy: CodingKeys.self)
        try self.init(
            tolerance: container.decode(Double.self, forKey: .tolerance),
            falseAlarmInterval: container.decode(Double.self, forKey: .falseAlarmInterval),
            halfLives: container.decode([Double].self, forKey: .halfLives),
            pseudoCount: container.decode(Double.self, forKey: .pseudoCount),
            rareTolerance: container.decode(Double.self, forKey: .rareTolerance),
            fixedShare: container.decode(Double.self, forKey: .fixedShare)
        )
    }

    /// δ of each stream in a group of hours: the tolerance, and how far the hours' laws may be from
    /// the reference though nothing has changed.
    func tolerances(_ profile: ReferenceProfile, season: Int) -> [Double] {
        profile.streams.indices.map { stream in
            (profile.streams[stream].isRare ? rareTolerance : tolerance)
                + profile.error(ofStream: stream, season: season)
        }
    }

    private func check(
        _ name: String,
        _ value: Double,
        in range: ClosedRange<Double>
    ) throws(DriftError) {
        // NaN is in no range, so it is refused here, too.
        guard range.contains(value) else {
            throw .setting(
                name: name,
                problem: "\(value) is not in \(range.lowerBound)...\(range.upperBound)"
            )
        }
    }

    private enum CodingKeys: String, CodingKey {
        case tolerance
        case falseAlarmInterval = "false_alarm_interval"
        case halfLives = "half_lives"
        case pseudoCount = "pseudo_count"
        case rareTolerance = "rare_tolerance"
        case fixedShare = "fixed_share"
    }
}
