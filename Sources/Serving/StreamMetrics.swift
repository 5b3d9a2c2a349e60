internal import Drift
internal import Telemetry

/// What is told of each stream of a monitor.
struct StreamMetrics: Sendable {
    let tolerance: GaugeFamily
    let evidence: GaugeFamily
    private let features: GaugeFamily
    private let stability: GaugeFamily
    private let variation: GaugeFamily
    private let certain: GaugeFamily
    private let jensenShannon: GaugeFamily
    private let kolmogorovSmirnov: GaugeFamily
    private let wasserstein: GaugeFamily

    init(_ registry: MetricRegistry) throws {
        func gauge(_ name: String, _ help: String) throws -> GaugeFamily {
            try registry.gauge("leeway_drift_\(name)", help: help, labels: ["model", "stream"])
        }
        tolerance = try gauge(
            "tolerance_ratio",
            "Total-variation distance that raises no evidence: tolerance and sampling error."
        )
        evidence = try gauge("stream_evidence_nats", "Evidence of one stream.")
        features = try registry.gauge(
            "leeway_drift_feature_evidence_nats",
            help: "Evidence of the ten features with most of it.",
            labels: ["model", "feature"]
        )
        stability = try gauge(
            "psi",
            "Population stability index of the window, bias-corrected; absent below 200 rows."
        )
        variation = try gauge(
            "tv_ratio",
            "Total-variation distance of the window; absent below 200 rows."
        )
        certain = try gauge(
            "tv_lower_ratio",
            "Total-variation distance of the window less what chance exceeds in 1 % of cases; "
                + "absent below 200 rows."
        )
        jensenShannon = try gauge(
            "js_ratio",
            "Jensen-Shannon distance of the window, bias-corrected; absent below 200 rows."
        )
        kolmogorovSmirnov = try gauge(
            "ks_ratio",
            "Kolmogorov-Smirnov distance of the window; absent below 200 rows and for categories."
        )
        wasserstein = try gauge(
            "wasserstein",
            "Wasserstein distance of the window, in standard deviations of the reference; absent "
                + "below 200 rows and for categories."
        )
    }

    /// Sets a stream's effect sizes.
    func set(_ labels: [String], _ effect: EffectSize) {
        Self.set(stability, labels, effect.populationStability)
        Self.set(variation, labels, effect.totalVariation)
        Self.set(certain, labels, effect.totalVariationLowerBound)
        Self.set(jensenShannon, labels, effect.jensenShannon)
        Self.set(kolmogorovSmirnov, labels, effect.kolmogorovSmirnov)
        Self.set(wasserstein, labels, effect.wasserstein)
    }

    /// Sets the features with most evidence, and takes all others away.
    func setFeatures(
        _ model: String,
        _ strongest: [DriftAttribution.Part],
        of profile: ReferenceProfile
    ) {
        let told = Set(strongest.map(\.stream))
        for stream in profile.streams where stream.kind == .input && !told.contains(stream.name) {
            features.remove([model, stream.name])
        }
        for part in strongest { features.series([model, part.stream]).set(part.evidence) }
    }

    /// Takes a stream's series away.
    func forget(_ model: String, _ stream: String) {
        let families = [
            tolerance, evidence, features, stability, variation, certain, jensenShannon,
            kolmogorovSmirnov, wasserstein,
        ]
        for family in families { family.remove([model, stream]) }
    }

    /// A value that cannot be told is no series, never NaN.
    private static func set(_ family: GaugeFamily, _ labels: [String], _ value: Double) {
        if value.isFinite {
            family.series(labels).set(value)
        } else {
            family.remove(labels)
        }
    }
}
