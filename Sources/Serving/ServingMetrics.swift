package import Telemetry

/// What Prometheus learns of predictions and of the versions that make them.
package struct ServingMetrics: Sendable {
    let answers: AnswerMetrics
    let versions: VersionMetrics
    let batches: BatchMetrics

    /// Declares the families.
    ///
    /// - Throws: `TelemetryError` when a name is taken.
    package init(_ registry: MetricRegistry) throws {
        answers = try AnswerMetrics(registry)
        versions = try VersionMetrics(registry)
        batches = try BatchMetrics(registry)
    }

    /// Makes a model's series, so that each exists before its first event.
    func prepare(model: String) {
        versions.ready.series([model]).set(0)
        versions.loaded.series([model]).set(0)
        versions.fallback.series([model]).set(0)
        for result in ["swapped", "refused"] { _ = versions.swaps.series([model, result]) }
        for kind in ["out_of_range", "missing", "unseen"] {
            _ = answers.unusual.series([model, kind])
        }
        batches.prepare(model)
    }

    /// Whether a version of the model answers.
    package func isReady(_ model: String) -> Bool { versions.ready.series([model]).value == 1 }
}

/// What is counted and timed of each prediction.
struct AnswerMetrics: Sendable {
    let predictions: CounterFamily
    let confidence: HistogramFamily
    let phases: HistogramFamily
    let unusual: CounterFamily
    let failures: CounterFamily

    /// The parts of a prediction that are timed.
    enum Phase: UInt8, CaseIterable {
        case parse, queue, compute, monitor, serialise

        var label: String { "\(self)" }
    }

    fileprivate init(_ registry: MetricRegistry) throws {
        predictions = try registry.counter(
            "leeway_predictions_total",
            help: "Rows answered, by predicted class; class is value for a regression.",
            labels: ["model", "version", "class"],
            seriesMax: 4000
        )
        confidence = try registry.histogram(
            "leeway_prediction_confidence_ratio",
            help: "The probability of the predicted class.",
            unit: .millionthsAsRatio,
            bounds: [0.2, 0.3, 0.4, 0.5, 0.6, 0.7, 0.8, 0.9, 0.95, 0.99, 1],
            labels: ["model"]
        )
        phases = try registry.histogram(
            "leeway_prediction_phase_duration_seconds",
            help: "How long each phase of answering a prediction took.",
            unit: .nanosecondsAsSeconds,
            bounds: HistogramBounds.stageSeconds,
            labels: ["model", "phase"],
            native: true
        )
        unusual = try registry.counter(
            "leeway_data_unusual_values_total",
            help: "Values that were scored although they are out of range, missing or unseen.",
            labels: ["model", "kind"]
        )
        failures = try registry.counter(
            "leeway_prediction_failures_total",
            help: "Requests that were not answered with a prediction, by reason.",
            labels: ["code"]
        )
    }
}

/// What is told of the version that answers, and of swaps.
struct VersionMetrics: Sendable {
    let info: InfoFamily
    let loaded: GaugeFamily
    let created: GaugeFamily
    let holdoutAccuracy: GaugeFamily
    let ready: GaugeFamily
    let swaps: CounterFamily
    let fallback: GaugeFamily
    let swapPhases: HistogramFamily
    let swapOnLoop: HistogramFamily

    /// The parts of a swap that are timed.
    enum SwapPhase: String, CaseIterable {
        case load, measure, install, release
    }

    fileprivate init(_ registry: MetricRegistry) throws {
        info = try registry.info(
            "leeway_model_info",
            help: "The version that answers; the value is always 1.",
            labels: ["model", "version", "digest"]
        )
        loaded = try registry.gauge(
            "leeway_model_loaded_timestamp_seconds",
            help: "When the version that answers went live.",
            labels: ["model"]
        )
        created = try registry.gauge(
            "leeway_model_created_timestamp_seconds",
            help: "When the version that answers was trained.",
            labels: ["model"]
        )
        holdoutAccuracy = try registry.gauge(
            "leeway_model_holdout_accuracy_ratio",
            help: "Accuracy on the hold-out of the version that answers.",
            labels: ["model"]
        )
        ready = try registry.gauge(
            "leeway_model_ready",
            help: "Whether a version answers.",
            labels: ["model"]
        )
        swaps = try registry.counter(
            "leeway_model_swaps_total",
            help: "Changes of the version that answers, by how they ended.",
            labels: ["model", "result"]
        )
        fallback = try registry.gauge(
            "leeway_model_fallback",
            help: "Whether the store's current version failed its checks, so that another answers.",
            labels: ["model"]
        )
        swapPhases = try registry.histogram(
            "leeway_model_swap_duration_seconds",
            help: "How long each phase of a swap took.",
            unit: .nanosecondsAsSeconds,
            bounds: [0.001, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10],
            labels: ["model", "phase"]
        )
        swapOnLoop = try Self.swapOnLoop(registry)
    }

    private static func swapOnLoop(_ registry: MetricRegistry) throws -> HistogramFamily {
        try registry.histogram(
            "leeway_model_swap_loop_duration_seconds",
            help: "How long a swap held one event loop, on which requests waited.",
            unit: .nanosecondsAsSeconds,
            bounds: [
                0.000005, 0.00001, 0.000025, 0.00005, 0.0001, 0.00025, 0.0005, 0.001, 0.01, 0.1,
            ],
            labels: ["model"]
        )
    }
}
