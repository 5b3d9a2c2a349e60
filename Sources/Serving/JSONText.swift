internal import Features
internal import HTTPTransport
internal import NIOCore

/// JSON written straight into a response's buffer: no tree, no text in between.
extension ByteBuffer {
    /// Writes a JSON string with its quotes; control characters are escaped (RFC 8259 §7).
    mutating func writeJSON(_ text: String) {
        writeInteger(UInt8(ascii: "\""))
        for byte in text.utf8 {
            switch byte {
            case UInt8(ascii: "\""): writeStaticString("\\\"")
            case UInt8(ascii: "\\"): writeStaticString("\\\\")
            case 0x0A: writeStaticString("\\n")
            case 0..<0x20:
                writeStaticString("\\u00")
                writeHexadecimal(byte >> 4)
                writeHexadecimal(byte & 0xF)
            default: writeInteger(byte)
            }
        }
        writeInteger(UInt8(ascii: "\""))
    }

    /// Writes a number in the shortest form that reads back as the same bits.
    ///
    /// - Parameter number: A finite number.
    mutating func writeJSON(_ number: Float) {
        write(atMost: 16) { $0.write(ShortestFloat(number).span) }
    }

    private mutating func writeHexadecimal(_ digit: UInt8) {
        writeInteger(digit < 10 ? digit + 0x30 : digit + 0x57)
    }
}
