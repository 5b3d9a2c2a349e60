/// Finds a name among a fixed list by its bytes, without making a `String` of what is looked up.
///
/// Open addressing over a multiplicative hash of eight bytes at a time. The list comes from a schema; a client can only look things up in
/// it and so cannot make it degenerate.
struct NameTable: Sendable {
    /// The names in order.
    let names: [String]
    /// The names' bytes, one after the other, and where each begins; one more start than names.
    private let bytes: [UInt8]
    private let starts: [Int32]
    private let slots: [Int32]
    private let mask: Int

    /// Makes the table; of equal names the first is found.
    init(_ names: [String]) {
        self.names = names
        bytes = names.flatMap { Array($0.utf8) }
        starts = names.reduce(into: [0]) { starts, name in
            starts.append((starts.last ?? 0) + Int32(clamping: name.utf8.count))
        }
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
            if isName(index, name) { return index }
            slot = (slot + 1) & mask
        }
        return nil
    }

    /// Whether the name of an index of the list is this one.
    @inline(__always)
    func isName(_ index: Int, _ name: Span<UInt8>) -> Bool {
        let range = Int(starts[index])..<Int(starts[index + 1])
        return range.count == name.count && name.equals(bytes.span.extracting(range))
    }

    private static func hash(_ bytes: Span<UInt8>) -> Int {
        let factor: UInt64 = 0x9E37_79B9_7F4A_7C15
        var hash = UInt64(truncatingIfNeeded: bytes.count)
        var index = 0
        while index + 8 <= bytes.count {
            hash = (hash ^ bytes.word(at: index)) &* factor
            hash ^= hash >> 32
            index += 8
        }
        var rest: UInt64 = 0
        while index < bytes.count {
            rest = rest << 8 | UInt64(bytes[index])
            index += 1
        }
        hash = (hash ^ rest) &* factor
        return Int(truncatingIfNeeded: hash ^ (hash >> 32))
    }
}
