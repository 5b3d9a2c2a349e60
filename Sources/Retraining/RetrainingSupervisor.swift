package import Logging

/// Starts retrains in the serving process: by schedule, on drift, on request; one at a time.
///
/// The work itself is done by ``RetrainingChild``. A run that fails leaves the served version as
/// it is; it is logged and counted, and the schedule goes on.
package actor RetrainingSupervisor {
    private var models: [SupervisedModel]
    private let start: Start
    private let metrics: RetrainingMetrics
    private let logger: Logger
    private let clock: @Sendable () -> Int64
    private var queue: [(model: String, trigger: RetrainingTrigger)] = []
    private var states: [String: State] = [:]

    /// Runs one retrain and returns how it ended.
    package typealias Start =
        @Sendable (
            _ model: String,
            _ trigger: RetrainingTrigger,
            _ events: @escaping @Sendable (RetrainingEvent) -> Void
        ) async throws -> RetrainingOutcome

    /// What a request for a retrain led to.
    package enum Answer: Sendable, Equatable {
        /// It will run, now or when the present run has ended.
        case queued
        /// A run of this model is already waiting or going on.
        case alreadyRunning
        /// It is not wanted: by the configuration, or so soon after the last one.
        case declined(reason: String)
        /// No model has this name.
        case unknownModel
    }

    /// How a model's retraining stands.
    package struct Status: Sendable, Codable, Equatable {
        /// Why the present run was started; nil when none is going on.
        package var running: RetrainingTrigger?
        /// The stage of the present run.
        package var stage: RetrainingStage?
        /// How far the present run's training is.
        package var progress: RetrainingEvent.Progress?
        /// When the schedule starts the next run, in Unix seconds.
        package var next: Int64?
        /// How the last run ended.
        package var last: RetrainingOutcome?
        /// Why the last run failed; nil when it did not.
        package var lastFailure: String?
        /// When the last run ended, in Unix seconds.
        package var lastEnded: Int64?
        /// Why a run that was wanted last did not start; nil once one has.
        package var declined: String?

        enum CodingKeys: String, CodingKey {
            case running, stage, progress, next, last, declined
            case lastFailure = "last_failure"
            case lastEnded = "last_ended"
        }
    }

    private struct State {
        var status = Status()
        var ledger: RetrainingLedger
        var failures = 0
        /// When the first version is tried again.
        var bootstrapAt: Int64?
    }

    /// Puts the supervisor together; nothing runs before ``run()``.
    ///
    /// - Parameters:
    ///   - models: The models and when they are retrained.
    ///   - metrics: What Prometheus learns.
    ///   - logger: Where each run is told.
    ///   - clock: Unix seconds.
    ///   - start: Runs one retrain.
    package init(
        models: [SupervisedModel],
        metrics: RetrainingMetrics,
        logger: Logger,
        clock: @escaping @Sendable () -> Int64,
        start: @escaping Start
    ) {
        self.models = models
        self.metrics = metrics
        self.logger = logger
        self.clock = clock
        self.start = start
        for model in models {
            states[model.name] = State(ledger: model.store.readLedger() ?? RetrainingLedger())
            metrics.prepare(model: model.name)
        }
    }

    /// Asks for a retrain.
    ///
    /// - Parameters:
    ///   - model: The model's name.
    ///   - trigger: Why.
    /// - Returns: Whether it will run.
    package func request(model: String, trigger: RetrainingTrigger) -> Answer {
        guard let settings = models.first(where: { $0.name == model }),
            let state = states[model]
        else { return .unknownModel }
        let refusal = settings.allowance.refusal(
            trigger,
            now: clock(),
            ledger: state.ledger,
            isRunning: state.status.running != nil || queue.contains { $0.model == model },
            pinned: settings.store.pinned()
        )
        if let refusal { return decline(model, trigger, refusal) }
        states[model]?.status.declined = nil
        states[model]?.ledger.started(trigger, at: clock())
        if trigger.isAutomatic { keepLedger(settings) }
        queue.append((model, trigger))
        return .queued
    }

    private func decline(
        _ model: String,
        _ trigger: RetrainingTrigger,
        _ refusal: RetrainingAllowance.Refusal
    ) -> Answer {
        metrics.declined(model: model, refusal.code)
        if refusal == .running { return .alreadyRunning }
        // An alarm that stands may ask again and again: it is told once.
        if states[model]?.status.declined != refusal.code, refusal.code != "unwanted" {
            states[model]?.status.declined = refusal.code
            logger.notice(
                "retraining declined",
                metadata: [
                    "model": "\(model)", "retraining.trigger": "\(trigger.rawValue)",
                    "retraining.reason": "\(refusal.reason)",
                ]
            )
        }
        return .declined(reason: refusal.reason)
    }

    /// Keeps what was started for the next process; without it only limits of days are less exact.
    private func keepLedger(_ model: SupervisedModel) {
        guard let ledger = states[model.name]?.ledger else { return }
        do {
            try model.store.writeLedger(ledger)
        } catch {
            logger.warning(
                "retraining ledger not kept",
                metadata: ["model": "\(model.name)", "error.message": "\(error)"]
            )
        }
    }

    /// How a model's retraining stands; nil for an unknown model.
    package func status(of model: String) -> Status? { states[model]?.status }

    /// Takes note of a version that went live, whoever made it: after a restart the last success
    /// is known from it.
    package func noteLive(model: String, createdAt unixSeconds: Double) {
        metrics.atLeast(model: model, lastSuccess: unixSeconds)
    }

    /// Starts what is due until the task is cancelled.
    package func run() async {
        for model in models { begin(model) }
        while !Task.isCancelled {
            enqueueDue()
            if let next = queue.first {
                queue.removeFirst()
                await runOne(next.model, next.trigger)
            } else {
                try? await Task.sleep(for: .milliseconds(100))
            }
        }
    }

    private func enqueueDue() {
        let now = clock()
        for model in models {
            if let due = states[model.name]?.status.next, due <= now {
                schedule(model)
                _ = request(model: model.name, trigger: .schedule)
            }
            if let due = states[model.name]?.bootstrapAt, due <= now {
                states[model.name]?.bootstrapAt = nil
                if model.store.isEmpty() {
                    _ = request(model: model.name, trigger: .bootstrap)
                }
            }
        }
    }

    /// Plans the first start, from what an earlier process has left.
    private func begin(_ model: SupervisedModel) {
        let ledger = states[model.name]?.ledger ?? RetrainingLedger()
        let first = model.schedule.flatMap {
            ledger.firstStart($0, on: model.clock, now: clock(), catchesUp: model.catchesUp)
        }
        if let first, first <= clock() {
            logger.notice("scheduled retraining missed", metadata: ["model": "\(model.name)"])
        }
        plan(model, first)
        if model.store.isEmpty() && states[model.name]?.bootstrapAt == nil {
            states[model.name]?.bootstrapAt = clock()
        }
    }

    /// Sets the next start by the schedule.
    private func schedule(_ model: SupervisedModel) {
        plan(model, model.schedule?.next(after: clock(), on: model.clock))
    }

    /// Sets the next start, with jitter.
    private func plan(_ model: SupervisedModel, _ start: Int64?) {
        let jitter = Int64.random(in: 0...Int64(max(0, model.jitterSecondsMax)))
        let next = start.map { $0 + jitter }
        states[model.name]?.status.next = next
        metrics.scheduled(model: model.name, at: next)
        guard states[model.name]?.ledger.due != next else { return }
        states[model.name]?.ledger.due = next
        keepLedger(model)
    }

    private func runOne(_ model: String, _ trigger: RetrainingTrigger) async {
        states[model]?.status.running = trigger
        metrics.started(model: model)
        logger.info(
            "retraining started",
            metadata: ["model": "\(model)", "retraining.trigger": "\(trigger.rawValue)"]
        )
        do {
            let (events, continuation) = AsyncStream.makeStream(of: RetrainingEvent.self)
            async let following: Void = follow(model, events)
            let result: Result<RetrainingOutcome, any Error>
            do {
                result = .success(try await start(model, trigger) { continuation.yield($0) })
            } catch {
                result = .failure(error)
            }
            continuation.finish()
            await following
            let outcome = try result.get()
            succeeded(model, outcome)
        } catch {
            failed(model, trigger, error)
        }
        states[model]?.status.running = nil
        states[model]?.status.stage = nil
        states[model]?.status.progress = nil
        states[model]?.status.lastEnded = clock()
        states[model]?.ledger.lastEnded = clock()
        if let settings = models.first(where: { $0.name == model }) {
            if settings.restartsAfterRun { schedule(settings) }
            keepLedger(settings)
        }
    }

    private func follow(_ model: String, _ events: AsyncStream<RetrainingEvent>) async {
        for await event in events {
            metrics.follow(model: model, event)
            switch event {
            case .stage(let stage):
                states[model]?.status.stage = stage
                logger.info(
                    "retraining stage began",
                    metadata: ["model": "\(model)", "retraining.stage": "\(stage.rawValue)"]
                )
            case .progress(let progress):
                states[model]?.status.progress = progress
                if progress.step == progress.steps { tell(model, progress) }
            case .download, .transfer, .outcome, .failure: break
            }
        }
    }

    /// One line an epoch.
    private func tell(_ model: String, _ progress: RetrainingEvent.Progress) {
        var metadata: Logger.Metadata = [
            "model": "\(model)", "training.epoch": "\(progress.epoch)",
            "training.epochs": "\(progress.epochs)", "training.loss": "\(progress.loss)",
            "training.rows_per_second": "\(progress.rowsPerSecond)",
        ]
        if let accuracy = progress.accuracy { metadata["training.accuracy"] = "\(accuracy)" }
        if let loss = progress.validationLoss { metadata["training.validation_loss"] = "\(loss)" }
        if let left = progress.secondsLeft { metadata["training.seconds_left"] = "\(left)" }
        logger.info("training epoch ended", metadata: metadata)
    }

    private func succeeded(_ model: String, _ outcome: RetrainingOutcome) {
        metrics.ended(model: model, outcome, at: clock())
        states[model]?.status.last = outcome
        states[model]?.status.lastFailure = nil
        states[model]?.failures = 0
        logger.info(
            "retraining ended",
            metadata: [
                "model": "\(model)", "retraining.result": "\(outcome.result.rawValue)",
                "retraining.reason": "\(outcome.reason)",
                "model.version": "\(outcome.version ?? 0)",
            ]
        )
    }

    private func failed(_ model: String, _ trigger: RetrainingTrigger, _ error: any Error) {
        let code = (error as? RetrainingError)?.code ?? "failed"
        // Several servers may follow one store: one of them retrains, and the others need not.
        if code == "store_locked", trigger.isAutomatic { return skipped(model, error) }
        metrics.failed(model: model, code: code, at: clock())
        let failures = (states[model]?.failures ?? 0) + 1
        states[model]?.failures = failures
        states[model]?.status.lastFailure = "\(error)"
        // Without a version there is nothing to serve: it is tried again, ever more slowly.
        let delay = min(600, 15 << min(failures - 1, 6))
        if models.first(where: { $0.name == model })?.store.isEmpty() == true {
            states[model]?.bootstrapAt = clock() + Int64(delay)
        }
        guard !Task.isCancelled else { return }
        logger.error(
            "retraining failed",
            metadata: [
                "model": "\(model)", "error.type": "\(code)", "error.message": "\(error)",
                "retraining.failures": "\(failures)",
            ]
        )
    }

    private func skipped(_ model: String, _ error: any Error) {
        metrics.skipped(model: model, at: clock())
        logger.notice(
            "retraining skipped",
            metadata: ["model": "\(model)", "retraining.reason": "\(error)"]
        )
    }
}
