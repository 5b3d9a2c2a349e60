/// Finds a name among a fixed list by its bytes, without making a `String` of what is looked up.
///
/// Open addressing over FNV-1a. The list comes from a schema; a client can only look things up in
/// it and so cannot make it degenerate.
struct NameTable: Sendable {
    /// The names in order.
    let names: [String]
    private let slots: [Int32]
    private let mask: Int

    /// Makes the table; of equal names the first is found.
    init(_ names: [String]) {
        self.names = names
        var size = 8
        while size < names.count * 2 { size *= 2 }
        mask = size - 1
        var slots = [Int32](repeating: -1, count: size)
        for (index, name) in names.enumerated() {
            var slot = Self.hash(name.utf8Span.span) & (size - 1)
            while slots[slot] >= 0 { slot = (slot + 1) & (size - 1) }
            slots[slot] = Int32(index)
        }
        self.slots = slots
    }

    /// The index of a name, or `nil` when it is not in the list.
    func find(_ name: Span<UInt8>) -> Int? {
        var slot = Self.hash(name) & mask
        while slots[slot] >= 0 {
            let index = Int(slots[slot])
            if name.equals(names[index]) { return index }
            slot = (slot + 1) & mask
        }
        return nil
    }

    private static func hash(_ bytes: Span<UInt8>) -> Int {
        var hash: UInt64 = 0xCBF2_9CE4_8422_2325
        for index in bytes.indices {
            hash = (hash ^ UInt64(bytes[index])) &* 0x0000_0100_0000_01B3
        }
        return Int(truncatingIfNeeded: hash ^ (hash >> 32))
    }
}
