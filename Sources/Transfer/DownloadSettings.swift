/// How downloads are made, whatever is downloaded.
package struct DownloadSettings: Sendable, Equatable {
    /// The certificate authorities to trust (a PEM file) in place of the system's.
    package var caFile: String?
    /// The proxy's URL; empty for none, nil for what the environment says (`https_proxy`, …).
    package var proxy: String?
    /// Hosts that are reached without the proxy, as curl wants them: names and suffixes with
    /// commas between them; nil for what the environment says (`no_proxy`).
    package var noProxy: String?
    /// The proxies that the environment names, if ``proxy`` leaves it to that: what they may reach
    /// is their business.
    package var environmentProxies: [String]
    /// `host:port:address`, in place of what a name server says; for tests.
    package var resolve: [String]
    /// A file with the proxy's `name:password`.
    package var proxySecretFile: String?
    /// What servers are told of us.
    package var userAgent: String
    /// The limits of one attempt.
    package var limits: DownloadLimits
    /// How often and how patiently it is tried again.
    package var retry: RetryPolicy

    /// The system's certificate authorities, the environment's proxy, default limits.
    package init(
        caFile: String? = nil,
        proxy: String? = nil,
        noProxy: String? = nil,
        environmentProxies: [String] = [],
        resolve: [String] = [],
        proxySecretFile: String? = nil,
        userAgent: String = "leeway",
        limits: DownloadLimits = DownloadLimits(),
        retry: RetryPolicy = RetryPolicy()
    ) {
        self.caFile = caFile
        self.proxy = proxy
        self.noProxy = noProxy
        self.environmentProxies = environmentProxies
        self.resolve = resolve
        self.proxySecretFile = proxySecretFile
        self.userAgent = userAgent
        self.limits = limits
        self.retry = retry
    }
}

extension DownloadSettings {
    /// The ports of the proxies that there may be.
    var proxyPorts: Set<Int> {
        let proxies = proxy.map { $0.isEmpty ? [] : [$0] } ?? environmentProxies
        return Set(proxies.compactMap { TransferURL.proxyPort($0) })
    }
}

/// The limits of one attempt to fetch one file; each counts as 1 if it is less.
package struct DownloadLimits: Sendable, Equatable {
    /// The largest file, as it comes over the wire.
    package var bytesMax: Int
    /// From the first packet to the end of the TLS handshake.
    package var connectSecondsMax: Int
    /// The whole attempt.
    package var totalSecondsMax: Int
    /// A transfer slower than this for ``stallSecondsMax`` is given up.
    package var bytesPerSecondMin: Int
    /// See ``bytesPerSecondMin``.
    package var stallSecondsMax: Int
    /// How many redirects are followed.
    package var redirectsMax: Int

    /// 8 GiB, 10 s to connect, 1 h in all, 1 KiB/s over 30 s, 5 redirects.
    package init(
        bytesMax: Int = 8 << 30,
        connectSecondsMax: Int = 10,
        totalSecondsMax: Int = 3600,
        bytesPerSecondMin: Int = 1024,
        stallSecondsMax: Int = 30,
        redirectsMax: Int = 5
    ) {
        self.bytesMax = max(1, bytesMax)
        self.connectSecondsMax = max(1, connectSecondsMax)
        self.totalSecondsMax = max(1, totalSecondsMax)
        self.bytesPerSecondMin = max(1, bytesPerSecondMin)
        self.stallSecondsMax = max(1, stallSecondsMax)
        self.redirectsMax = max(0, redirectsMax)
    }
}
