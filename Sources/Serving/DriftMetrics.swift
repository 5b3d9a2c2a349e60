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
    private let performance: PerformanceMetrics
    let reference: DriftReferenceMetrics

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
            help: "Whether an alarm of this level stands: info, warning or critical.",
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
        performance = try PerformanceMetrics(registry)
        reference = try DriftReferenceMetrics(registry)
    }

    /// Sets a new monitor's constant gauges and forgets the streams of the one before.
    func begin(model: String, _ monitor: DriftMonitor, before: DriftMonitor?) {
        for stream in before?.profile.streams ?? [] { streams.forget(model, stream.name) }
        for (index, stream) in monitor.profile.streams.enumerated() {
            streams.tolerance.series([model, stream.name]).set(monitor.tolerance(ofStream: index))
        }
        threshold.series([model]).set(monitor.threshold)
        interval.series([model]).set(monitor.settings.falseAlarmInterval)
        referenceRows.series([model]).set(Double(monitor.profile.holdoutRows))
        for level in DriftSeverity.allCases { _ = alarms.series([model, level.rawValue]) }
        for reason in ["other_version", "foreign", "no_room", "client_cap"] {
            _ = foreign.series([model, reason])
        }
        performance.forget(model)
    }

    func update(model: String, _ monitor: DriftMonitor, _ health: ModelHealth) {
        evidence.series([model]).set(monitor.evidence)
        samples.series([model]).set(Double(monitor.rows))
        windowRows.series([model]).set(Double(monitor.windowRows))
        for level in DriftSeverity.allCases {
            alarm.series([model, level.rawValue]).set(health.verdict.level == level ? 1 : 0)
        }
    }

    /// The costlier gauges, set once a second.
    func updateStreams(model: String, _ monitor: DriftMonitor, _ health: ModelHealth) {
        for (index, stream) in monitor.profile.streams.enumerated() {
            let labels = [model, stream.name]
            streams.evidence.series(labels).set(monitor.evidence(ofStream: index))
            streams.set(labels, monitor.effectSize(ofStream: index))
        }
        let strongest = DriftAttribution(monitor, clock: health.clock).features
        streams.setFeatures(model, strongest, of: monitor.profile)
        if let estimate = health.performance?.estimate { performance.set(model, estimate) }
    }

    func raised(model: String, _ level: DriftSeverity) {
        alarms.series([model, level.rawValue]).add(1)
    }

    func dropped(model: String, rows: Int, reason: String) {
        foreign.series([model, reason]).add(UInt64(max(0, rows)))
    }
}
