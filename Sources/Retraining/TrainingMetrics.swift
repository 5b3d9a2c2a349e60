internal import Telemetry

/// What Prometheus learns of a fit while it goes on; the values of the last one stay.
struct TrainingMetrics: Sendable {
    private let progress: GaugeFamily
    private let epoch: GaugeFamily
    private let loss: GaugeFamily
    private let accuracy: GaugeFamily
    private let speed: GaugeFamily
    private let remaining: GaugeFamily

    init(_ registry: MetricRegistry) throws {
        progress = try registry.gauge(
            "leeway_retrain_progress_ratio",
            help: "How much of the training steps of the present or last run is done.",
            labels: ["model"]
        )
        epoch = try registry.gauge(
            "leeway_retrain_epoch",
            help: "The epoch that the present or last run is in, from 1.",
            labels: ["model"]
        )
        loss = try registry.gauge(
            "leeway_retrain_training_loss",
            help: "Mean loss of the epoch of the present or last run, as far as it has come.",
            labels: ["model"]
        )
        accuracy = try registry.gauge(
            "leeway_retrain_training_accuracy_ratio",
            help: "Share of that epoch's rows whose class is right; absent for a regression.",
            labels: ["model"]
        )
        speed = try registry.gauge(
            "leeway_retrain_rows_per_second",
            help: "Rows fitted a second, over the present or last run.",
            labels: ["model"]
        )
        remaining = try registry.gauge(
            "leeway_retrain_remaining_seconds",
            help: "Seconds until the last epoch ends, at the pace so far.",
            labels: ["model"]
        )
    }

    /// Makes the series that every model has.
    func prepare(model: String) {
        for family in [progress, epoch, loss, speed, remaining] { family.series([model]).set(0) }
    }

    func started(model: String) {
        for family in [progress, epoch] { family.series([model]).set(0) }
    }

    func follow(model: String, _ now: RetrainingEvent.Progress) {
        guard now.steps > 0, now.epochs > 0 else { return }
        let done = Double(now.epoch - 1) + Double(now.step) / Double(now.steps)
        progress.series([model]).set(min(1, max(0, done / Double(now.epochs))))
        epoch.series([model]).set(Double(now.epoch))
        if now.loss.isFinite { loss.series([model]).set(now.loss) }
        if let share = now.accuracy { accuracy.series([model]).set(share) }
        speed.series([model]).set(now.rowsPerSecond)
        if let seconds = now.secondsLeft { remaining.series([model]).set(seconds) }
    }

    /// The run is over: nothing is left, however far it had come.
    func ended(model: String) {
        remaining.series([model]).set(0)
    }
}
