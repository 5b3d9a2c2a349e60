/// The quick way through plain numbers, eight digits at a time.
///
/// It reads `[-]digits[.digits][e[±]dd]` with at most 7 digits before the point and 23 after it,
/// followed by a comma or the closing bracket. At anything else, at any doubt, and where a number
/// lies too near the middle of two of binary32, it stops *before* the element: the careful way in
/// ``JSONReader`` reads that one and reports what is wrong with it. So this file needs no errors of
/// its own, and whatever it does take is rounded correctly.
///
/// Bounds: `base` points to at least `count + window` bytes, of which `count` may begin an element.
/// The furthest byte that reading one may touch lies at 1 (sign) + 7 (digits) + 1 (point) + 23
/// (digits) + 8 (the chunk with the exponent) = 40 < ``window``. The last bytes of a text are
/// copied to the stack, where zeros follow them. Values are written through `MutableSpan`'s own buffer below `end`, which the caller
/// checked against its count.
enum FloatScanner {
    /// How many bytes must follow an element's first one.
    static let window = 47

    /// Why a scan ended.
    enum Stop {
        /// After the closing bracket.
        case closed
        /// Before an element that the caller must read.
        case doubt
        /// Too near the end of the bytes.
        case window
    }

    /// Where a scan stands.
    struct State {
        /// The byte that is read next.
        var position: Int
        /// The value that is written next.
        var next: Int
    }

    /// Scans elements from `position`, where one begins, until the array ends or help is needed.
    ///
    /// - Returns: `true` after the closing bracket; `false` at the start of an element that the
    ///   caller must read. `position` and `next` are moved along.
    @inline(__always)
    static func scan(
        _ bytes: Span<UInt8>,
        _ position: inout Int,
        into target: inout MutableSpan<Float>,
        _ next: inout Int,
        end: Int
    ) -> Bool {
        var state = State(position: position, next: next)
        let stop = unsafe bytes.withUnsafeBytes { source -> Stop in
            unsafe target.withUnsafeMutableBufferPointer { values -> Stop in
                guard let base = source.baseAddress, let out = values.baseAddress else {
                    return .doubt
                }
                let count = source.count - window
                let stop = unsafe elements(base, count, &state, out, end)
                return stop == .window ? unsafe tail(source, &state, out, end) : stop
            }
        }
        (position, next) = (state.position, state.next)
        return stop == .closed
    }

    /// Reads one number from `position`, where `-` or a digit stands; `nil` when it is not plain.
    static func single(_ bytes: Span<UInt8>, _ position: inout Int) -> Float? {
        guard position + window < bytes.count else { return nil }
        return unsafe bytes.withUnsafeBytes { source -> Float? in
            guard let base = source.baseAddress else { return nil }
            var cursor = position
            let word = unsafe chunk(base, cursor)
            guard let value = unsafe element(base, &cursor, word) else { return nil }
            // What is no part of a number must follow, or it was only the beginning of one.
            switch unsafe base.load(fromByteOffset: cursor, as: UInt8.self) {
            case UInt8(ascii: ","), UInt8(ascii: "}"), UInt8(ascii: "]"), 0x20, 0x0A, 0x0D:
                position = cursor
                return value
            default: return nil
            }
        }
    }

    /// The last elements of a text, from a copy that bytes which end any number follow.
    private static func tail(
        _ source: UnsafeRawBufferPointer,
        _ state: inout State,
        _ out: UnsafeMutablePointer<Float>,
        _ end: Int
    ) -> Stop {
        let left = source.count - state.position
        guard left > 0, left <= window else { return .window }
        var copy = [96 of UInt8](repeating: 0)
        for index in 0..<left { copy[index] = unsafe source[state.position + index] }
        var inside = State(position: 0, next: state.next)
        let stop = unsafe copy.span.withUnsafeBytes { bytes -> Stop in
            guard let base = bytes.baseAddress else { return .doubt }
            return unsafe elements(base, left, &inside, out, end)
        }
        // White space may have been passed up to the end of the text and no further.
        state = State(position: state.position + min(inside.position, left), next: inside.next)
        return stop
    }

    /// Reads elements that begin before `count`.
    private static func elements(
        _ base: UnsafeRawPointer,
        _ count: Int,
        _ state: inout State,
        _ out: UnsafeMutablePointer<Float>,
        _ end: Int
    ) -> Stop {
        var position = state.position
        var next = state.next
        defer { state = State(position: position, next: next) }
        while position < count {
            guard next < end else { return .doubt }
            let word = unsafe chunk(base, position)
            if word == zeroPair, end &- next >= 2 {
                unsafe zeroPairs(base, count, &position, out, &next, end)
                unsafe skipSpace(base, count, &position)
                continue
            }
            if unsafe zeros(&position, word, out, &next, end) {
                unsafe skipSpace(base, count, &position)
                continue
            }
            var cursor = position
            guard let value = unsafe element(base, &cursor, word) else { return .doubt }
            let byte = unsafe base.load(fromByteOffset: cursor, as: UInt8.self)
            guard byte == UInt8(ascii: ",") else {
                guard byte == UInt8(ascii: "]") else { return .doubt }
                unsafe out[next] = value
                next &+= 1
                position = cursor &+ 1
                return .closed
            }
            unsafe out[next] = value
            next &+= 1
            position = cursor &+ 1
            unsafe skipSpace(base, count, &position)
        }
        return .window
    }

    @inline(__always)
    private static func skipSpace(_ base: UnsafeRawPointer, _ count: Int, _ position: inout Int) {
        while position < count {
            let space = unsafe base.load(fromByteOffset: position, as: UInt8.self)
            guard space <= 0x20, space == 0x20 || space == 0x0A || space == 0x0D || space == 0x09
            else { return }
            position &+= 1
        }
    }

    /// Passes over pairs of `0.0,`, of which one stands at the position.
    @inline(__always)
    private static func zeroPairs(
        _ base: UnsafeRawPointer,
        _ count: Int,
        _ position: inout Int,
        _ out: UnsafeMutablePointer<Float>,
        _ next: inout Int,
        _ end: Int
    ) {
        repeat {
            unsafe out[next] = 0
            unsafe out[next &+ 1] = 0
            next &+= 2
            position &+= 8
            // The position is below `count` or at most 7 above it, which the window covers.
        } while unsafe chunk(base, position) == zeroPair && position < count && end &- next >= 2
    }

    /// Passes over zeros that a comma follows, several at once: images are mostly background.
    ///
    /// - Returns: Whether there was one, at least.
    @inline(__always)
    private static func zeros(
        _ position: inout Int,
        _ word: UInt64,
        _ out: UnsafeMutablePointer<Float>,
        _ next: inout Int,
        _ end: Int
    ) -> Bool {
        if word & 0xFFFF_FFFF == 0x1C00_1E00 {
            // `0.0,`
            unsafe out[next] = 0
            next &+= 1
            position &+= 4
            return true
        }
        guard word & 0xFFFF == 0x1C00 else { return false }
        // `0,`
        if word == 0x1C00_1C00_1C00_1C00, end &- next >= 4 {
            for index in 0..<4 { unsafe out[next &+ index] = 0 }
            next &+= 4
            position &+= 8
            return true
        }
        if word == 0x1C00_101C_0010_1C00, end &- next >= 3 {
            for index in 0..<3 { unsafe out[next &+ index] = 0 }
            next &+= 3
            position &+= 8
            return true
        }
        unsafe out[next] = 0
        next &+= 1
        position &+= 2
        return true
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
            return unsafe fraction(base, &cursor, 0)
        }
        guard word & 0xFF == minus else { return unsafe magnitude(base, &cursor, word) }
        cursor &+= 1
        let whole = unsafe chunk(base, cursor)
        if whole & 0xFFFF == zeroPoint {
            cursor &+= 2
            return unsafe fraction(base, &cursor, 0).map { -$0 }
        }
        return unsafe magnitude(base, &cursor, whole).map { -$0 }
    }

    /// A number without its sign.
    @inline(__always)
    private static func magnitude(
        _ base: UnsafeRawPointer,
        _ cursor: inout Int,
        _ word: UInt64
    ) -> Float? {
        let digits = digitCount(word)
        // No digit, too many for one chunk, or a zero that leads others.
        guard digits > 0, digits < 8, digits == 1 || word & 0xFF != 0 else { return nil }
        cursor &+= digits
        let mantissa = number(word, digits)
        let after = UInt8(truncatingIfNeeded: word &>> UInt64(digits &* 8)) ^ 0x30
        if after == UInt8(ascii: ".") {
            cursor &+= 1
            return unsafe fraction(base, &cursor, mantissa)
        }
        if after | 0x20 == UInt8(ascii: "e") {
            return unsafe power(base, &cursor, Double(Int64(mantissa)), slack: 8)
        }
        return Float(Int32(truncatingIfNeeded: mantissa))
    }

    /// The number whose digits before the point are `whole`; the cursor stands behind the point.
    @inline(__always)
    private static func fraction(
        _ base: UnsafeRawPointer,
        _ cursor: inout Int,
        _ whole: UInt64
    ) -> Float? {
        let first = unsafe chunk(base, cursor)
        let places = digitCount(first)
        if places == 8 { return unsafe longFraction(base, &cursor, whole, first) }
        // A point wants a digit after it.
        guard places > 0 else { return nil }
        cursor &+= places
        let mantissa = whole &* shifts[places] &+ number(first, places)
        let value = Double(Int64(truncatingIfNeeded: mantissa)) * tenths[places]
        let after = UInt8(truncatingIfNeeded: first &>> UInt64(places &* 8)) ^ 0x30
        if after | 0x20 == UInt8(ascii: "e") { return unsafe power(base, &cursor, value, slack: 8) }
        return DecimalNumber.narrowed(value, slack: 8)
    }

    /// The same for 8 digits after the point and more.
    @inline(__always)
    private static func longFraction(
        _ base: UnsafeRawPointer,
        _ cursor: inout Int,
        _ whole: UInt64,
        _ first: UInt64
    ) -> Float? {
        let second = unsafe chunk(base, cursor &+ 8)
        let third = unsafe chunk(base, cursor &+ 16)
        let leading = whole &* 100_000_000 &+ number(first, 8)
        // At most 15 digits: exact in binary64, as are the up to 8 that follow.
        var value = Double(Int64(truncatingIfNeeded: leading)) * 1e-8
        var slack: UInt64 = 8
        let more = digitCount(second)
        if more == 8 {
            value += Double(Int64(truncatingIfNeeded: number(second, 8))) * 1e-16
            let rest = digitCount(third)
            guard rest < 8 else { return nil }
            // What is cut off is less than 1e-16, which is 461 units in the last place of 2^-10.
            if rest > 0 { slack = value >= 0x1p-10 ? 1024 : 1 << 28 }
            cursor &+= 16 &+ rest
        } else {
            if more > 0 {
                value += Double(Int64(truncatingIfNeeded: number(second, more))) * tenths[8 &+ more]
            }
            cursor &+= 8 &+ more
        }
        if unsafe base.load(fromByteOffset: cursor, as: UInt8.self) | 0x20 == UInt8(ascii: "e") {
            return unsafe power(base, &cursor, value, slack: slack &+ 8)
        }
        return DecimalNumber.narrowed(value, slack: slack)
    }

    /// A number with the exponent that stands at the cursor; `nil` unless it has 1 or 2 digits and
    /// the result is a normal binary32.
    private static func power(
        _ base: UnsafeRawPointer,
        _ cursor: inout Int,
        _ value: Double,
        slack: UInt64
    ) -> Float? {
        // `e`, at most a sign, at most two digits and the byte that ends it.
        let word = unsafe chunk(base, cursor) &>> 8
        let sign = UInt8(truncatingIfNeeded: word) ^ 0x30
        let isNegative = sign == UInt8(ascii: "-")
        let hasSign = isNegative || sign == UInt8(ascii: "+")
        let text = hasSign ? word &>> 8 : word
        let digits = digitCount(text | 0xFF << 56)
        guard digits == 1 || digits == 2 else { return nil }
        let ten = Int(truncatingIfNeeded: number(text, digits))
        guard ten <= 45 else { return nil }
        cursor &+= 1 &+ (hasSign ? 1 : 0) &+ digits
        let scaled = value * DecimalNumber.powerOfTen(isNegative ? -ten : ten)
        guard scaled > 0x1p-125, scaled < 0x1p127 else {
            return value == 0 && slack <= 16 ? 0 : nil
        }
        return DecimalNumber.narrowed(scaled, slack: slack)
    }

    /// `0.0,0.0,` as a chunk.
    private static let zeroPair: UInt64 = 0x1C00_1E00_1C00_1E00
    /// `0.` as the first two bytes of a chunk.
    private static let zeroPoint: UInt64 = 0x1E00
    /// `-` as the first byte of a chunk.
    private static let minus: UInt64 = 0x1D

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
    private static func number(_ chunk: UInt64, _ digits: Int) -> UInt64 {
        var value = chunk &<< UInt64(truncatingIfNeeded: (8 &- digits) &* 8)
        value = value &* 10 &+ (value &>> 8)
        let low = (value & 0x0000_00FF_0000_00FF) &* 0x000F_4240_0000_0064
        let high = ((value &>> 16) & 0x0000_00FF_0000_00FF) &* 0x0000_2710_0000_0001
        return (low &+ high) &>> 32
    }

    /// Ten to the power of minus so many digits.
    private static let tenths: [16 of Double] = [
        1, 1e-1, 1e-2, 1e-3, 1e-4, 1e-5, 1e-6, 1e-7, 1e-8, 1e-9, 1e-10, 1e-11, 1e-12, 1e-13, 1e-14,
        1e-15,
    ]

    /// Ten to the power of the number of digits in a chunk.
    private static let shifts: [9 of UInt64] = [
        1, 10, 100, 1_000, 10_000, 100_000, 1_000_000, 10_000_000, 100_000_000,
    ]
}
