internal import COpenSSL

/// Why a handshake did not finish: a closed set, for labels.
package enum HandshakeFailure: String, Sendable, CaseIterable {
    /// It took longer than the limit.
    case timedOut = "timed_out"
    /// The peer went away without having sent a byte, as port probes and health checks do.
    case probe
    /// The peer went away in the middle.
    case disconnected
    /// The peer spoke plain HTTP.
    case plainHTTP = "plain_http"
    /// The peer's bytes are not TLS.
    case notTLS = "not_tls"
    /// No common protocol version.
    case protocolVersion = "protocol_version"
    /// No common cipher, group or signature algorithm.
    case noSharedCipher = "no_shared_cipher"
    /// No common application protocol (ALPN).
    case noApplicationProtocol = "no_application_protocol"
    /// The client asked for a name that none of our certificates is for.
    case unknownName = "unknown_name"
    /// We refused the peer's certificate.
    case certificateRefused = "certificate_refused"
    /// The peer refused our certificate (it sent an alert about it).
    case refusedByPeer = "refused_by_peer"
    /// The peer sent another fatal alert.
    case peerAlert = "peer_alert"
    /// The peer sent more bytes than a handshake may take.
    case tooLong = "too_long"
    /// The peer broke the protocol in another way.
    case protocolError = "protocol_error"

    /// Maps the first entry of OpenSSL's error queue.
    init(_ error: OpenSSLError) {
        guard error.isFromSSL else {
            self = .protocolError
            return
        }
        self =
            Self.reasons[error.reason] ?? (Self.isAlert(error.reason) ? .peerAlert : .protocolError)
    }

    /// Alerts that the peer sent are numbered from 1000 (`SSL_AD_REASON_OFFSET`).
    private static func isAlert(_ reason: Int32) -> Bool { (1000..<1256).contains(reason) }

    private static let reasons: [Int32: HandshakeFailure] = [
        SSL_R_HTTP_REQUEST: .plainHTTP,
        SSL_R_HTTPS_PROXY_REQUEST: .plainHTTP,
        SSL_R_WRONG_VERSION_NUMBER: .notTLS,
        SSL_R_BAD_RECORD_TYPE: .notTLS,
        SSL_R_RECORD_TOO_SMALL: .notTLS,
        SSL_R_UNSUPPORTED_PROTOCOL: .protocolVersion,
        SSL_R_UNKNOWN_PROTOCOL: .protocolVersion,
        SSL_R_VERSION_TOO_LOW: .protocolVersion,
        SSL_R_VERSION_TOO_HIGH: .protocolVersion,
        SSL_R_TLSV1_ALERT_PROTOCOL_VERSION: .protocolVersion,
        SSL_R_NO_SHARED_CIPHER: .noSharedCipher,
        SSL_R_NO_SHARED_GROUPS: .noSharedCipher,
        SSL_R_NO_SUITABLE_KEY_SHARE: .noSharedCipher,
        SSL_R_NO_SUITABLE_SIGNATURE_ALGORITHM: .noSharedCipher,
        SSL_R_NO_SHARED_SIGNATURE_ALGORITHMS: .noSharedCipher,
        SSL_R_SSLV3_ALERT_HANDSHAKE_FAILURE: .noSharedCipher,
        SSL_R_NO_APPLICATION_PROTOCOL: .noApplicationProtocol,
        SSL_R_TLSV1_ALERT_NO_APPLICATION_PROTOCOL: .noApplicationProtocol,
        // The only callback of ours that refuses is the one for names.
        SSL_R_CALLBACK_FAILED: .unknownName,
        SSL_R_TLSV1_UNRECOGNIZED_NAME: .unknownName,
        SSL_R_CERTIFICATE_VERIFY_FAILED: .certificateRefused,
        SSL_R_SSLV3_ALERT_BAD_CERTIFICATE: .refusedByPeer,
        SSL_R_SSLV3_ALERT_UNSUPPORTED_CERTIFICATE: .refusedByPeer,
        SSL_R_SSLV3_ALERT_CERTIFICATE_REVOKED: .refusedByPeer,
        SSL_R_SSLV3_ALERT_CERTIFICATE_EXPIRED: .refusedByPeer,
        SSL_R_SSLV3_ALERT_CERTIFICATE_UNKNOWN: .refusedByPeer,
        SSL_R_TLSV1_ALERT_UNKNOWN_CA: .refusedByPeer,
        SSL_R_TLSV1_ALERT_ACCESS_DENIED: .refusedByPeer,
        SSL_R_TLSV13_ALERT_CERTIFICATE_REQUIRED: .refusedByPeer,
    ]
}
