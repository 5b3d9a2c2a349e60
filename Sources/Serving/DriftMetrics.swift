internal import Drift
package import Telemetry

/// What Prometheus learns of the drift monitors.
package struct DriftMetrics: Sendable {
    private let evidence: GaugeFamily
    private let threshold: GaugeFamily
    private let alarm: GaugeFamily
    private let alarms: CounterFamily
    private let interval: GaugeFamily
    private let samples: GaugeFamily
    private let referenceRows: GaugeFamily
    private let windowRows: GaugeFamily
    private let foreign: CounterFamily
    private let streams: StreamMetrics

    /// Declares the families.
    ///
    /// - Throws: `TelemetryError` when a name is taken.
    package init(_ registry: MetricRegistry) throws {
        evidence = try registry.gauge(
            "leeway_drift_evidence_nats",
            help: "Evidence that live inputs have left their leeway; 0 at rest.",
            labels: ["model"]
        )
        threshold = try registry.gauge(
            "leeway_drift_threshold_nats",
            help: "Evidence at which the alarm is raised: ln of the false-alarm interval.",
            labels: ["model"]
        )
        alarm = try registry.gauge(
            "leeway_drift_alarm",
            help: "Whether an alarm of this level stands.",
            labels: ["model", "level"]
        )
        alarms = try registry.counter(
            "leeway_drift_alarms_total",
            help: "Alarms raised, by the level they had first.",
            labels: ["model", "level"]
        )
        interval = try registry.gauge(
            "leeway_drift_false_alarm_interval_rows",
            help: "Scored rows between two false alarms, in the mean, at least.",
            labels: ["model"]
        )
        samples = try registry.gauge(
            "leeway_drift_rows",
            help: "Scored rows that the monitor of the live version has seen.",
            labels: ["model"]
        )
        referenceRows = try registry.gauge(
            "leeway_drift_reference_rows",
            help: "Hold-out rows behind the reference of the live version.",
            labels: ["model"]
        )
        windowRows = try registry.gauge(
            "leeway_drift_window_rows",
            help: "Scored rows behind the effect sizes.",
            labels: ["model"]
        )
        foreign = try registry.counter(
            "leeway_drift_rows_dropped_total",
            help: "Scored rows that the monitor did not take, by reason.",
            labels: ["model", "reason"]
        )
        streams = try StreamMetrics(registry)
    }

    /// Sets a new monitor's constant gauges and forgets the streams of the one before.
    func begin(model: String, _ monitor: DriftMonitor, before: DriftMonitor?) {
        for stream in before?.profile.streams ?? [] {
            for family in streams.all {
                family.remove([model, stream.name])
            }
        }
        for (index, stream) in monitor.profile.streams.enumerated() {
            streams.tolerance.series([model, stream.name]).set(monitor.tolerance(ofStream: index))
        }
        threshold.series([model]).set(monitor.threshold)
        interval.series([model]).set(monitor.settings.falseAlarmInterval)
        referenceRows.series([model]).set(Double(monitor.profile.holdoutRows))
        for level in DriftLevel.allCases { _ = alarms.series([model, level.rawValue]) }
        for reason in ["other_version", "foreign", "no_room"] {
            _ = foreign.series([model, reason])
        }
        update(model: model, monitor)
    }

    func update(model: String, _ monitor: DriftMonitor) {
        evidence.series([model]).set(monitor.evidence)
        samples.series([model]).set(Double(monitor.rows))
        windowRows.series([model]).set(Double(monitor.windowRows))
        for level in DriftLevel.allCases {
            alarm.series([model, level.rawValue]).set(monitor.alarm?.level == level ? 1 : 0)
        }
    }

    /// The costlier gauges, set once a second.
    func updateStreams(model: String, _ monitor: DriftMonitor) {
        for (index, stream) in monitor.profile.streams.enumerated() {
            let labels = [model, stream.name]
            streams.evidence.series(labels).set(monitor.evidence(ofStream: index))
            let effect = monitor.effectSize(ofStream: index)
            Self.set(streams.stability, labels, effect.populationStability)
            Self.set(streams.variation, labels, effect.totalVariation)
        }
    }

    /// A value that cannot be told is no series, never NaN.
    private static func set(_ family: GaugeFamily, _ labels: [String], _ value: Double) {
        if value.isFinite {
            family.series(labels).set(value)
        } else {
            family.remove(labels)
        }
    }

    func raised(model: String, _ level: DriftLevel) {
        alarms.series([model, level.rawValue]).add(1)
    }

    func dropped(model: String, rows: Int, reason: String) {
        foreign.series([model, reason]).add(UInt64(max(0, rows)))
    }
}

/// What is told of each stream of a monitor.
private struct StreamMetrics: Sendable {
    let tolerance: GaugeFamily
    let evidence: GaugeFamily
    let stability: GaugeFamily
    let variation: GaugeFamily

    var all: [GaugeFamily] { [tolerance, evidence, stability, variation] }

    init(_ registry: MetricRegistry) throws {
        tolerance = try registry.gauge(
            "leeway_drift_tolerance_ratio",
            help: "Total-variation distance that raises no evidence: tolerance and sampling error.",
            labels: ["model", "stream"]
        )
        evidence = try registry.gauge(
            "leeway_drift_stream_evidence_nats",
            help: "Evidence of one stream.",
            labels: ["model", "stream"]
        )
        stability = try registry.gauge(
            "leeway_drift_psi",
            help:
                "Population stability index of the window, bias-corrected; absent below 200 rows.",
            labels: ["model", "stream"]
        )
        variation = try registry.gauge(
            "leeway_drift_tv_ratio",
            help: "Total-variation distance of the window; absent below 200 rows.",
            labels: ["model", "stream"]
        )
    }
}
