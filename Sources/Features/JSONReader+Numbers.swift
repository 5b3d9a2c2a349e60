extension JSONReader {
    /// Reads a number as the nearest binary32.
    ///
    /// - Throws: ``FeatureError/numberOverflow(_:)`` when it is too large; a number too small to
    ///   hold is read as 0.
    package mutating func readFloat() throws(FeatureError) -> Float {
        try expect(.number, "a number")
        if let value = FloatScanner.single(bytes, &position) { return value }
        let start = position
        let value = try scanNumber().float(bytes.extracting(start..<position))
        guard value.isFinite else { throw .numberOverflow(place(start)) }
        return value
    }

    /// Reads a number as the nearest binary64.
    package mutating func readDouble() throws(FeatureError) -> Double {
        try expect(.number, "a number")
        let start = position
        let value = try scanNumber().double(bytes.extracting(start..<position))
        guard value.isFinite else { throw .numberOverflow(place(start)) }
        return value
    }

    /// Reads a number that is written without point and exponent and fits in 64 bits.
    package mutating func readInt64() throws(FeatureError) -> Int64 {
        try expect(.number, "an integer")
        let start = position
        let number = try scanNumber()
        guard number.isInteger else {
            throw .wrongType(place(start), expected: "an integer", found: "a fraction")
        }
        guard let value = number.int64 else { throw .numberOverflow(place(start)) }
        return value
    }

    /// Reads a whole number below 2^53, which may be written with a point, as `2.0`.
    ///
    /// - Throws: ``FeatureError/wrongType(_:expected:found:)`` for a fraction.
    mutating func readWhole() throws(FeatureError) -> Int {
        skipWhitespace()
        let start = position
        let value = try readDouble()
        guard abs(value) < 9_007_199_254_740_992, let whole = Int(exactly: value) else {
            throw .wrongType(place(start), expected: "an integer", found: "another number")
        }
        return whole
    }

    /// Reads past a number and says where it stands, for numbers that are names.
    package mutating func readNumberText() throws(FeatureError) -> JSONText {
        try expect(.number, "a number")
        let start = position
        _ = try scanNumber()
        return JSONText(range: start..<position, isEscaped: false)
    }

    /// Reads a whole array of numbers, each as the nearest binary32.
    ///
    /// - Parameters:
    ///   - target: Where the values go.
    ///   - range: The part of `target` that may be filled; within its bounds.
    /// - Returns: How many there were.
    /// - Throws: ``FeatureError/wrongLength(_:expected:found:)`` when there are more than fit.
    package mutating func readFloats(
        into target: inout MutableSpan<Float>,
        range: Range<Int>
    ) throws(FeatureError) -> Int {
        precondition(range.lowerBound >= 0 && range.upperBound <= target.count)
        try beginArray()
        if skipWhitespace() == UInt8(ascii: "]") {
            position += 1
            pop()
            return 0
        }
        var next = range.lowerBound
        while true {
            // An element begins here. The quick scan takes what is plain; what is not (or is
            // wrong) is left for the careful way, which knows the whole grammar.
            if FloatScanner.scan(bytes, &position, into: &target, &next, end: range.upperBound) {
                pop()
                return next - range.lowerBound
            }
            let value = try readFloat()
            guard next < range.upperBound else {
                let most = "at most \(range.count) values"
                throw .wrongLength(place, expected: most, found: "more")
            }
            target[next] = value
            next += 1
            switch skipWhitespace() {
            case UInt8(ascii: ","):
                position += 1
            case UInt8(ascii: "]"):
                position += 1
                pop()
                return next - range.lowerBound
            case nil: throw malformed("the text ends inside an array")
            default: throw malformed("expected a comma or the end of the array")
            }
        }
    }

    /// Reads a number and checks its grammar; `-` or a digit comes next.
    mutating func scanNumber() throws(FeatureError) -> DecimalNumber {
        let start = position
        var number = DecimalNumber()
        if bytes[position] == UInt8(ascii: "-") {
            number.isNegative = true
            position += 1
        }
        let whole = try scanDigits(&number, scale: 0)
        if whole > 1, bytes[position - whole] == UInt8(ascii: "0") {
            position -= whole
            throw malformed("a number must not begin with 0")
        }
        if position < bytes.count, bytes[position] == UInt8(ascii: ".") {
            number.isInteger = false
            position += 1
            _ = try scanDigits(&number, scale: 1)
        }
        if position < bytes.count, bytes[position] | 0x20 == UInt8(ascii: "e") {
            number.isInteger = false
            try scanExponent(&number)
        }
        guard position - start <= Self.numberBytesMax else {
            position = start
            throw malformed("a number longer than \(Self.numberBytesMax) bytes")
        }
        return number
    }

    /// Reads digits, at least one; how many there were.
    private mutating func scanDigits(
        _ number: inout DecimalNumber,
        scale: Int
    ) throws(FeatureError) -> Int {
        let start = position
        while position < bytes.count {
            let digit = bytes[position] &- UInt8(ascii: "0")
            guard digit <= 9 else { break }
            number.append(digit, scale: scale)
            position += 1
        }
        guard position > start else { throw malformed("expected a digit") }
        return position - start
    }

    private mutating func scanExponent(_ number: inout DecimalNumber) throws(FeatureError) {
        position += 1
        var isNegative = false
        if position < bytes.count {
            let sign = bytes[position]
            isNegative = sign == UInt8(ascii: "-")
            if isNegative || sign == UInt8(ascii: "+") { position += 1 }
        }
        let start = position
        var exponent = 0
        while position < bytes.count {
            let digit = bytes[position] &- UInt8(ascii: "0")
            guard digit <= 9 else { break }
            // Far beyond any type already: more digits change nothing, and must not overflow.
            if exponent < 1_000_000 { exponent = exponent * 10 + Int(digit) }
            position += 1
        }
        guard position > start else { throw malformed("expected a digit in the exponent") }
        number.exponent += isNegative ? -exponent : exponent
    }
}
