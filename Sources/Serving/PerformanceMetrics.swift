internal import Drift
internal import Telemetry

/// What Prometheus learns of a model's accuracy as its answers suggest it.
struct PerformanceMetrics: Sendable {
    private let accuracy: GaugeFamily
    private let error: GaugeFamily
    private let gap: GaugeFamily
    private let labels: GaugeFamily
    private let evidence: GaugeFamily
    private let threshold: GaugeFamily
    private let alarm: GaugeFamily

    init(_ registry: MetricRegistry) throws {
        accuracy = try registry.gauge(
            "leeway_model_estimated_accuracy_ratio",
            help: "Accuracy of the window as estimated without labels, by calibrated confidence "
                + "(cbpe) or a threshold of confidence (atc): blind to concept drift.",
            labels: ["model", "method"]
        )
        error = try registry.gauge(
            "leeway_model_estimated_accuracy_stderr_ratio",
            help: "Standard error of the accuracy as estimated without labels.",
            labels: ["model", "method"]
        )
        gap = try registry.gauge(
            "leeway_model_calibration_gap_ratio",
            help: "Mean confidence of the window less its estimated accuracy.",
            labels: ["model"]
        )
        labels = try registry.gauge(
            "leeway_model_label_prior_ratio",
            help: "Share of each label: on the hold-out (reference), and in the window as judged "
                + "by the answers (bbse): blind to concept drift.",
            labels: ["model", "class", "source"]
        )
        evidence = try registry.gauge(
            "leeway_model_expected_error_evidence_nats",
            help: "Evidence without labels that the error is above its limit; blind to concept "
                + "drift.",
            labels: ["model"]
        )
        threshold = try registry.gauge(
            "leeway_model_expected_error_threshold_nats",
            help: "Evidence without labels at which the alarm is raised.",
            labels: ["model"]
        )
        alarm = try registry.gauge(
            "leeway_model_expected_error_alarm",
            help: "Whether the alarm on the error without labels stands; blind to concept drift.",
            labels: ["model"]
        )
    }

    func set(_ model: String, _ estimate: PerformanceEstimate) {
        evidence.series([model]).set(estimate.evidence)
        threshold.series([model]).set(estimate.threshold)
        alarm.series([model]).set(estimate.isRaised ? 1 : 0)
        set(model, "cbpe", estimate.cbpe)
        set(model, "atc", estimate.atc)
        if let value = estimate.calibrationGap {
            gap.series([model]).set(value)
        } else {
            gap.remove([model])
        }
        set(model, "reference", estimate.holdoutLabelShares)
        set(model, "bbse", estimate.labelShift?.shares)
    }

    private func set(_ model: String, _ method: String, _ figure: PerformanceEstimate.Figure?) {
        if let figure {
            accuracy.series([model, method]).set(figure.accuracy)
            error.series([model, method]).set(figure.standardError)
        } else {
            accuracy.remove([model, method])
            error.remove([model, method])
        }
    }

    private func set(_ model: String, _ source: String, _ shares: [Double]?) {
        for (label, share) in (shares ?? []).enumerated() {
            labels.series([model, String(label), source]).set(share)
        }
        if shares == nil {
            for label in 0..<PerformanceReference.classesMax {
                labels.remove([model, String(label), source])
            }
        }
    }

    /// Takes the series of the version before away.
    func forget(_ model: String) {
        for family in [evidence, threshold, alarm, gap] { family.remove([model]) }
        for method in ["cbpe", "atc"] { set(model, method, nil as PerformanceEstimate.Figure?) }
        for source in ["reference", "bbse"] { set(model, source, nil as [Double]?) }
    }
}
