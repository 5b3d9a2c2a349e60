extension MetricRegistry {
    /// Declares what the registry tells about itself: its size, and series it had to fold.
    ///
    /// - Throws: ``TelemetryError`` when a name is taken.
    package func registerOwnMetrics() throws(TelemetryError) {
        let series = try gauge(
            "leeway_metrics_series",
            help: "Series that the registry holds."
        ).series()
        let folded = try counter(
            "leeway_metrics_folded_series_total",
            help: "Requests for a series that were folded into \"other\" or refused, by reason.",
            labels: ["reason"]
        )
        let overLimit = folded.series(["limit"])
        let wrongLabels = folded.series(["labels"])
        let names = folded.series(["name"])
        onScrape { [weak self] in
            guard let self else { return }
            series.set(Double(seriesCount))
            overLimit.raise(to: foldedOverLimit)
            wrongLabels.raise(to: foldedWrongLabels)
            names.raise(to: refusedNames)
        }
    }
}

/// What is fixed about one declared metric, for documentation and for checks of dashboards.
package struct MetricSummary: Sendable, Equatable {
    /// The family's name; a histogram's series end in `_bucket`, `_sum` and `_count` besides.
    package let name: String
    /// The word of its `# TYPE` line in OpenMetrics.
    package let type: String
    /// The sentence of its `# HELP` line.
    package let help: String
    /// The names of its labels, without a histogram's `le`.
    package let labels: [String]
}

extension MetricRegistry {
    /// All declared metrics in the order of their names, whether they have series or not.
    package var summaries: [MetricSummary] {
        declarations.map { declaration in
            MetricSummary(
                name: declaration.name,
                type: declaration.kind.rawValue,
                help: declaration.help,
                labels: declaration.labels
            )
        }
    }
}
