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

    /// Writes a member's name with its quotes and colon, after a comma if there is one to write; all
    /// of it or nothing.
    @inline(__always)
    mutating func write(name: StaticString, separate: Bool) {
        let length = name.utf8CodeUnitCount
        guard unsafe length &+ 4 <= memory.count &- count, let base = unsafe memory.baseAddress
        else { return }
        // Bounds: at most four bytes beside the name's, which the guard has compared.
        var target = unsafe base + count
        if separate {
            unsafe target.pointee = UInt8(ascii: ",")
            unsafe target += 1
        }
        unsafe target.pointee = UInt8(ascii: "\"")
        unsafe target += 1
        name.withUTF8Buffer { source in
            guard let source = source.baseAddress else { return }
            unsafe target.update(from: source, count: length)
        }
        unsafe target += length
        unsafe target.pointee = UInt8(ascii: "\"")
        unsafe target[1] = UInt8(ascii: ":")
        count &+= length &+ (separate ? 4 : 3)
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

    /// Copies the longest beginning of a text that is plain: ASCII without controls, quotes and
    /// backslashes.
    ///
    /// Eight bytes are looked at and copied at a time, in one pass.
    ///
    /// - Parameters:
    ///   - text: Any bytes.
    ///   - limit: The line's count that is not passed.
    /// - Returns: How many bytes were copied.
    mutating func write(plainPrefixOf text: Span<UInt8>, limit: Int) -> Int {
        let room = unsafe min(limit, memory.count) - count
        let end = min(text.count, room)
        guard end > 0, let base = unsafe memory.baseAddress else { return 0 }
        // Bounds: `end` bytes lie within the text and, from `count` on, within the memory; each
        // load and store below is of bytes before `end`.
        let target = unsafe UnsafeMutableRawPointer(base + count)
        let copied = unsafe text.withUnsafeBytes { source in
            var index = 0
            while index &+ 8 <= end {
                guard unsafe Self.copyPlainWord(source, target, at: index) else { break }
                index &+= 8
            }
            // A rest that is shorter than a word: look at the last eight bytes once more.
            if index < end, end >= 8, end - index < 8,
                unsafe Self.copyPlainWord(source, target, at: end - 8)
            {
                return end
            }
            while index < end {
                let byte = unsafe source[index]
                guard PlainText.contains(byte) else { break }
                unsafe target.storeBytes(of: byte, toByteOffset: index, as: UInt8.self)
                index &+= 1
            }
            return index
        }
        count &+= copied
        return copied
    }

    /// Copies the eight bytes at an index if all of them are plain.
    @inline(__always)
    private static func copyPlainWord(
        _ source: UnsafeRawBufferPointer,
        _ target: UnsafeMutableRawPointer,
        at index: Int
    ) -> Bool {
        // Bounds: the caller has eight bytes from `index` on in both.
        let word = unsafe source.loadUnaligned(fromByteOffset: index, as: UInt64.self)
        guard PlainText.special(UInt64(littleEndian: word)) == 0 else { return false }
        unsafe (target + index).storeBytes(of: word, as: UInt64.self)
        return true
    }

    /// Writes an integer in decimal.
    mutating func write(decimal value: UInt64) {
        var width = 1
        var power: UInt64 = 10
        while value >= power {
            width &+= 1
            let (next, overflow) = power.multipliedReportingOverflow(by: 10)
            if overflow { break }
            power = next
        }
        write(decimal: value, width: width)
    }

    /// Writes an integer in decimal, with a sign when it is negative.
    mutating func write(decimal value: Int) {
        if value < 0 { write(UInt8(ascii: "-")) }
        write(decimal: UInt64(value.magnitude))
    }

    /// Writes an integer in decimal, its decimal point moved to the left.
    ///
    /// Zeros at the end of the fraction are left out: 1500000000 with 9 digits is `1.5`, and 7 with
    /// 9 digits `0.000000007`. Nothing is rounded.
    mutating func write(decimal value: UInt64, fractionDigits: Int) {
        var scale: UInt64 = 1
        for _ in 0..<max(fractionDigits, 0) { scale &*= 10 }
        guard scale > 1 else { return write(decimal: value) }
        let (whole, remainder) = value.quotientAndRemainder(dividingBy: scale)
        write(decimal: whole)
        guard remainder > 0 else { return }
        var fraction = remainder
        var width = fractionDigits
        while fraction % 10 == 0 {
            fraction /= 10
            width &-= 1
        }
        write(UInt8(ascii: "."))
        write(decimal: fraction, width: width)
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
            unsafe memory[index] = UInt8(ascii: "0") &+ UInt8(truncatingIfNeeded: remainder)
            rest = quotient
        }
        count &+= width
    }

    /// Writes 16 lower-case hexadecimal digits.
    mutating func write(hexadecimal value: UInt64) {
        guard unsafe memory.count - count >= 16, let base = unsafe memory.baseAddress else {
            return
        }
        // Bounds: twice eight bytes, which the guard has compared.
        let target = unsafe UnsafeMutableRawPointer(base + count)
        let high = Self.hexadecimal(UInt32(truncatingIfNeeded: value >> 32))
        let low = Self.hexadecimal(UInt32(truncatingIfNeeded: value))
        unsafe target.storeBytes(of: high.bigEndian, as: UInt64.self)
        unsafe (target + 8).storeBytes(of: low.bigEndian, as: UInt64.self)
        count &+= 16
    }

    /// Eight hexadecimal digits, the first in the most significant byte.
    private static func hexadecimal(_ value: UInt32) -> UInt64 {
        // Spread the nibbles over eight bytes, in halves of halves.
        var bits = UInt64(value)
        bits = (bits << 16 | bits) & 0x0000_ffff_0000_ffff
        bits = (bits << 8 | bits) & 0x00ff_00ff_00ff_00ff
        bits = (bits << 4 | bits) & 0x0f0f_0f0f_0f0f_0f0f
        // A 1 in each byte from ten on, for which the letters lie 39 above the digits.
        let letters = (bits &+ 0x0606_0606_0606_0606) >> 4 & 0x0101_0101_0101_0101
        return bits &+ 0x3030_3030_3030_3030 &+ letters &* 39
    }
}

/// Text that JSON takes as it is: ASCII without controls, quotes and backslashes.
enum PlainText {
    @inline(__always)
    static func contains(_ byte: UInt8) -> Bool {
        byte >= 0x20 && byte < 0x7f && byte != 0x22 && byte != 0x5c
    }

    /// Looks at eight bytes at once; 0 when all of them are plain.
    @inline(__always)
    static func special(_ word: UInt64) -> UInt64 {
        let ones: UInt64 = 0x0101_0101_0101_0101
        // A byte's top bit is set where it is below 0x20, equal to one of three, or from 0x80 on;
        // a borrow may set further bits, but only above one that is rightly set.
        let control = (word &- ones &* 0x20) & ~word
        let quote = word ^ (ones &* 0x22)
        let backslash = word ^ (ones &* 0x5c)
        let delete = word ^ (ones &* 0x7f)
        let equal =
            ((quote &- ones) & ~quote) | ((backslash &- ones) & ~backslash)
            | ((delete &- ones) & ~delete)
        return (control | equal | word) & (ones &* 0x80)
    }
}
