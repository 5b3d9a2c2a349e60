package import Telemetry

/// The counters and the gauge of one listener's TLS; made once, shared by its connections.
package struct TLSMetrics: Sendable {
    private let handshakes: [Key: Counter]
    private let failures: [HandshakeFailure: Counter]
    private let uncleanCloses: Counter
    private let brokenConnections: Counter
    private let certificateNotAfter: Gauge
    private let stapleNotAfter: Gauge

    private struct Key: Hashable {
        let version: TLSVersion
        let isResumed: Bool
    }

    /// Declares the metrics; all series exist from the start, at zero.
    ///
    /// - Parameters:
    ///   - registry: Where they are kept.
    ///   - gates: Where handshakes wait; read at each scrape.
    /// - Throws: What the registry throws for a name declared differently elsewhere.
    package init(registry: MetricRegistry, gates: [TLSHandshakeGate] = []) throws {
        let handshakes = try registry.counter(
            "leeway_tls_handshakes_total",
            help: "TLS handshakes that succeeded, by protocol version and resumption.",
            labels: ["version", "resumed"]
        )
        let failures = try registry.counter(
            "leeway_tls_handshake_failures_total",
            help: "TLS handshakes that failed, by reason.",
            labels: ["reason"]
        )
        let keys = TLSVersion.allCases.flatMap { version in
            [true, false].map { Key(version: version, isResumed: $0) }
        }
        self.handshakes = Dictionary(
            uniqueKeysWithValues: keys.map {
                ($0, handshakes.series([$0.version.rawValue, "\($0.isResumed)"]))
            }
        )
        self.failures = Dictionary(
            uniqueKeysWithValues: HandshakeFailure.allCases.map {
                ($0, failures.series([$0.rawValue]))
            }
        )
        uncleanCloses = try registry.counter(
            "leeway_tls_unclean_closes_total",
            help: "Secure connections that the peer ended without saying close."
        ).series()
        brokenConnections = try registry.counter(
            "leeway_tls_broken_connections_total",
            help: "Secure connections that were ended because the peer broke the protocol."
        ).series()
        certificateNotAfter = try registry.gauge(
            "leeway_tls_certificate_not_after_timestamp_seconds",
            help: "The time at which the first certificate in use ends, in Unix seconds."
        ).series()
        stapleNotAfter = try registry.gauge(
            "leeway_tls_staple_not_after_timestamp_seconds",
            help: "The time at which the first OCSP response in use ends; 0 without any."
        ).series()
        try Self.watch(gates, in: registry)
    }

    private static func watch(
        _ gates: [TLSHandshakeGate],
        in registry: MetricRegistry
    ) throws {
        let handshakes = try registry.gauge(
            "leeway_tls_handshakes_open",
            help: "TLS handshakes that are going on or wait for their turn.",
            labels: ["state"]
        )
        let running = handshakes.series(["running"])
        let waiting = handshakes.series(["waiting"])
        registry.onScrape {
            let counts = gates.map(\.counts)
            running.set(Double(counts.map(\.running).reduce(0, +)))
            waiting.set(Double(counts.map(\.waiting).reduce(0, +)))
        }
    }

    /// Notes the end of the certificates and of the OCSP responses now in use.
    package func certificate(of context: TLSContext) {
        stapleNotAfter.set(Double(context.stapleNotAfter ?? 0))
        guard let notAfter = context.certificateNotAfter else { return }
        certificateNotAfter.set(Double(notAfter))
    }

    func handshakeSucceeded(_ facts: TLSSessionFacts) {
        handshakes[Key(version: facts.version, isResumed: facts.isResumed)]?.add()
    }

    func handshakeFailed(_ failure: HandshakeFailure) {
        failures[failure]?.add()
    }

    func connectionBroken() {
        brokenConnections.add()
    }

    func closedUncleanly() {
        uncleanCloses.add()
    }
}
