internal import CCurl

extension CurlEasy {
    /// Sets every option of a download but its headers and its sink, on a handle just reset.
    mutating func apply(_ plan: AttemptPlan, _ url: TransferURL, _ credentials: RequestCredentials)
    {
        let limits = plan.settings.limits
        collectExplanations()
        set(CURLOPT_URL, url.text)
        set(CURLOPT_PROTOCOLS_STR, url.scheme.rawValue)
        // libcurl's own default lets redirects go on without end, and to plain HTTP. With
        // credentials we follow them ourselves, to leave those behind.
        set(CURLOPT_FOLLOWLOCATION, credentials.isEmpty ? 1 : 0)
        set(CURLOPT_MAXREDIRS, limits.redirectsMax)
        set(CURLOPT_REDIR_PROTOCOLS_STR, "https")
        set(CURLOPT_DISALLOW_USERNAME_IN_URL, 1)
        // No signals and no waiting for a name server's thread: a cancelled transfer ends at once.
        set(CURLOPT_NOSIGNAL, 1)
        set(CURLOPT_QUICK_EXIT, 1)
        set(CURLOPT_CONNECTTIMEOUT_MS, Self.milliseconds(limits.connectSecondsMax))
        set(CURLOPT_TIMEOUT_MS, Self.milliseconds(limits.totalSecondsMax))
        set(CURLOPT_LOW_SPEED_LIMIT, min(limits.bytesPerSecondMin, Int(Int32.max)))
        set(CURLOPT_LOW_SPEED_TIME, min(limits.stallSecondsMax, Int(Int32.max)))
        // Only works where the size is announced; the sink counts, too.
        set(CURLOPT_MAXFILESIZE_LARGE, large: plan.bytesMax)
        set(CURLOPT_HTTP_VERSION, Int(CURL_HTTP_VERSION_2TLS))
        set(CURLOPT_TCP_KEEPALIVE, 1)
        set(CURLOPT_MAXAGE_CONN, 60)
        set(CURLOPT_USERAGENT, plan.settings.userAgent)
        set(credentials)
        requireTLS(caFile: plan.settings.caFile)
        // ACCEPT_ENCODING stays unset: size and digest are of the bytes on the wire.
    }

    private mutating func set(_ credentials: RequestCredentials) {
        if let pins = credentials.pinnedKeys { set(CURLOPT_PINNEDPUBLICKEY, pins) }
        if let userPassword = credentials.userPassword {
            set(CURLOPT_USERPWD, userPassword)
            // A server cannot talk us into another way of proving who we are.
            set(CURLOPT_HTTPAUTH, Int(leeway_curlauth_basic))
        }
        if let signature = credentials.signature { set(CURLOPT_AWS_SIGV4, signature) }
    }

    /// The way through a proxy, if there is one.
    ///
    /// - Throws: ``TransferError/secretUnreadable(file:reason:)``.
    mutating func applyProxy(_ settings: DownloadSettings) throws(TransferError) {
        if let proxy = settings.proxy { set(CURLOPT_PROXY, proxy) }
        if let noProxy = settings.noProxy { set(CURLOPT_NOPROXY, noProxy) }
        if let file = settings.proxySecretFile {
            set(CURLOPT_PROXYUSERPWD, try SecretFile.line(file))
        }
        // The proxy's answer to CONNECT is not the server's.
        set(CURLOPT_SUPPRESS_CONNECT_HEADERS, 1)
    }

    /// TLS 1.2 or later, with the certificate and the host's name checked.
    mutating func requireTLS(caFile: String?) {
        set(CURLOPT_SSLVERSION, Int(CURL_SSLVERSION_TLSv1_2))
        set(CURLOPT_SSL_VERIFYPEER, 1)
        set(CURLOPT_SSL_VERIFYHOST, 2)
        if let caFile {
            set(CURLOPT_CAINFO, caFile)
            // Else the system's authorities in the folder would be trusted as well.
            set(CURLOPT_CAPATH, nil)
        }
    }

    /// Seconds as libcurl takes them: it refuses milliseconds beyond 32 bits.
    static func milliseconds(_ seconds: Int) -> Int {
        min(max(seconds, 1), Int(Int32.max) / 1000) * 1000
    }
}
