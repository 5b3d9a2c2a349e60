internal import HTTPTransport
internal import Logging
internal import TLSTransport
internal import Telemetry

/// The certificate of both listeners: configured files, or a development certificate made on the
/// first start.
struct Certificates: Sendable {
    private let context: TLSContext?
    private let development: DevelopmentCertificate?
    private let metrics: TLSMetrics?

    /// - Throws: `TLSError` when a file cannot be used or the state directory cannot be written.
    init(_ settings: Settings, registry: MetricRegistry, now: Int64) throws {
        guard !settings.api.plaintext || !settings.operations.plaintext else {
            (context, development, metrics) = (nil, nil, nil)
            return
        }
        var server: TLSServerSettings
        if let certificate = settings.tls.certificate, let key = settings.tls.key {
            development = nil
            server = TLSServerSettings(certificateFile: certificate, keyFile: key)
        } else {
            let made = try DevelopmentCertificate.ensure(
                in: settings.developmentFolder,
                names: settings.tls.names,
                now: now
            )
            development = made
            server = TLSServerSettings(
                certificateFile: made.certificateFile,
                keyFile: made.keyFile
            )
        }
        server.profile = settings.tls.profile == .modern ? .modern : .intermediate
        if let authorities = settings.tls.clientAuthorities {
            server.clientCertificates = .required(authorities: authorities)
        }
        let context = try TLSContext(server: server)
        let metrics = try TLSMetrics(registry: registry)
        metrics.certificate(of: context)
        self.context = context
        self.metrics = metrics
    }

    /// How the listeners encrypt; nil when both speak plain text.
    var listenerTLS: ListenerTLS? {
        context.map { ListenerTLS(source: $0, metrics: metrics) }
    }

    /// Says where a new development authority is.
    func announce(_ logger: Logger) {
        guard let development, let reason = development.made else { return }
        logger.notice(
            "development certificate made",
            metadata: [
                "tls.authority.path": "\(development.authorityFile)",
                "tls.certificate.path": "\(development.certificateFile)",
                "reason": "\(reason.rawValue)",
            ]
        )
    }
}

extension Settings {
    /// Where the development authority and certificate are.
    package var developmentFolder: String { "\(state)/tls" }

    /// The authorities that a client of this appliance has to trust; nil for the system's.
    package var clientTrust: String? {
        tls.certificate == nil ? "\(developmentFolder)/ca.pem" : nil
    }
}
