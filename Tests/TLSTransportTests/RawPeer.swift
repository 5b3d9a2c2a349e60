import COpenSSL
import NIOCore
import TLSTransport

/// A client made of plain OpenSSL with memory BIOs: a peer that knows nothing of our code and
/// that can be told to do what ours never does.
@safe final class RawPeer {
    let ssl: OpaquePointer
    private let incoming: OpaquePointer
    private let outgoing: OpaquePointer
    private(set) var received: [UInt8] = []
    /// The first error that was not just "later".
    private(set) var failure: Int32?

    init(versionMax: TLSVersion = .tls13) throws {
        TLSLibrary.initialise()
        let context = unsafe try Self.need(SSL_CTX_new(TLS_client_method()))
        defer { unsafe SSL_CTX_free(context) }
        unsafe ssl = try Self.need(SSL_new(context))
        unsafe incoming = try Self.need(BIO_new(BIO_s_mem()))
        unsafe outgoing = try Self.need(BIO_new(BIO_s_mem()))
        // Without bytes, say "later" rather than "end".
        unsafe BIO_ctrl(incoming, BIO_C_SET_BUF_MEM_EOF_RETURN, -1, nil)
        unsafe SSL_set_bio(ssl, incoming, outgoing)
        unsafe SSL_set_connect_state(ssl)
        let version = versionMax == .tls12 ? TLS1_2_VERSION : TLS1_3_VERSION
        unsafe SSL_ctrl(ssl, SSL_CTRL_SET_MAX_PROTO_VERSION, Int(version), nil)
    }

    deinit {
        unsafe SSL_free(ssl)
    }

    /// Exchanges bytes with a server until nothing moves.
    func interact(with server: Endpoint) {
        while true {
            step()
            let sent = takeSent()
            if sent.readableBytes > 0, server.isOpen { server.receive(sent) }
            let answer = server.edge.sent
            server.edge.sent = ByteBuffer()
            if answer.readableBytes == 0, sent.readableBytes == 0 { return }
            deliver(answer)
        }
    }

    func write(_ text: String) {
        let bytes = Array(text.utf8)
        // Bounds: the library reads exactly the array's bytes.
        _ = unsafe SSL_write(ssl, bytes, Int32(bytes.count))
    }

    /// Asks for new keys of both sides.
    func askForKeyUpdate() {
        _ = unsafe SSL_key_update(ssl, SSL_KEY_UPDATE_REQUESTED)
        _ = unsafe SSL_do_handshake(ssl)
    }

    /// Asks for a new handshake within the connection (TLS 1.2).
    func renegotiate() {
        _ = unsafe SSL_renegotiate(ssl)
        _ = unsafe SSL_do_handshake(ssl)
    }

    /// Goes on with the handshake, or reads all there is.
    func step() {
        var room = [UInt8](repeating: 0, count: 4096)
        while true {
            ERR_clear_error()
            // Bounds: the library writes at most as many bytes as it is told there are.
            let count = unsafe SSL_read(ssl, &room, Int32(room.count))
            guard count > 0 else {
                let error = unsafe SSL_get_error(ssl, count)
                if error != SSL_ERROR_WANT_READ, failure == nil { failure = error }
                return
            }
            received.append(contentsOf: room[..<Int(count)])
        }
    }

    func takeSent() -> ByteBuffer {
        var sent = ByteBuffer()
        var room = [UInt8](repeating: 0, count: 4096)
        while true {
            // Bounds: the library writes at most as many bytes as it is told there are.
            let count = unsafe BIO_read(outgoing, &room, Int32(room.count))
            guard count > 0 else { return sent }
            sent.writeBytes(room[..<Int(count)])
        }
    }

    func deliver(_ bytes: ByteBuffer) {
        let bytes = Array(bytes.readableBytesView)
        if bytes.isEmpty { return }
        // Bounds: the library copies exactly the array's bytes.
        _ = unsafe BIO_write(incoming, bytes, Int32(bytes.count))
    }

    private static func need(_ pointer: OpaquePointer?) throws -> OpaquePointer {
        struct NoMemory: Error {}
        guard let pointer = unsafe pointer else { throw NoMemory() }
        return unsafe pointer
    }
}
