internal import NIOCore
internal import Synchronization

/// The open connections of each client address, for the limit on them.
///
/// Shared by the event loops of a listener; touched when a connection opens and when it closes,
/// never by a request.
package final class AddressCounts: Sendable {
    /// Whom connections are counted for: an IPv4 address, or the 64 bits of an IPv6 address that a
    /// single customer is given.
    struct Client: Hashable, Sendable {
        private let network: UInt64
        private let isIPv4: Bool

        /// - Returns: `nil` for a channel without an internet address, such as one in memory.
        init?(_ address: SocketAddress?) {
            switch address {
            case .v4(let address):
                // Bounds: `sockaddr_in` has its four bytes of address after family and port.
                network = unsafe withUnsafeBytes(of: address.address) { bytes in
                    unsafe UInt64(bytes.loadUnaligned(fromByteOffset: 4, as: UInt32.self))
                }
                isIPv4 = true
            case .v6(let address):
                // Bounds: `sockaddr_in6` has its 16 bytes of address after family, port and flow.
                let (high, low) = unsafe withUnsafeBytes(of: address.address) { bytes in
                    unsafe (
                        UInt64(bigEndian: bytes.loadUnaligned(fromByteOffset: 8, as: UInt64.self)),
                        UInt64(bigEndian: bytes.loadUnaligned(fromByteOffset: 16, as: UInt64.self))
                    )
                }
                // ::ffff:a.b.c.d is how a socket for both versions shows an IPv4 client.
                isIPv4 = high == 0 && low >> 32 == 0xffff
                network = isIPv4 ? UInt64(UInt32(truncatingIfNeeded: low).bigEndian) : high
            case .unixDomainSocket, nil:
                return nil
            }
        }
    }

    private let counts = Mutex<[Client: Int]>([:])

    /// Counts nothing yet.
    package init() {}

    /// Counts a new connection, unless its client has as many as it may.
    ///
    /// - Returns: whether it was counted.
    func enter(_ client: Client, max: Int) -> Bool {
        counts.withLock { counts in
            let count = counts[client, default: 0]
            guard count < max else { return false }
            counts[client] = count + 1
            return true
        }
    }

    /// Forgets a connection that was counted.
    func leave(_ client: Client) {
        counts.withLock { counts in
            guard let count = counts[client] else { return }
            counts[client] = count > 1 ? count - 1 : nil
        }
    }

    /// The clients with open connections.
    package var clientCount: Int { counts.withLock { $0.count } }
}
