package import NIOCore
package import Telemetry

/// What a request is called in its answer and in the logs.
///
/// Either way it consists of letters, digits, `-`, `.`, `_`, `~` and `:` only, so it needs no
/// escaping in a header or in JSON.
package enum RequestName: Sendable {
    /// The transport made it: 32 lower-case hexadecimal digits.
    case made(RequestIdentifier)
    /// The client sent it as `X-Request-Id`: 1 to 64 characters.
    case given(ByteBuffer)

    /// The name as text.
    package var text: String {
        switch self {
        case .made(let identifier): identifier.text
        case .given(let bytes): String(buffer: bytes)
        }
    }

    /// Appends the name.
    package func write(to output: inout ByteBuffer) {
        switch self {
        case .made(let identifier):
            Self.writeHex(identifier.high, to: &output)
            Self.writeHex(identifier.low, to: &output)
        case .given(let bytes):
            output.writeImmutableBuffer(bytes)
        }
    }

    /// Appends the name.
    func write(to output: inout HeadWriter) {
        switch self {
        case .made(let identifier):
            output.write(hexadecimal: identifier.high)
            output.write(hexadecimal: identifier.low)
        case .given(let bytes):
            output.write(bytes)
        }
    }

    /// Appends 16 digits: the number's bytes spread to one half each, then turned into letters in
    /// parallel, 8 digits to a word.
    private static func writeHex(_ value: UInt64, to output: inout ByteBuffer) {
        output.writeInteger(digits(UInt32(truncatingIfNeeded: value >> 32)))
        output.writeInteger(digits(UInt32(truncatingIfNeeded: value)))
    }

    fileprivate static func digits(_ value: UInt32) -> UInt64 {
        var spread = UInt64(value)
        spread = (spread | spread << 16) & 0x0000_ffff_0000_ffff
        spread = (spread | spread << 8) & 0x00ff_00ff_00ff_00ff
        spread = (spread | spread << 4) & 0x0f0f_0f0f_0f0f_0f0f
        // A digit of 10 or more carries into bit 4 when 6 is added, and wants 0x27 on top of "0".
        let letters = ((spread + 0x0606_0606_0606_0606) >> 4) & 0x0101_0101_0101_0101
        return spread + 0x3030_3030_3030_3030 + letters * 0x27
    }

    /// The name that a head carries, if it carries exactly one and a valid one.
    static func given(in head: HTTPRequestHead) -> RequestName? {
        let range = head.facts.identifier
        guard head.facts.identifierCount == 1, (1...64).contains(range.count) else { return nil }
        let span = head.bytes.readableBytesUInt8Span
        for index in range where !ByteClass.isIdentifier(span[index]) { return nil }
        return head.bytes.getSlice(
            at: head.bytes.readerIndex + range.lowerBound,
            length: range.count
        ).map { .given($0) }
    }
}

extension HeadWriter {
    /// Appends the 16 digits of a number.
    mutating func write(hexadecimal value: UInt64) {
        write(word: RequestName.digits(UInt32(truncatingIfNeeded: value >> 32)))
        write(word: RequestName.digits(UInt32(truncatingIfNeeded: value)))
    }
}
