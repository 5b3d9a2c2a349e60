package import Telemetry

/// What Prometheus learns of candidates on their way.
package struct ReleaseMetrics: Sendable {
    private let stage: GaugeFamily
    private let version: GaugeFamily
    private let rows: GaugeFamily
    private let requests: CounterFamily
    private let rowSeconds: GaugeFamily
    private let agreement: GaugeFamily
    private let confidence: GaugeFamily
    private let labels: GaugeFamily
    private let evidence: GaugeFamily
    private let dropped: CounterFamily
    private let decisions: CounterFamily
    private let watch: WatchMetrics

    /// What may be decided.
    enum Decision: String, CaseIterable {
        case begun, advanced, completed, withdrawn, confirmed
    }

    /// Declares the families.
    ///
    /// - Throws: `TelemetryError` when a name is taken.
    package init(_ registry: MetricRegistry) throws {
        func gauge(_ name: String, _ help: String, _ labels: String...) throws -> GaugeFamily {
            try registry.gauge("leeway_release_\(name)", help: help, labels: ["model"] + labels)
        }
        func counter(_ name: String, _ help: String, _ labels: String...) throws -> CounterFamily {
            try registry.counter("leeway_release_\(name)", help: help, labels: ["model"] + labels)
        }
        stage = try gauge("stage", "How far a candidate is: 0 there is none, 1 shadow, 2 canary.")
        version = try gauge("candidate_version", "The version of the candidate; 0 without one.")
        rows = try gauge("stage_rows", "Rows that the candidate has computed in its stage.")
        requests = try counter(
            "requests_total",
            "Requests that met a candidate's release as a canary, by who answered and how it ended.",
            "role",
            "result"
        )
        let row = "What a row took to compute in the stage, on the average."
        rowSeconds = try gauge("row_seconds", row, "role")
        agreement = try gauge(
            "agreement_ratio",
            "Share of the shadow's rows that got the same class from both versions."
        )
        confidence = try gauge(
            "confidence_shift_ratio",
            "Mean confidence of the candidate less that of the stable version, in the shadow."
        )
        labels = try gauge(
            "stage_labels",
            "Labels that have come for rows answered during the canary.",
            "role"
        )
        evidence = try gauge(
            "evidence_nats",
            "Evidence against the candidate by its own drift monitor and by labels, and by labels "
                + "against a version that is watched after its release.",
            "source"
        )
        dropped = try counter(
            "shadow_rows_dropped_total",
            "Rows chosen for the shadow that found no room, or no time."
        )
        decisions = try counter(
            "decisions_total",
            "Steps of releases, by what was decided and why.",
            "decision",
            "reason"
        )
        watch = try WatchMetrics(registry)
    }

    /// Makes a model's series, so that each exists before its first event.
    func prepare(model: String) {
        for family in [stage, version, rows, watch.version] { family.series([model]).set(0) }
        _ = dropped.series([model])
        for role in ["stable", "candidate"] {
            for result in ["answered", "failed"] { _ = requests.series([model, role, result]) }
        }
        for reason in ReleaseReason.allCases {
            let decisions: [Decision] =
                switch reason {
                case .passed: [.begun, .advanced, .completed, .confirmed]
                case .operator: [.completed, .withdrawn]
                default: [.withdrawn]
                }
            for decision in decisions { _ = series(model, decision, reason) }
        }
    }

    private func series(_ model: String, _ decision: Decision, _ reason: ReleaseReason) -> Counter {
        decisions.series([model, decision.rawValue, reason.rawValue])
    }

    func count(_ model: String, _ decision: Decision, _ reason: ReleaseReason) {
        series(model, decision, reason).add(1)
    }

    func stands(_ model: String, version: Int, isCanary: Bool) {
        self.version.series([model]).set(Double(version))
        stage.series([model]).set(isCanary ? 2 : 1)
        rows.series([model]).set(0)
    }

    /// Takes away what is told of a candidate that is one no longer.
    func ended(_ model: String) {
        for family in [stage, version, rows] { family.series([model]).set(0) }
        for family in [agreement, confidence] { family.remove([model]) }
        for role in ["stable", "candidate"] {
            for family in [rowSeconds, labels] { family.remove([model, role]) }
        }
        for source in ["drift", "feedback"] { evidence.remove([model, source]) }
    }

    /// Tells of a version that is watched; nil ends that.
    func watches(_ model: String, _ found: ReleaseSummary?) {
        watch.version.series([model]).set(Double(found?.version ?? 0))
        guard let found else {
            watch.labels.remove([model])
            evidence.remove([model, "watch"])
            return
        }
        watch.labels.series([model]).set(Double(found.comparedLabels ?? 0))
        evidence.series([model, "watch"]).set(found.feedbackEvidence)
    }

    func dropped(_ model: String, rows: Int) {
        if rows > 0 { dropped.series([model]).add(UInt64(clamping: rows)) }
    }

    func requests(_ model: String, role: String, answered: Int, failed: Int) {
        if answered > 0 {
            requests.series([model, role, "answered"]).add(UInt64(clamping: answered))
        }
        if failed > 0 { requests.series([model, role, "failed"]).add(UInt64(clamping: failed)) }
    }

    func update(_ model: String, _ found: ReleaseSummary) {
        rows.series([model]).set(Double(found.rows))
        if let seconds = found.rowSeconds { rowSeconds.series([model, "candidate"]).set(seconds) }
        if let seconds = found.stableRowSeconds {
            rowSeconds.series([model, "stable"]).set(seconds)
        }
        if let share = found.agreement { agreement.series([model]).set(share) }
        if let shift = found.confidenceShift { confidence.series([model]).set(shift) }
        labels.series([model, "candidate"]).set(Double(found.labels))
        labels.series([model, "stable"]).set(Double(found.stableLabels))
        evidence.series([model, "feedback"]).set(found.feedbackEvidence)
        if let drift = found.driftEvidence { evidence.series([model, "drift"]).set(drift) }
    }
}

/// What Prometheus learns of versions that are watched after their release.
private struct WatchMetrics {
    let version: GaugeFamily
    let labels: GaugeFamily

    init(_ registry: MetricRegistry) throws {
        version = try registry.gauge(
            "leeway_release_watched_version",
            help: "The version that answers everybody and may still be taken back; 0 without one.",
            labels: ["model"]
        )
        labels = try registry.gauge(
            "leeway_release_watch_labels",
            help: "Labels that have compared the watched version with the one before on the same "
                + "rows.",
            labels: ["model"]
        )
    }
}

/// How a release stands: what `/status` tells.
package struct ReleaseSummary: Codable, Sendable, Equatable {
    /// The candidate's version.
    package var version: Int
    /// `shadow` or `canary`; `full` of a version that is watched after that.
    package var stage: String
    /// When the stage began, as RFC 3339.
    package var since: String
    /// Rows that the candidate has computed in the stage.
    package var rows = 0
    /// The same class from both, 0…1; nil but in the shadow of a classifier.
    package var agreement: Double?
    /// Mean confidence less that of the stable version; nil but in the shadow of a classifier.
    package var confidenceShift: Double?
    /// Seconds a row; nil while there are too few.
    package var rowSeconds: Double?
    /// The same of the stable version.
    package var stableRowSeconds: Double?
    /// Labels of the candidate's rows.
    package var labels = 0
    /// Labels of the stable version's rows.
    package var stableLabels = 0
    /// Evidence by labels that the candidate is worse, in nats.
    package var feedbackEvidence = 0.0
    /// Evidence of the candidate's own drift monitor, in nats; nil where it is not watched.
    package var driftEvidence: Double?
    /// Of a version that answers everybody: the version before; nil for a candidate.
    package var previous: Int?
    /// Labels by which the two were compared on the same rows; nil for a candidate.
    package var comparedLabels: Int?
    /// How much more of those rows it got wrong, -1…1; nil for a candidate, and before the first.
    package var errorDifference: Double?

    private enum CodingKeys: String, CodingKey {
        case version, stage, since, rows, agreement, labels, previous
        case comparedLabels = "compared_labels"
        case errorDifference = "error_difference"
        case confidenceShift = "confidence_shift"
        case rowSeconds = "row_seconds"
        case stableRowSeconds = "stable_row_seconds"
        case stableLabels = "stable_labels"
        case feedbackEvidence = "feedback_evidence"
        case driftEvidence = "drift_evidence"
    }

    init(version: Int, stage: String, since: String) {
        (self.version, self.stage, self.since) = (version, stage, since)
    }
}
