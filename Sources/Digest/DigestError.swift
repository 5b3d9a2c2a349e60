internal import COpenSSL

/// What can go wrong with digests and signatures.
package enum DigestError: Error, Equatable, Sendable, CustomStringConvertible {
    /// A value has another length than its kind demands; lengths in bytes.
    case wrongLength(what: String, expected: Int, found: Int)
    /// A text holds something else than hexadecimal digits at this character (from 0).
    case notHexadecimal(position: Int)
    /// libcrypto could not do its work (out of memory, or no provider offers the algorithm).
    case libraryFailed(operation: String, reason: String)

    /// A stable word for labels and JSON.
    package var code: String {
        switch self {
        case .wrongLength: "digest_wrong_length"
        case .notHexadecimal: "digest_not_hexadecimal"
        case .libraryFailed: "digest_library_failed"
        }
    }

    /// What failed, why, and what to do.
    package var description: String {
        switch self {
        case .wrongLength(let what, let expected, let found):
            "read \(what): it has \(found) bytes, not \(expected): give all of it and nothing else"
        case .notHexadecimal(let position):
            "read hexadecimal text: character \(position) is not one of 0-9, a-f: correct it"
        case .libraryFailed(let operation, let reason):
            "\(operation): \(reason): check the installation of OpenSSL and its openssl.cnf"
        }
    }

    /// The failure of a libcrypto call, with the newest entry of its error queue as the reason.
    static func library(_ operation: String) -> DigestError {
        let number = ERR_peek_last_error()
        ERR_clear_error()
        // Bounds: the library gives a zero-ended constant text, or none.
        let reason = unsafe ERR_reason_error_string(number).map { unsafe String(cString: $0) }
        return .libraryFailed(operation: operation, reason: reason ?? "OpenSSL gave no reason")
    }
}
