internal import Drift
internal import ModelStore
internal import Telemetry

/// What Prometheus learns of the reference behind a monitor, and of whether its premise holds.
struct DriftReferenceMetrics: Sendable {
    private let info: InfoFamily
    private let dependence: GaugeFamily

    init(_ registry: MetricRegistry) throws {
        info = try registry.info(
            "leeway_drift_reference_info",
            help: "The SHA-256 of the live version's reference; always 1.",
            labels: ["model", "version", "digest"]
        )
        dependence = try registry.gauge(
            "leeway_drift_dependence_ratio",
            help: "How much a row resembles the row before, beyond chance; "
                + "far above 0 the guarantee weakens. Absent below 200 rows.",
            labels: ["model", "stream"]
        )
    }

    /// Tells of a version that has gone live, and forgets the one before.
    func begin(_ model: ActiveModel, before: (labels: [String], monitor: DriftMonitor)?) {
        if let before {
            info.remove(before.labels)
            for stream in before.monitor.profile.streams {
                dependence.remove([model.name, stream.name])
            }
        }
        info.state(Self.labels(model))
    }

    /// The labels of a version's reference.
    static func labels(_ model: ActiveModel) -> [String] {
        let digest = model.bundle.manifest.files[ModelBundle.referenceName]?.sha256 ?? ""
        return [model.name, String(model.version), digest]
    }

    /// Set once a second.
    func update(model: String, _ monitor: DriftMonitor) {
        for (index, stream) in monitor.profile.streams.enumerated() {
            let value = monitor.dependence(ofStream: index)
            if value.isFinite {
                dependence.series([model, stream.name]).set(value)
            } else {
                dependence.remove([model, stream.name])
            }
        }
    }
}
