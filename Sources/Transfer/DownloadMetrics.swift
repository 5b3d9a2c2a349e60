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
    private let responses: CounterFamily
    private let curlErrors: CounterFamily
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
        func counter(_ name: String, _ help: String, _ labels: String...) throws -> CounterFamily {
            let labels = ["model", "source"] + labels
            return try registry.counter("leeway_download_\(name)", help: help, labels: labels)
        }
        attempts = try counter(
            "attempts_total",
            "Attempts to download a file from one mirror, by how they ended.",
            "result"
        )
        // These are of a whole download or of a session, never of an attempt.
        let notOfAttempts = ["url_invalid", "header_invalid", "mirrors_failed"]
        results = Set(
            ["downloaded", "unchanged"]
                + TransferError.allCodes.filter { !notOfAttempts.contains($0) }
        )
        bytes = try counter("bytes_total", "Bytes of file bodies received, kept or not.")
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
        responses = try counter(
            "responses_total",
            "Answers to attempts to download a file, by the class of their status.",
            "status_class"
        )
        curlErrors = try counter(
            "curl_errors_total",
            "Attempts that libcurl gave up, by the number of its error.",
            "curl_code"
        )
        self.now = now
    }

    /// The errors that a transfer can end with; libcurl's numbers never change their meaning.
    static let curlCodes: Set<Int> = [
        1, 3, 5, 6, 7, 8, 16, 18, 22, 23, 26, 27, 28, 33, 35, 37, 42, 47, 52, 55, 56, 58, 60, 61,
        63,
        67, 77, 83, 90, 92, 97,
    ]

    /// Counts one attempt of a model's retrain; for any thread.
    package func record(_ attempt: DownloadAttempt, model: String) {
        let source = attempt.source ?? "other"
        let result = results.contains(attempt.result) ? attempt.result : "other"
        attempts.series([model, source, result]).add(1)
        if (100..<600).contains(attempt.status) {
            responses.series([model, source, "\(attempt.status / 100)xx"]).add(1)
        }
        if attempt.curlCode != 0 {
            let isKnown = Self.curlCodes.contains(attempt.curlCode)
            curlErrors.series([model, source, isKnown ? "\(attempt.curlCode)" : "other"]).add(1)
        }
        bytes.series([model, source]).add(UInt64(clamping: attempt.bytes))
        let (nanoseconds, isTooMuch) = attempt.microseconds.multipliedReportingOverflow(by: 1000)
        duration.series([model]).observe(isTooMuch ? .max : UInt64(clamping: nanoseconds))
        if attempt.result == "downloaded" || attempt.result == "unchanged" {
            lastSuccess.series([model, source])
                .set(Double(now().nanosecondsSinceEpoch) / 1e9)
        }
    }
}
