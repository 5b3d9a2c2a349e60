extension Span where Element == UInt8 {
    /// Whether the bytes are exactly those of a word.
    func equals(_ word: String) -> Bool {
        let other = word.utf8Span.span
        guard count == other.count else { return false }
        return equals(other)
    }

    /// Whether the bytes are exactly those of another span.
    @inline(__always)
    func equals(_ other: Span<UInt8>) -> Bool {
        guard count == other.count else { return false }
        var index = 0
        while index + 8 <= count {
            guard word(at: index) == other.word(at: index) else { return false }
            index += 8
        }
        while index < count {
            guard self[index] == other[index] else { return false }
            index += 1
        }
        return true
    }

    /// Eight bytes from an index on, the first one lowest.
    ///
    /// Bounds: the load checks that all eight lie within the span.
    @inline(__always)
    func word(at index: Int) -> UInt64 {
        let raw = unsafe bytes.unsafeLoadUnaligned(fromByteOffset: index, as: UInt64.self)
        return UInt64(littleEndian: raw)
    }

    /// The number of bytes of the well-formed UTF-8 sequence (Unicode table 3-7) that begins at an
    /// index, 2 to 4, or `nil` when none does; single bytes below 0x80 are the caller's.
    func lengthOfUTF8Sequence(at index: Int) -> Int? {
        let lead = self[index]
        let length: Int
        var second: ClosedRange<UInt8> = 0x80...0xBF
        switch lead {
        case 0xC2...0xDF: length = 2
        case 0xE0: (length, second) = (3, 0xA0...0xBF)
        case 0xED: (length, second) = (3, 0x80...0x9F)
        case 0xE1...0xEF: length = 3
        case 0xF0: (length, second) = (4, 0x90...0xBF)
        case 0xF4: (length, second) = (4, 0x80...0x8F)
        case 0xF1...0xF3: length = 4
        default: return nil
        }
        guard index + length <= count, second.contains(self[index + 1]) else { return nil }
        for offset in 2..<max(length, 2) where self[index + offset] & 0xC0 != 0x80 { return nil }
        return length
    }

    /// The bytes as text, repaired where they are not UTF-8.
    var text: String {
        if let valid = try? UTF8Span(validating: self) { return String(copying: valid) }
        var copy: [UInt8] = []
        copy.reserveCapacity(count)
        for index in indices { copy.append(self[index]) }
        return String(decoding: copy, as: UTF8.self)
    }
}
