internal import COpenSSL

/// What OpenSSL said about a call that failed: the entries of its error queue, oldest first.
///
/// The queue belongs to the thread. It is emptied before each call and drained right after a
/// failed one, on the same thread, so that no other connection's entries are mixed in.
struct OpenSSLError: Error, Sendable, Equatable {
    /// The number of the reason in the oldest entry (`SSL_R_…`), or 0.
    let reason: Int32
    /// Whether the oldest entry comes from libssl, so that its reason is an `SSL_R_…`.
    let isFromSSL: Bool
    /// The reasons in words.
    let text: String

    /// Drains the queue of this thread.
    static func drain() -> OpenSSLError {
        var oldest: UInt = 0
        var reasons: [String] = []
        while true {
            let number = ERR_get_error()
            if number == 0 { break }
            if oldest == 0 { oldest = number }
            guard reasons.count < reasonsMax else { continue }
            // Bounds: the library gives a zero-ended constant text, or none.
            let reason = unsafe ERR_reason_error_string(number).map { unsafe String(cString: $0) }
            reasons.append(reason ?? "error \(number)")
        }
        return OpenSSLError(
            reason: ERR_GET_REASON(oldest),
            isFromSSL: ERR_GET_LIB(oldest) == ERR_LIB_SSL,
            text: reasons.isEmpty ? "OpenSSL gave no reason" : reasons.joined(separator: "; ")
        )
    }

    /// Empties the error queue before a call whose outcome is told by it.
    ///
    /// Most often it is empty: looking costs a tenth of clearing all its entries.
    static func forgetOldOnes() {
        if ERR_peek_error() != 0 { ERR_clear_error() }
    }

    /// Calls OpenSSL with an empty error queue, and throws what it says when the result is nil.
    static func require<Result>(
        _ operation: String,
        _ call: () -> Result?
    ) throws(TLSError) -> Result {
        ERR_clear_error()
        guard let result = call() else {
            throw .libraryFailed(operation: operation, reason: drain().text)
        }
        return result
    }

    /// Calls OpenSSL with an empty error queue, and throws what it says unless the result is 1.
    static func check(_ operation: String, _ call: () -> Int32) throws(TLSError) {
        _ = try require(operation) { call() == 1 ? () : nil }
    }

    /// Entries beyond these say nothing more.
    private static let reasonsMax = 4
}
