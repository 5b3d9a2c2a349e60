internal import Files
package import Logging
internal import TLSTransport
package import Telemetry

/// Takes up what has changed while the appliance serves: certificates when their files change, the
/// whole configuration and the certificates at SIGHUP.
///
/// New ones are read and checked completely before anything is used; when anything is wrong, all
/// that was in use stays in use.
package actor Reloading {
    /// Why certificates are read again.
    enum Trigger: String {
        /// Somebody asked for it.
        case signal
        /// A file was written or replaced.
        case fileChanged = "file_changed"
        /// The development certificate nears its end.
        case expiring
    }

    private var settings: Settings
    private let read: @Sendable () throws -> Settings
    private let certificates: Certificates
    private let prepareAccess: @Sendable (Settings) throws -> (@Sendable () -> Void)
    private let metrics: ReloadMetrics
    private let logger: Logger
    private let clock: @Sendable () -> Int64
    private let reloaded: @Sendable (Settings?) -> Void
    /// What changed files looked like at the last look, to wait until whoever writes is done.
    private var unsettled: [FileStamp?]?
    /// What they looked like at the last try, which is not repeated before they change again.
    private var tried: [FileStamp?]?
    /// When the development certificate was last to be made anew; a failure is not repeated at once.
    private var renewedAt: Int64?

    /// Starts with what is in effect.
    ///
    /// - Parameters:
    ///   - settings: What is in effect.
    ///   - read: Reads the configuration anew.
    ///   - certificates: What is replaced.
    ///   - prepareAccess: Reads who may ask, and gives what has them used.
    ///   - metrics: Where reloads are counted.
    ///   - logger: Told of each.
    ///   - clock: Unix seconds.
    ///   - reloaded: Told of each configuration that was taken up, and nil of one that was refused.
    package init(
        _ settings: Settings,
        read: @escaping @Sendable () throws -> Settings,
        certificates: Certificates,
        prepareAccess: @escaping @Sendable (Settings) throws -> (@Sendable () -> Void) = { _ in {}
        },
        metrics: ReloadMetrics,
        logger: Logger,
        clock: @escaping @Sendable () -> Int64,
        reloaded: @escaping @Sendable (Settings?) -> Void = { _ in }
    ) {
        self.settings = settings
        self.read = read
        self.certificates = certificates
        self.prepareAccess = prepareAccess
        self.metrics = metrics
        self.logger = logger
        self.clock = clock
        self.reloaded = reloaded
    }

    /// Reads configuration and certificates, and uses both or neither.
    package func reload() {
        do {
            let new = try read()
            let changed = SettingsChange(from: settings, to: new)
            guard changed.needingRestart.isEmpty else {
                throw ReloadError.needsRestart(changed.needingRestart)
            }
            let useAccess = try prepareAccess(new)
            try reloadCertificates(new.tls, .signal)
            // What cannot fail comes last, so that all is used or nothing.
            useAccess()
            settings = new
            metrics.configurationReloaded(at: clock())
            reloaded(new)
            logger.notice(
                "configuration reloaded",
                metadata: ["config.changed": "\(changed.all.joined(separator: ", "))"]
            )
        } catch {
            metrics.configurationRefused()
            reloaded(nil)
            logger.error("configuration refused", metadata: ["reason": "\(error)"])
        }
    }

    /// Looks whether certificate files have changed and have settled, and takes them up.
    package func look() {
        certificates.rotateTicketKeys()
        renewDevelopment()
        guard let stamps = certificates.changedFiles() else {
            unsettled = nil
            tried = nil
            return
        }
        if stamps == tried { return }
        guard stamps == unsettled else {
            unsettled = stamps
            return
        }
        tried = stamps
        try? reloadCertificates(settings.tls, .fileChanged)
    }

    private func renewDevelopment() {
        let now = clock()
        guard certificates.isDevelopmentDue(now: now),
            renewedAt.map({ now - $0 >= Self.renewalSecondsMin }) ?? true
        else { return }
        renewedAt = now
        try? reloadCertificates(settings.tls, .expiring)
    }

    /// Replaces the certificates, counts it, and tells it.
    private func reloadCertificates(_ settings: CertificateSettings, _ trigger: Trigger) throws {
        let loaded: Certificates.Loaded?
        do {
            loaded = try certificates.prepare(settings, now: clock())
        } catch {
            metrics.certificatesRefused()
            logger.error(
                "certificates refused",
                metadata: ["tls.trigger": "\(trigger.rawValue)", "reason": "\(error)"]
            )
            throw error
        }
        guard let loaded else { return }
        certificates.use(loaded)
        metrics.certificatesReloaded()
        let context = loaded.context
        logger.notice(
            "certificates reloaded",
            metadata: [
                "tls.trigger": "\(trigger.rawValue)",
                "tls.certificate.names":
                    "\(context.subjectAlternativeNames.joined(separator: ", "))",
                "tls.certificate.not_after": "\(context.certificateNotAfter ?? 0)",
            ]
        )
    }

    private static let renewalSecondsMin: Int64 = 3600
}

/// Why a configuration is not taken up.
enum ReloadError: Error, CustomStringConvertible {
    /// These keys have changed, and cannot while the appliance serves.
    case needsRestart([String])

    var description: String {
        switch self {
        case .needsRestart(let keys):
            "\(keys.joined(separator: ", ")): a change needs a restart: nothing was changed"
        }
    }
}

/// Which keys two configurations differ in.
package struct SettingsChange {
    /// The keys, in their order.
    package let all: [String]

    /// Compares the values in effect.
    package init(from old: Settings, to new: Settings) {
        let keys = Set(old.values.keys).union(new.values.keys)
        all = keys.filter { old.values[$0] != new.values[$0] }.sorted()
    }

    /// The keys that cannot change while the appliance serves.
    package var needingRestart: [String] { all.filter { !Self.changeable.contains($0) } }

    /// The keys that can change while the appliance serves.
    package static let changeable: Set = [
        "tls.certificate", "tls.key", "tls.ocsp_responses", "tls.unknown_name", "tls.client_ca",
        "tls.client_names", "tls.names", "tls.profile", "tls.ticket_rotation_seconds",
        "tls.session_seconds_max", "access.file", "api.token_file", "operations.token_file",
        "log.level",
    ]
}

/// What is counted of reloads.
package struct ReloadMetrics: Sendable {
    private let reloaded: Counter
    private let refused: Counter
    private let wereCertificatesTaken: Gauge
    private let wasSuccessful: Gauge
    private let lastSuccess: Gauge

    /// Declares the metrics; the start counts as a reload that succeeded.
    ///
    /// - Throws: What the registry throws for a name declared differently elsewhere.
    package init(_ registry: MetricRegistry, now: Int64) throws {
        let reloads = try registry.counter(
            "leeway_tls_certificate_reloads_total",
            help: "Times that certificates were read again while serving, by result.",
            labels: ["result"]
        )
        reloaded = reloads.series(["reloaded"])
        refused = reloads.series(["refused"])
        wereCertificatesTaken = try registry.gauge(
            "leeway_tls_certificate_last_reload_successful",
            help: "Whether the certificates read last are in use (1) or were refused (0)."
        ).series()
        wasSuccessful = try registry.gauge(
            "leeway_config_last_reload_successful",
            help: "Whether the last reload of the configuration was taken up (1) or refused (0)."
        ).series()
        lastSuccess = try registry.gauge(
            "leeway_config_last_reload_success_timestamp_seconds",
            help: "When the configuration in use was read, in Unix seconds."
        ).series()
        configurationReloaded(at: now)
        wereCertificatesTaken.set(1)
    }

    func certificatesReloaded() {
        reloaded.add()
        wereCertificatesTaken.set(1)
    }

    func certificatesRefused() {
        refused.add()
        wereCertificatesTaken.set(0)
    }

    func configurationReloaded(at now: Int64) {
        wasSuccessful.set(1)
        lastSuccess.set(Double(now))
    }

    func configurationRefused() { wasSuccessful.set(0) }
}
