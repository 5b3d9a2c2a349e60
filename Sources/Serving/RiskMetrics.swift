internal import Drift
internal import Telemetry

/// What Prometheus learns of the test of labelled loss.
struct RiskMetrics: Sendable {
    private let error: GaugeFamily
    private let limit: GaugeFamily
    private let evidence: GaugeFamily
    private let threshold: GaugeFamily
    private let alarm: GaugeFamily
    private let alarms: CounterFamily

    /// Declares the families.
    init(_ registry: MetricRegistry) throws {
        let labels = ["model", "version"]
        error = try registry.gauge(
            "leeway_model_feedback_error_ratio",
            help: "Share of wrong answers among all labelled rows of a version, and bounds of it "
                + "that hold at all times at once with 95 %.",
            labels: labels + ["bound"]
        )
        limit = try registry.gauge(
            "leeway_model_feedback_error_limit_ratio",
            help: "Share of wrong answers that is no harm: the hold-out's upper bound and the "
                + "tolerance.",
            labels: labels
        )
        evidence = try registry.gauge(
            "leeway_model_feedback_evidence_nats",
            help: "Evidence by labels that a version's error is above its limit; 0 at rest.",
            labels: labels
        )
        threshold = try registry.gauge(
            "leeway_model_feedback_threshold_nats",
            help: "Evidence by labels at which the alarm is raised.",
            labels: labels
        )
        alarm = try registry.gauge(
            "leeway_model_feedback_alarm",
            help: "Whether labels show that a version's error is above its limit.",
            labels: labels
        )
        alarms = try registry.counter(
            "leeway_model_feedback_alarms_total",
            help: "Times that labels showed a version's error above its limit.",
            labels: labels
        )
    }

    func update(_ model: String, _ report: RiskReport) {
        let labels = [model, String(report.version)]
        limit.series(labels).set(report.limit)
        evidence.series(labels).set(report.evidence)
        threshold.series(labels).set(report.threshold)
        alarm.series(labels).set(report.isRaised ? 1 : 0)
        _ = alarms.series(labels)
        guard let bounds = report.error else { return }
        for (word, value) in [
            ("lower", bounds.lower), ("mean", bounds.mean), ("upper", bounds.upper),
        ] {
            error.series(labels + [word]).set(value)
        }
    }

    func harmed(_ model: String, _ version: Int) {
        alarms.series([model, String(version)]).add(1)
    }

    /// Takes away the series of a version of long ago.
    func forget(_ model: String, _ version: Int) {
        let labels = [model, String(version)]
        for family in [limit, evidence, threshold, alarm] { family.remove(labels) }
        alarms.remove(labels)
        for word in ["lower", "mean", "upper"] { error.remove(labels + [word]) }
    }
}
