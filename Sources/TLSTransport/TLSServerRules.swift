internal import COpenSSL

/// What the callbacks of a server's contexts decide by; reached from libssl through the context.
///
/// It never changes, so that all event loops can ask it at once; only the ticket keys do, behind a
/// lock of their own.
final class TLSServerRules: Sendable {
    let ticketKeys: TLSTicketKeys
    private let asksClients: Bool
    private let allowedClientNames: Set<String>
    private let refusesUnknownNames: Bool
    private let now: @Sendable () -> Int64
    /// The context for each name, lower case, with the wildcards as they stand in certificates.
    private let contexts: [String: UInt]
    private let staples: [TLSStaple]
    /// Owned; the ALPN names in wire format behind a byte with their length; 0 for none.
    private let protocolList: UInt

    /// - Parameters:
    ///   - settings: Of the server.
    ///   - ticketKeys: What seals tickets.
    ///   - identities: The contexts with their certificates, the default one first.
    /// - Throws: ``TLSError/settingRefused(name:reason:)``.
    init(
        _ settings: TLSServerSettings,
        _ ticketKeys: TLSTicketKeys,
        _ identities: [TLSContextBuilder]
    ) throws(TLSError) {
        self.ticketKeys = ticketKeys
        asksClients = settings.clientCertificates != .ignored
        allowedClientNames = Set(settings.allowedClientNames.map { $0.lowercased() })
        refusesUnknownNames = settings.refusesUnknownNames
        now = settings.now
        contexts = Dictionary(
            identities.flatMap { builder in builder.names.map { ($0, builder.address) } },
            uniquingKeysWith: { first, _ in first }
        )
        let chains = identities.flatMap(\.chains)
        staples = try settings.stapleFiles.map { path throws(TLSError) in
            try TLSStaple(path, about: chains)
        }
        protocolList = try Self.allocate(settings.applicationProtocols)
    }

    deinit {
        unsafe UnsafeMutablePointer<UInt8>(bitPattern: protocolList)?.deallocate()
    }

    private static func allocate(_ protocols: [String]) throws(TLSError) -> UInt {
        if protocols.isEmpty { return 0 }
        let list = try ApplicationProtocols.wireFormat(protocols)
        // Bounds: the first byte says how many follow; the wire format is at most 255 bytes.
        let memory = UnsafeMutablePointer<UInt8>.allocate(capacity: list.count + 1)
        unsafe memory.initialize(to: UInt8(list.count))
        for (index, byte) in list.enumerated() {
            unsafe (memory + index + 1).initialize(to: byte)
        }
        return UInt(bitPattern: memory)
    }

    /// A name for each certificate that is chosen by its name.
    var names: [String] {
        contexts.keys.sorted().map { $0.hasPrefix("*.") ? "any\($0.dropFirst())" : $0 }
    }

    /// The last second (Unix time) of the response that ends first; nil without any.
    var stapleNotAfter: Int64? { staples.map(\.nextUpdate).min() }

    // MARK: Decisions

    /// What to do for a client that asks for a name.
    enum NameAnswer {
        /// Its certificate is in this context.
        case use(UInt)
        /// None is for that name: the default certificate has to do.
        case useDefault
        /// None is for that name, and that is not tolerated.
        case refuse
    }

    /// Chooses by the name that a client asks for: its own first, then a wildcard.
    func answer(toName name: String) -> NameAnswer {
        let name = name.lowercased()
        if let exact = contexts[name] { return .use(exact) }
        if let dot = name.firstIndex(of: "."), let any = contexts["*\(name[dot...])"] {
            return .use(any)
        }
        return refusesUnknownNames ? .refuse : .useDefault
    }

    /// What a client may be given that showed this certificate, which the authorities vouch for.
    func standing(of client: TLSPeer?) -> ClientStanding {
        guard asksClients else { return .notAsked }
        guard let client else { return .unknown }
        let isAllowed =
            allowedClientNames.isEmpty
            || client.names.contains { allowedClientNames.contains($0.lowercased()) }
        return isAllowed ? .allowed : .notAllowed
    }

    /// Whether a session that began with this client certificate may still be resumed; its names
    /// are looked at anew for each connection.
    func allowsResumption(by certificate: Certificate) -> Bool { certificate.notAfter > now() }

    /// The OCSP response for one of our certificates, by the address of the library's object.
    func staple(for certificate: UInt) -> TLSStaple? {
        let now = now()
        return staples.first { $0.certificate == certificate && $0.isCurrent(at: now) }
    }

    /// The ALPN list; valid as long as this object.
    var protocols: UnsafeMutablePointer<UInt8>? {
        unsafe UnsafeMutablePointer(bitPattern: protocolList)
    }
}

/// ALPN names as they are sent.
enum ApplicationProtocols {
    /// Each name behind its length (RFC 7301).
    ///
    /// - Throws: ``TLSError/settingRefused(name:reason:)``.
    static func wireFormat(_ protocols: [String]) throws(TLSError) -> [UInt8] {
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
