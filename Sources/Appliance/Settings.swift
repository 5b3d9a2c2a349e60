/// The whole configuration, checked and ready to use.
///
/// Every value is within its range and every combination is one that can work; what the file
/// does not say has its default. Paths are as written: relative ones are relative to the
/// working directory.
package struct Settings: Sendable, Equatable {
    /// The file it was read from, for messages and for the retraining child.
    package var file: String
    /// The listener for predictions.
    package var api: ListenerSettings
    /// The listener for metrics, status and everything that changes state.
    package var operations: ListenerSettings
    /// The file of those who may ask; nil where a token or nothing is asked for.
    package var accessFile: String?
    /// The certificates of both listeners.
    package var tls: CertificateSettings
    /// The state directory: models, downloads, generated certificates.
    package var state: String
    /// Event loops that serve requests; 0 is one a core.
    package var eventLoops: Int
    /// Threads that share the products of the batcher; 0 is one a core.
    package var computeThreads: Int
    /// Whether clients are told how long the parts of a prediction took.
    package var serverTiming: Bool
    /// Room on the disk of the state directory below which no retrain starts, in bytes; 0 for none.
    package var diskFreeBytesMin: Int
    /// How long a shutdown goes on as before but for `/readyz`, in seconds.
    package var shutdownDelaySeconds: Int
    /// Memory that the process may take, in bytes; 0 is the container's limit, if it has one.
    package var memoryBytesMax: Int
    /// How long a shutdown waits for requests in flight, in seconds.
    package var shutdownSecondsMax: Int
    /// What is logged, and how.
    package var log: LogSettings
    /// Where traces go.
    package var traces: TraceExportSettings
    /// Limits of every transfer.
    package var downloads: DownloadSettings
    /// The models, at least one.
    package var models: [ModelSettings]
    /// The text of every key that is in effect, by its path, to tell what a reload changes.
    package var values: [String: String]

    /// The model that answers when a request names none; nil when several have equal right.
    package var defaultModel: String? {
        models.count == 1 ? models.first?.name : models.first { $0.isDefault }?.name
    }
}

/// One listener.
package struct ListenerSettings: Sendable, Equatable {
    /// Where it listens.
    package var listen: ListenAddress
    /// Whether it speaks plain HTTP: for a listener behind a proxy, by explicit choice.
    package var plaintext: Bool
    /// A file with the bearer token that requests must carry; nil for none.
    package var tokenFile: String?
    /// What one client may ask.
    package var limits: ListenerLimits
}

/// What one client of a listener may ask.
package struct ListenerLimits: Sendable, Equatable {
    /// Largest request body, in bytes, compressed or not.
    package var bodyBytesMax: Int
    /// Most rows in one request.
    package var rowsMax: Int
    /// Most connections open at once.
    package var connectionsMax: Int
    /// Seconds after which an idle kept-alive connection is closed.
    package var idleSecondsMax: Int
    /// Seconds in which the head of a request must have arrived.
    package var headerSecondsMax: Int
    /// Requests after which a connection is closed.
    package var requestsPerConnectionMax: Int
    /// Most connections of one address; 0 for no limit of its own.
    package var connectionsPerAddressMax: Int
    /// Seconds after which a connection is closed with its next answer.
    package var connectionSecondsMax: Int
    /// Largest head, in bytes.
    package var headerBytesMax = 0
    /// Longest path and query, in bytes.
    package var targetBytesMax = 0
    /// Most header fields.
    package var fieldsMax = 0
    /// Seconds in which a body must have arrived.
    package var bodySecondsMax = 0
    /// Seconds without a byte after which a body is given up.
    package var bodyIdleSecondsMax = 0
    /// Least mean rate of a body, in bytes a second.
    package var bodyBytesPerSecondMin = 0
    /// Milliseconds that a request may wait for its turn.
    package var queueMillisecondsMax: Int
    /// Requests of one event loop whose answers are worked out elsewhere, at a time.
    package var pendingRequestsMax: Int
}

/// Certificates: files, or a development authority made on the first start.
package struct CertificateSettings: Sendable, Equatable {
    /// The certificate chains and their keys in PEM; empty for the development certificate.
    package var files: [CertificateFiles]
    /// OCSP responses about the certificates in DER, stapled until they end.
    package var ocspResponses: [String]
    /// What becomes of a client that asks for a name that no certificate is for.
    package var unknownName: UnknownName
    /// Authorities whose client certificates are demanded for all but health; nil asks for none.
    package var clientAuthorities: String?
    /// Subject alternative names of which a client certificate must have one; empty for any.
    package var clientNames: [String]
    /// Names in the development certificate besides localhost.
    package var names: [String]
    /// Protocol versions and cipher suites, in Mozilla's terms.
    package var profile: Profile
    /// Seconds for which a key seals session tickets.
    package var ticketRotationSeconds: Int
    /// Seconds for which a session can be resumed.
    package var sessionSecondsMax: Int
    /// Seconds that a handshake may take.
    package var handshakeSecondsMax: Int
    /// Handshakes of a listener that go on at once.
    package var handshakesMax: Int
    /// Seconds between two looks at the files; 0 for none.
    package var watchSeconds: Int

    /// What becomes of a client that asks for a name that no certificate is for.
    package enum UnknownName: String, CaseIterable, Sendable {
        /// It gets the first certificate.
        case serve
        /// Its handshake is refused.
        case refuse
    }

    /// Mozilla's recommended server configurations.
    package enum Profile: String, CaseIterable, Sendable {
        /// TLS 1.2 and 1.3.
        case intermediate
        /// TLS 1.3 only.
        case modern
    }
}

/// One certificate chain and its key.
package struct CertificateFiles: Sendable, Equatable {
    /// The certificate chain in PEM.
    package var certificate: String
    /// The private key in PEM.
    package var key: String
}

/// Which requests are traced, and where the traces go.
package struct TraceExportSettings: Sendable, Equatable {
    /// The URL of an OTLP/HTTP receiver; nil for no traces.
    package var endpoint: String?
    /// Certificate authorities of the receiver in PEM; nil for the system's.
    package var authorities: String?
    /// A file with further header fields for the receiver, one `Name: value` a line.
    package var headersFile: String?
    /// One of so many requests is traced, of those that are neither slow nor failed.
    package var sampleEvery: Int
    /// Milliseconds from which on a request is slow and always traced.
    package var slowMilliseconds: Int
}

/// Logging.
package struct LogSettings: Sendable, Equatable {
    /// The least severe level that is written.
    package var level: Level
    /// The form of a line.
    package var format: Format
    /// The names of the JSON fields.
    package var fields: Fields
    /// Which requests leave an access line.
    package var access: Access
    /// One of so many requests leaves a line, of those that are neither slow nor failed.
    package var sampleEvery: Int
    /// Milliseconds from which on a request is slow and always leaves a line.
    package var slowMilliseconds: Int
    /// The file that is written instead of standard error; nil for that.
    package var file: String?

    /// swift-log's levels.
    package enum Level: String, CaseIterable, Sendable {
        case trace, debug, info, notice, warning, error, critical
    }

    /// The form of a line.
    package enum Format: String, CaseIterable, Sendable {
        /// One JSON object a line.
        case json
        /// For people at a terminal.
        case text
    }

    /// The names of the JSON fields.
    package enum Fields: String, CaseIterable, Sendable {
        /// The OpenTelemetry log data model.
        case otel
        /// The Elastic Common Schema.
        case ecs
    }

    /// Which requests leave an access line.
    package enum Access: String, CaseIterable, Sendable {
        /// Every request.
        case all
        /// Answers of 400 and above.
        case errors
        /// None.
        case off
    }
}

/// Limits of a transfer.
package struct DownloadSettings: Sendable, Equatable {
    /// Extra certificate authorities in PEM for `https://` sources; nil for the system's.
    package var authorities: String?
    /// The proxy's URL; empty for none, nil for what the environment says.
    package var proxy: String?
    /// Hosts that are reached without the proxy; empty for what the environment says.
    package var noProxy: [String]
    /// A file with the proxy's `name:password`.
    package var proxySecretFile: String?
    /// Largest file, in bytes as transferred.
    package var bytesMax: Int
    /// Largest file after decompression, in bytes.
    package var decompressedBytesMax: Int
    /// Seconds one transfer may take.
    package var secondsMax: Int
    /// Attempts per mirror before the next one is tried.
    package var attemptsMax: Int
}
