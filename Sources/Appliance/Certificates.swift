internal import Files
internal import HTTPTransport
internal import Logging
internal import Serving
internal import Synchronization
package import TLSTransport
package import Telemetry

/// The certificates of both listeners: configured files, or a development certificate.
///
/// They can be replaced while connections go on.
package final class Certificates: Sendable {
    /// Certificates that are read and checked, ready to be used.
    struct Loaded: Sendable {
        let context: TLSContext
        let development: DevelopmentCertificate?
        fileprivate let settings: CertificateSettings
        /// What the files looked like before they were read.
        fileprivate let stamps: [FileStamp?]
    }

    /// What is in use; asked once for each connection.
    private final class Live: TLSContextSource {
        let loaded: Mutex<Loaded>
        let metrics: TLSMetrics

        init(_ loaded: Loaded, _ metrics: TLSMetrics) {
            self.loaded = Mutex(loaded)
            self.metrics = metrics
        }

        func current() -> TLSContext { loaded.withLock { $0.context } }
    }

    private let folder: String
    private let gates: [Listener: TLSHandshakeGate]
    private let limits: TLSLimits
    /// Nil when both listeners speak plain text.
    private let live: Live?

    /// Reads and checks what the settings name.
    ///
    /// - Parameters:
    ///   - settings: Of the whole appliance.
    ///   - registry: Where handshakes and certificates are counted.
    ///   - now: Unix time in seconds.
    /// - Throws: `TLSError` when a file cannot be used or the state directory cannot be written.
    package init(_ settings: Settings, registry: MetricRegistry, now: Int64) throws {
        folder = settings.developmentFolder
        var limits = TLSLimits()
        limits.handshakeSecondsMax = Int64(settings.tls.handshakeSecondsMax)
        self.limits = limits
        let gates = Dictionary(
            uniqueKeysWithValues: Listener.allCases.map {
                ($0, TLSHandshakeGate(handshakesMax: settings.tls.handshakesMax))
            }
        )
        self.gates = gates
        guard !settings.api.plaintext || !settings.operations.plaintext else {
            live = nil
            return
        }
        let loaded = try Self.load(settings.tls, folder, keys: nil, now: now)
        let metrics = try TLSMetrics(registry: registry, gates: Array(gates.values))
        metrics.certificate(of: loaded.context)
        live = Live(loaded, metrics)
    }

    /// What a connection is secured with that begins now; nil when both listeners speak plain text.
    package var current: TLSContext? { live?.current() }

    /// How a listener encrypts; nil when both speak plain text.
    func listenerTLS(_ listener: Listener) -> ListenerTLS? {
        live.map { live in
            ListenerTLS(
                source: live,
                limits: limits,
                metrics: live.metrics,
                gate: gates[listener],
                isDemanded: live.loaded.withLock { $0.development == nil }
            )
        }
    }

    /// Says where a new development authority is.
    func announce(_ logger: Logger) {
        guard let development = live?.loaded.withLock({ $0.development }),
            let reason = development.made
        else { return }
        logger.notice(
            "development certificate made",
            metadata: [
                "tls.authority.path": "\(development.authorityFile)",
                "tls.certificate.path": "\(development.certificateFile)",
                "reason": "\(reason.rawValue)",
            ]
        )
    }

    // MARK: Replacing

    /// Reads and checks certificates; nothing is used yet.
    ///
    /// - Returns: Nil when both listeners speak plain text.
    /// - Throws: `TLSError`; what is in use stays.
    func prepare(_ settings: CertificateSettings, now: Int64) throws -> Loaded? {
        guard let old = live?.loaded.withLock({ $0 }) else { return nil }
        let stamps = Self.stamps(settings, folder)
        // A session is not verified again when it is resumed: other authorities, other keys.
        let isSameTrust =
            settings.clientAuthorities == old.settings.clientAuthorities
            && settings.ticketRotationSeconds == old.settings.ticketRotationSeconds
            && settings.sessionSecondsMax == old.settings.sessionSecondsMax
            && (settings.clientAuthorities == nil || stamps.first == old.stamps.first)
        let keys = isSameTrust ? old.context.ticketKeys : nil
        let loaded = try Self.load(settings, folder, keys: keys, now: now)
        try loaded.context.rehearse()
        guard let notAfter = loaded.context.certificateNotAfter, notAfter > now else {
            throw TLSError.settingRefused(name: "tls.certificate", reason: "it has ended already")
        }
        return loaded
    }

    /// Uses certificates for connections that begin from now on.
    func use(_ loaded: Loaded) {
        live?.loaded.withLock { $0 = loaded }
        live?.metrics.certificate(of: loaded.context)
    }

    /// Makes new ticket keys when they are due, handshakes or none.
    func rotateTicketKeys() {
        live?.current().ticketKeys?.rotateIfDue()
    }

    /// What the files in use look like now; nil when they look as they did when they were read.
    func changedFiles() -> [FileStamp?]? {
        guard let loaded = live?.loaded.withLock({ $0 }) else { return nil }
        let now = Self.stamps(loaded.settings, folder)
        return now == loaded.stamps ? nil : now
    }

    /// Whether the development certificate in use is to be made anew before it ends.
    func isDevelopmentDue(now: Int64) -> Bool {
        live?.loaded.withLock { $0.development?.isDue(now: now) } ?? false
    }

    private static func load(
        _ settings: CertificateSettings,
        _ folder: String,
        keys: TLSTicketKeys?,
        now: Int64
    ) throws -> Loaded {
        // Looked at before they are read: what changes in between is seen at the next look.
        var stamps = stamps(settings, folder)
        var development: DevelopmentCertificate?
        var files = settings.files
        if files.isEmpty {
            let made = try DevelopmentCertificate.ensure(
                in: folder,
                names: settings.names,
                now: now
            )
            development = made
            files = [CertificateFiles(certificate: made.certificateFile, key: made.keyFile)]
            // These files are ours alone.
            if made.made != nil { stamps = Self.stamps(settings, folder) }
        }
        var server = Self.server(settings, files)
        server.ticketKeys =
            if let keys { keys } else {
                try TLSTicketKeys(
                    rotationSeconds: Int64(settings.ticketRotationSeconds),
                    sessionSeconds: Int64(settings.sessionSecondsMax)
                )
            }
        return Loaded(
            context: try TLSContext(server: server),
            development: development,
            settings: settings,
            stamps: stamps
        )
    }

    private static func server(
        _ settings: CertificateSettings,
        _ files: [CertificateFiles]
    ) -> TLSServerSettings {
        let first = files.first
        var server = TLSServerSettings(
            certificateFile: first?.certificate ?? "",
            keyFile: first?.key ?? ""
        )
        server.others = files.dropFirst().map {
            TLSIdentity(certificateFile: $0.certificate, keyFile: $0.key)
        }
        server.profile = settings.profile == .modern ? .modern : .intermediate
        server.stapleFiles = settings.ocspResponses
        server.refusesUnknownNames = settings.unknownName == .refuse
        if let authorities = settings.clientAuthorities {
            server.clientCertificates = .asked(authorities: authorities)
            server.allowedClientNames = settings.clientNames
        }
        return server
    }

    /// The client authorities first, then the certificates, the keys and the OCSP responses.
    private static func stamps(_ settings: CertificateSettings, _ folder: String) -> [FileStamp?] {
        let own =
            settings.files.isEmpty
            ? ["\(folder)/server.pem", "\(folder)/server.key"]
            : settings.files.flatMap { [$0.certificate, $0.key] }
        let others = own + settings.ocspResponses
        return [settings.clientAuthorities.flatMap { FileStamp($0) }] + others.map { FileStamp($0) }
    }
}

extension Settings {
    /// Where the development authority and certificate are.
    package var developmentFolder: String { "\(state)/tls" }

    /// The authorities that a client of this appliance has to trust; nil for the system's.
    package var clientTrust: String? {
        tls.files.isEmpty ? "\(developmentFolder)/ca.pem" : nil
    }
}
