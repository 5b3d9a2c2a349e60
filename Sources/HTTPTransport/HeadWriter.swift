package import NIOCore

/// Appends the parts of a response to memory that was set aside for all of them at once.
///
/// Writing part by part to a `ByteBuffer` costs a check of its owner and its room for each.
@safe package struct HeadWriter: ~Copyable {
    private let memory: UnsafeMutableRawBufferPointer
    private(set) var count = 0

    /// Writes to the memory, and never past its end.
    init(_ memory: UnsafeMutableRawBufferPointer) {
        unsafe self.memory = unsafe memory
    }

    /// Appends a literal.
    package mutating func write(_ text: StaticString) {
        // Bounds: the buffer is exactly the literal's bytes.
        text.withUTF8Buffer { unsafe write(UnsafeRawBufferPointer($0)) }
    }

    /// Appends bytes.
    package mutating func write(_ bytes: Span<UInt8>) {
        // Bounds: the span lends exactly its bytes.
        unsafe bytes.withUnsafeBytes { unsafe write($0) }
    }

    /// Appends the readable bytes of a buffer.
    package mutating func write(_ bytes: borrowing ByteBuffer) {
        // Bounds: the buffer lends exactly its readable bytes.
        unsafe bytes.withUnsafeReadableBytes { unsafe write($0) }
    }

    /// Appends the digits of a number that is not negative.
    package mutating func write(decimal value: Int) {
        if value < 10 { return write(byte: UInt8(truncatingIfNeeded: value) &+ 0x30) }
        var (width, bound) = (2, 100)
        while width < 19, value >= bound {
            width += 1
            bound &*= 10
        }
        write(decimal: value, width: width)
    }

    /// Appends the last digits of a number, so many of them.
    private mutating func write(decimal value: Int, width: Int) {
        guard unsafe count + width <= memory.count else { return }
        var rest = UInt(bitPattern: value)
        var index = count + width
        while index > count {
            index -= 1
            let (quotient, digit) = rest.quotientAndRemainder(dividingBy: 10)
            // Bounds: from `count` to `count + width - 1`, which the guard has compared.
            unsafe memory[index] = UInt8(truncatingIfNeeded: digit) &+ 0x30
            rest = quotient
        }
        count += width
    }

    /// Appends a number of thousandths with three digits after the point.
    mutating func write(thousandths value: UInt32) {
        write(decimal: Int(value / 1000))
        write(byte: UInt8(ascii: "."))
        write(decimal: Int(value % 1000), width: 3)
    }

    /// Appends the four bytes of a number, the least significant first.
    package mutating func write(littleEndian value: UInt32) { store(littleEndian: value) }

    /// Appends the eight bytes of a number, the least significant first.
    package mutating func write(littleEndian value: Int64) { store(littleEndian: value) }

    @inline(__always)
    private mutating func store<Number: FixedWidthInteger & BitwiseCopyable>(
        littleEndian value: Number
    ) {
        let size = MemoryLayout<Number>.size
        guard unsafe count + size <= memory.count else { return }
        // Bounds: the guard has compared.
        unsafe memory.storeBytes(of: value.littleEndian, toByteOffset: count, as: Number.self)
        count += size
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

extension ByteBuffer {
    /// Appends parts to room that is made once for all of them.
    ///
    /// - Parameters:
    ///   - bytesMax: As many bytes as the parts have together, or more; what exceeds it is left out.
    ///   - write: Writes the parts.
    package mutating func write(atMost bytesMax: Int, _ write: (inout HeadWriter) -> Void) {
        // Bounds: the writer stops at the end of what is lent here, and says how much it wrote.
        unsafe writeWithUnsafeMutableBytes(minimumWritableBytes: bytesMax) { memory in
            var writer = unsafe HeadWriter(memory)
            write(&writer)
            return writer.count
        }
    }
}
