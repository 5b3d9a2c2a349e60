internal import Retraining

/// What bounds the retrains that nobody asked for, and every run of the trainer.
package struct RunSettings: Sendable, Equatable {
    /// The clock that a cron expression speaks of: a name of the IANA database.
    package var timeZone: String
    /// What becomes of a scheduled start that fell into a downtime.
    package var catchUp: CatchUp
    /// Whether labels that show harm start a retrain.
    package var onFeedback: Bool
    /// Most automatic runs in any 24 hours; 0 for no limit.
    package var runsPerDayMax: Int
    /// Seconds without progress after which a run is ended.
    package var stalledSecondsMax: Int
    /// Private writable memory of the trainer, in bytes; 0 for no limit.
    package var memoryBytesMax: Int
    /// Days after which a version that nothing needs is removed; 0 for never.
    package var keepDays: Int

    /// What becomes of a scheduled start that fell into a downtime.
    package enum CatchUp: String, CaseIterable, Sendable {
        /// Nothing: the next one is on time.
        case none
        /// One run at the start, however many were missed.
        case once
    }
}

extension RunSettings {
    /// Reads the keys from the section `retrain`.
    init(_ section: inout SettingsSection) {
        timeZone = section.string(
            "time_zone",
            default: "UTC",
            doc: "clock of the cron expression: UTC, or a name such as Europe/Berlin"
        )
        do {
            _ = try LocalClock(named: timeZone)
        } catch {
            section.report(error.reason, key: "time_zone")
        }
        catchUp = section.choice(
            "catch_up",
            default: CatchUp.once,
            doc: "scheduled starts missed while the server was down: none, or once at its start"
        )
        onFeedback = section.flag(
            "on_feedback",
            default: false,
            doc: "labels that show more errors than the hold-out had start a retrain"
        )
        runsPerDayMax = section.integer(
            "runs_per_day_max",
            default: 0,
            in: 0...RetrainingLedger.startsMax,
            doc: "most runs by schedule, drift or feedback in any 24 hours; 0 for no limit"
        )
        stalledSecondsMax = section.integer(
            "stalled_seconds_max",
            default: 600,
            in: 1...86_400,
            doc: "seconds in which a run neither tells anything nor computes, after which it is "
                + "ended"
        )
        memoryBytesMax = section.integer(
            "memory_bytes_max",
            default: 0,
            in: 0...(1 << 50),
            doc: "private memory of the trainer (RLIMIT_DATA), in bytes; 0 for no limit"
        )
        if (1..<(128 << 20)).contains(memoryBytesMax) {
            section.report("expected 0 or at least \(128 << 20)", key: "memory_bytes_max")
        }
        keepDays = section.integer(
            "keep_days",
            default: 0,
            in: 0...36_500,
            doc: "days after which a version that nothing needs is removed; 0 for never"
        )
    }
}
