internal import CCurl

/// Refuses connections to addresses that a source must not lead to, for one transfer.
///
/// libcurl asks before it opens a connection, and once more before a request goes out on one that
/// was open already; both on the thread of the transfer.
@safe
final class AddressGuard {
    private let rule: AddressRule
    /// The last address that was refused, and why.
    private(set) var refused: String?

    init(_ rule: AddressRule) { self.rule = rule }

    /// Whether a peer may be asked.
    fileprivate func admits(_ address: IPAddress, port: Int, _ text: @autoclosure () -> String)
        -> Bool
    {
        guard let kind = rule.refusal(of: address, port: port) else { return true }
        refused = "it leads to \(text()), an address that is \(kind.rawValue)"
        return false
    }
}

extension CurlEasy {
    /// Has a guard asked about each peer; it must stay alive until the transfer is over.
    mutating func ask(_ addresses: AddressGuard) {
        let context = unsafe Unmanaged.passUnretained(addresses).toOpaque()
        unsafe set(CURLOPT_OPENSOCKETDATA, lent: context)
        unsafe set(CURLOPT_PREREQDATA, lent: context)
        let open = CURLOPT_OPENSOCKETFUNCTION
        note(unsafe leeway_curl_easy_setopt_opensocket(handle, open, openSocket))
        note(unsafe leeway_curl_easy_setopt_prereq(handle, CURLOPT_PREREQFUNCTION, checkPeer))
    }

    /// Forgets the guard.
    mutating func askNobody() {
        note(unsafe leeway_curl_easy_setopt_opensocket(handle, CURLOPT_OPENSOCKETFUNCTION, nil))
        note(unsafe leeway_curl_easy_setopt_prereq(handle, CURLOPT_PREREQFUNCTION, nil))
        set(CURLOPT_RESOLVE, nil)
    }
}

extension IPAddress {
    /// Reads an address as it is written; nil when it is none.
    package init?(_ text: String) {
        var bytes = [UInt8](repeating: 0, count: 16)
        // Bounds: the function reads a zero-ended text and writes 16 bytes.
        let isAddress = unsafe bytes.withUnsafeMutableBufferPointer { buffer in
            unsafe text.withCString { unsafe leeway_curl_parse_address($0, buffer.baseAddress) }
        }
        guard isAddress == 1 else { return nil }
        self.init(bytes)
    }

    fileprivate init(_ bytes: [UInt8]) {
        func word(_ bytes: ArraySlice<UInt8>) -> UInt64 {
            bytes.reduce(0) { $0 << 8 | UInt64($1) }
        }
        self.init(high: word(bytes.prefix(8)), low: word(bytes.dropFirst(8).prefix(8)))
    }

    /// The address as people write it.
    fileprivate var text: String {
        if high == 0, low >> 32 == 0xFFFF {
            return [24, 16, 8, 0].map { "\(low >> UInt64($0) & 0xFF)" }.joined(separator: ".")
        }
        let groups = [high, low].flatMap { half in
            [48, 32, 16, 0].map { String(half >> UInt64($0) & 0xFFFF, radix: 16) }
        }
        return groups.joined(separator: ":")
    }
}

/// Opens a socket to a peer that may be asked.
private let openSocket: curl_opensocket_callback = { context, _, peer in
    let bad = curl_socket_t(bitPattern: UInt32.max)
    guard let context = unsafe context, let peer = unsafe peer else { return bad }
    let addresses = unsafe Unmanaged<AddressGuard>.fromOpaque(context).takeUnretainedValue()
    var bytes = [UInt8](repeating: 0, count: 16)
    // Bounds: the function writes 16 bytes.
    let port = unsafe bytes.withUnsafeMutableBufferPointer { buffer in
        unsafe leeway_curl_peer(peer, buffer.baseAddress)
    }
    let address = IPAddress(bytes)
    // Another family, such as a socket file, is only ever what the configuration says.
    guard port < 0 || addresses.admits(address, port: Int(port), address.text) else { return bad }
    return unsafe leeway_curl_open_socket(peer)
}

/// Lets a request go out on a connection to a peer that may be asked.
private let checkPeer: curl_prereq_callback = { context, peer, _, port, _ in
    guard let context = unsafe context, let peer = unsafe peer else { return CURL_PREREQFUNC_OK }
    let addresses = unsafe Unmanaged<AddressGuard>.fromOpaque(context).takeUnretainedValue()
    // Bounds: a zero-ended text that libcurl owns for this call; copied here.
    let text = unsafe String(cString: peer)
    guard let address = IPAddress(text) else { return CURL_PREREQFUNC_OK }
    return addresses.admits(address, port: Int(port), text)
        ? CURL_PREREQFUNC_OK : CURL_PREREQFUNC_ABORT
}
