/// The 32 bytes of a SHA-256 digest.
///
/// As JSON and as text it is 64 lower-case hexadecimal digits. `==` takes a time that depends on
/// the values: for secrets use ``constantTimeEquals(_:_:)``.
package struct Digest256: Sendable, Hashable, Codable, CustomStringConvertible {
    /// The length in bytes.
    package static let byteCount = 32

    /// The bytes as four words, most significant byte first.
    private let words: [4 of UInt64]

    /// Takes a digest from its bytes.
    ///
    /// - Throws: ``DigestError/wrongLength(what:expected:found:)`` unless there are 32.
    package init(bytes: Span<UInt8>) throws(DigestError) {
        guard bytes.count == Self.byteCount else {
            throw .wrongLength(what: "SHA-256", expected: Self.byteCount, found: bytes.count)
        }
        words = InlineArray { word in
            (0..<8).reduce(0) { value, index in value << 8 | UInt64(bytes[word * 8 + index]) }
        }
    }

    /// Takes a digest from its bytes.
    ///
    /// - Throws: ``DigestError/wrongLength(what:expected:found:)`` unless there are 32.
    package init(bytes: [UInt8]) throws(DigestError) {
        try self.init(bytes: bytes.span)
    }

    /// Reads 64 hexadecimal digits, lower or upper case.
    ///
    /// - Throws: ``DigestError/wrongLength(what:expected:found:)`` or
    ///   ``DigestError/notHexadecimal(position:)``.
    package init(hex text: some StringProtocol) throws(DigestError) {
        let digits = Array(text.utf8)
        guard digits.count == Self.byteCount * 2 else {
            throw .wrongLength(
                what: "SHA-256 in hexadecimal",
                expected: Self.byteCount * 2,
                found: digits.count
            )
        }
        var words: [4 of UInt64] = InlineArray(repeating: 0)
        for position in digits.indices {
            guard let value = Self.value(ofDigit: digits[position]) else {
                throw .notHexadecimal(position: position)
            }
            words[position / 16] = words[position / 16] << 4 | value
        }
        self.words = words
    }

    /// The 32 bytes.
    package var bytes: [UInt8] {
        (0..<Self.byteCount).map { byte($0) }
    }

    /// The digest as 64 lower-case hexadecimal digits.
    package var hex: String {
        let digits = Array("0123456789abcdef".utf8)
        let text = bytes.flatMap { [digits[Int($0 >> 4)], digits[Int($0 & 15)]] }
        return String(decoding: text, as: UTF8.self)
    }

    /// The same as ``hex``.
    package var description: String { hex }

    /// Whether all bytes are the same.
    package static func == (left: Digest256, right: Digest256) -> Bool {
        (0..<4).allSatisfy { left.words[$0] == right.words[$0] }
    }

    /// Feeds the digest to a hasher.
    package func hash(into hasher: inout Hasher) {
        for index in 0..<4 { hasher.combine(words[index]) }
    }

    /// Reads the hexadecimal text.
    package init(from decoder: any Decoder) throws {
        let container = try decoder.singleValueContainer()
        do {
            try self.init(hex: container.decode(String.self))
        } catch let error as DigestError {
            throw DecodingError.dataCorruptedError(
                in: container,
                debugDescription: error.description
            )
        }
    }

    /// Writes the hexadecimal text.
    package func encode(to encoder: any Encoder) throws {
        var container = encoder.singleValueContainer()
        try container.encode(hex)
    }

    private func byte(_ index: Int) -> UInt8 {
        UInt8(truncatingIfNeeded: words[index / 8] >> UInt64((7 - index % 8) * 8))
    }

    private static func value(ofDigit digit: UInt8) -> UInt64? {
        switch digit {
        case UInt8(ascii: "0")...UInt8(ascii: "9"): UInt64(digit - UInt8(ascii: "0"))
        case UInt8(ascii: "a")...UInt8(ascii: "f"): UInt64(digit - UInt8(ascii: "a") + 10)
        case UInt8(ascii: "A")...UInt8(ascii: "F"): UInt64(digit - UInt8(ascii: "A") + 10)
        default: nil
        }
    }
}
