/// A decimal number as it was written: `±mantissa × 10^exponent`, before it is rounded to a type.
///
/// Conversion is correctly rounded (to nearest, ties to even) to binary32 and binary64. The short
/// way is Clinger's: an integer and a power of ten that are exact in binary64 meet in one
/// operation. Where that is not enough, the standard library reads the text itself.
struct DecimalNumber {
    /// Whether a minus sign stands before it.
    var isNegative = false
    /// The first 19 significant digits as an integer.
    var mantissa: UInt64 = 0
    /// The power of ten to multiply ``mantissa`` with.
    var exponent = 0
    /// Whether digits beyond those of ``mantissa`` were dropped (zeros are not).
    var isTruncated = false
    /// Whether it was written without point and exponent.
    var isInteger = true
    private var digits = 0

    /// Starts from nothing.
    init() {}

    /// Takes one more digit before (`scale` 0) or after (`scale` 1) the point.
    mutating func append(_ digit: UInt8, scale: Int) {
        guard digits < 19 else {
            isTruncated = isTruncated || digit != 0
            exponent += 1 - scale
            return
        }
        mantissa = mantissa &* 10 &+ UInt64(digit)
        if mantissa != 0 { digits += 1 }
        exponent -= scale
    }

    /// The nearest binary32; infinite when it is beyond the largest one.
    ///
    /// - Parameter text: The bytes that the number was read from, for the hard cases.
    /// - Returns: The value, with its sign.
    func float(_ text: Span<UInt8>) -> Float {
        if mantissa == 0 { return isNegative ? -0.0 : 0.0 }
        if !isTruncated, (-22...22).contains(exponent) {
            let magnitude = Self.approximate(mantissa, exponent)
            if let float = Self.narrowed(magnitude) { return isNegative ? -float : float }
        }
        return Float(text.text) ?? .infinity
    }

    /// The nearest binary64; infinite when it is beyond the largest one.
    ///
    /// - Parameter text: The bytes that the number was read from, for the hard cases.
    /// - Returns: The value, with its sign.
    func double(_ text: Span<UInt8>) -> Double {
        if mantissa == 0 { return isNegative ? -0.0 : 0.0 }
        if !isTruncated, mantissa <= 1 << 53, (-22...22).contains(exponent) {
            let magnitude = Self.approximate(mantissa, exponent)
            return isNegative ? -magnitude : magnitude
        }
        return Double(text.text) ?? .infinity
    }

    /// The same integer, or `nil` when it was written otherwise or does not fit.
    var int64: Int64? {
        guard isInteger, !isTruncated, exponent == 0 else { return nil }
        if !isNegative { return Int64(exactly: mantissa) }
        return mantissa <= UInt64(Int64.max) + 1 ? Int64(truncatingIfNeeded: 0 &- mantissa) : nil
    }

    /// The product `mantissa × 10^exponent` in binary64, less than 2 units in the last place off.
    ///
    /// It is correctly rounded when the mantissa has at most 53 bits. The exponent is within ±22.
    @inline(__always)
    static func approximate(_ mantissa: UInt64, _ exponent: Int) -> Double {
        exponent < 0
            ? Double(mantissa) / powersOfTen[-exponent] : Double(mantissa) * powersOfTen[exponent]
    }

    /// Rounds a binary64 that is off by less than 4 units in the last place to the binary32 next
    /// to the true value, or `nil` when it lies too near the middle of two to tell.
    ///
    /// The 29 bits that binary32 lacks decide: the middle of two neighbours is `1 << 28`. The
    /// argument is zero or at least 1e-22, so the result is never subnormal.
    @inline(__always)
    static func narrowed(_ value: Double) -> Float? {
        let tail = value.bitPattern & 0x1FFF_FFFF
        return tail &- (0x1000_0000 - 4) <= 8 ? nil : Float(value)
    }

    /// The powers of ten that binary64 holds exactly.
    static let powersOfTen: [23 of Double] = [
        1e0, 1e1, 1e2, 1e3, 1e4, 1e5, 1e6, 1e7, 1e8, 1e9, 1e10, 1e11, 1e12, 1e13, 1e14, 1e15, 1e16,
        1e17, 1e18, 1e19, 1e20, 1e21, 1e22,
    ]
}
