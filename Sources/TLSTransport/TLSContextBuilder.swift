internal import COpenSSL

/// Configures an `SSL_CTX` until a ``TLSContext`` takes it over; frees it when that never happens.
@safe final class TLSContextBuilder {
    private let context: OpaquePointer
    private var isReleased = false
    /// The own chains, one for each kind of key.
    private(set) var chains: [[Certificate]] = []
    private var keyKinds: Set<Int32> = []

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
        unsafe leeway_SSL_CTX_set_session_cache_mode(
            context,
            Int(profile == .libraryDefaults ? SSL_SESS_CACHE_SERVER : SSL_SESS_CACHE_OFF)
        )
        try use(profile)
    }

    deinit {
        if isReleased { return }
        unsafe SSL_CTX_free(context)
    }

    /// Hands over the context.
    func release() -> UInt {
        isReleased = true
        return address
    }

    /// The address of the context.
    var address: UInt { unsafe UInt(bitPattern: context) }

    /// The names that the own certificates are for, lower case.
    var names: [String] { chains.first?.first?.names.map { $0.lowercased() } ?? [] }

    /// Has the callbacks of the context decide by rules, which must live as long as it.
    func install(_ rules: TLSServerRules) {
        unsafe TLSServerCallbacks.install(rules, in: context)
        unsafe leeway_SSL_CTX_set_timeout(context, Int(rules.ticketKeys.sessionSeconds))
    }

    private func use(_ profile: TLSProfile) throws(TLSError) {
        try OpenSSLError.check("set the lowest TLS version") {
            unsafe leeway_SSL_CTX_set_min_proto_version(
                context,
                profile == .modern ? TLS1_3_VERSION : TLS1_2_VERSION
            )
        }
        if profile == .libraryDefaults { return }
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
    /// Loads an own certificate, its chain and its key.
    ///
    /// - Returns: Whether it is used; false when there is one with such a key already.
    /// - Throws: ``TLSError/fileUnusable(path:what:reason:)``, ``TLSError/keyMismatch(certificate:key:)``.
    func use(_ identity: LoadedIdentity) throws(TLSError) -> Bool {
        guard keyKinds.insert(identity.keyKind).inserted else { return false }
        let chain = identity.chain
        ERR_clear_error()
        guard unsafe SSL_CTX_use_certificate(context, chain[0].pointer) == 1 else {
            // For example a key too small for the library's security level.
            throw identity.unusable(OpenSSLError.drain().text)
        }
        for certificate in chain.dropFirst() {
            guard unsafe leeway_SSL_CTX_add1_chain_cert(context, certificate.pointer) == 1 else {
                throw identity.unusable(OpenSSLError.drain().text)
            }
        }
        try OpenSSLError.check("use \(identity.files.keyFile)") {
            unsafe SSL_CTX_use_PrivateKey(context, identity.key.pointer)
        }
        chains.append(chain)
        return true
    }

    /// Decides whether clients are asked for a certificate, and whose is good.
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
        case .asked(let authorities):
            try trust(authorities, announcing: true)
            unsafe SSL_CTX_set_verify(context, SSL_VERIFY_PEER, nil)
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
    /// One ticket a handshake is enough: our clients keep one connection rather than several.
    ///
    /// - Throws: ``TLSError/libraryFailed(operation:reason:)``.
    func giveOneTicket() throws(TLSError) {
        try OpenSSLError.check("set the number of tickets") {
            unsafe SSL_CTX_set_num_tickets(context, 1)
        }
    }

    /// Client: offers the protocols.
    ///
    /// - Throws: ``TLSError/settingRefused(name:reason:)``.
    func use(offering protocols: [String]) throws(TLSError) {
        if protocols.isEmpty { return }
        let list = try ApplicationProtocols.wireFormat(protocols)
        try OpenSSLError.check("offer application protocols") {
            // Bounds: the library copies exactly the array's bytes. It returns 0 when done.
            unsafe list.withUnsafeBufferPointer { buffer in
                unsafe SSL_CTX_set_alpn_protos(context, buffer.baseAddress, UInt32(buffer.count))
                    == 0 ? 1 : 0
            }
        }
    }
}

/// An own certificate with its chain and key, read and checked.
struct LoadedIdentity {
    let files: TLSIdentity
    let chain: [Certificate]
    let key: PrivateKey

    /// - Throws: ``TLSError/fileUnusable(path:what:reason:)``, ``TLSError/keyMismatch(certificate:key:)``.
    init(_ files: TLSIdentity) throws(TLSError) {
        self.files = files
        chain = try PEMFile(files.certificateFile, "certificate").certificates()
        key = try PEMFile(files.keyFile, "private key").privateKey()
        guard chain[0].belongs(to: key) else {
            throw .keyMismatch(certificate: files.certificateFile, key: files.keyFile)
        }
    }

    /// The library's number of the kind of key.
    var keyKind: Int32 { unsafe EVP_PKEY_get_base_id(key.pointer) }

    /// The names that the certificate is for, lower case.
    var names: Set<String> { Set(chain[0].names.map { $0.lowercased() }) }

    /// The error for the certificate's file.
    func unusable(_ reason: String) -> TLSError {
        .fileUnusable(path: files.certificateFile, what: "certificate", reason: reason)
    }
}
