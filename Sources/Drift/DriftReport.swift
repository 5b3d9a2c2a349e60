/// What `GET /drift` tells of a model: the streams, what they amount to, and what answers and labels
/// say of its errors.
package struct DriftReport: Encodable, Sendable {
    /// The streams.
    package let summary: DriftSummary
    /// What it all amounts to.
    package let verdict: DriftVerdict
    /// Which streams hold the evidence, and since when.
    package let attribution: DriftAttribution
    /// Estimates without labels; nil where probabilities tell nothing.
    package let performance: PerformanceEstimate?
    /// See ``ModelHealth/quietRows(_:)``.
    package let quietRows: UInt64?

    /// Puts together what is known at this moment.
    package init(_ monitor: DriftMonitor, _ health: ModelHealth) {
        summary = monitor.summary
        verdict = health.verdict
        attribution = DriftAttribution(monitor, clock: health.clock)
        performance = health.performance?.estimate
        quietRows = health.quietRows(monitor)
    }

    /// Writes the members of the summary and the others beside them.
    package func encode(to encoder: any Encoder) throws {
        try summary.encode(to: encoder)
        var container = encoder.container(keyedBy: CodingKeys.self)
        try container.encode(verdict, forKey: .verdict)
        try container.encode(attribution, forKey: .attribution)
        try container.encodeIfPresent(performance, forKey: .performance)
        try container.encodeIfPresent(quietRows, forKey: .quietRows)
    }

    private enum CodingKeys: String, CodingKey {
        case verdict, attribution, performance
        case quietRows = "quiet_rows"
    }
}
