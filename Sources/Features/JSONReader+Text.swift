/// A string or a key as it stands in the text: where it is, and whether it must be unescaped.
package struct JSONText: Sendable, Equatable {
    /// The bytes between the quotes.
    package let range: Range<Int>
    /// Whether a backslash is among them.
    package let isEscaped: Bool
}

extension JSONReader {
    /// Reads a string.
    package mutating func readString() throws(FeatureError) -> String {
        let text = try readText()
        return string(text)
    }

    /// Reads past a string and says where it stands; nothing is allocated.
    package mutating func readText() throws(FeatureError) -> JSONText {
        try expect(.string, "a string")
        return try scanText()
    }

    /// The characters of a text that was read, unescaped.
    package func string(_ text: JSONText) -> String {
        if text.isEscaped { return String(decoding: unescaped(text), as: UTF8.self) }
        return bytes.extracting(text.range).text
    }

    /// Whether a text that was read is this word; an escaped spelling counts as the same.
    package func matches(_ text: JSONText, _ word: String) -> Bool {
        guard text.isEscaped else { return bytes.extracting(text.range).equals(word) }
        return unescaped(text).span.equals(word)
    }

    /// The bytes of a text that was read, with its escapes undone, in UTF-8.
    package func unescaped(_ text: JSONText) -> [UInt8] {
        var result: [UInt8] = []
        result.reserveCapacity(text.range.count)
        var position = text.range.lowerBound
        while position < text.range.upperBound {
            let byte = bytes[position]
            position += 1
            guard byte == UInt8(ascii: "\\") else {
                result.append(byte)
                continue
            }
            let escape = bytes[position]
            position += 1
            if escape == UInt8(ascii: "u") {
                let scalar = unicodeEscape(&position)
                result.append(contentsOf: String(Character(scalar)).utf8)
            } else {
                result.append(Self.simpleEscape(escape) ?? escape)
            }
        }
        return result
    }

    /// Reads a string and checks its escapes and its UTF-8; stands at the opening quote before,
    /// after the closing one afterwards.
    mutating func scanText() throws(FeatureError) -> JSONText {
        let start = position + 1
        position = start
        var isEscaped = false
        while position < bytes.count {
            if position + 8 <= bytes.count {
                let plain = Self.plainBytes(bytes.word(at: position))
                position += plain
                if plain == 8 { continue }
            }
            let byte = bytes[position]
            if byte == UInt8(ascii: "\"") {
                position += 1
                return JSONText(range: start..<position - 1, isEscaped: isEscaped)
            } else if byte == UInt8(ascii: "\\") {
                isEscaped = true
                try scanEscape()
            } else if byte >= 0x80 {
                guard let length = bytes.lengthOfUTF8Sequence(at: position) else {
                    throw malformed("the string is not valid UTF-8")
                }
                position += length
            } else if byte < 0x20 {
                throw malformed("a control character in a string must be escaped")
            } else {
                position += 1
            }
        }
        throw malformed("the text ends inside a string")
    }

    /// How many of eight bytes, from the lowest, stand for themselves in a string: no quote, no
    /// backslash, no control character, nothing beyond ASCII.
    ///
    /// A borrow of the subtractions can only spoil bytes after the first that is marked.
    @inline(__always)
    private static func plainBytes(_ word: UInt64) -> Int {
        let ones: UInt64 = 0x0101_0101_0101_0101
        let quote = word ^ (ones &* 0x22)
        let backslash = word ^ (ones &* 0x5C)
        let control = word &- (ones &* 0x20)
        let marks = (quote &- ones) | (backslash &- ones) | control | word
        return (marks & (ones &* 0x80)).trailingZeroBitCount >> 3
    }

    private mutating func scanEscape() throws(FeatureError) {
        guard position + 1 < bytes.count else { throw malformed("the text ends inside a string") }
        if Self.simpleEscape(bytes[position + 1]) != nil {
            position += 2
            return
        }
        guard bytes[position + 1] == UInt8(ascii: "u"), let unit = hexadecimal(position + 2) else {
            throw malformed("no such escape in a string")
        }
        guard unit & 0xF800 == 0xD800 else {
            position += 6
            return
        }
        // A surrogate must be the first of a pair whose second half follows at once.
        guard unit < 0xDC00, position + 7 < bytes.count,
            bytes[position + 6] == UInt8(ascii: "\\"), bytes[position + 7] == UInt8(ascii: "u"),
            let second = hexadecimal(position + 8), second & 0xFC00 == 0xDC00
        else { throw malformed("a surrogate escape without its other half") }
        position += 12
    }

    /// Reads the digits of a checked `\u` escape, and its second half where it has one.
    private func unicodeEscape(_ position: inout Int) -> Unicode.Scalar {
        let unit = UInt32(hexadecimal(position) ?? 0xFFFD)
        position += 4
        guard unit & 0xFC00 == 0xD800, let low = hexadecimal(position + 2) else {
            return Unicode.Scalar(unit) ?? "\u{FFFD}"
        }
        position += 6
        let scalar = 0x10000 + (unit - 0xD800) << 10 + (UInt32(low) & 0x3FF)
        return Unicode.Scalar(scalar) ?? "\u{FFFD}"
    }

    /// Four hexadecimal digits at a position, if they are there.
    private func hexadecimal(_ start: Int) -> UInt16? {
        guard start + 4 <= bytes.count else { return nil }
        var value: UInt16 = 0
        for index in start..<start + 4 {
            let byte = bytes[index]
            let digit: UInt8
            switch byte {
            case UInt8(ascii: "0")...UInt8(ascii: "9"): digit = byte - UInt8(ascii: "0")
            case UInt8(ascii: "a")...UInt8(ascii: "f"): digit = byte - UInt8(ascii: "a") + 10
            case UInt8(ascii: "A")...UInt8(ascii: "F"): digit = byte - UInt8(ascii: "A") + 10
            default: return nil
            }
            value = value << 4 | UInt16(digit)
        }
        return value
    }

    private static func simpleEscape(_ byte: UInt8) -> UInt8? {
        switch byte {
        case UInt8(ascii: "\""), UInt8(ascii: "\\"), UInt8(ascii: "/"): byte
        case UInt8(ascii: "b"): 0x08
        case UInt8(ascii: "f"): 0x0C
        case UInt8(ascii: "n"): 0x0A
        case UInt8(ascii: "r"): 0x0D
        case UInt8(ascii: "t"): 0x09
        default: nil
        }
    }
}
