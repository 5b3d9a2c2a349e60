internal import NIOCore

/// Appends the parts of a response's head to memory that was set aside for all of them at once.
///
/// Writing part by part to a `ByteBuffer` costs a check of its owner and its room for each.
@safe struct HeadWriter: ~Copyable {
    private let memory: UnsafeMutableRawBufferPointer
    private(set) var count = 0

    /// Writes to the memory, and never past its end.
    init(_ memory: UnsafeMutableRawBufferPointer) {
        unsafe self.memory = unsafe memory
    }

    /// Appends a literal.
    mutating func write(_ text: StaticString) {
        // Bounds: the buffer is exactly the literal's bytes.
        text.withUTF8Buffer { unsafe write(UnsafeRawBufferPointer($0)) }
    }

    /// Appends the readable bytes of a buffer.
    mutating func write(_ bytes: borrowing ByteBuffer) {
        // Bounds: the buffer lends exactly its readable bytes.
        unsafe bytes.withUnsafeReadableBytes { unsafe write($0) }
    }

    /// Appends the digits of a number that is not negative.
    mutating func write(decimal value: Int) {
        var divisor = 1
        while value / divisor >= 10 { divisor *= 10 }
        while divisor > 0 {
            write(byte: UInt8(truncatingIfNeeded: value / divisor % 10) &+ 0x30)
            divisor /= 10
        }
    }

    /// Appends a number of thousandths with three digits after the point.
    mutating func write(thousandths value: UInt32) {
        write(decimal: Int(value / 1000))
        write(byte: UInt8(ascii: "."))
        write(byte: UInt8(truncatingIfNeeded: value / 100 % 10) &+ 0x30)
        write(byte: UInt8(truncatingIfNeeded: value / 10 % 10) &+ 0x30)
        write(byte: UInt8(truncatingIfNeeded: value % 10) &+ 0x30)
    }

    /// Appends eight bytes, the most significant first.
    mutating func write(word: UInt64) {
        guard unsafe count + 8 <= memory.count else { return }
        // Bounds: the guard has compared.
        unsafe memory.storeBytes(of: word.bigEndian, toByteOffset: count, as: UInt64.self)
        count += 8
    }

    private mutating func write(byte: UInt8) {
        guard unsafe count < memory.count else { return }
        // Bounds: the guard has compared.
        unsafe memory[count] = byte
        count += 1
    }

    private mutating func write(_ bytes: UnsafeRawBufferPointer) {
        guard unsafe bytes.count <= memory.count - count, let base = unsafe memory.baseAddress,
            let source = bytes.baseAddress
        else { return }
        // Bounds: as many bytes as the source has, of which the guard knows that they fit.
        unsafe (base + count).copyMemory(from: source, byteCount: bytes.count)
        count += bytes.count
    }
}
