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
    /// The last second (Unix time) at which all own certificate chains are valid; nil without a
    /// certificate.
    package let certificateNotAfter: Int64?
    /// The last second (Unix time) of the OCSP response that ends first; nil without any.
    package var stapleNotAfter: Int64? { rules?.stapleNotAfter }
    /// The DNS names and addresses that the own certificates are for.
    package let subjectAlternativeNames: [String]
    /// The keys of the session tickets; hand them to the context of a renewed certificate.
    package var ticketKeys: TLSTicketKeys? { rules?.ticketKeys }

    /// One for each set of names, the default one first.
    private let addresses: [UInt]
    private let rules: TLSServerRules?

    /// Makes a server's context.
    ///
    /// - Throws: ``TLSError``; nothing is used then.
    package convenience init(server settings: TLSServerSettings) throws(TLSError) {
        let builders = try Self.builders(settings)
        for builder in builders {
            try builder.verifyClients(settings.clientCertificates)
            try builder.giveOneTicket()
        }
        let keys = if let keys = settings.ticketKeys { keys } else { try TLSTicketKeys() }
        self.init(builders, rules: try TLSServerRules(settings, keys, builders))
    }

    /// Makes a client's context, which always verifies the server.
    ///
    /// - Throws: ``TLSError``; nothing is used then.
    package convenience init(client settings: TLSClientSettings) throws(TLSError) {
        let builder = try TLSContextBuilder(isServer: false, profile: settings.profile)
        if let own = settings.certificate {
            let identity = try LoadedIdentity(
                TLSIdentity(certificateFile: own.certificateFile, keyFile: own.keyFile)
            )
            _ = try builder.use(identity)
        }
        try builder.verifyServers(authoritiesFile: settings.authoritiesFile)
        try builder.use(offering: settings.applicationProtocols)
        self.init([builder], rules: nil)
    }

    /// A client that trusts anybody, for a rehearsal of a server in memory.
    convenience init(trustingAnybody: Void) throws(TLSError) {
        let builder = try TLSContextBuilder(isServer: false, profile: .intermediate)
        self.init([builder], rules: nil)
    }

    /// The name to ask for to get each context; nil asks for none, and gets the first.
    var rehearsedNames: [String?] { [nil] + (rules?.names ?? []) }

    /// One for each set of names; certificates for the same names with keys of different kinds
    /// share one.
    private static func builders(
        _ settings: TLSServerSettings
    ) throws(TLSError) -> [TLSContextBuilder] {
        var builders: [TLSContextBuilder] = []
        for files in [settings.identity] + settings.others {
            let identity = try LoadedIdentity(files)
            if let twin = builders.first(where: { Set($0.names) == identity.names }) {
                guard try !twin.use(identity) else { continue }
                throw .settingRefused(
                    name: files.certificateFile,
                    reason: "another certificate is for the same names, with the same kind of key"
                )
            }
            let builder = try TLSContextBuilder(isServer: true, profile: settings.profile)
            _ = try builder.use(identity)
            builders.append(builder)
        }
        return builders
    }

    private init(_ builders: [TLSContextBuilder], rules: TLSServerRules?) {
        isServer = rules != nil
        self.rules = rules
        let chains = builders.flatMap(\.chains)
        certificateNotAfter = chains.joined().map(\.notAfter).min()
        var names: [String] = []
        for name in chains.flatMap({ $0.first?.names ?? [] }) where !names.contains(name) {
            names.append(name)
        }
        subjectAlternativeNames = names
        if let rules { for builder in builders { builder.install(rules) } }
        addresses = builders.map { $0.release() }
    }

    deinit {
        for address in addresses { unsafe SSL_CTX_free(OpaquePointer(bitPattern: address)) }
    }

    /// What a client may be given; a server's question.
    func standing(of client: TLSPeer?) -> ClientStanding {
        rules?.standing(of: client) ?? .notAsked
    }

    /// The context of libssl, lent as long as this object lives.
    var pointer: OpaquePointer? {
        unsafe addresses.first.flatMap { unsafe OpaquePointer(bitPattern: $0) }
    }
}
