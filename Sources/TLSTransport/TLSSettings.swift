internal import Telemetry

/// Which protocol versions and ciphers are offered (Mozilla's server-side TLS guidelines 6.0).
package enum TLSProfile: String, Sendable, CaseIterable, Codable {
    /// TLS 1.2 and 1.3 with forward secrecy and authenticated encryption only.
    case intermediate
    /// TLS 1.3 only.
    case modern
    /// TLS 1.2 and 1.3 with all that the library offers by itself. No configuration reaches it: it
    /// is for foreign test suites, which try what we would refuse.
    case libraryDefaults = "library_defaults"
}

/// Whether a server asks its clients for certificates.
///
/// It never insists during the handshake, before it is known what a client wants: health is told
/// to anybody. What a client may have is decided by ``TLSSessionFacts/clientStanding``.
package enum ClientCertificates: Sendable, Equatable {
    /// Never asks.
    case ignored
    /// Asks, and goes on without one; one that does not verify is refused. The file holds the
    /// authorities in PEM.
    case asked(authorities: String)
}

/// One certificate of a server, with its key.
package struct TLSIdentity: Sendable, Equatable {
    /// PEM file: the server's certificate, then the intermediate ones in order.
    package var certificateFile: String
    /// PEM file: the private key, without a passphrase.
    package var keyFile: String

    /// Names the files.
    package init(certificateFile: String, keyFile: String) {
        self.certificateFile = certificateFile
        self.keyFile = keyFile
    }
}

/// What a server needs to secure its connections.
package struct TLSServerSettings: Sendable {
    /// The certificate for clients that ask for no name, or for one that none is for.
    package var identity: TLSIdentity
    /// More certificates; a client gets the first one that is for the name it asks for (SNI).
    ///
    /// One for the very names of another may stand beside it with a key of another kind: the
    /// client then gets the one that it understands (ECDSA beside RSA).
    package var others: [TLSIdentity] = []
    /// OCSP responses about the certificates in DER files, each stapled for clients that ask for it
    /// until it ends.
    package var stapleFiles: [String] = []
    /// Whether a client that asks for a name that no certificate is for is refused.
    package var refusesUnknownNames = false
    /// Whether clients are asked for certificates.
    package var clientCertificates = ClientCertificates.ignored
    /// The subject alternative names of which a client's certificate must have one to be
    /// ``ClientStanding/allowed``; empty allows all that the authorities vouch for.
    package var allowedClientNames: [String] = []
    /// Versions and ciphers.
    package var profile = TLSProfile.intermediate
    /// ALPN names in our order of preference.
    ///
    /// A client that offers only others is refused; one that offers none is served. Empty: ALPN
    /// is not used.
    package var applicationProtocols = ["http/1.1"]
    /// The keys of the session tickets; nil makes new ones.
    ///
    /// Hand the old ones on when only the certificate is new, so that sessions can be resumed, and
    /// not when the client authorities change: a resumed session is not verified again.
    package var ticketKeys: TLSTicketKeys?

    /// Unix time in seconds: whether an OCSP response, or a resumed client's certificate, has ended.
    package var now: @Sendable () -> Int64 = {
        WallTime.now().nanosecondsSinceEpoch / 1_000_000_000
    }

    /// Starts from the two files, with the defaults of the other settings.
    package init(certificateFile: String, keyFile: String) {
        identity = TLSIdentity(certificateFile: certificateFile, keyFile: keyFile)
    }
}

/// What a client needs; the client's side is for tests and for our own tools.
package struct TLSClientSettings: Sendable {
    /// PEM file with the authorities to trust; without it, the system's.
    package var authoritiesFile: String?
    /// Own certificate and key files for servers that ask.
    package var certificate: (certificateFile: String, keyFile: String)?
    /// Versions and ciphers.
    package var profile = TLSProfile.intermediate
    /// ALPN names to offer.
    package var applicationProtocols = ["http/1.1"]

    /// Starts from the authorities, with the defaults of the other settings.
    package init(authoritiesFile: String? = nil) {
        self.authoritiesFile = authoritiesFile
    }
}

/// The limits of one connection's TLS layer.
package struct TLSLimits: Sendable {
    /// How long a handshake may take.
    package var handshakeSecondsMax: Int64 = 10
    /// How many bytes a peer may send before its handshake is finished.
    package var handshakeBytesMax = 256 * 1024
    /// How long a closed connection waits for its last bytes to leave and for the peer's end.
    package var closeSecondsMax: Int64 = 2
    /// How many bytes of protocol answers (key updates) may wait for a peer that does not read.
    package var waitingAnswerBytesMax = 64 * 1024

    /// The defaults.
    package init() {}
}
