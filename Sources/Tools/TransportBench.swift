internal import Glibc
internal import HTTPTransport
internal import NIOCore
internal import NIOPosix
internal import TLSTransport
internal import Telemetry

/// A listener that reads requests and answers a constant: what TLS and HTTP cost without a model.
///
/// Everything else is as when serving: the same server, limits, metrics and access log.
package struct TransportBench: Sendable {
    private let address: HTTPServer.Address
    private let certificate: (chain: String, key: String)?
    private let eventLoops: Int
    private let hasAccessLog: Bool

    /// Takes the choices; nothing is opened yet.
    ///
    /// - Parameters:
    ///   - host: where to listen.
    ///   - port: where to listen; 0 for any free one.
    ///   - certificate: certificate chain and private key in PEM; `nil` for plain text.
    ///   - eventLoops: their number.
    ///   - hasAccessLog: whether standard error gets a line for each request.
    package init(
        host: String,
        port: Int,
        certificate: (chain: String, key: String)?,
        eventLoops: Int,
        hasAccessLog: Bool
    ) {
        address = HTTPServer.Address(host: host, port: port)
        self.certificate = certificate
        self.eventLoops = max(1, eventLoops)
        self.hasAccessLog = hasAccessLog
    }

    /// Serves until the process ends.
    ///
    /// - Parameter listening: is told the address, `host:port`, once it can be connected to.
    /// - Throws: what makes listening impossible.
    package func run(listening: (String) -> Void) async throws {
        TLSLibrary.initialise()
        let registry = MetricRegistry(shards: eventLoops)
        let routes = try RouteTable([ConstantResponder.path])
        let server = try HTTPServer(
            settings: ListenerSettings(name: "bench", limits: limits, routes: routes),
            address: address,
            group: MultiThreadedEventLoopGroup(numberOfThreads: eventLoops),
            tls: try tls(registry),
            metrics: HTTPMetrics(registry: registry, listener: "bench"),
            accessLog: try makeAccessLog(registry),
            makeResponder: { _, _ in ConstantResponder(route: routes.route(ConstantResponder.path))
            }
        )
        listening("\(try await server.start())")
        while !Task.isCancelled { try await Task.sleep(for: .seconds(3600)) }
    }

    /// The defaults of serving, but that connections are kept for as long as a measurement lasts.
    private var limits: TransportLimits {
        var limits = TransportLimits()
        limits.requestsPerConnectionMax = .max
        return limits
    }

    private func tls(_ registry: MetricRegistry) throws -> ListenerTLS? {
        guard let (chain, key) = certificate else { return nil }
        let settings = TLSServerSettings(certificateFile: chain, keyFile: key)
        return ListenerTLS(
            source: try TLSContext(server: settings),
            metrics: try TLSMetrics(registry: registry)
        )
    }

    private func makeAccessLog(_ registry: MetricRegistry) throws -> AccessLog? {
        guard hasAccessLog else { return nil }
        let sink = try LogSink(descriptor: STDERR_FILENO)
        try sink.register(in: registry)
        return AccessLog(sink: sink)
    }
}

/// Reads every body and answers the same few bytes.
private final class ConstantResponder: HTTPResponder {
    static let path = "/predict"

    private let route: HTTPRoute
    private let body = ByteBuffer(string: "{\"class\":9}\n")

    init(route: HTTPRoute) {
        self.route = route
    }

    func admit(_ request: HTTPRequest) -> Admission {
        .accept(bodyBytesMax: 8 << 20, route: route)
    }

    func respond(to request: HTTPRequest) -> Reply {
        .now(HTTPResponse(status: .ok, body: body, route: route))
    }
}
