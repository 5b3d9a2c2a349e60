package import Telemetry

/// The metrics of downloads.
///
/// A trainer that downloads in a process of its own sends its ``DownloadAttempt``s to the serving
/// process, which records them here.
package struct DownloadMetrics: Sendable {
    private let attempts: CounterFamily
    private let bytes: CounterFamily
    private let duration: HistogramFamily
    private let lastSuccess: GaugeFamily
    private let now: @Sendable () -> WallTime
    private let results: Set<String>

    /// Registers the metrics.
    ///
    /// - Parameters:
    ///   - registry: Where they are exposed.
    ///   - now: The clock for the time of the last success.
    /// - Throws: What the registry throws.
    package init(
        registry: MetricRegistry,
        now: @escaping @Sendable () -> WallTime = WallTime.now
    ) throws {
        attempts = try registry.counter(
            "leeway_download_attempts_total",
            help: "Attempts to download a file from one mirror, by how they ended.",
            labels: ["model", "source", "result"]
        )
        // These are of a whole download or of a session, never of an attempt.
        let notOfAttempts = ["url_invalid", "header_invalid", "mirrors_failed"]
        results = Set(
            ["downloaded", "unchanged"]
                + TransferError.allCodes.filter { !notOfAttempts.contains($0) }
        )
        bytes = try registry.counter(
            "leeway_download_bytes_total",
            help: "Bytes of file bodies received, kept or not.",
            labels: ["model", "source"]
        )
        duration = try registry.histogram(
            "leeway_download_duration_seconds",
            help: "Time of one attempt to download a file from one mirror.",
            unit: .nanosecondsAsSeconds,
            bounds: [0.01, 0.05, 0.1, 0.5, 1, 5, 10, 30, 60, 300, 1800],
            labels: ["model"]
        )
        lastSuccess = try registry.gauge(
            "leeway_download_last_success_timestamp_seconds",
            help: "Unix time of the last attempt that brought or confirmed a file.",
            labels: ["model", "source"]
        )
        self.now = now
    }

    /// Counts one attempt of a model's retrain; for any thread.
    package func record(_ attempt: DownloadAttempt, model: String) {
        let source = attempt.source ?? "other"
        let result = results.contains(attempt.result) ? attempt.result : "other"
        attempts.series([model, source, result]).add(1)
        bytes.series([model, source]).add(UInt64(clamping: attempt.bytes))
        let (nanoseconds, isTooMuch) = attempt.microseconds.multipliedReportingOverflow(by: 1000)
        duration.series([model]).observe(isTooMuch ? .max : UInt64(clamping: nanoseconds))
        if attempt.result == "downloaded" || attempt.result == "unchanged" {
            lastSuccess.series([model, source])
                .set(Double(now().nanosecondsSinceEpoch) / 1e9)
        }
    }
}
