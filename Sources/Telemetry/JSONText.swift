/// Escaping for JSON strings and for lines of plain text.
///
/// Besides what RFC 8259 demands, everything that a terminal or a log viewer would obey is
/// escaped: DEL, the C1 controls, line and paragraph separators, and the bidirectional controls
/// (CWE-117). Bytes that are not UTF-8 become U+FFFD, one for each maximal invalid part, as the
/// Unicode Standard recommends (chapter 3, "U+FFFD Substitution of Maximal Subparts").
extension LineWriter {
    /// Writes the inside of a JSON string.
    ///
    /// - Parameters:
    ///   - bytes: Any bytes.
    ///   - limit: The line's count that must not be passed; the text is cut between characters.
    /// - Returns: Whether all of the text found room.
    @discardableResult
    mutating func write(escaping bytes: Span<UInt8>, limit: Int) -> Bool {
        var index = 0
        while index < bytes.count {
            let rest = bytes.extracting(index...)
            index += write(plainPrefixOf: rest, limit: limit)
            if index == bytes.count { return true }
            // What is plain stopped for want of room.
            if PlainText.contains(bytes[index]) { return false }
            let (length, scalar) = decodeUTF8(bytes, at: index)
            guard write(special: scalar, limit: limit) else { return false }
            index += length
        }
        return true
    }

    /// Writes a line's text for people: as `write(escaping:limit:)`, but quotes and backslashes
    /// stay as they are.
    @discardableResult
    mutating func write(controlsOf bytes: Span<UInt8>, limit: Int) -> Bool {
        var start = 0
        for index in 0...bytes.count {
            let isEnd = index == bytes.count
            guard isEnd || bytes[index] == 0x22 || bytes[index] == 0x5c else { continue }
            guard write(escaping: bytes.extracting(start..<index), limit: limit) else {
                return false
            }
            if isEnd { break }
            guard count < limit else { return false }
            write(bytes[index])
            start = index + 1
        }
        return true
    }

    /// Writes a scalar that is not plain; false when there is no room.
    private mutating func write(special scalar: UInt32, limit: Int) -> Bool {
        let short: UInt8? =
            switch scalar {
            case 0x22, 0x5c: UInt8(truncatingIfNeeded: scalar)
            case 0x08: UInt8(ascii: "b")
            case 0x09: UInt8(ascii: "t")
            case 0x0a: UInt8(ascii: "n")
            case 0x0c: UInt8(ascii: "f")
            case 0x0d: UInt8(ascii: "r")
            default: nil
            }
        if let short {
            guard count + 2 <= limit else { return false }
            write(UInt8(ascii: "\\"))
            write(short)
            return true
        }
        if mustEscape(scalar) {
            guard count + 6 <= limit else { return false }
            write("\\u")
            for shift: UInt32 in [12, 8, 4, 0] {
                let nibble = UInt8(truncatingIfNeeded: (scalar >> shift) & 15)
                write(nibble &+ (nibble < 10 ? UInt8(ascii: "0") : UInt8(ascii: "a") - 10))
            }
            return true
        }
        return write(scalar: scalar, limit: limit)
    }

    /// Writes the UTF-8 of a scalar from U+0080 on; false when there is no room.
    private mutating func write(scalar: UInt32, limit: Int) -> Bool {
        func tail(_ shift: UInt32) -> UInt8 {
            0x80 | UInt8(truncatingIfNeeded: (scalar >> shift) & 0x3f)
        }
        let length = scalar < 0x800 ? 2 : scalar < 0x10000 ? 3 : 4
        guard count + length <= limit else { return false }
        switch length {
        case 2:
            write(0xc0 | UInt8(truncatingIfNeeded: scalar >> 6))
        case 3:
            write(0xe0 | UInt8(truncatingIfNeeded: scalar >> 12))
            write(tail(6))
        default:
            write(0xf0 | UInt8(truncatingIfNeeded: scalar >> 18))
            write(tail(12))
            write(tail(6))
        }
        write(tail(0))
        return true
    }
}

/// Whether a scalar could steer a terminal or a log viewer and so is written as `\uXXXX`.
private func mustEscape(_ scalar: UInt32) -> Bool {
    switch scalar {
    case 0...0x1f, 0x7f...0x9f: true
    case 0x2028...0x202e, 0x2066...0x2069: true
    default: false
    }
}

/// Decodes one scalar; an invalid part gives U+FFFD and the length of its maximal subpart.
private func decodeUTF8(_ bytes: Span<UInt8>, at start: Int) -> (length: Int, scalar: UInt32) {
    let first = bytes[start]
    let count: Int
    var range: ClosedRange<UInt8> = 0x80...0xbf
    switch first {
    case 0x00...0x7f: return (1, UInt32(first))
    case 0xc2...0xdf: count = 2
    case 0xe0: (count, range) = (3, 0xa0...0xbf)
    case 0xed: (count, range) = (3, 0x80...0x9f)
    case 0xe1...0xef: count = 3
    case 0xf0: (count, range) = (4, 0x90...0xbf)
    case 0xf4: (count, range) = (4, 0x80...0x8f)
    case 0xf1...0xf3: count = 4
    default: return (1, 0xfffd)
    }
    var scalar = UInt32(first) & (0x7f >> UInt32(count))
    for offset in 1..<count {
        guard start + offset < bytes.count, range.contains(bytes[start + offset]) else {
            return (offset, 0xfffd)
        }
        scalar = scalar << 6 | UInt32(bytes[start + offset] & 0x3f)
        range = 0x80...0xbf
    }
    return (count, scalar)
}
