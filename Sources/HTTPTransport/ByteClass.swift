internal import Glibc

/// The sets of bytes that the grammar of HTTP names, each as a bitmap of the 128 ASCII codes.
///
/// A bitmap in two registers needs no table in memory and no lazy global.
enum ByteClass {
    static let space: UInt8 = 0x20
    static let tab: UInt8 = 0x09
    static let carriageReturn: UInt8 = 0x0d
    static let lineFeed: UInt8 = 0x0a
    static let colon: UInt8 = 0x3a
    static let comma: UInt8 = 0x2c
    static let semicolon: UInt8 = 0x3b
    static let equals: UInt8 = 0x3d
    static let quote: UInt8 = 0x22
    static let backslash: UInt8 = 0x5c
    static let percent: UInt8 = 0x25
    static let slash: UInt8 = 0x2f
    static let questionMark: UInt8 = 0x3f

    /// `tchar` of RFC 9110 §5.6.2: what methods, field names and chunk extensions are made of.
    @inline(__always)
    static func isToken(_ byte: UInt8) -> Bool {
        contains(byte, low: 0x03ff_6cfa_0000_0000, high: 0x57ff_ffff_c7ff_fffe)
    }

    /// What may stand in a request target: RFC 3986's characters, and `[` `]` that clients send bare.
    @inline(__always)
    static func isTarget(_ byte: UInt8) -> Bool {
        contains(byte, low: 0xafff_fff2_0000_0000, high: 0x47ff_fffe_afff_ffff)
    }

    /// What may stand in a registered name (RFC 3986 §3.2.2), less the comma, which would let two
    /// joined `Host` fields pass as one.
    @inline(__always)
    static func isHostName(_ byte: UInt8) -> Bool {
        contains(byte, low: 0x2bff_6ff2_0000_0000, high: 0x47ff_fffe_87ff_fffe)
    }

    /// What a client's own request identifier may consist of; nothing that needs escaping anywhere.
    @inline(__always)
    static func isIdentifier(_ byte: UInt8) -> Bool {
        contains(byte, low: 0x07ff_6000_0000_0000, high: 0x47ff_fffe_87ff_fffe)
    }

    /// `field-vchar`, space and tab of RFC 9110 §5.5; bytes above 0x7f are opaque and allowed.
    @inline(__always)
    static func isFieldValue(_ byte: UInt8) -> Bool {
        (byte >= space && byte != 0x7f) || byte == tab
    }

    @inline(__always)
    static func isDigit(_ byte: UInt8) -> Bool { byte &- 0x30 < 10 }

    @inline(__always)
    static func isBlank(_ byte: UInt8) -> Bool { byte == space || byte == tab }

    /// The value of a hexadecimal digit, or `nil`.
    @inline(__always)
    static func hexValue(_ byte: UInt8) -> UInt8? {
        if isDigit(byte) { return byte &- 0x30 }
        let letter = (byte | 0x20) &- 0x61
        return letter < 6 ? letter &+ 10 : nil
    }

    @inline(__always)
    static func lowercase(_ byte: UInt8) -> UInt8 {
        byte &- 0x41 < 26 ? byte | 0x20 : byte
    }

    /// Whether eight bytes are these eight ASCII characters without upper-case letters, but for the
    /// case of letters.
    @inline(__always)
    static func isSame(_ word: UInt64, asLowercase wanted: UInt64) -> Bool {
        // Bit 7 of a byte of `letters` says that the wanted character is one of a to z.
        let letters = (wanted &+ 0x1f1f_1f1f_1f1f_1f1f) & ~(wanted &+ 0x0505_0505_0505_0505)
        let mayDiffer = (letters & 0x8080_8080_8080_8080) >> 2
        return (word ^ wanted) & ~mayDiffer == 0
    }

    @inline(__always)
    private static func contains(_ byte: UInt8, low: UInt64, high: UInt64) -> Bool {
        byte < 128 && ((byte < 64 ? low : high) &>> UInt64(byte & 63)) & 1 == 1
    }
}

extension Span<UInt8> {
    /// The offset of the first line feed at or after `start`, or `nil`.
    ///
    /// - Parameter start: where to begin; at most `count`.
    /// - Returns: an offset in `start..<count`, or `nil`.
    func firstLineFeed(from start: Int) -> Int? {
        guard start < count else { return nil }
        // Bounds: memchr sees the `count - start` > 0 bytes from `start` to the span's end.
        return unsafe withUnsafeBufferPointer { bytes in
            guard let base = bytes.baseAddress,
                let found = unsafe memchr(
                    base + start,
                    Int32(ByteClass.lineFeed),
                    bytes.count - start
                )
            else { return nil }
            return unsafe UnsafeRawPointer(found) - UnsafeRawPointer(base)
        }
    }

    /// Whether a field's value may consist of the bytes of the range; looks at eight at once.
    func areFieldValue(in range: Range<Int>) -> Bool {
        guard range.lowerBound >= 0, range.upperBound <= count else { return false }
        return unsafe withUnsafeBytes { bytes in
            var index = range.lowerBound
            while index + 8 <= range.upperBound {
                // Bounds: the loop's condition, within the range that the guard has compared.
                let word = unsafe bytes.loadUnaligned(fromByteOffset: index, as: UInt64.self)
                if Self.hasControl(word) {
                    for place in index..<index + 8
                    where unsafe !ByteClass.isFieldValue(bytes[place]) {
                        return false
                    }
                }
                index += 8
            }
            while index < range.upperBound {
                guard unsafe ByteClass.isFieldValue(bytes[index]) else { return false }
                index += 1
            }
            return true
        }
    }

    /// Whether any of eight bytes is below 0x20 or is 0x7f, and perhaps if none is.
    private static func hasControl(_ word: UInt64) -> Bool {
        let ones: UInt64 = 0x0101_0101_0101_0101
        // A byte's top bit is set where it is below 0x20 or equal to 0x7f; a borrow may set others,
        // but only above one that is rightly set.
        let low = (word &- ones &* 0x20) & ~word
        let delete = word ^ (ones &* 0x7f)
        return (low | ((delete &- ones) & ~delete)) & (ones &* 0x80) != 0
    }

    /// Whether the bytes of the range are exactly the text.
    func equals(_ text: StaticString, in range: Range<Int>) -> Bool {
        guard range.count == text.utf8CodeUnitCount else { return false }
        return hasPrefix(text, at: range.lowerBound)
    }

    /// Whether the text stands at the offset; `false` when the span ends before the text does.
    func hasPrefix(_ text: StaticString, at offset: Int) -> Bool {
        let length = text.utf8CodeUnitCount
        guard offset >= 0, length <= count - offset else { return false }
        // Bounds: the buffer holds `utf8CodeUnitCount` bytes = `length`.
        return text.withUTF8Buffer { expected in
            unsafe withUnsafeBufferPointer { bytes in
                // Bounds: the span has `length` bytes from `offset` on, as the guard has compared.
                for index in 0..<length where unsafe expected[index] != bytes[offset &+ index] {
                    return false
                }
                return true
            }
        }
    }

    /// Whether the bytes of the range are the text, letters compared without case.
    ///
    /// - Parameters:
    ///   - text: lower-case ASCII.
    ///   - range: of this span.
    /// - Returns: `false` also when the lengths differ.
    func equalsIgnoringCase(_ text: StaticString, in range: Range<Int>) -> Bool {
        let length = text.utf8CodeUnitCount
        guard range.count == length, range.upperBound <= count else { return false }
        // Bounds: the buffer holds `utf8CodeUnitCount` bytes = `length`, and the range is within
        // the span, as the guard has compared; words begin 8 bytes before `length` at the latest.
        return text.withUTF8Buffer { expected in
            unsafe withUnsafeBytes { bytes in
                let expected = UnsafeRawBufferPointer(expected)
                guard length >= 8 else {
                    for index in 0..<length
                    where unsafe expected[index]
                        != ByteClass.lowercase(bytes[range.lowerBound &+ index])
                    {
                        return false
                    }
                    return true
                }
                // The last words overlap; names that are as long mostly differ at the end.
                var index = length &- 8
                while true {
                    let wanted = unsafe expected.loadUnaligned(
                        fromByteOffset: index,
                        as: UInt64.self
                    )
                    let found = unsafe bytes.loadUnaligned(
                        fromByteOffset: range.lowerBound &+ index,
                        as: UInt64.self
                    )
                    guard ByteClass.isSame(found, asLowercase: wanted) else { return false }
                    if index == 0 { return true }
                    index = max(0, index &- 8)
                }
            }
        }
    }

    /// The range without the spaces and tabs at its ends.
    func trimmed(_ range: Range<Int>) -> Range<Int> {
        var lower = range.lowerBound
        var upper = range.upperBound
        while lower < upper, ByteClass.isBlank(self[lower]) { lower += 1 }
        while lower < upper, ByteClass.isBlank(self[upper - 1]) { upper -= 1 }
        return lower..<upper
    }
}
