internal import Features
internal import FoundationEssentials
internal import Logging
internal import ModelStore
internal import Serving
internal import Telemetry

/// Keeps labelled rows of the models whose `capture` is switched on.
///
/// Rows wait in memory until there are many or they have waited long, and are then written as one
/// file; those that wait are lost when the process is killed.
actor CaptureService {
    private let folders: [String: CaptureFolder]
    private let metrics: CaptureMetrics
    private let logger: Logger
    private let clock: @Sendable () -> Double
    private var waiting: [String: Waiting] = [:]

    private struct Waiting {
        var rows: [CapturedRow] = []
        var since = 0.0
    }

    /// Rows of a file, at most.
    private static let rowsMax = 1000
    /// Seconds that rows wait, at most.
    private static let secondsMax = 60.0

    init(
        _ folders: [String: CaptureFolder],
        metrics: CaptureMetrics,
        logger: Logger,
        clock: @escaping @Sendable () -> Double
    ) {
        self.folders = folders
        self.metrics = metrics
        self.logger = logger
        self.clock = clock
    }

    /// Takes rows; those of a model that keeps none are passed over.
    func take(_ rows: [CapturedRow]) {
        for row in rows where folders[row.model] != nil {
            var entry = waiting[row.model] ?? Waiting()
            // A file is of one version, whose schema says what its rows mean.
            if let first = entry.rows.first, first.version != row.version {
                write(row.model, entry.rows)
                entry = Waiting()
            }
            if entry.rows.isEmpty { entry.since = clock() }
            entry.rows.append(row)
            if entry.rows.count >= Self.rowsMax {
                write(row.model, entry.rows)
                entry = Waiting()
            }
            waiting[row.model] = entry
        }
    }

    /// Writes what has waited long, and takes away what is old, until the task is cancelled.
    func run() async {
        while !Task.isCancelled {
            try? await Task.sleep(for: .seconds(5))
            let now = clock()
            for (model, entry) in waiting
            where !entry.rows.isEmpty && (Task.isCancelled || now - entry.since >= Self.secondsMax)
            {
                write(model, entry.rows)
                waiting[model] = Waiting()
            }
            for folder in folders.values {
                try? folder.prune(now: Date(timeIntervalSince1970: now))
            }
        }
    }

    private func write(_ model: String, _ rows: [CapturedRow]) {
        guard let folder = folders[model], let first = rows.first else { return }
        let files = CapturedFile.files(
            first.schema,
            labels: first.labels,
            rows: rows.map { ($0.raw, $0.truth) }
        )
        do {
            try folder.add(files, now: Date(timeIntervalSince1970: clock()))
            let kept = files.last?.rowCount ?? 0
            metrics.rows.series([model, "kept"]).add(UInt64(kept))
            metrics.rows.series([model, "left_out"]).add(UInt64(rows.count - kept))
        } catch {
            metrics.rows.series([model, "lost"]).add(UInt64(rows.count))
            logger.error(
                "capture failed",
                metadata: [
                    "model": "\(model)", "capture.rows": "\(rows.count)",
                    "error.message": "\(error)",
                ]
            )
        }
    }
}

/// What is counted of kept rows.
struct CaptureMetrics: Sendable {
    fileprivate let rows: CounterFamily

    init(_ registry: MetricRegistry, models: [String]) throws {
        rows = try registry.counter(
            "leeway_capture_rows_total",
            help: "Labelled rows that were kept for a retraining, left out for an unseen category, "
                + "or lost because they could not be written.",
            labels: ["model", "result"]
        )
        // Each series exists before its first event.
        for model in models {
            for result in ["kept", "left_out", "lost"] { _ = rows.series([model, result]) }
        }
    }
}
