/// Which addresses a source may lead to, by what its URL says.
///
/// Who may answer for a public name, by its name server or by a redirect, must not make us ask
/// machines that only we can reach. What the URL itself names is meant: an address (that one), this
/// machine's own name (loopback), and names that nobody outside can have (`minio`,
/// `data.internal`).
struct AddressRule: Sendable, Equatable {
    /// The address that the URL names.
    private let named: IPAddress?
    private let allowed: Set<IPAddress.Kind>
    /// Ports of proxies: who is behind one is its business.
    private let proxyPorts: Set<Int>

    /// - Parameters:
    ///   - host: The URL's host, without brackets.
    ///   - address: The same as an address; nil for a name.
    ///   - allowsPrivate: Whether the source says that its host may be on a network of our own.
    ///   - proxyPorts: Where proxies listen.
    init(host: String, address: IPAddress?, allowsPrivate: Bool, proxyPorts: Set<Int>) {
        named = address
        self.proxyPorts = proxyPorts
        var allowed: Set<IPAddress.Kind> = [.public]
        let words = host.lowercased().split(separator: ".", omittingEmptySubsequences: true)
        let isOurs = address == nil && (words.count < 2 || Self.isOwn(words))
        if words.last == "localhost" {
            allowed.insert(.loopback)
        } else if isOurs || allowsPrivate {
            allowed.formUnion([.loopback, .private])
        }
        self.allowed = allowed
    }

    /// Names below which nothing is public: RFC 6761, RFC 6762, RFC 8375, and by ICANN's word.
    private static func isOwn(_ words: [Substring]) -> Bool {
        let last = words.suffix(2).joined(separator: ".")
        let own: Set<Substring> = [
            "local", "internal", "test", "intranet", "private", "corp", "home", "lan",
        ]
        return last == "home.arpa" || words.last.map { own.contains($0) } == true
    }

    /// Why an address is not one to ask; nil for one that is.
    func refusal(of address: IPAddress, port: Int) -> IPAddress.Kind? {
        if address == named || proxyPorts.contains(port) { return nil }
        let kind = address.kind
        return allowed.contains(kind) ? nil : kind
    }
}
