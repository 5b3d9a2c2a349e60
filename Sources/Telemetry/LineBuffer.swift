/// Memory of a fixed size in which one line of text is built.
///
/// A line has a few dozen small parts, and growing an array for each of them costs more than the
/// parts themselves. So the memory is there from the start, and several parts are written in one
/// ``edit(_:)``. What finds no room is left out without a trap; who cares looks at `count`.
struct LineBuffer: Sendable {
    private var storage: [UInt8]
    /// Bytes written.
    private(set) var count = 0

    /// Allocates the memory.
    init(capacity: Int) {
        storage = [UInt8](repeating: 0, count: capacity)
    }

    /// The bytes written.
    var span: Span<UInt8> {
        @_lifetime(borrow self)
        get { storage.span.extracting(first: count) }
    }

    /// The bytes written as text.
    var text: String { String(decoding: storage[..<count], as: UTF8.self) }

    /// Takes the last bytes back, down to a count.
    mutating func truncate(to newCount: Int) {
        count = min(count, max(newCount, 0))
    }

    /// The last byte, 0 when there is none.
    var last: UInt8 { count > 0 ? storage[count - 1] : 0 }

    /// Writes any number of parts.
    @inline(__always)
    mutating func edit<Result>(_ body: (inout LineWriter) -> Result) -> Result {
        let start = count
        // Bounds: the writer keeps within the buffer, and does not outlive the closure.
        let (result, end) = unsafe storage.withUnsafeMutableBufferPointer { buffer in
            var writer = unsafe LineWriter(buffer, count: start)
            let result = body(&writer)
            return (result, writer.count)
        }
        count = end
        return result
    }
}

/// Writes parts of a line into memory that is lent for a moment.
///
/// Invariant: `0 <= count <= memory.count`, so that each write is checked by one comparison.
@safe struct LineWriter: ~Copyable {
    private let memory: UnsafeMutableBufferPointer<UInt8>
    /// Bytes written.
    private(set) var count: Int

    init(_ memory: UnsafeMutableBufferPointer<UInt8>, count: Int) {
        unsafe self.memory = unsafe memory
        self.count = min(max(count, 0), memory.count)
    }

    /// Writes one byte.
    @inline(__always)
    mutating func write(_ byte: UInt8) {
        guard unsafe count < memory.count else { return }
        // Bounds: just compared; `count` is never negative.
        unsafe memory[count] = byte
        count &+= 1
    }

    /// Writes the UTF-8 of a constant.
    @inline(__always)
    mutating func write(_ text: StaticString) {
        text.withUTF8Buffer { unsafe write($0) }
    }

    /// Writes bytes.
    @inline(__always)
    mutating func write(_ bytes: Span<UInt8>) {
        unsafe bytes.withUnsafeBufferPointer { unsafe write($0) }
    }

    private mutating func write(_ bytes: UnsafeBufferPointer<UInt8>) {
        let taken = unsafe min(bytes.count, memory.count - count)
        guard taken > 0, let source = bytes.baseAddress, let target = unsafe memory.baseAddress
        else { return }
        // Bounds: `taken` bytes lie within both; a lent line never overlaps what is written to it.
        unsafe (target + count).update(from: source, count: taken)
        count &+= taken
    }

    /// Writes an integer in decimal, its decimal point moved to the left.
    mutating func write(decimal value: UInt64, fractionDigits: Int = 0) {
        let digits = DecimalDigits(value, fractionDigits: fractionDigits)
        write(digits.span)
    }

    /// Writes an integer in decimal, with a sign when it is negative.
    mutating func write(decimal value: Int) {
        if value < 0 { write(UInt8(ascii: "-")) }
        write(decimal: UInt64(value.magnitude))
    }

    /// Writes the last decimal digits of an integer, `width` of them.
    @inline(__always)
    mutating func write(decimal value: UInt64, width: Int) {
        guard width > 0, unsafe width <= memory.count - count else { return }
        var rest = value
        var index = count &+ width
        while index > count {
            index &-= 1
            let (quotient, remainder) = rest.quotientAndRemainder(dividingBy: 10)
            // Bounds: from `count` to `count + width - 1`, which the guard has compared.
            unsafe memory[index] =
                UInt8(ascii: "0") &+ UInt8(truncatingIfNeeded: remainder)
            rest = quotient
        }
        count &+= width
    }

    /// Writes 16 lower-case hexadecimal digits.
    mutating func write(hexadecimal value: UInt64) {
        write(HexadecimalDigits(value).span)
    }
}
