/// Text appended to an array that grows: what the exposition is written with.
extension [UInt8] {
    /// Appends the UTF-8 of a constant.
    mutating func append(_ text: StaticString) {
        // Bounds: the buffer is exactly the constant's bytes, which live as long as the process.
        text.withUTF8Buffer { unsafe append(contentsOf: $0) }
    }

    /// Appends the UTF-8 of a string.
    mutating func append(string text: String) {
        append(contentsOf: text.utf8)
    }

    /// Appends bytes.
    mutating func append(_ bytes: Span<UInt8>) {
        // Bounds: the buffer is the span's own.
        unsafe bytes.withUnsafeBufferPointer { unsafe append(contentsOf: $0) }
    }

    /// Appends an integer in decimal, its decimal point moved to the left.
    mutating func append(decimal value: UInt64, fractionDigits: Int = 0) {
        let digits = DecimalDigits(value, fractionDigits: fractionDigits)
        append(digits.span)
    }

    /// Appends an integer in decimal, with a sign when it is negative.
    mutating func append(decimal value: Int) {
        if value < 0 { append(UInt8(ascii: "-")) }
        append(decimal: UInt64(value.magnitude))
    }

    /// Appends 16 lower-case hexadecimal digits.
    mutating func append(hexadecimal value: UInt64) {
        append(HexadecimalDigits(value).span)
    }
}

/// The decimal text of an integer whose decimal point was moved to the left.
///
/// Zeros at the end of the fraction are left out: 1500000000 with 9 digits is `1.5`, and 7 with 9
/// digits `0.000000007`. Nothing is rounded.
struct DecimalDigits {
    /// 20 digits and a point, right-aligned, and room for 9 digits of fraction behind zero.
    private var digits = InlineArray<24, UInt8>(repeating: UInt8(ascii: "0"))
    private var first: Int
    private var end: Int

    /// Writes the digits.
    ///
    /// - Parameters:
    ///   - value: The integer.
    ///   - fractionDigits: How far the point moves, 0 to 9.
    init(_ value: UInt64, fractionDigits: Int) {
        var rest = value
        var index = digits.count
        end = index
        if fractionDigits > 0 {
            let point = index - fractionDigits
            var isEnd = true
            while index > point {
                let (quotient, remainder) = rest.quotientAndRemainder(dividingBy: 10)
                rest = quotient
                index -= 1
                digits[index] = UInt8(ascii: "0") &+ UInt8(truncatingIfNeeded: remainder)
                if isEnd, remainder == 0 { end = index } else { isEnd = false }
            }
            if isEnd {
                end = index
            } else {
                index -= 1
                digits[index] = UInt8(ascii: ".")
            }
        }
        repeat {
            let (quotient, remainder) = rest.quotientAndRemainder(dividingBy: 10)
            rest = quotient
            index -= 1
            digits[index] = UInt8(ascii: "0") &+ UInt8(truncatingIfNeeded: remainder)
        } while rest != 0
        first = index
    }

    /// The text.
    var span: Span<UInt8> {
        @_lifetime(borrow self)
        get { digits.span.extracting(first..<end) }
    }
}

/// 16 lower-case hexadecimal digits.
struct HexadecimalDigits {
    private var digits = InlineArray<16, UInt8>(repeating: 0)

    init(_ value: UInt64) {
        var rest = value
        for index in digits.indices.reversed() {
            let nibble = UInt8(truncatingIfNeeded: rest & 15)
            digits[index] = nibble &+ (nibble < 10 ? UInt8(ascii: "0") : UInt8(ascii: "a") - 10)
            rest >>= 4
        }
    }

    /// The text.
    var span: Span<UInt8> {
        @_lifetime(borrow self)
        get { digits.span }
    }
}

/// Reads one lower-case hexadecimal digit; nil for any other byte.
@inline(__always)
func hexadecimalValue(_ byte: UInt8) -> UInt8? {
    switch byte {
    case UInt8(ascii: "0")...UInt8(ascii: "9"): byte &- UInt8(ascii: "0")
    case UInt8(ascii: "a")...UInt8(ascii: "f"): byte &- (UInt8(ascii: "a") - 10)
    default: nil
    }
}

/// Reads up to 16 lower-case hexadecimal digits of a span; nil when one is anything else.
func hexadecimalValue(_ bytes: Span<UInt8>, _ range: Range<Int>) -> UInt64? {
    guard range.lowerBound >= 0, range.upperBound <= bytes.count, range.count <= 16 else {
        return nil
    }
    var value: UInt64 = 0
    for index in range {
        guard let digit = hexadecimalValue(bytes[index]) else { return nil }
        value = value << 4 | UInt64(digit)
    }
    return value
}
