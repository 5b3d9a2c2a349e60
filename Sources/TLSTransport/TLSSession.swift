internal import COpenSSL
internal import NIOCore

/// What became of one call into libssl.
enum TLSOutcome: Equatable {
    /// It is done.
    case done
    /// It goes on when more bytes have come.
    case wantsMore
    /// The peer has said that it sends nothing more (close_notify).
    case peerClosed
    /// The connection is broken; an alert for the peer may be in the output.
    case failed(OpenSSLError)
}

/// The `SSL` of one connection, and the BIO through which bytes are lent to it.
///
/// Calls never wait and never fail for lack of room: what libssl wants to send is in ``takeOutput(_:)``
/// afterwards, or, for ``encrypt(_:into:)``, in the given buffer.
@safe final class TLSSession {
    private let ssl: OpaquePointer
    private let lending: UnsafeMutablePointer<leeway_lending>
    /// Keeps the rules alive that the callbacks ask, and the contexts for other names.
    private let context: TLSContext

    /// Makes the session of a new connection.
    ///
    /// - Parameters:
    ///   - context: What it shares with others.
    ///   - serverName: Client only: the DNS name or address that the server's certificate must be
    ///     for, sent as SNI when it is a name.
    /// - Throws: ``TLSError/libraryFailed(operation:reason:)``.
    init(context: TLSContext, serverName: String?) throws(TLSError) {
        let ssl = unsafe try OpenSSLError.require("make a TLS session") {
            unsafe context.pointer.flatMap { unsafe SSL_new($0) }
        }
        let lending = UnsafeMutablePointer<leeway_lending>.allocate(capacity: 1)
        unsafe lending.initialize(to: leeway_lending())
        unsafe self.ssl = unsafe ssl
        unsafe self.lending = unsafe lending
        self.context = context
        try OpenSSLError.check("make a TLS session") {
            guard let method = unsafe LendingMethod.pointer else { return 0 }
            return unsafe leeway_SSL_set_lending(ssl, method, lending)
        }
        if context.isServer {
            unsafe SSL_set_accept_state(ssl)
        } else {
            unsafe SSL_set_connect_state(ssl)
            if let serverName { try expect(serverName) }
        }
    }

    deinit {
        unsafe SSL_free(ssl)
        unsafe free(lending.pointee.spill)
        unsafe lending.deallocate()
    }

    private func expect(_ serverName: String) throws(TLSError) {
        if unsafe X509_VERIFY_PARAM_set1_ip_asc(SSL_get0_param(ssl), serverName) == 1 { return }
        unsafe SSL_set_hostflags(ssl, UInt32(X509_CHECK_FLAG_NO_PARTIAL_WILDCARDS))
        try OpenSSLError.check("expect \(serverName)") { unsafe SSL_set1_host(ssl, serverName) }
        try ask(for: serverName)
    }

    /// Client: sends a name, by which the server chooses its certificate (SNI).
    ///
    /// - Throws: ``TLSError/libraryFailed(operation:reason:)``.
    func ask(for serverName: String) throws(TLSError) {
        try OpenSSLError.check("name \(serverName)") {
            unsafe leeway_SSL_set_tlsext_host_name(ssl, serverName)
        }
    }

    /// Does without the peer's certificate, whatever the context says.
    func trustAnyPeer() {
        unsafe SSL_set_verify(ssl, SSL_VERIFY_NONE, nil)
    }

    /// Goes on with the handshake, taking from the bytes that have come.
    func handshake(_ input: inout ByteBuffer) -> TLSOutcome {
        unsafe lend(&input) { ssl in
            OpenSSLError.forgetOldOnes()
            return unsafe outcome(SSL_do_handshake(ssl))
        }
    }

    /// Decrypts all that has come.
    ///
    /// - Returns: Never ``TLSOutcome/done``: there may always come more.
    func decrypt(_ input: inout ByteBuffer, into plaintext: inout ByteBuffer) -> TLSOutcome {
        unsafe lend(&input) { ssl in
            while true {
                var result: Int32 = 0
                OpenSSLError.forgetOldOnes()
                let room = max(Self.plaintextRoomMin, plaintext.writableBytes)
                // Bounds: libssl writes at most as many bytes as the room lent has, and says how
                // many; no more than that is counted as written.
                unsafe plaintext.writeWithUnsafeMutableBytes(minimumWritableBytes: room) { target in
                    var count = 0
                    result = unsafe SSL_read_ex(ssl, target.baseAddress, target.count, &count)
                    return count
                }
                if result != 1 { return outcome(result) }
                // Nothing is left: libssl would only say that it wants more.
                if unsafe lending.pointee.input_count == 0 && SSL_has_pending(ssl) == 0 {
                    return .wantsMore
                }
            }
        }
    }

    /// Encrypts bytes.
    ///
    /// - Parameters:
    ///   - plaintext: At least one byte.
    ///   - output: Where the records go; room for them is made first.
    /// - Returns: ``TLSOutcome/done`` when all bytes are encrypted; otherwise none are.
    func encrypt(_ plaintext: UnsafeRawBufferPointer, into output: inout ByteBuffer) -> TLSOutcome {
        let records = plaintext.count / Self.recordBytesMax + 1
        output.reserveCapacity(
            minimumWritableBytes: plaintext.count + records * Self.recordOverheadMax
        )
        var result = TLSOutcome.done
        // Bounds: the BIO writes within the room lent here and counts what it wrote; when the
        // estimate were too small, the rest would go to the spill, which is appended below.
        unsafe output.writeWithUnsafeMutableBytes(minimumWritableBytes: 0) { room in
            unsafe lending.pointee.output = unsafe room.baseAddress?.assumingMemoryBound(
                to: UInt8.self
            )
            unsafe lending.pointee.output_capacity = room.count
            unsafe lending.pointee.output_count = 0
            OpenSSLError.forgetOldOnes()
            var count = 0
            let code = unsafe SSL_write_ex(ssl, plaintext.baseAddress, plaintext.count, &count)
            if code != 1 { result = outcome(code) }
            let written = unsafe lending.pointee.output_count
            unsafe lending.pointee.output = nil
            unsafe lending.pointee.output_capacity = 0
            unsafe lending.pointee.output_count = 0
            return written
        }
        takeOutput(&output)
        return result
    }

    /// Says that we send nothing more (close_notify).
    func close() {
        ERR_clear_error()
        _ = unsafe SSL_shutdown(ssl)
        ERR_clear_error()
    }

    /// Whether a call left bytes for the peer.
    var hasOutput: Bool { unsafe lending.pointee.spill_count > 0 }

    /// Moves what calls left for the peer to the end of a buffer.
    func takeOutput(_ output: inout ByteBuffer) {
        let count = unsafe lending.pointee.spill_count
        if count == 0 { return }
        // Bounds: the BIO keeps spill_count bytes there.
        unsafe output.writeBytes(UnsafeRawBufferPointer(start: lending.pointee.spill, count: count))
        unsafe free(lending.pointee.spill)
        unsafe lending.pointee.spill = nil
        unsafe lending.pointee.spill_count = 0
        unsafe lending.pointee.spill_capacity = 0
    }

    /// Why the peer's certificate was refused; nil when it was not.
    var verificationFailure: String? {
        let result = unsafe SSL_get_verify_result(ssl)
        guard result != Int(X509_V_OK) else { return nil }
        // Bounds: the library gives a zero-ended constant text.
        return unsafe X509_verify_cert_error_string(result).map { unsafe String(cString: $0) }
    }

    /// What was agreed; to be read after the handshake.
    var facts: TLSSessionFacts {
        let certificate = unsafe SSL_get1_peer_certificate(ssl)
            .map { unsafe Certificate(owning: $0) }
        let peer = certificate.map {
            TLSPeer(subject: $0.subject, names: $0.names, notAfter: $0.notAfter)
        }
        return TLSSessionFacts(
            version: unsafe SSL_version(ssl) == TLS1_3_VERSION ? .tls13 : .tls12,
            // Bounds: the library gives a zero-ended constant text.
            cipher: unsafe SSL_CIPHER_get_name(SSL_get_current_cipher(ssl))
                .map { unsafe String(cString: $0) } ?? "",
            isResumed: unsafe SSL_session_reused(ssl) == 1,
            applicationProtocol: applicationProtocol,
            peer: peer,
            clientStanding: context.standing(of: peer)
        )
    }

    private var applicationProtocol: String? {
        var start: UnsafePointer<UInt8>?
        var count: UInt32 = 0
        unsafe SSL_get0_alpn_selected(ssl, &start, &count)
        guard unsafe start != nil, count > 0 else { return nil }
        // Bounds: the library gives the length together with the bytes.
        return unsafe String(
            decoding: UnsafeBufferPointer(start: start, count: Int(count)),
            as: UTF8.self
        )
    }

    /// Lends the readable bytes to the BIO for one call, and drops those that it took.
    private func lend(
        _ input: inout ByteBuffer,
        _ call: (OpaquePointer) -> TLSOutcome
    ) -> TLSOutcome {
        var result = TLSOutcome.wantsMore
        // Bounds: the BIO reads within the bytes lent here, and says how many are left.
        unsafe input.readWithUnsafeReadableBytes { bytes in
            unsafe lending.pointee.input = unsafe bytes.baseAddress?.assumingMemoryBound(
                to: UInt8.self
            )
            unsafe lending.pointee.input_count = bytes.count
            result = unsafe call(ssl)
            let taken = unsafe bytes.count - lending.pointee.input_count
            unsafe lending.pointee.input = nil
            unsafe lending.pointee.input_count = 0
            return taken
        }
        return result
    }

    /// Asks what a call's result means, right after the call and on the same thread.
    private func outcome(_ result: Int32) -> TLSOutcome {
        if result == 1 { return .done }
        switch unsafe SSL_get_error(ssl, result) {
        case SSL_ERROR_WANT_READ: return .wantsMore
        case SSL_ERROR_ZERO_RETURN: return .peerClosed
        default: return .failed(OpenSSLError.drain())
        }
    }

    private static let recordBytesMax = 16_384
    /// Header, nonce or content type, and tag: 29 bytes with TLS 1.2, 22 with TLS 1.3.
    private static let recordOverheadMax = 32
    private static let plaintextRoomMin = 512
}

/// The kind of our BIO: made once, immutable, never freed, kept as an address to be `Sendable`.
private enum LendingMethod {
    private static let address = unsafe UInt(bitPattern: leeway_lending_method_new())

    static var pointer: OpaquePointer? { unsafe OpaquePointer(bitPattern: address) }
}
