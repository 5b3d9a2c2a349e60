internal import ModelStore
package import Telemetry
internal import Transfer

/// What Prometheus learns of retraining.
package struct RetrainingMetrics: Sendable {
    private let runs: CounterFamily
    private let declines: CounterFamily
    private let failures: CounterFamily
    private let lastSuccess: GaugeFamily
    private let lastRun: GaugeFamily
    private let nextRun: GaugeFamily
    private let running: GaugeFamily
    private let training: TrainingMetrics
    private let stageSeconds: GaugeFamily
    private let score: GaugeFamily
    private let rows: GaugeFamily
    private let gates: CounterFamily
    private let downloads: DownloadMetrics
    private let transferred: GaugeFamily

    /// Declares the families.
    ///
    /// - Throws: `TelemetryError` when a name is taken.
    package init(_ registry: MetricRegistry) throws {
        (runs, downloads) = try (Self.runs(registry), DownloadMetrics(registry: registry))
        declines = try Self.declines(registry)
        failures = try registry.counter(
            "leeway_retrain_failures_total",
            help: "Retraining runs that failed, by the code of the error.",
            labels: ["model", "code"]
        )
        lastSuccess = try registry.gauge(
            "leeway_retrain_last_success_timestamp_seconds",
            help: "When the last run ended that published, or found nothing to change.",
            labels: ["model"]
        )
        lastRun = try registry.gauge(
            "leeway_retrain_last_run_timestamp_seconds",
            help: "When the last run ended, however it did.",
            labels: ["model"]
        )
        nextRun = try registry.gauge(
            "leeway_retrain_next_run_timestamp_seconds",
            help: "When the schedule starts the next run; 0 when there is no schedule.",
            labels: ["model"]
        )
        running = try registry.gauge(
            "leeway_retrain_running",
            help: "Whether a run is going on.",
            labels: ["model"]
        )
        transferred = try Self.transferred(registry)
        training = try TrainingMetrics(registry)
        stageSeconds = try registry.gauge(
            "leeway_retrain_stage_duration_seconds",
            help: "How long each stage of the last run took.",
            labels: ["model", "stage"]
        )
        score = try registry.gauge(
            "leeway_retrain_accuracy_ratio",
            help: "Accuracy on the hold-out of the last run's candidate and of its champion.",
            labels: ["model", "role"]
        )
        gates = try Self.gates(registry)
        rows = try registry.gauge(
            "leeway_retrain_rows",
            help: "Rows of the last run that were fitted and held out.",
            labels: ["model", "set"]
        )
    }

    private static func runs(_ registry: MetricRegistry) throws -> CounterFamily {
        try registry.counter(
            "leeway_retrain_runs_total",
            help: "Retraining runs by how they ended.",
            labels: ["model", "result"]
        )
    }

    private static func gates(_ registry: MetricRegistry) throws -> CounterFamily {
        try registry.counter(
            "leeway_retrain_gate_refusals_total",
            help: "Candidates that a gate refused, by the gate; one may be refused by several.",
            labels: ["model", "gate"]
        )
    }

    private static func transferred(_ registry: MetricRegistry) throws -> GaugeFamily {
        try registry.gauge(
            "leeway_download_progress_ratio",
            help: "Share of the file that is there, of the transfer that runs or was told last.",
            labels: ["model"]
        )
    }

    private static func declines(_ registry: MetricRegistry) throws -> CounterFamily {
        try registry.counter(
            "leeway_retrain_declined_total",
            help: "Runs that were wanted and did not start, by what forbade it.",
            labels: ["model", "reason"]
        )
    }

    /// The results that a run can have; each has its series from the start.
    private static let results =
        RetrainingOutcome.Result.allCases.filter { $0 != .reproduced }.map(\.rawValue)
        + ["failed", "skipped"]

    /// Makes the series of a model, so that each exists before its first event.
    func prepare(model: String) {
        for result in Self.results { _ = runs.series([model, result]) }
        for gate in GateResult.Gate.allCases { _ = gates.series([model, gate.rawValue]) }
        for reason in RetrainingAllowance.Refusal.codes { _ = declines.series([model, reason]) }
        running.series([model]).set(0)
        training.prepare(model: model)
        transferred.series([model]).set(0)
        nextRun.series([model]).set(0)
        lastSuccess.series([model]).set(0)
        lastRun.series([model]).set(0)
    }

    func scheduled(model: String, at unixSeconds: Int64?) {
        nextRun.series([model]).set(Double(unixSeconds ?? 0))
    }

    func atLeast(model: String, lastSuccess unixSeconds: Double) {
        for family in [lastSuccess, lastRun] {
            let series = family.series([model])
            series.set(max(series.value, unixSeconds))
        }
    }

    func declined(model: String, _ reason: String) {
        declines.series([model, reason]).add(1)
    }

    /// Another process was at it: neither a success nor a failure.
    func skipped(model: String, at unixSeconds: Int64) {
        running.series([model]).set(0)
        training.ended(model: model)
        lastRun.series([model]).set(Double(unixSeconds))
        runs.series([model, "skipped"]).add(1)
    }

    func started(model: String) {
        running.series([model]).set(1)
        training.started(model: model)
    }

    func follow(model: String, _ event: RetrainingEvent) {
        if case .download(let attempt) = event { downloads.record(attempt, model: model) }
        if case .transfer(let now) = event, let whole = now.bytesExpected, whole > 0 {
            transferred.series([model]).set(min(1, Double(now.bytes) / Double(whole)))
        }
        if case .progress(let now) = event { training.follow(model: model, now) }
    }

    func failed(model: String, code: String, at unixSeconds: Int64) {
        running.series([model]).set(0)
        training.ended(model: model)
        lastRun.series([model]).set(Double(unixSeconds))
        runs.series([model, "failed"]).add(1)
        failures.series([model, code]).add(1)
    }

    func ended(model: String, _ outcome: RetrainingOutcome, at unixSeconds: Int64) {
        running.series([model]).set(0)
        training.ended(model: model)
        lastRun.series([model]).set(Double(unixSeconds))
        runs.series([model, outcome.result.rawValue]).add(1)
        if outcome.result != .refused {
            lastSuccess.series([model]).set(Double(unixSeconds))
        }
        for gate in Set((outcome.gates ?? []).filter { !$0.passed }.map(\.gate)) {
            gates.series([model, gate.rawValue]).add(1)
        }
        for (stage, seconds) in outcome.stages {
            stageSeconds.series([model, stage]).set(seconds)
        }
        if let accuracy = outcome.evaluation?.accuracy {
            score.series([model, "candidate"]).set(accuracy)
        }
        if let accuracy = outcome.champion?.accuracy {
            score.series([model, "champion"]).set(accuracy)
        }
        rows.series([model, "train"]).set(Double(outcome.rows.train))
        rows.series([model, "holdout"]).set(Double(outcome.rows.holdout))
    }
}
