/// How the sections that concern the whole appliance are read.
extension ListenerSettings {
    init(_ section: inout SettingsSection, listen: String) {
        // The literal defaults are addresses; 127.0.0.1:0 stands in should one not be.
        let fallback = ListenAddress(listen) ?? ListenAddress.anyLoopback
        self.listen = section.address(
            "listen",
            default: fallback,
            doc: "host:port to listen on; port 0 lets the system choose"
        )
        plaintext = section.flag(
            "plaintext",
            default: false,
            doc: "plain HTTP instead of TLS: only behind a proxy or in a container contract"
        )
        tokenFile = section.optionalString(
            "token_file",
            doc: "file with the bearer token that requests must carry"
        )
        limits = ListenerLimits(&section)
        section.finish()
    }
}

extension ListenerLimits {
    fileprivate init(_ section: inout SettingsSection) {
        bodyBytesMax = section.integer(
            "body_bytes_max",
            default: 8 << 20,
            in: 1024...(1 << 30),
            doc: "largest request body, in bytes, before and after decompression"
        )
        rowsMax = section.integer(
            "rows_max",
            default: 1024,
            in: 1...100_000,
            doc: "most rows in one request"
        )
        connectionsMax = section.integer(
            "connections_max",
            default: 4096,
            in: 1...1_000_000,
            doc: "most connections open at once"
        )
        connectionsPerAddressMax = section.integer(
            "connections_per_address_max",
            default: 0,
            in: 0...1_000_000,
            doc: "most connections of one address (IPv6: of one /64); 0 is no limit of its own"
        )
        idleSecondsMax = section.integer(
            "idle_seconds_max",
            default: 60,
            in: 1...86_400,
            doc: "seconds after which an idle kept-alive connection is closed"
        )
        headerSecondsMax = section.integer(
            "header_seconds_max",
            default: 10,
            in: 1...3600,
            doc: "seconds in which the head of a request must have arrived"
        )
        requestsPerConnectionMax = section.integer(
            "requests_per_connection_max",
            default: 100_000,
            in: 1...1_000_000_000,
            doc: "requests after which a connection is closed"
        )
        connectionSecondsMax = section.integer(
            "connection_seconds_max",
            default: 3600,
            in: 1...31_536_000,
            doc: "seconds after which a connection is closed with its next answer"
        )
        queueMillisecondsMax = section.integer(
            "queue_milliseconds_max",
            default: 250,
            in: 1...60_000,
            doc: "milliseconds that a request may wait for its turn before it is answered with 503"
        )
        pendingRequestsMax = section.integer(
            "pending_requests_max",
            default: 256,
            in: 1...1_000_000,
            doc: "requests of one event loop whose answers are worked out elsewhere, at a time"
        )
        readSizesAndRates(&section)
    }

    private mutating func readSizesAndRates(_ section: inout SettingsSection) {
        headerBytesMax = section.integer(
            "header_bytes_max",
            default: 16 << 10,
            in: 1024...65_535,
            doc: "largest head of a request, in bytes"
        )
        targetBytesMax = section.integer(
            "target_bytes_max",
            default: 8 << 10,
            in: 64...65_535,
            doc: "longest path and query of a request, in bytes"
        )
        fieldsMax = section.integer(
            "fields_max",
            default: 100,
            in: 10...10_000,
            doc: "most header fields of a request"
        )
        bodySecondsMax = section.integer(
            "body_seconds_max",
            default: 300,
            in: 1...86_400,
            doc: "seconds in which the body of a request must have arrived"
        )
        bodyIdleSecondsMax = section.integer(
            "body_idle_seconds_max",
            default: 10,
            in: 1...3600,
            doc: "seconds without a byte after which a body is given up"
        )
        bodyBytesPerSecondMin = section.integer(
            "body_bytes_per_second_min",
            default: 240,
            in: 1...1_000_000_000,
            doc: "least mean rate of a body after its first seconds, in bytes a second"
        )
    }
}

extension ListenAddress {
    static let anyLoopback = ListenAddress(host: "127.0.0.1", port: 0)

    private init(host: String, port: Int) {
        self.host = host
        self.port = port
    }
}

extension LogSettings {
    init(_ section: inout SettingsSection) {
        level = section.choice("level", default: Level.info, doc: "least severe level written")
        format = section.choice("format", default: Format.json, doc: "json or text")
        fields = section.choice(
            "fields",
            default: Fields.otel,
            doc: "names of the JSON fields: otel or ecs"
        )
        access = section.choice(
            "access",
            default: Access.all,
            doc: "requests that leave an access line: all, errors or off"
        )
        sampleEvery = section.integer(
            "sample_every",
            default: 1,
            in: 1...1_000_000,
            doc: "one of so many requests leaves a line; failed and slow ones always do"
        )
        slowMilliseconds = section.integer(
            "slow_milliseconds",
            default: 1000,
            in: 1...3_600_000,
            doc: "milliseconds from which on a request is slow"
        )
        file = section.optionalString(
            "file",
            doc: "file to append to instead of standard error; opened anew at SIGUSR1"
        )
        section.finish()
    }
}

extension TraceExportSettings {
    init(_ section: inout SettingsSection) {
        endpoint = section.optionalString(
            "endpoint",
            doc: "URL of an OTLP/HTTP receiver, such as https://collector:4318/v1/traces"
        )
        if let endpoint,
            !["https://", "http://"].contains(where: { endpoint.hasPrefix($0) })
        {
            section.report("expected a URL that begins with https:// or http://", key: "endpoint")
        }
        authorities = section.optionalString(
            "ca_file",
            doc: "authorities in PEM for the receiver, instead of the system's"
        )
        headersFile = section.optionalString(
            "headers_file",
            doc: "file with header fields for the receiver, one Name: value a line"
        )
        sampleEvery = section.integer(
            "sample_every",
            default: 1000,
            in: 1...1_000_000_000,
            doc: "one of so many requests is traced; failed and slow ones always are"
        )
        slowMilliseconds = section.integer(
            "slow_milliseconds",
            default: 250,
            in: 1...3_600_000,
            doc: "milliseconds from which on a request is slow"
        )
        section.finish()
    }
}

extension DownloadSettings {
    init(_ section: inout SettingsSection) {
        authorities = section.optionalString(
            "ca_file",
            doc: "authorities in PEM for https sources, instead of the system's"
        )
        proxy = section.optionalString(
            "proxy",
            doc: "URL of the proxy; \"\" for none, null for what the environment says"
        )
        noProxy = section.texts("no_proxy", doc: "hosts and domains reached without the proxy")
        proxySecretFile = section.optionalString(
            "proxy_secret_file",
            doc: "file with name:password for the proxy"
        )
        bytesMax = section.integer(
            "bytes_max",
            default: 1 << 30,
            in: 1...(1 << 40),
            doc: "largest file, in bytes as transferred"
        )
        decompressedBytesMax = section.integer(
            "decompressed_bytes_max",
            default: 4 << 30,
            in: 1...(1 << 40),
            doc: "largest file after decompression, in bytes"
        )
        secondsMax = section.integer(
            "seconds_max",
            default: 3600,
            in: 1...86_400,
            doc: "seconds that one transfer may take"
        )
        attemptsMax = section.integer(
            "attempts_max",
            default: 3,
            in: 1...10,
            doc: "attempts per mirror before the next one is tried"
        )
        section.finish()
    }
}
