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

        enum CodingKeys: String, CodingKey {
            case running, stage, progress, next, last
            case lastFailure = "last_failure"
            case lastEnded = "last_ended"
        }
    }

    private struct State {
        var status = Status()
        var lastDriftStart: Int64?
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
            states[model.name] = State()
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
        guard let settings = models.first(where: { $0.name == model }) else {
            return .unknownModel
        }
        if trigger == .drift {
            guard settings.onDrift else { return .declined(reason: "retrain.on_drift is false") }
            let last = states[model]?.lastDriftStart
            if let last, clock() - last < Int64(settings.driftCooldownSeconds) {
                return .declined(reason: "the last retrain by drift was \(clock() - last) s ago")
            }
        }
        guard states[model]?.status.running == nil, !queue.contains(where: { $0.model == model })
        else { return .alreadyRunning }
        if trigger == .drift { states[model]?.lastDriftStart = clock() }
        queue.append((model, trigger))
        return .queued
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
        for model in models { schedule(model) }
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
                if model.isEmpty() { _ = request(model: model.name, trigger: .bootstrap) }
            }
        }
    }

    /// Sets the next start by the schedule, with jitter.
    private func schedule(_ model: SupervisedModel) {
        let jitter = Int64.random(in: 0...Int64(max(0, model.jitterSecondsMax)))
        let next = model.schedule?.next(after: clock()).map { $0 + jitter }
        states[model.name]?.status.next = next
        metrics.scheduled(model: model.name, at: next)
        if model.isEmpty() && states[model.name]?.bootstrapAt == nil {
            states[model.name]?.bootstrapAt = clock()
        }
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
            failed(model, error)
        }
        states[model]?.status.running = nil
        states[model]?.status.stage = nil
        states[model]?.status.progress = nil
        states[model]?.status.lastEnded = clock()
        if let settings = models.first(where: { $0.name == model }), settings.restartsAfterRun {
            schedule(settings)
        }
    }

    private func follow(_ model: String, _ events: AsyncStream<RetrainingEvent>) async {
        for await event in events {
            metrics.follow(model: model, event)
            switch event {
            case .stage(let stage): states[model]?.status.stage = stage
            case .progress(let progress):
                states[model]?.status.progress = progress
                if progress.step == progress.steps { tell(model, progress) }
            case .download, .outcome, .failure: break
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

    private func failed(_ model: String, _ error: any Error) {
        let code = (error as? RetrainingError)?.code ?? "failed"
        metrics.failed(model: model, code: code, at: clock())
        let failures = (states[model]?.failures ?? 0) + 1
        states[model]?.failures = failures
        states[model]?.status.lastFailure = "\(error)"
        // Without a version there is nothing to serve: it is tried again, ever more slowly.
        let delay = min(600, 15 << min(failures - 1, 6))
        if models.first(where: { $0.name == model })?.isEmpty() == true {
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
}

/// One model, as the supervisor sees it.
package struct SupervisedModel: Sendable {
    /// The model's name.
    package let name: String
    /// When scheduled retrains start; nil for never.
    package let schedule: RetrainingSchedule?
    /// Most seconds of random delay added to a scheduled start.
    package let jitterSecondsMax: Int
    /// Whether a drift alarm starts a retrain.
    package let onDrift: Bool
    /// Seconds between two retrains started by drift.
    package let driftCooldownSeconds: Int
    /// Whether no version was ever published.
    package let isEmpty: @Sendable () -> Bool

    /// Names a model.
    package init(
        name: String,
        schedule: RetrainingSchedule?,
        jitterSecondsMax: Int,
        onDrift: Bool,
        driftCooldownSeconds: Int,
        isEmpty: @escaping @Sendable () -> Bool
    ) {
        self.name = name
        self.schedule = schedule
        self.jitterSecondsMax = jitterSecondsMax
        self.onDrift = onDrift
        self.driftCooldownSeconds = driftCooldownSeconds
        self.isEmpty = isEmpty
    }

    /// An interval counts from the end of a run, a cron expression from the clock.
    var restartsAfterRun: Bool {
        if case .interval = schedule { true } else { false }
    }
}
