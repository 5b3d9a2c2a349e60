/// A decimal number as it was written: `±mantissa × 10^exponent`, before it is rounded to a type.
///
/// Conversion to binary32 is correctly rounded (to nearest, ties to even): a product in binary64
/// tells between which two neighbours the number lies, and where it may lie on either side of their
/// middle, ``ExactDecimal`` compares. To binary64, Clinger's short way is taken where it is exact,
/// and else the standard library reads the text itself.
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
    @inline(__always)
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
        let magnitude = magnitude(text)
        return isNegative ? -magnitude : magnitude
    }

    private func magnitude(_ text: Span<UInt8>) -> Float {
        // At most 10^19 × 10^-67 is less than half of the least binary32.
        if mantissa == 0 || exponent < -67 { return 0 }
        if exponent > 39 { return .infinity }
        // Three roundings of half a unit, and digits cut off after the 19th, are less than this.
        let value = Double(mantissa) * Self.powerOfTen(exponent)
        let low = Float(value * (1 - 0x1p-50))
        let high = Float(value * (1 + 0x1p-50))
        if low == high { return low }
        return ExactDecimal(text).nearer(low)
    }

    /// The nearest binary64; infinite when it is beyond the largest one.
    ///
    /// - Parameter text: The bytes that the number was read from, for the hard cases.
    /// - Returns: The value, with its sign.
    func double(_ text: Span<UInt8>) -> Double {
        if mantissa == 0 { return isNegative ? -0.0 : 0.0 }
        if !isTruncated, mantissa <= 1 << 53, (-22...22).contains(exponent) {
            let magnitude =
                exponent < 0
                ? Double(mantissa) / Self.powerOfTen(-exponent)
                : Double(mantissa) * Self.powerOfTen(exponent)
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

    /// Rounds a binary64 that is off by less than `slack` units in the last place to the binary32
    /// next to the true value, or `nil` when it lies too near the middle of two to tell.
    ///
    /// The 29 bits that binary32 lacks decide: the middle of two neighbours is `1 << 28`. The
    /// argument is zero or within the normal numbers of binary32.
    @inline(__always)
    static func narrowed(_ value: Double, slack: UInt64) -> Float? {
        let tail = value.bitPattern & 0x1FFF_FFFF
        return tail &- (0x1000_0000 &- slack) <= 2 &* slack ? nil : Float(value)
    }

    /// The binary64 nearest to a power of ten from -67 to 45; exact from 0 to 22.
    @inline(__always)
    static func powerOfTen(_ exponent: Int) -> Double { powersOfTen[exponent + 67] }

    private static let powersOfTen: [113 of Double] = [
        1e-67, 1e-66, 1e-65, 1e-64, 1e-63, 1e-62, 1e-61, 1e-60, 1e-59, 1e-58, 1e-57, 1e-56, 1e-55,
        1e-54, 1e-53, 1e-52, 1e-51, 1e-50, 1e-49, 1e-48, 1e-47, 1e-46, 1e-45, 1e-44, 1e-43, 1e-42,
        1e-41, 1e-40, 1e-39, 1e-38, 1e-37, 1e-36, 1e-35, 1e-34, 1e-33, 1e-32, 1e-31, 1e-30, 1e-29,
        1e-28, 1e-27, 1e-26, 1e-25, 1e-24, 1e-23, 1e-22, 1e-21, 1e-20, 1e-19, 1e-18, 1e-17, 1e-16,
        1e-15, 1e-14, 1e-13, 1e-12, 1e-11, 1e-10, 1e-9, 1e-8, 1e-7, 1e-6, 1e-5, 1e-4, 1e-3, 1e-2,
        1e-1, 1e0, 1e1, 1e2, 1e3, 1e4, 1e5, 1e6, 1e7, 1e8, 1e9, 1e10, 1e11, 1e12, 1e13, 1e14, 1e15,
        1e16, 1e17, 1e18, 1e19, 1e20, 1e21, 1e22, 1e23, 1e24, 1e25, 1e26, 1e27, 1e28, 1e29, 1e30,
        1e31, 1e32, 1e33, 1e34, 1e35, 1e36, 1e37, 1e38, 1e39, 1e40, 1e41, 1e42, 1e43, 1e44, 1e45,
    ]
}
