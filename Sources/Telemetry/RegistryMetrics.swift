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
            help: "Requests for a series that were folded into \"other\", by reason.",
            labels: ["reason"]
        )
        let overLimit = folded.series(["limit"])
        let wrongLabels = folded.series(["labels"])
        onScrape { [weak self] in
            guard let self else { return }
            series.set(Double(seriesCount))
            overLimit.raise(to: foldedOverLimit)
            wrongLabels.raise(to: foldedWrongLabels)
        }
    }
}
