internal import Synchronization
internal import Telemetry

/// The traffic of the last five minutes, for `/status` and `leeway status`.
final class TrafficHistory: Sendable {
    /// What is told of it.
    struct Report: Encodable, Sendable {
        /// Seconds between two figures.
        let secondsPerPoint: Int
        /// Requests a second to the api listener, health aside; the newest last.
        let requestsPerSecond: [Double]
        /// Those that were answered with 5xx.
        let errorsPerSecond: [Double]
        /// Seconds in which half of the requests of all these points were answered.
        let latencySeconds: Latency?

        enum CodingKeys: String, CodingKey {
            case secondsPerPoint = "seconds_per_point"
            case requestsPerSecond = "requests_per_second"
            case errorsPerSecond = "errors_per_second"
            case latencySeconds = "latency_seconds"
        }
    }

    /// Percentiles of the latency in seconds.
    struct Latency: Encodable, Sendable {
        let p50: Double
        let p90: Double
        let p99: Double
    }

    private struct Point {
        let all: HistogramReading
        let errors: UInt64
    }

    private static let secondsPerPoint = 5
    private static let pointsMax = 60
    private static let health: Set = [
        "/livez", "/readyz", "/ping", "/v2/health/live", "/v2/health/ready",
    ]

    private let registry: MetricRegistry
    /// The readings so far, one more than there are figures.
    private let points = Mutex<[Point]>([])

    init(_ registry: MetricRegistry) { self.registry = registry }

    /// Takes a reading every few seconds until it is cancelled.
    func run() async {
        while !Task.isCancelled {
            look()
            try? await Task.sleep(for: .seconds(Self.secondsPerPoint))
        }
    }

    /// Takes a reading.
    func look() {
        let name = "http_server_request_duration_seconds"
        let isServing = { (labels: [String: String]) in
            labels["listener"] == "api"
                && !Self.health.contains(labels["http_route"] ?? "")
        }
        guard let all = registry.reading(name, where: isServing),
            let errors = registry.reading(
                name,
                where: {
                    isServing($0) && $0["http_response_status_code"]?.hasPrefix("5") == true
                }
            )
        else { return }
        points.withLock { points in
            points.append(Point(all: all, errors: errors.count))
            if points.count > Self.pointsMax + 1 { points.removeFirst() }
        }
    }

    /// The traffic so far.
    var report: Report {
        let points = points.withLock { $0 }
        let steps = zip(points, points.dropFirst())
        let seconds = Double(Self.secondsPerPoint)
        var latency: Latency?
        if let first = points.first, let last = points.last {
            let whole = last.all.since(first.all)
            if let p50 = whole.quantile(0.5), let p90 = whole.quantile(0.9),
                let p99 = whole.quantile(0.99)
            {
                latency = Latency(p50: p50, p90: p90, p99: p99)
            }
        }
        return Report(
            secondsPerPoint: Self.secondsPerPoint,
            requestsPerSecond: steps.map { Double($1.all.count &- $0.all.count) / seconds },
            errorsPerSecond: steps.map { Double($1.errors &- $0.errors) / seconds },
            latencySeconds: latency
        )
    }
}
