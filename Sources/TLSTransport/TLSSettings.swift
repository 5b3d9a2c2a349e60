internal import COpenSSL

/// Which protocol versions and ciphers are offered (Mozilla's server-side TLS guidelines 6.0).
package enum TLSProfile: String, Sendable, CaseIterable, Codable {
    /// TLS 1.2 and 1.3 with forward secrecy and authenticated encryption only.
    case intermediate
    /// TLS 1.3 only.
    case modern
}

/// Whether a server asks its clients for certificates.
package enum ClientCertificates: Sendable, Equatable {
    /// Never asks.
    case ignored
    /// Asks, and goes on without one; one that does not verify is refused. The file holds the
    /// authorities in PEM.
    case optional(authorities: String)
    /// Refuses the handshake without a certificate that verifies.
    case required(authorities: String)
}

/// What a server needs to secure its connections.
package struct TLSServerSettings: Sendable {
    /// PEM file: the server's certificate, then the intermediate ones in order.
    package var certificateFile: String
    /// PEM file: the private key, without a passphrase.
    package var keyFile: String
    /// Whether clients must show certificates.
    package var clientCertificates = ClientCertificates.ignored
    /// Versions and ciphers.
    package var profile = TLSProfile.intermediate
    /// ALPN names in our order of preference.
    ///
    /// A client that offers only others is refused; one that offers none is served. Empty: ALPN
    /// is not used.
    package var applicationProtocols = ["http/1.1"]
    /// The key of the session tickets; nil makes a new one.
    ///
    /// Hand the old one on when only the certificate is new, so that sessions can be resumed, and
    /// not when the client authorities change: a resumed session is not verified again.
    package var ticketKey: TLSTicketKey?

    /// Starts from the two files, with the defaults of the other settings.
    package init(certificateFile: String, keyFile: String) {
        self.certificateFile = certificateFile
        self.keyFile = keyFile
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

/// The key that seals session tickets, so that a session outlives one ``TLSContext``.
package struct TLSTicketKey: Sendable {
    /// Name (16), HMAC key (32) and AES key (32), as libssl wants them.
    let bytes: [UInt8]

    /// Makes a random key.
    ///
    /// - Throws: ``TLSError/libraryFailed(operation:reason:)`` without a random source.
    package static func random() throws(TLSError) -> TLSTicketKey {
        var bytes = [UInt8](repeating: 0, count: byteCount)
        try OpenSSLError.check("make a ticket key") {
            // Bounds: the library writes exactly the array's bytes.
            unsafe bytes.withUnsafeMutableBufferPointer { buffer in
                unsafe RAND_bytes(buffer.baseAddress, Int32(buffer.count))
            }
        }
        return TLSTicketKey(bytes: bytes)
    }

    private static let byteCount = 80
}
