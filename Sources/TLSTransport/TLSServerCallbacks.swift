internal import COpenSSL

/// The functions that libssl calls during a server's handshake, on the connection's event loop.
///
/// Each finds the ``TLSServerRules`` through the context of the connection, which keeps them alive.
enum TLSServerCallbacks {
    /// Has a context ask the rules.
    static func install(_ rules: TLSServerRules, in context: OpaquePointer) {
        let data = unsafe Unmanaged.passUnretained(rules).toOpaque()
        unsafe SSL_CTX_set_ex_data(context, 0, data)
        unsafe leeway_SSL_CTX_set_tlsext_servername_callback(context, chooseCertificate)
        unsafe SSL_CTX_set_tlsext_ticket_key_evp_cb(context, sealOrOpenTicket)
        unsafe SSL_CTX_set_session_ticket_cb(context, nil, judgeTicket, nil)
        unsafe leeway_SSL_CTX_set_tlsext_status_cb(context, staple)
        if unsafe rules.protocols != nil {
            unsafe SSL_CTX_set_alpn_select_cb(context, chooseProtocol, nil)
        }
    }

    /// The rules of a connection.
    fileprivate static func rules(of ssl: OpaquePointer?) -> TLSServerRules? {
        guard let ssl = unsafe ssl, let context = unsafe SSL_get_SSL_CTX(ssl),
            let data = unsafe SSL_CTX_get_ex_data(context, 0)
        else { return nil }
        // The data was set by `install`; the connection's TLSSession keeps the object alive.
        return unsafe Unmanaged<TLSServerRules>.fromOpaque(data).takeUnretainedValue()
    }
}

/// Called when the client's hello is read: takes the certificate for the name asked for.
private func chooseCertificate(
    _ ssl: OpaquePointer?,
    _ alert: UnsafeMutablePointer<Int32>?,
    _: UnsafeMutableRawPointer?
) -> Int32 {
    guard let rules = unsafe TLSServerCallbacks.rules(of: ssl),
        // Bounds: the library gives a zero-ended text, which it has checked.
        let wanted = unsafe SSL_get_servername(ssl, TLSEXT_NAMETYPE_host_name)
    else { return SSL_TLSEXT_ERR_NOACK }
    switch rules.answer(toName: unsafe String(cString: wanted)) {
    case .use(let address):
        unsafe SSL_set_SSL_CTX(ssl, OpaquePointer(bitPattern: address))
        return SSL_TLSEXT_ERR_OK
    case .useDefault:
        return SSL_TLSEXT_ERR_NOACK
    case .refuse:
        unsafe alert?.pointee = SSL_AD_UNRECOGNIZED_NAME
        return SSL_TLSEXT_ERR_ALERT_FATAL
    }
}

/// Called to seal a new ticket or to open one that a client brings.
private func sealOrOpenTicket(
    _ ssl: OpaquePointer?,
    _ name: UnsafeMutablePointer<UInt8>?,
    _ vector: UnsafeMutablePointer<UInt8>?,
    _ cipherContext: OpaquePointer?,
    _ macContext: OpaquePointer?,
    _ isSealing: Int32
) -> Int32 {
    guard let keys = unsafe TLSServerCallbacks.rules(of: ssl)?.ticketKeys, let name = unsafe name,
        let vector = unsafe vector
    else { return 0 }
    // Bounds: the library gives 16 bytes for the name, and at least 16 for the vector.
    let nameBytes = unsafe UnsafeMutableBufferPointer(start: name, count: TLSTicketKeys.nameBytes)
    guard let key = isSealing == 1 ? keys.sealing() : unsafe keys.opening(Array(nameBytes)) else {
        return 0
    }
    if isSealing == 1 {
        _ = unsafe nameBytes.update(fromContentsOf: key.name)
        guard unsafe RAND_bytes(vector, Int32(TLSTicketKeys.ivBytes)) == 1 else { return 0 }
    }
    let isReady = unsafe leeway_ticket_ready(
        cipherContext,
        macContext,
        TicketCipher.pointer,
        // Bounds: both keys have the 32 bytes that the function reads.
        Array(key.cipherKey),
        Array(key.macKey),
        vector,
        isSealing
    )
    guard isReady == 1 else { return isSealing == 1 ? 0 : -1 }
    if isSealing == 1 { return 1 }
    // 2: open it, and give the client a new one. With TLS 1.3 always, since a client shall use each
    // ticket once only (RFC 8446 §C.4).
    let isSpent = unsafe SSL_version(ssl) == TLS1_3_VERSION
    return key.isNewest && !isSpent ? 1 : 2
}

/// Called when a ticket was opened: what was verified then may not be good any more.
private func judgeTicket(
    _ ssl: OpaquePointer?,
    _ session: OpaquePointer?,
    _: UnsafePointer<UInt8>?,
    _: Int,
    _ status: SSL_TICKET_STATUS,
    _: UnsafeMutableRawPointer?
) -> SSL_TICKET_RETURN {
    guard status == SSL_TICKET_SUCCESS || status == SSL_TICKET_SUCCESS_RENEW else {
        return SSL_TICKET_RETURN_IGNORE_RENEW
    }
    if let rules = unsafe TLSServerCallbacks.rules(of: ssl),
        let peer = unsafe SSL_SESSION_get0_peer(session), unsafe X509_up_ref(peer) == 1,
        !rules.allowsResumption(by: unsafe Certificate(owning: peer))
    {
        return SSL_TICKET_RETURN_IGNORE_RENEW
    }
    return status == SSL_TICKET_SUCCESS ? SSL_TICKET_RETURN_USE : SSL_TICKET_RETURN_USE_RENEW
}

/// Called when the client asks for the state of our certificate.
private func staple(_ ssl: OpaquePointer?, _: UnsafeMutableRawPointer?) -> Int32 {
    guard let rules = unsafe TLSServerCallbacks.rules(of: ssl),
        let certificate = unsafe SSL_get_certificate(ssl),
        let staple = rules.staple(for: UInt(bitPattern: certificate))
    else { return SSL_TLSEXT_ERR_NOACK }
    // Bounds: the function copies exactly the array's bytes.
    let isDone = unsafe leeway_SSL_staple(ssl, staple.bytes, staple.bytes.count) == 1
    return isDone ? SSL_TLSEXT_ERR_OK : SSL_TLSEXT_ERR_NOACK
}

/// Called when a client offers protocols: ours in our order; none in common is fatal
/// (RFC 7301 §3.2), so that a client meant for another protocol never talks to us.
private func chooseProtocol(
    _ ssl: OpaquePointer?,
    _ chosen: UnsafeMutablePointer<UnsafePointer<UInt8>?>?,
    _ chosenCount: UnsafeMutablePointer<UInt8>?,
    _ offered: UnsafePointer<UInt8>?,
    _ offeredCount: UInt32,
    _: UnsafeMutableRawPointer?
) -> Int32 {
    guard let list = unsafe TLSServerCallbacks.rules(of: ssl)?.protocols else {
        return SSL_TLSEXT_ERR_NOACK
    }
    var start: UnsafeMutablePointer<UInt8>?
    // Bounds: the list's first byte is the number of those that follow; the library lends the
    // client's list with its length, and copies the answer when this returns.
    let result = unsafe SSL_select_next_proto(
        &start,
        chosenCount,
        list + 1,
        UInt32(list[0]),
        offered,
        offeredCount
    )
    guard result == OPENSSL_NPN_NEGOTIATED else { return SSL_TLSEXT_ERR_ALERT_FATAL }
    unsafe chosen?.pointee = unsafe UnsafePointer(start)
    return SSL_TLSEXT_ERR_OK
}

/// The cipher of tickets, fetched once (each fetch takes a lock of the library), never freed, kept
/// as an address to be `Sendable`.
private enum TicketCipher {
    private static let address = unsafe UInt(
        bitPattern: EVP_CIPHER_fetch(nil, "AES-256-CBC", nil)
    )

    static var pointer: OpaquePointer? { unsafe OpaquePointer(bitPattern: address) }
}
