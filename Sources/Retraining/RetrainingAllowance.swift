/// Whether a run may start now: the one place that decides it, from values alone.
package struct RetrainingAllowance: Sendable, Equatable {
    /// Whether a drift alarm may start a run.
    package var onDrift: Bool
    /// Whether labels that show harm may start a run.
    package var onFeedback: Bool
    /// Seconds between two runs that drift or feedback started.
    package var cooldownSeconds: Int
    /// Most runs that nobody asked for, in any 24 hours; 0 for no limit.
    package var runsPerDayMax: Int

    /// Sets the limits.
    package init(
        onDrift: Bool,
        onFeedback: Bool = false,
        cooldownSeconds: Int,
        runsPerDayMax: Int = 0
    ) {
        self.onDrift = onDrift
        self.onFeedback = onFeedback
        self.cooldownSeconds = cooldownSeconds
        self.runsPerDayMax = runsPerDayMax
    }

    /// Why a run may not start.
    package enum Refusal: Sendable, Equatable {
        /// A run of the model waits or goes on.
        case running
        /// The configuration does not want runs for this reason.
        case unwanted(RetrainingTrigger)
        /// A pinned version stops what nobody asked for.
        case pinned(version: Int)
        /// Drift or feedback started a run so many seconds ago.
        case cooldown(seconds: Int64)
        /// So many runs were started in the last 24 hours.
        case budget(runs: Int)

        /// A stable word for labels.
        package var code: String {
            switch self {
            case .running: "running"
            case .unwanted: "unwanted"
            case .pinned: "pinned"
            case .cooldown: "cooldown"
            case .budget: "budget"
            }
        }

        /// The codes there are.
        package static let codes = ["running", "unwanted", "pinned", "cooldown", "budget"]

        /// Why, in words.
        package var reason: String {
            switch self {
            case .running: "a run is waiting or going on"
            case .unwanted(let trigger): "retrain.on_\(trigger.rawValue) is false"
            case .pinned(let version): "version \(version) is pinned, which stops automation"
            case .cooldown(let seconds):
                "the last retrain by drift or feedback was \(seconds) s ago"
            case .budget(let runs):
                "\(runs) runs were started in the last 24 hours: retrain.runs_per_day_max"
            }
        }
    }

    /// Decides on a run.
    ///
    /// What a person asks for, and a first version, wait only for a run that goes on.
    ///
    /// - Parameters:
    ///   - trigger: Why it would be started.
    ///   - now: Unix seconds.
    ///   - ledger: What was started before.
    ///   - isRunning: Whether a run of the model waits or goes on.
    ///   - pinned: The version that an operator has pinned; nil for none.
    /// - Returns: Why it may not start; nil when it may.
    package func refusal(
        _ trigger: RetrainingTrigger,
        now: Int64,
        ledger: RetrainingLedger,
        isRunning: Bool,
        pinned: Int?
    ) -> Refusal? {
        if trigger == .drift && !onDrift || trigger == .feedback && !onFeedback {
            return .unwanted(trigger)
        }
        if isRunning { return .running }
        guard trigger.isAutomatic else { return nil }
        if let pinned { return .pinned(version: pinned) }
        if trigger.isReaction, let last = ledger.lastReaction, last <= now,
            now - last < Int64(cooldownSeconds)
        {
            return .cooldown(seconds: now - last)
        }
        let recent = ledger.starts(before: now).count
        if runsPerDayMax > 0 && recent >= runsPerDayMax { return .budget(runs: recent) }
        return nil
    }
}

extension RetrainingTrigger {
    /// Whether nobody has asked for the run: it is bounded by a budget, and stopped by a pin.
    package var isAutomatic: Bool { self == .schedule || isReaction }

    /// Whether the run answers something that live traffic has shown.
    package var isReaction: Bool { self == .drift || self == .feedback }
}

/// What was started, and what is due: kept across restarts, so that a budget is one of days and not
/// of processes, and a start that was missed is known.
package struct RetrainingLedger: Codable, Sendable, Equatable {
    /// When runs that nobody asked for were started, in Unix seconds, the oldest first.
    package private(set) var starts: [Int64] = []
    /// When drift or feedback last started a run.
    package private(set) var lastReaction: Int64?
    /// When the last run ended.
    package var lastEnded: Int64?
    /// When the schedule's next run is due.
    package var due: Int64?

    /// Nothing yet.
    package init() {}

    /// More than a budget can ask for are not kept.
    package static let startsMax = 1000
    private static let day: Int64 = 86_400

    /// The starts of the last 24 hours; what a clock that went back has put into the future is
    /// not among them.
    func starts(before now: Int64) -> [Int64] {
        starts.filter { $0 <= now && now - $0 < Self.day }
    }

    /// Takes note of a start.
    package mutating func started(_ trigger: RetrainingTrigger, at now: Int64) {
        if trigger.isReaction { lastReaction = now }
        guard trigger.isAutomatic else { return }
        starts = Array((starts(before: now) + [now]).suffix(Self.startsMax))
    }

    /// When the schedule's first run of this process is due.
    ///
    /// - Parameters:
    ///   - schedule: The schedule.
    ///   - clock: The clock that a cron expression speaks of.
    ///   - now: Unix seconds.
    ///   - catchesUp: Whether a start that fell into a downtime is made up for, once.
    /// - Returns: Unix seconds; nil for never.
    package func firstStart(
        _ schedule: RetrainingSchedule,
        on clock: LocalClock,
        now: Int64,
        catchesUp: Bool
    ) -> Int64? {
        let next = schedule.next(after: now, on: clock)
        if case .interval(let seconds) = schedule, let lastEnded, lastEnded <= now {
            // An interval goes on across restarts, or a process that is often started anew would
            // never come to its end.
            if lastEnded + seconds > now { return lastEnded + seconds }
            return catchesUp ? now : next
        }
        if catchesUp, let due, due <= now { return now }
        return next
    }
}
