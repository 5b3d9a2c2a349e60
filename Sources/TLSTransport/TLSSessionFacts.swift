/// A protocol version.
package enum TLSVersion: String, Sendable, CaseIterable {
    /// TLS 1.2 (RFC 5246).
    case tls12 = "1.2"
    /// TLS 1.3 (RFC 8446).
    case tls13 = "1.3"
}

/// What the two sides of a connection agreed on.
package struct TLSSessionFacts: Sendable, Equatable {
    /// The protocol version.
    package let version: TLSVersion
    /// OpenSSL's name of the cipher.
    package let cipher: String
    /// Whether an earlier session was taken up again by its ticket.
    package let isResumed: Bool
    /// The protocol agreed by ALPN; nil when the client offered none.
    package let applicationProtocol: String?
    /// The peer's verified certificate; nil when it showed none.
    package let peer: TLSPeer?
    /// Server only: what the client may be given, by its certificate.
    package let clientStanding: ClientStanding
}

/// What the certificate of a client, or the want of one, says about its rights.
package enum ClientStanding: Sendable, Equatable {
    /// The server asks no client for a certificate.
    case notAsked
    /// The client was asked for a certificate and showed none.
    case unknown
    /// The certificate is good, but has none of the names that are allowed.
    case notAllowed
    /// The certificate is good, and one of its names is allowed.
    case allowed
}

/// A peer's certificate after verification.
package struct TLSPeer: Sendable, Equatable {
    /// The subject as in RFC 2253, for people and logs.
    package let subject: String
    /// The subject alternative names: what to decide rights by.
    package let names: [String]
    /// The last second of validity, Unix time.
    package let notAfter: Int64
}
