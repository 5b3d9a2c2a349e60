internal import COpenSSL

/// Configures an `SSL_CTX` until a ``TLSContext`` takes it over; frees it when that never happens.
@safe final class TLSContextBuilder {
    private let context: OpaquePointer
    private var protocolList: UnsafeMutablePointer<UInt8>?
    private var isReleased = false

    /// Starts with what both sides have in common.
    ///
    /// - Throws: ``TLSError/libraryFailed(operation:reason:)``.
    init(isServer: Bool, profile: TLSProfile) throws(TLSError) {
        TLSLibrary.initialise()
        unsafe context = try OpenSSLError.require("make a TLS context") {
            unsafe SSL_CTX_new(isServer ? TLS_server_method() : TLS_client_method())
        }
        unsafe leeway_SSL_CTX_set_safe_options(context)
        // The queue of plaintext may move between two tries of a write; idle connections give
        // their record buffers (34 kB) back.
        unsafe leeway_SSL_CTX_set_mode(
            context,
            Int(SSL_MODE_ACCEPT_MOVING_WRITE_BUFFER) | Int(SSL_MODE_RELEASE_BUFFERS)
        )
        // Sessions live in tickets; nothing is kept in memory.
        unsafe leeway_SSL_CTX_set_session_cache_mode(context, Int(SSL_SESS_CACHE_OFF))
        try use(profile)
    }

    deinit {
        if isReleased { return }
        unsafe SSL_CTX_free(context)
        unsafe protocolList?.deallocate()
    }

    /// Hands over the addresses of the context and of the ALPN list.
    func release() -> (context: UInt, protocolList: UInt) {
        isReleased = true
        return unsafe (UInt(bitPattern: context), UInt(bitPattern: protocolList))
    }

    private func use(_ profile: TLSProfile) throws(TLSError) {
        try OpenSSLError.check("set the lowest TLS version") {
            unsafe leeway_SSL_CTX_set_min_proto_version(
                context,
                profile == .modern ? TLS1_3_VERSION : TLS1_2_VERSION
            )
        }
        try OpenSSLError.check("set the TLS 1.2 ciphers") {
            unsafe SSL_CTX_set_cipher_list(context, Self.ciphers)
        }
        try OpenSSLError.check("set the TLS 1.3 ciphers") {
            unsafe SSL_CTX_set_ciphersuites(context, Self.cipherSuites)
        }
        // OpenSSL before 3.5 does not know the hybrid group and refuses the list as a whole.
        ERR_clear_error()
        if unsafe leeway_SSL_CTX_set1_groups_list(context, "X25519MLKEM768:\(Self.groups)") == 1 {
            return
        }
        try OpenSSLError.check("set the TLS groups") {
            unsafe leeway_SSL_CTX_set1_groups_list(context, Self.groups)
        }
    }

    private static let ciphers = [
        "ECDHE-ECDSA-AES128-GCM-SHA256", "ECDHE-RSA-AES128-GCM-SHA256",
        "ECDHE-ECDSA-AES256-GCM-SHA384", "ECDHE-RSA-AES256-GCM-SHA384",
        "ECDHE-ECDSA-CHACHA20-POLY1305", "ECDHE-RSA-CHACHA20-POLY1305",
    ].joined(separator: ":")
    private static let cipherSuites =
        "TLS_AES_128_GCM_SHA256:TLS_AES_256_GCM_SHA384:TLS_CHACHA20_POLY1305_SHA256"
    private static let groups = "X25519:prime256v1:secp384r1"
}

// MARK: - Certificates

extension TLSContextBuilder {
    /// Loads the own certificate, its chain and its key.
    ///
    /// - Throws: ``TLSError/fileUnusable(path:what:reason:)``, ``TLSError/keyMismatch(certificate:key:)``.
    func use(certificateFile: String, keyFile: String) throws(TLSError) -> [Certificate] {
        let file = try PEMFile(certificateFile, "certificate")
        let chain = try file.certificates()
        let key = try PEMFile(keyFile, "private key").privateKey()
        guard chain[0].belongs(to: key) else {
            throw .keyMismatch(certificate: certificateFile, key: keyFile)
        }
        ERR_clear_error()
        guard unsafe SSL_CTX_use_certificate(context, chain[0].pointer) == 1 else {
            // For example a key too small for the library's security level.
            throw file.unusable(OpenSSLError.drain().text)
        }
        for certificate in chain.dropFirst() {
            guard unsafe leeway_SSL_CTX_add1_chain_cert(context, certificate.pointer) == 1 else {
                throw file.unusable(OpenSSLError.drain().text)
            }
        }
        try OpenSSLError.check("use \(keyFile)") {
            unsafe SSL_CTX_use_PrivateKey(context, key.pointer)
        }
        return chain
    }

    /// Decides whether clients have to show a certificate, and whose.
    ///
    /// - Throws: ``TLSError/fileUnusable(path:what:reason:)``.
    func verifyClients(_ certificates: ClientCertificates) throws(TLSError) {
        // Without it, resuming a session with client certificates fails the handshake.
        try OpenSSLError.check("set the session context") {
            unsafe SSL_CTX_set_session_id_context(context, "leeway", 6)
        }
        switch certificates {
        case .ignored:
            unsafe SSL_CTX_set_verify(context, SSL_VERIFY_NONE, nil)
        case .optional(let authorities):
            try trust(authorities, announcing: true)
            unsafe SSL_CTX_set_verify(context, SSL_VERIFY_PEER, nil)
        case .required(let authorities):
            try trust(authorities, announcing: true)
            unsafe SSL_CTX_set_verify(
                context,
                SSL_VERIFY_PEER | SSL_VERIFY_FAIL_IF_NO_PEER_CERT,
                nil
            )
        }
    }

    /// Demands a server certificate that the given authorities, or else the system's, vouch for.
    ///
    /// - Throws: ``TLSError/fileUnusable(path:what:reason:)``.
    func verifyServers(authoritiesFile: String?) throws(TLSError) {
        if let authoritiesFile {
            try trust(authoritiesFile, announcing: false)
        } else {
            try OpenSSLError.check("load the system's authorities") {
                unsafe SSL_CTX_set_default_verify_paths(context)
            }
        }
        unsafe SSL_CTX_set_verify(context, SSL_VERIFY_PEER, nil)
    }

    /// Trusts the authorities in a file, and names them to clients so that these can choose.
    private func trust(_ path: String, announcing: Bool) throws(TLSError) {
        let file = try PEMFile(path, "certificate authorities")
        let store = unsafe SSL_CTX_get_cert_store(context)
        for certificate in try file.certificates() {
            ERR_clear_error()
            let isKept =
                unsafe X509_STORE_add_cert(store, certificate.pointer) == 1
                && (!announcing || SSL_CTX_add_client_CA(context, certificate.pointer) == 1)
            guard isKept else { throw file.unusable(OpenSSLError.drain().text) }
        }
        unsafe SSL_CTX_set_verify_depth(context, Self.verifyDepthMax)
    }

    private static let verifyDepthMax: Int32 = 8
}

// MARK: - Sessions and application protocols

extension TLSContextBuilder {
    /// Seals session tickets with a key; one ticket a handshake.
    ///
    /// - Throws: ``TLSError/libraryFailed(operation:reason:)``.
    func use(_ key: TLSTicketKey) throws(TLSError) {
        var bytes = key.bytes
        try OpenSSLError.check("set the ticket key") {
            // Bounds: the library copies exactly the array's bytes and checks their number.
            unsafe bytes.withUnsafeMutableBufferPointer { buffer in
                unsafe leeway_SSL_CTX_set_tlsext_ticket_keys(
                    context,
                    buffer.baseAddress,
                    buffer.count
                )
            }
        }
        try OpenSSLError.check("set the number of tickets") {
            unsafe SSL_CTX_set_num_tickets(context, 1)
        }
    }

    /// Server: chooses the first of our protocols that the client offers.
    ///
    /// - Throws: ``TLSError/settingRefused(name:reason:)``.
    func use(choosingFrom protocols: [String]) throws(TLSError) {
        if protocols.isEmpty { return }
        let list = try Self.wireFormat(protocols)
        // Bounds: the first byte says how many follow; the wire format is at most 255 bytes.
        let memory = UnsafeMutablePointer<UInt8>.allocate(capacity: list.count + 1)
        unsafe memory.initialize(to: UInt8(list.count))
        for (index, byte) in list.enumerated() {
            unsafe (memory + index + 1).initialize(to: byte)
        }
        unsafe protocolList = unsafe memory
        unsafe SSL_CTX_set_alpn_select_cb(context, chooseProtocol, memory)
    }

    /// Client: offers the protocols.
    ///
    /// - Throws: ``TLSError/settingRefused(name:reason:)``.
    func use(offering protocols: [String]) throws(TLSError) {
        if protocols.isEmpty { return }
        let list = try Self.wireFormat(protocols)
        try OpenSSLError.check("offer application protocols") {
            // Bounds: the library copies exactly the array's bytes. It returns 0 when done.
            unsafe list.withUnsafeBufferPointer { buffer in
                unsafe SSL_CTX_set_alpn_protos(context, buffer.baseAddress, UInt32(buffer.count))
                    == 0 ? 1 : 0
            }
        }
    }

    /// Each name behind its length (RFC 7301).
    private static func wireFormat(_ protocols: [String]) throws(TLSError) -> [UInt8] {
        let list = protocols.flatMap { [UInt8(truncatingIfNeeded: $0.utf8.count)] + $0.utf8 }
        guard list.count <= 255, protocols.allSatisfy({ !$0.isEmpty }) else {
            throw .settingRefused(
                name: "applicationProtocols",
                reason: "names must not be empty, and fit into 255 bytes with their lengths"
            )
        }
        return list
    }
}

/// Called by libssl when a client offers protocols: ours in our order; none in common is fatal
/// (RFC 7301 §3.2), so that a client meant for another protocol never talks to us.
private func chooseProtocol(
    _: OpaquePointer?,
    _ chosen: UnsafeMutablePointer<UnsafePointer<UInt8>?>?,
    _ chosenCount: UnsafeMutablePointer<UInt8>?,
    _ offered: UnsafePointer<UInt8>?,
    _ offeredCount: UInt32,
    _ list: UnsafeMutableRawPointer?
) -> Int32 {
    guard let list = unsafe list?.assumingMemoryBound(to: UInt8.self) else {
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
