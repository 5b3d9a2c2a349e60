internal import COpenSSL

/// What all connections of one listener (or one client) share: certificate, key, trust, ciphers.
///
/// It is complete and checked when it exists and never changes, so that it can be used from all
/// event loops. A new certificate is a new context: connections made before keep the old one.
///
/// The pointer of libssl is kept as an address, because an address is plainly `Sendable`. That
/// is sound: libssl allows an `SSL_CTX` that is no longer configured to be used by any thread.
package final class TLSContext: Sendable {
    /// Whether connections accept or start handshakes.
    package let isServer: Bool
    /// The last second (Unix time) at which the whole own certificate chain is valid; nil without
    /// a certificate.
    package let certificateNotAfter: Int64?
    /// The DNS names and addresses that the own certificate is for.
    package let subjectAlternativeNames: [String]
    /// The key of the session tickets; hand it to the context of a renewed certificate.
    package let ticketKey: TLSTicketKey?

    private let address: UInt
    /// Owned; the ALPN list, read by ``chooseProtocol``.
    private let protocolList: UInt

    /// Makes a server's context.
    ///
    /// - Throws: ``TLSError``; nothing is used then.
    package convenience init(server settings: TLSServerSettings) throws(TLSError) {
        let builder = try TLSContextBuilder(isServer: true, profile: settings.profile)
        let chain = try builder.use(
            certificateFile: settings.certificateFile,
            keyFile: settings.keyFile
        )
        try builder.verifyClients(settings.clientCertificates)
        let ticketKey = if let key = settings.ticketKey { key } else { try TLSTicketKey.random() }
        try builder.use(ticketKey)
        try builder.use(choosingFrom: settings.applicationProtocols)
        self.init(builder, isServer: true, chain: chain, ticketKey: ticketKey)
    }

    /// Makes a client's context, which always verifies the server.
    ///
    /// - Throws: ``TLSError``; nothing is used then.
    package convenience init(client settings: TLSClientSettings) throws(TLSError) {
        let builder = try TLSContextBuilder(isServer: false, profile: settings.profile)
        var chain: [Certificate] = []
        if let own = settings.certificate {
            chain = try builder.use(certificateFile: own.certificateFile, keyFile: own.keyFile)
        }
        try builder.verifyServers(authoritiesFile: settings.authoritiesFile)
        try builder.use(offering: settings.applicationProtocols)
        self.init(builder, isServer: false, chain: chain, ticketKey: nil)
    }

    private init(
        _ builder: TLSContextBuilder,
        isServer: Bool,
        chain: [Certificate],
        ticketKey: TLSTicketKey?
    ) {
        self.isServer = isServer
        self.ticketKey = ticketKey
        certificateNotAfter = chain.map(\.notAfter).min()
        subjectAlternativeNames = chain.first?.names ?? []
        (address, protocolList) = builder.release()
    }

    deinit {
        unsafe SSL_CTX_free(OpaquePointer(bitPattern: address))
        unsafe UnsafeMutablePointer<UInt8>(bitPattern: protocolList)?.deallocate()
    }

    /// The context of libssl, lent as long as this object lives.
    var pointer: OpaquePointer? { unsafe OpaquePointer(bitPattern: address) }
}
