internal import HTTPTransport
internal import NIOCore
package import Telemetry

/// What is counted and timed of scrapes themselves.
package struct ScrapeMetrics: Sendable {
    fileprivate let scrapes: [ExpositionFormat: Counter]
    fileprivate let render: Histogram
    fileprivate let hold: Histogram

    /// Declares the families.
    ///
    /// - Throws: `TelemetryError` when a name is taken.
    package init(_ registry: MetricRegistry) throws {
        let family = try registry.counter(
            "leeway_metrics_scrapes_total",
            help: "Scrapes answered, by the form of the answer.",
            labels: ["format"]
        )
        scrapes = Dictionary(
            uniqueKeysWithValues: ExpositionFormat.allCases.map {
                ($0, family.series([$0.rawValue]))
            }
        )
        let durations = try registry.histogram(
            "leeway_metrics_scrape_duration_seconds",
            help:
                "Time that a scrape takes: to render it, off the event loops, and to hold a loop.",
            unit: .nanosecondsAsSeconds,
            bounds: HistogramBounds.stageSeconds,
            labels: ["phase"]
        )
        render = durations.series(["render"])
        hold = durations.series(["hold"])
    }
}

/// Answers the scrapes of one event loop: it negotiates the form, and has the rest done elsewhere.
final class MetricsEndpoint {
    private let text: @Sendable (ExpositionFormat) -> [UInt8]
    private let metrics: ScrapeMetrics?
    private let eventLoop: any EventLoop
    /// Scrapes under way on this loop; a flood of them must not hide the rest.
    private var underWay = 0

    private static let underWayMax = 3

    init(
        _ text: @escaping @Sendable (ExpositionFormat) -> [UInt8],
        _ metrics: ScrapeMetrics?,
        _ eventLoop: any EventLoop
    ) {
        self.text = text
        self.metrics = metrics
        self.eventLoop = eventLoop
    }

    func answer(_ request: HTTPRequest) -> Reply {
        guard underWay < Self.underWayMax else {
            let failure = PredictionFailure.busy("too many scrapes at once")
            return .now(failure.response(to: request, route: request.route))
        }
        // The loop's own work is what matters, not how often the system runs others meanwhile.
        let asked = ThreadClock.nanoseconds()
        underWay += 1
        let accept = request.head.allValues(of: "accept")
        let (route, gzip) = (request.route, request.head.acceptsGzip)
        let (text, metrics) = (text, metrics)
        let future = eventLoop.makeFutureWithTask {
            let start = NIODeadline.now()
            let format = ExpositionFormat.negotiated(accept: accept)
            let response = HTTPResponse(
                status: .ok,
                contentType: ContentType(format.contentType),
                fields: [try HTTPField("Vary", "Accept")],
                body: ByteBuffer(bytes: text(format)),
                route: route
            ).gzipped(gzip)
            metrics?.render.observe(Self.nanoseconds(since: start))
            metrics?.scrapes[format]?.add()
            return response
        }
        let before = ThreadClock.nanoseconds() &- asked
        // Called before the connection's own callback, which writes the answer.
        future.assumeIsolated().whenComplete { _ in
            self.underWay -= 1
            let start = ThreadClock.nanoseconds()
            // Runs when what the callback began is over, encryption and sending included.
            self.eventLoop.assumeIsolated().execute {
                metrics?.hold.observe(before &+ ThreadClock.nanoseconds() &- start)
            }
        }
        return .later(future)
    }

    private static func nanoseconds(since start: NIODeadline) -> UInt64 {
        UInt64(max(0, (NIODeadline.now() - start).nanoseconds))
    }
}
