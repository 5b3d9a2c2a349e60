internal import Telemetry

/// Why a request left the batcher, or was not let in; the label of `leeway_batch_dropped_total`.
enum BatchDrop: UInt8, CaseIterable {
    /// It would have waited too long.
    case queueTime
    /// Its deadline has passed.
    case deadline
    /// Its client has left.
    case clientGone

    var label: String {
        switch self {
        case .queueTime: "queue_time"
        case .deadline: "deadline"
        case .clientGone: "client_gone"
        }
    }
}

/// What Prometheus learns of where predictions are computed, and of the batcher.
struct BatchMetrics: Sendable {
    let requests: CounterFamily
    let products: HistogramFamily
    let pendingRequests: GaugeFamily
    let pendingRows: GaugeFamily
    let dropped: CounterFamily
    let rowSeconds: GaugeFamily
    let rowsMax: GaugeFamily
    let queueSeconds: GaugeFamily

    init(_ registry: MetricRegistry) throws {
        requests = try registry.counter(
            "leeway_prediction_requests_total",
            help: "Requests with valid rows, by where they are computed: event_loop or batcher.",
            labels: ["model", "place"]
        )
        products = try registry.histogram(
            "leeway_batch_rows",
            help: "Rows that the batcher computed together.",
            unit: .count,
            bounds: HistogramBounds.rows,
            labels: ["model"]
        )
        pendingRequests = try registry.gauge(
            "leeway_batch_pending_requests",
            help: "Requests that wait for the batcher or are computed by it.",
            labels: ["model"]
        )
        pendingRows = try registry.gauge(
            "leeway_batch_pending_rows",
            help: "Rows that wait for the batcher or are computed by it.",
            labels: ["model"]
        )
        dropped = try registry.counter(
            "leeway_batch_dropped_total",
            help: "Requests that the batcher did not answer, by the reason.",
            labels: ["model", "reason"]
        )
        rowSeconds = try registry.gauge(
            "leeway_model_row_seconds",
            help: "What one row alone costs an event loop, measured when the version was loaded.",
            labels: ["model"]
        )
        rowsMax = try registry.gauge(
            "leeway_batch_rows_limit",
            help: "Most rows of several requests that the batcher computes together.",
            labels: ["model"]
        )
        queueSeconds = try registry.gauge(
            "leeway_batch_queue_limit_seconds",
            help: "How long a request may wait for the batcher; 50 ms while few are refused.",
            labels: ["model"]
        )
    }

    /// Makes a model's series, so that each exists before its first event.
    func prepare(_ model: String) {
        for gauge in [rowSeconds, rowsMax, queueSeconds] { _ = gauge.series([model]) }
        _ = series(model)
    }

    /// A model's series.
    func series(_ model: String) -> BatchSeries {
        BatchSeries(
            inline: requests.series([model, "event_loop"]),
            queued: requests.series([model, "batcher"]),
            products: products.series([model]),
            pendingRequests: pendingRequests.series([model]),
            pendingRows: pendingRows.series([model]),
            dropped: BatchDrop.allCases.map { dropped.series([model, $0.label]) }
        )
    }

    /// Tells what was measured and what follows from it.
    func tell(_ model: String, _ policy: BatchPolicy) {
        rowSeconds.series([model]).set(Double(policy.cost.row) / 1e9)
        rowsMax.series([model]).set(Double(policy.rowsMax))
        queueSeconds.series([model]).set(Double(policy.queueLimit.standing) / 1e9)
    }
}

/// One model's series.
struct BatchSeries: Sendable {
    let inline: Counter
    let queued: Counter
    let products: Histogram
    let pendingRequests: Gauge
    let pendingRows: Gauge
    let dropped: [Counter]

    func began(rows: Int) {
        pendingRequests.add(1)
        pendingRows.add(Double(rows))
    }

    func ended(rows: Int) {
        pendingRequests.add(-1)
        pendingRows.add(-Double(rows))
    }

    func count(_ reason: BatchDrop, shard: Int) {
        dropped[Int(reason.rawValue)].increment(shard: shard)
    }
}
