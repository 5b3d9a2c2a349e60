/// How a session talks to a server.
package struct HTTPSessionSettings: Sendable, Equatable {
    /// The certificate authorities to trust (a PEM file) in place of the system's.
    package var caFile: String?
    /// Our certificate (PEM) for servers that ask for one, with its key.
    package var clientCertificateFile: String?
    /// The key of ``clientCertificateFile`` (PEM).
    package var clientKeyFile: String?
    /// Where to connect in place of what the URL says: `host:port:connect-host:connect-port`.
    package var connectTo: [String]
    /// Whether `http://` URLs are allowed, too.
    package var allowsPlaintext: Bool
    /// The largest body of an answer.
    package var bodyBytesMax: Int
    /// From the first packet to the end of the TLS handshake.
    package var connectSecondsMax: Int
    /// One request with its answer.
    package var totalSecondsMax: Int
    /// What servers are told of us.
    package var userAgent: String

    /// The system's certificate authorities, TLS only, 64 MiB, 10 s to connect, 60 s in all.
    package init(
        caFile: String? = nil,
        clientCertificateFile: String? = nil,
        clientKeyFile: String? = nil,
        connectTo: [String] = [],
        allowsPlaintext: Bool = false,
        bodyBytesMax: Int = 64 << 20,
        connectSecondsMax: Int = 10,
        totalSecondsMax: Int = 60,
        userAgent: String = "leeway"
    ) {
        self.caFile = caFile
        self.clientCertificateFile = clientCertificateFile
        self.clientKeyFile = clientKeyFile
        self.connectTo = connectTo
        self.allowsPlaintext = allowsPlaintext
        self.bodyBytesMax = bodyBytesMax
        self.connectSecondsMax = connectSecondsMax
        self.totalSecondsMax = totalSecondsMax
        self.userAgent = userAgent
    }
}
