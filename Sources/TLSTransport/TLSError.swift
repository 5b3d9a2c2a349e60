/// What can go wrong with certificates, settings and encrypted connections.
package enum TLSError: Error, Equatable, Sendable, CustomStringConvertible {
    /// A file with a certificate or key cannot be read, or holds something else.
    case fileUnusable(path: String, what: String, reason: String)
    /// The private key is not the one of the certificate.
    case keyMismatch(certificate: String, key: String)
    /// A setting has an impossible value.
    case settingRefused(name: String, reason: String)
    /// The folder for generated certificates cannot be used.
    case folderUnusable(path: String, reason: String)
    /// OpenSSL could not do its work.
    case libraryFailed(operation: String, reason: String)
    /// The connection never became secure.
    case handshakeFailed(HandshakeFailure, reason: String)
    /// A secure connection was broken by what the peer sent.
    case connectionFailed(reason: String)

    /// A stable word for labels and JSON.
    package var code: String {
        switch self {
        case .fileUnusable: "tls_file_unusable"
        case .keyMismatch: "tls_key_mismatch"
        case .settingRefused: "tls_setting_refused"
        case .folderUnusable: "tls_folder_unusable"
        case .libraryFailed: "tls_library_failed"
        case .handshakeFailed: "tls_handshake_failed"
        case .connectionFailed: "tls_connection_failed"
        }
    }

    /// What failed, why, and what to do.
    package var description: String {
        switch self {
        case .fileUnusable(let path, let what, let reason):
            "read \(what) from \(path): \(reason): give a readable PEM file that holds it"
        case .keyMismatch(let certificate, let key):
            "use \(key) with \(certificate): the key is not the certificate's: give a pair"
        case .settingRefused(let name, let reason):
            "set \(name): \(reason): correct the setting"
        case .folderUnusable(let path, let reason):
            "keep generated certificates in \(path): \(reason): give a writable folder"
        case .libraryFailed(let operation, let reason):
            "\(operation): \(reason): check the installation of OpenSSL and its openssl.cnf"
        case .handshakeFailed(let failure, let reason):
            "TLS handshake: \(failure.rawValue): \(reason): \(failure.advice)"
        case .connectionFailed(let reason):
            "TLS connection: \(reason): the connection is closed; the peer may connect again"
        }
    }
}

extension HandshakeFailure {
    /// What the one who reads the error can do.
    fileprivate var advice: String {
        switch self {
        case .timedOut, .probe, .disconnected, .tooLong: "look at the network or the peer"
        case .plainHTTP: "use https:// in the address"
        case .notTLS, .protocolError: "make the peer speak TLS 1.2 or 1.3"
        case .protocolVersion, .noSharedCipher: "update the peer or choose another profile"
        case .noApplicationProtocol: "make the peer offer http/1.1"
        case .unknownName: "use a name that a certificate is for, or add one for it"
        case .certificateRefused: "check the peer's certificate, its names and its authority"
        case .refusedByPeer: "make the peer trust our authority and use a name in our certificate"
        case .peerAlert: "look at the peer's log"
        }
    }
}
