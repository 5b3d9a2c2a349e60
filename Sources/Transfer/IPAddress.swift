/// An address of the Internet Protocol; one of version 4 as the version 6 that maps it (RFC 4291).
package struct IPAddress: Sendable, Hashable {
    /// The first eight bytes.
    package let high: UInt64
    /// The last eight bytes.
    package let low: UInt64

    /// Takes both halves.
    package init(high: UInt64, low: UInt64) { (self.high, self.low) = (high, low) }

    /// What an address is for, as far as it matters to who may be asked there.
    package enum Kind: String, Sendable, CaseIterable {
        /// Anybody on the Internet.
        case `public`
        /// This machine.
        case loopback
        /// Networks of one's own (RFC 1918, RFC 4193, RFC 6598).
        case `private`
        /// The same wire, where clouds tell machines their secrets.
        case linkLocal = "link-local"
        /// Many machines.
        case multicast
        /// No machine: the address that stands for none, and those that are reserved.
        case unspecified
    }

    /// What the address is for.
    package var kind: Kind {
        if let v4 { return Self.kind(v4) }
        if high == 0, low <= 1 { return low == 1 ? .loopback : .unspecified }
        // Where a cloud tells machines their secrets by version 6.
        if high == 0xFD00_0EC2_0000_0000, low == 0x254 { return .linkLocal }
        switch high >> 48 {
        case 0xFE80...0xFEBF: return .linkLocal
        case 0xFEC0...0xFEFF, 0xFC00...0xFDFF: return .private
        case 0xFF00...0xFFFF: return .multicast
        default: return .public
        }
    }

    /// The address of version 4 that is in it: mapped, compatible, behind NAT64 (RFC 6052), or of
    /// 6to4 (RFC 3056); nil for none.
    private var v4: UInt32? {
        let last = UInt32(truncatingIfNeeded: low)
        if high == 0, low >> 32 == 0xFFFF { return last }
        if high == 0, low >> 32 == 0, low > 0xFFFF { return last }
        if high == 0x0064_FF9B_0000_0000, low >> 32 == 0 { return last }
        if high >> 48 == 0x2002 { return UInt32(truncatingIfNeeded: high >> 16) }
        return nil
    }

    private static func kind(_ v4: UInt32) -> Kind {
        let networks: [(first: UInt32, bits: UInt32, kind: Kind)] = [
            (0x7F00_0000, 8, .loopback), (0xA9FE_0000, 16, .linkLocal),
            (0x0A00_0000, 8, .private), (0xAC10_0000, 12, .private), (0xC0A8_0000, 16, .private),
            (0x6440_0000, 10, .private), (0xC000_0000, 24, .private), (0xC612_0000, 15, .private),
            (0x0000_0000, 8, .unspecified), (0xE000_0000, 4, .multicast),
            (0xF000_0000, 4, .unspecified),
        ]
        return networks.first { v4 >> (32 - $0.bits) == $0.first >> (32 - $0.bits) }?.kind
            ?? .public
    }
}
