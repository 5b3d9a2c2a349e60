import TLSTransport
import Telemetry
import TestSupport

/// Contexts that the tests share; their files are gone as soon as they are loaded.
struct Fixture: Sendable {
    let server: TLSContext
    let client: TLSContext

    static func shared() throws -> Fixture { try made.get() }

    private static let made = Result { try Fixture() }

    private init() throws {
        let folder = try TemporaryDirectory()
        let files = try DevelopmentCertificate.ensure(in: folder.path("tls"), now: now())
        server = try TLSContext(server: files.serverSettings)
        client = try TLSContext(client: TLSClientSettings(authoritiesFile: files.authorityFile))
    }
}

extension DevelopmentCertificate {
    /// The settings of a server with these files.
    var serverSettings: TLSServerSettings {
        TLSServerSettings(certificateFile: certificateFile, keyFile: keyFile)
    }
}

/// Unix time in seconds: certificates are checked against the real clock by the peers.
func now() -> Int64 { WallTime.now().nanosecondsSinceEpoch / 1_000_000_000 }

/// The metrics of one test and their registry.
struct Counted {
    let registry = MetricRegistry(shards: 1)
    let metrics: TLSMetrics

    init() throws {
        metrics = try TLSMetrics(registry: registry)
    }

    func handshakes(_ version: TLSVersion, resumed: Bool = false) throws -> UInt64 {
        try registry.counter(
            "leeway_tls_handshakes_total",
            help: "TLS handshakes that succeeded, by protocol version and resumption.",
            labels: ["version", "resumed"]
        ).series([version.rawValue, "\(resumed)"]).value
    }

    func failures(_ reason: HandshakeFailure) throws -> UInt64 {
        try registry.counter(
            "leeway_tls_handshake_failures_total",
            help: "TLS handshakes that failed, by reason.",
            labels: ["reason"]
        ).series([reason.rawValue]).value
    }

    func failuresInAll() throws -> UInt64 {
        try HandshakeFailure.allCases.reduce(0) { try $0 + failures($1) }
    }

    func uncleanCloses() throws -> UInt64 {
        try registry.counter(
            "leeway_tls_unclean_closes_total",
            help: "Secure connections that the peer ended without saying close."
        ).series().value
    }

    func brokenConnections() throws -> UInt64 {
        try registry.counter(
            "leeway_tls_broken_connections_total",
            help: "Secure connections that were ended because the peer broke the protocol."
        ).series().value
    }

    func certificateNotAfter() throws -> Double {
        try registry.gauge(
            "leeway_tls_certificate_not_after_timestamp_seconds",
            help: "The time at which the first certificate in use ends, in Unix seconds."
        ).series().value
    }

    func stapleNotAfter() throws -> Double {
        try registry.gauge(
            "leeway_tls_staple_not_after_timestamp_seconds",
            help: "The time at which the first OCSP response in use ends; 0 without any."
        ).series().value
    }
}
