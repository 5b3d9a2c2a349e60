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

    /// Appends what a line writer writes, at most 32 bytes.
    @inline(__always)
    private mutating func append(short body: (inout LineWriter) -> Void) {
        var bytes = InlineArray<32, UInt8>(repeating: 0)
        var memory = bytes.mutableSpan
        // Bounds: the writer keeps within the 32 bytes, and `extracting` takes what it has written.
        let count = unsafe memory.withUnsafeMutableBufferPointer { buffer in
            var writer = unsafe LineWriter(buffer, count: 0)
            body(&writer)
            return writer.count
        }
        append(bytes.span.extracting(first: count))
    }

    /// Appends an integer in decimal, its decimal point moved to the left.
    mutating func append(decimal value: UInt64, fractionDigits: Int = 0) {
        append(short: { $0.write(decimal: value, fractionDigits: fractionDigits) })
    }

    /// Appends an integer in decimal, with a sign when it is negative.
    mutating func append(decimal value: Int) {
        append(short: { $0.write(decimal: value) })
    }

    /// Appends 16 lower-case hexadecimal digits.
    mutating func append(hexadecimal value: UInt64) {
        append(short: { $0.write(hexadecimal: value) })
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
