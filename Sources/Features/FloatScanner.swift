/// The quick way through an array of plain numbers, eight digits at a time.
///
/// It reads `[-]digits[.digits]` with at most 7 digits before and 16 + 7 after the point, at most
/// 19 in all, followed by a comma or the closing bracket. At anything else, at any doubt, and in
/// the last bytes of the text, it stops *before* the element: the careful way in ``JSONReader``
/// reads that one and reports what is wrong with it. So this file needs no errors of its own.
///
/// Bounds: `base` points to `count` bytes. Each element is begun only where ``window`` more bytes
/// follow; the furthest byte that reading one element may touch lies at 1 (sign) + 7 (digits)
/// + 1 (point) + 16 (two full chunks) + 8 (the chunk that ends it) = 33 < ``window``. White space
/// after an element is passed with a check of its own. Values are written through `MutableSpan`'s
/// own buffer below `end`, which the caller checked against its count.
enum FloatScanner {
    /// How many bytes must be left for the quick way.
    static let window = 40

    /// `0,0,0,0,` as a chunk: images are mostly background.
    private static let fourZeros: UInt64 = 0x1C00_1C00_1C00_1C00
    /// `0.` as the first two bytes of a chunk.
    private static let zeroPoint: UInt64 = 0x1E00
    /// `-` as the first byte of a chunk.
    private static let minus: UInt64 = 0x1D

    /// Scans elements from `position`, where one begins, until the array ends or help is needed.
    ///
    /// - Returns: `true` after the closing bracket; `false` at the start of an element that the
    ///   caller must read. `position` and `next` are moved along.
    static func scan(
        _ bytes: Span<UInt8>,
        _ position: inout Int,
        into target: inout MutableSpan<Float>,
        _ next: inout Int,
        end: Int
    ) -> Bool {
        let (start, first) = (position, next)
        let result = unsafe bytes.withUnsafeBytes { source -> (Int, Int, Bool) in
            unsafe target.withUnsafeMutableBufferPointer { values -> (Int, Int, Bool) in
                guard let base = source.baseAddress, let out = values.baseAddress else {
                    return (start, first, false)
                }
                return unsafe loop(base, source.count, start, out, first, end)
            }
        }
        (position, next) = (result.0, result.1)
        return result.2
    }

    private static func loop(
        _ base: UnsafeRawPointer,
        _ count: Int,
        _ start: Int,
        _ out: UnsafeMutablePointer<Float>,
        _ first: Int,
        _ end: Int
    ) -> (Int, Int, Bool) {
        var position = start
        var next = first
        let last = count - window
        while position <= last, next < end {
            let word = unsafe chunk(base, position)
            if word == fourZeros, end - next >= 4 {
                for index in 0..<4 { unsafe out[next &+ index] = 0 }
                next &+= 4
                position &+= 8
            } else {
                var cursor = position
                guard let value = unsafe element(base, &cursor, word) else { break }
                let byte = unsafe base.load(fromByteOffset: cursor, as: UInt8.self)
                guard byte == UInt8(ascii: ",") || byte == UInt8(ascii: "]") else { break }
                unsafe out[next] = value
                next &+= 1
                position = cursor &+ 1
                if byte == UInt8(ascii: "]") { return (position, next, true) }
            }
            while position < count {
                let space = unsafe base.load(fromByteOffset: position, as: UInt8.self)
                guard space == 0x20 || space == 0x0A || space == 0x0D || space == 0x09 else {
                    break
                }
                position &+= 1
            }
        }
        return (position, next, false)
    }

    /// One number at the cursor, which is moved behind it; `nil` when it is not plain.
    ///
    /// `word` is the chunk at the cursor.
    @inline(__always)
    private static func element(
        _ base: UnsafeRawPointer,
        _ cursor: inout Int,
        _ word: UInt64
    ) -> Float? {
        // Most fractions are below 1: a guess that the processor makes well, and that spares the
        // next load from waiting for the count of digits.
        if word & 0xFFFF == zeroPoint {
            cursor &+= 2
            return unsafe fraction(base, &cursor, 0, 0)
        }
        var whole = word
        let isNegative = word & 0xFF == minus
        if isNegative {
            cursor &+= 1
            whole = unsafe chunk(base, cursor)
        }
        let digits = digitCount(whole)
        // No digit, too many for one chunk, or a zero that leads others.
        guard digits > 0, digits < 8, digits == 1 || whole & 0xFF != 0 else { return nil }
        cursor &+= digits
        let mantissa = number(whole, digits)
        let value: Float?
        if unsafe base.load(fromByteOffset: cursor, as: UInt8.self) == UInt8(ascii: ".") {
            cursor &+= 1
            value = unsafe fraction(base, &cursor, UInt64(mantissa), mantissa == 0 ? 0 : digits)
        } else {
            value = Float(Int64(mantissa))
        }
        return isNegative ? value.map { -$0 } : value
    }

    /// The number whose digits before the point are `mantissa`, of which `used` are significant;
    /// the cursor stands behind the point.
    @inline(__always)
    private static func fraction(
        _ base: UnsafeRawPointer,
        _ cursor: inout Int,
        _ whole: UInt64,
        _ used: Int
    ) -> Float? {
        let first = unsafe chunk(base, cursor)
        let places = digitCount(first)
        // A point wants a digit after it.
        guard places > 0 else { return nil }
        cursor &+= places
        let mantissa = whole &* shifts[places] &+ UInt64(number(first, places))
        if places == 8 { return unsafe longFraction(base, &cursor, mantissa, used) }
        guard mantissa < 1 << 24 else {
            return DecimalNumber.narrowed(
                Double(Int64(truncatingIfNeeded: mantissa)) / DecimalNumber.powersOfTen[places]
            )
        }
        // Both are exact in binary32, so that one division rounds once.
        return Float(Int32(truncatingIfNeeded: mantissa)) / powersOfTen[places]
    }

    /// The same for more than 7 digits after the point, of which 8 are read already.
    private static func longFraction(
        _ base: UnsafeRawPointer,
        _ cursor: inout Int,
        _ leading: UInt64,
        _ used: Int
    ) -> Float? {
        var mantissa = leading
        var places = 8
        var digits = 8
        while digits == 8 {
            guard places <= 16 else { return nil }
            let piece = unsafe chunk(base, cursor)
            digits = digitCount(piece)
            guard digits > 0 else { break }
            mantissa = mantissa &* shifts[digits] &+ UInt64(number(piece, digits))
            cursor &+= digits
            places &+= digits
        }
        // 10^19 - 1 is the largest mantissa sure to fit.
        guard used &+ places <= 19 else { return nil }
        return DecimalNumber.narrowed(Double(mantissa) / DecimalNumber.powersOfTen[places])
    }

    /// Eight bytes with `0` taken off each, the first one lowest.
    @inline(__always)
    private static func chunk(_ base: UnsafeRawPointer, _ offset: Int) -> UInt64 {
        let raw = unsafe base.loadUnaligned(fromByteOffset: offset, as: UInt64.self)
        return UInt64(littleEndian: raw) ^ 0x3030_3030_3030_3030
    }

    /// How many of the eight bytes, from the lowest, are digits.
    ///
    /// Adding 0x76 sets the top bit of a byte above 9. A carry can only spoil bytes after the
    /// first that is no digit, and those are not looked at.
    @inline(__always)
    private static func digitCount(_ chunk: UInt64) -> Int {
        let marks = ((chunk &+ 0x7676_7676_7676_7676) | chunk) & 0x8080_8080_8080_8080
        return marks.trailingZeroBitCount >> 3
    }

    /// The value of the lowest `digits` bytes, 1 to 8, as a decimal number.
    ///
    /// The digits are moved up so that zeros lead; then neighbours are joined in pairs, fours and
    /// eights by multiplication.
    @inline(__always)
    private static func number(_ chunk: UInt64, _ digits: Int) -> UInt32 {
        var value = chunk &<< UInt64(truncatingIfNeeded: (8 &- digits) &* 8)
        value = value &* 10 &+ (value &>> 8)
        let low = (value & 0x0000_00FF_0000_00FF) &* 0x000F_4240_0000_0064
        let high = ((value &>> 16) & 0x0000_00FF_0000_00FF) &* 0x0000_2710_0000_0001
        return UInt32(truncatingIfNeeded: (low &+ high) &>> 32)
    }

    /// Powers of ten that binary32 holds exactly.
    private static let powersOfTen: [8 of Float] = [1, 1e1, 1e2, 1e3, 1e4, 1e5, 1e6, 1e7]

    /// Ten to the power of the number of digits in a chunk.
    private static let shifts: [9 of UInt64] = [
        1, 10, 100, 1_000, 10_000, 100_000, 1_000_000, 10_000_000, 100_000_000,
    ]
}
