/// One model, as the supervisor sees it.
package struct SupervisedModel: Sendable {
    /// The model's name.
    package let name: String
    /// When scheduled retrains start; nil for never.
    package let schedule: RetrainingSchedule?
    /// The clock that a cron expression speaks of.
    package let clock: LocalClock
    /// Most seconds of random delay added to a scheduled start.
    package let jitterSecondsMax: Int
    /// Whether a scheduled start that fell into a downtime is made up for, once.
    package let catchesUp: Bool
    /// What may start, and how often.
    package let allowance: RetrainingAllowance
    /// The store, as far as the supervisor asks it.
    package let store: Store

    /// What the supervisor asks of a model's store.
    package struct Store: Sendable {
        /// Whether no version was ever published.
        package let isEmpty: @Sendable () -> Bool
        /// The version that an operator has pinned; nil for none.
        package let pinned: @Sendable () -> Int?
        /// What was started before this process; nil for nothing.
        package let readLedger: @Sendable () -> RetrainingLedger?
        /// Keeps it for the next process.
        package let writeLedger: @Sendable (RetrainingLedger) throws -> Void

        /// Takes the answers; a store that is asked for less keeps nothing and pins nothing.
        package init(
            isEmpty: @escaping @Sendable () -> Bool,
            pinned: @escaping @Sendable () -> Int? = { nil },
            readLedger: @escaping @Sendable () -> RetrainingLedger? = { nil },
            writeLedger: @escaping @Sendable (RetrainingLedger) throws -> Void = { _ in }
        ) {
            self.isEmpty = isEmpty
            self.pinned = pinned
            self.readLedger = readLedger
            self.writeLedger = writeLedger
        }
    }

    /// Names a model.
    package init(
        name: String,
        schedule: RetrainingSchedule?,
        clock: LocalClock = .utc,
        jitterSecondsMax: Int,
        catchesUp: Bool = false,
        allowance: RetrainingAllowance,
        store: Store
    ) {
        self.name = name
        self.schedule = schedule
        self.clock = clock
        self.jitterSecondsMax = jitterSecondsMax
        self.catchesUp = catchesUp
        self.allowance = allowance
        self.store = store
    }

    /// An interval counts from the end of a run, a cron expression from the clock.
    var restartsAfterRun: Bool {
        if case .interval = schedule { true } else { false }
    }
}
