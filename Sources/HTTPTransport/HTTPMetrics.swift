internal import Synchronization
package import Telemetry

/// The metrics of one listener, under OpenTelemetry's names where it has some.
///
/// All are labelled with the listener; several listeners share the families.
package final class HTTPMetrics: Sendable {
    let registry: MetricRegistry
    let listener: String
    let duration: HistogramFamily
    let requestBytes: HistogramFamily
    let responseBytes: HistogramFamily
    let opened: Counter
    let closed: [Counter]
    let rejected: [Counter]
    let sampledOut: Counter
    let shed: [Counter]
    let acceptFailures: [Counter]
    let lag: Histogram
    let read: Histogram
    let write: Histogram
    let connections = Atomic<Int>(0)
    private let tallies = Mutex<[LoopTally]>([])

    /// Declares the metrics.
    ///
    /// - Parameters:
    ///   - registry: with as many shards as the listener has event loops.
    ///   - listener: the value of the label `listener`, such as `api`.
    /// - Throws: ``HTTPTransportError/metric(reason:)`` when the registry refuses one.
    package init(registry: MetricRegistry, listener: String) throws(HTTPTransportError) {
        self.registry = registry
        self.listener = listener
        do {
            let families = try Families(registry)
            duration = families.duration
            requestBytes = families.requestBytes
            responseBytes = families.responseBytes
            opened = families.opened.series([listener])
            sampledOut = families.sampledOut.series([listener])
            closed = ConnectionStateMachine.CloseReason.allCases.map {
                families.closed.series([listener, $0.label])
            }
            rejected = RequestRejection.allCases.map {
                families.rejected.series([listener, "\($0.code)"])
            }
            shed = ShedReason.allCases.map { families.shed.series([listener, $0.label]) }
            acceptFailures = AcceptFailure.allCases.map {
                families.acceptFailures.series([listener, $0.rawValue])
            }
            lag = families.lag.series([listener])
            let phases = try Self.phases(registry)
            read = phases.series([listener, "read"])
            write = phases.series([listener, "write"])
            let active = families.active.series([listener])
            let open = families.connections.series([listener])
            registry.onScrape { [weak self] in
                guard let self else { return }
                active.set(Double(activeRequests))
                open.set(Double(openConnections))
            }
        } catch {
            throw .metric(reason: "\(error)")
        }
    }

    private static func phases(_ registry: MetricRegistry) throws -> HistogramFamily {
        try registry.histogram(
            "leeway_http_phase_duration_seconds",
            help: "Time to read a request's body, and to encrypt and send the answers to one read; "
                + "a busy loop sends those of several connections together, afterwards.",
            unit: .nanosecondsAsSeconds,
            bounds: HistogramBounds.stageSeconds,
            labels: ["listener", "phase"],
            native: true
        )
    }

    /// The connections that are open now.
    package var openConnections: Int { connections.load(ordering: .relaxed) }

    /// The requests whose head is complete and whose answer is not written yet.
    package var activeRequests: Int {
        tallies.withLock { $0.reduce(0) { $0 + $1.activeRequests.load(ordering: .relaxed) } }
    }

    /// A new loop's own count, included in the sums from now on.
    func makeTally() -> LoopTally {
        let tally = LoopTally()
        tallies.withLock { $0.append(tally) }
        return tally
    }

    private struct Families {
        let duration: HistogramFamily
        let requestBytes: HistogramFamily
        let responseBytes: HistogramFamily
        let active: GaugeFamily
        let connections: GaugeFamily
        let opened: CounterFamily
        let closed: CounterFamily
        let rejected: CounterFamily
        let sampledOut: CounterFamily
        let shed: CounterFamily
        let acceptFailures: CounterFamily
        let lag: HistogramFamily

        init(_ registry: MetricRegistry) throws {
            (duration, requestBytes, responseBytes) = try Self.histograms(registry)
            (shed, acceptFailures, lag) = try Self.overload(registry)
            active = try registry.gauge(
                "http_server_active_requests",
                help: "Requests whose head is complete and whose answer is not written yet.",
                labels: ["listener"]
            )
            connections = try registry.gauge(
                "leeway_http_connections",
                help: "Connections that are open.",
                labels: ["listener"]
            )
            opened = try registry.counter(
                "leeway_http_connections_opened_total",
                help: "Connections accepted.",
                labels: ["listener"]
            )
            closed = try registry.counter(
                "leeway_http_connections_closed_total",
                help: "Connections ended, by the reason.",
                labels: ["listener", "reason"]
            )
            rejected = try registry.counter(
                "leeway_http_requests_rejected_total",
                help: "Requests that the transport refused before a responder saw them whole.",
                labels: ["listener", "reason"]
            )
            sampledOut = try registry.counter(
                "leeway_http_access_log_sampled_out_total",
                help: "Requests that the access log left out: it samples, and cuts floods of 503.",
                labels: ["listener"]
            )
        }

        private static func overload(
            _ registry: MetricRegistry
        ) throws -> (shed: CounterFamily, acceptFailures: CounterFamily, lag: HistogramFamily) {
            let shed = try registry.counter(
                "leeway_http_requests_shed_total",
                help: "Requests answered with 503 for want of time or room, by the reason.",
                labels: ["listener", "reason"]
            )
            let acceptFailures = try registry.counter(
                "leeway_http_accept_failures_total",
                help: "Failures to accept a connection, by what was missing.",
                labels: ["listener", "reason"]
            )
            let lag = try registry.histogram(
                "leeway_http_loop_lag_seconds",
                help: "How late an event loop with work to do runs a timer.",
                unit: .nanosecondsAsSeconds,
                bounds: HistogramBounds.httpSeconds,
                labels: ["listener"]
            )
            return (shed, acceptFailures, lag)
        }

        private static func histograms(
            _ registry: MetricRegistry
        ) throws -> (duration: HistogramFamily, request: HistogramFamily, response: HistogramFamily)
        {
            let duration = try registry.histogram(
                "http_server_request_duration_seconds",
                help: "Time from a request's complete head to its answer.",
                unit: .nanosecondsAsSeconds,
                bounds: HistogramBounds.httpSeconds,
                labels: [
                    "listener", "http_request_method", "http_route", "http_response_status_code",
                ],
                seriesMax: 2000,
                native: true
            )
            let requestBytes = try registry.histogram(
                "http_server_request_body_size_bytes",
                help: "Request bodies as the responder gets them, decoded.",
                unit: .bytes,
                bounds: HistogramBounds.bodyBytes,
                labels: ["listener", "http_route"]
            )
            let responseBytes = try registry.histogram(
                "http_server_response_body_size_bytes",
                help: "Response bodies.",
                unit: .bytes,
                bounds: HistogramBounds.bodyBytes,
                labels: ["listener", "http_route"]
            )
            return (duration, requestBytes, responseBytes)
        }
    }
}

/// What one event loop counts alone and every thread may read.
final class LoopTally: Sendable {
    /// Written by its loop only.
    let activeRequests = Atomic<Int>(0)

    /// Adds without a locked instruction: there is a single writer.
    func addActive(_ change: Int) {
        let value = activeRequests.load(ordering: .relaxed)
        activeRequests.store(value + change, ordering: .relaxed)
    }
}
