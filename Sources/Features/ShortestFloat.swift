/// The shortest decimal text of a binary32 that reads back as the same value.
///
/// The method is Schubfach (Raffaello Giulietti, "The Schubfach way to render doubles", 2020): of the
/// decimals within the interval that rounds to the value, one with the fewest digits and, among
/// those, the nearest one. The text is that of Swift's `Float.description`, byte for byte, without a
/// `String` on the way.
package struct ShortestFloat {
    /// The text's bytes; those from `count` on mean nothing.
    private var bytes = [24 of UInt8](repeating: 0)
    /// How many bytes the text has, at most 15.
    private var count = 0

    /// Writes a number out.
    ///
    /// - Parameter value: any value that is finite; for others the text is `0.0`.
    package init(_ value: Float) {
        let bits = value.bitPattern
        if bits >> 31 == 1, value.isFinite { append(UInt8(ascii: "-")) }
        guard value.isFinite, value != 0 else {
            store(Self.zeros)
            count += 3
            return
        }
        var (digits, exponent) = Self.decimal(bits & 0x7FFF_FFFF)
        while digits % 10 == 0 {
            digits /= 10
            exponent += 1
        }
        let width = Self.width(digits)
        // The value is 0.ddd × 10^point.
        let point = width + exponent
        if point < -3 || value.magnitude > 0x1p24 {
            appendScientific(digits, width, point - 1)
        } else {
            appendPositional(digits, width, point)
        }
    }

    /// The text.
    package var span: Span<UInt8> {
        @_lifetime(borrow self)
        get { bytes.span.extracting(0..<count) }
    }

    // MARK: Digits

    /// The shortest decimal.
    ///
    /// - Parameter bits: of a finite value above zero.
    /// - Returns: digits and exponent: the value is `digits × 10^exponent`.
    private static func decimal(_ bits: UInt32) -> (digits: UInt32, exponent: Int) {
        let fraction = bits & 0x7F_FFFF
        let biased = Int(bits >> 23)
        let c = biased == 0 ? fraction : fraction | 0x80_0000
        let q = max(biased, 1) - 150
        // Below a power of two the next value is only half as far away.
        let isIrregular = fraction == 0 && biased > 1
        let k = isIrregular ? (q * 1_262_611 - 524_031) >> 22 : (q * 1_262_611) >> 22
        let h = UInt32(truncatingIfNeeded: q + ((-k * 1_741_647) >> 19) + 1)
        let power = powers[-k - firstPower]
        let lowest = product(power, (4 * c - (isIrregular ? 1 : 2)) << h)
        let scaled = product(power, (4 * c) << h)
        let highest = product(power, (4 * c + 2) << h)
        // The ends of the interval round to the value only where its last bit is 0.
        let odd = c & 1
        let (lower, upper) = (lowest + odd, highest - odd)
        let s = scaled / 4
        if s >= 10 {
            let tens = s / 10
            let below = lower <= 40 * tens
            let above = 40 * tens + 40 <= upper
            if below != above { return (above ? tens + 1 : tens, k + 1) }
        }
        let below = lower <= 4 * s
        let above = 4 * s + 4 <= upper
        if below != above { return (above ? s + 1 : s, k) }
        let middle = 4 * s + 2
        let isUp = scaled > middle || scaled == middle && s & 1 == 1
        return (isUp ? s + 1 : s, k)
    }

    /// The bits of a product of 64 and 32 bits from the 64th on, the last of them set when any
    /// below is, but for what the rounding of the power may have added.
    private static func product(_ power: UInt64, _ factor: UInt32) -> UInt32 {
        let (high, low) = power.multipliedFullWidth(by: UInt64(factor))
        return UInt32(truncatingIfNeeded: high) | (low >> 32 > 1 ? 1 : 0)
    }

    private static func width(_ digits: UInt32) -> Int {
        var (width, bound) = (1, UInt32(10))
        while width < 9, digits >= bound {
            width += 1
            bound *= 10
        }
        return width
    }

    // MARK: Text

    private mutating func appendPositional(_ digits: UInt32, _ width: Int, _ point: Int) {
        if point <= 0 {
            store(Self.zeros)
            count += 2 - point
            append(digits, width)
        } else if point < width {
            append(digits, width)
            // The fraction moves by one to make room for the point.
            let start = count - width
            var place = count
            while place > start + point {
                bytes[place] = bytes[place - 1]
                place -= 1
            }
            bytes[place] = UInt8(ascii: ".")
            count += 1
        } else {
            append(digits, width)
            for _ in width..<point { append(UInt8(ascii: "0")) }
            append(UInt8(ascii: "."))
            append(UInt8(ascii: "0"))
        }
    }

    private mutating func appendScientific(_ digits: UInt32, _ width: Int, _ exponent: Int) {
        if width > 1 {
            // One place further on; the first digit then changes places with the point behind it.
            let first = count
            count += 1
            append(digits, width)
            bytes[first] = bytes[first + 1]
            bytes[first + 1] = UInt8(ascii: ".")
        } else {
            append(digits, width)
        }
        append(UInt8(ascii: "e"))
        append(exponent < 0 ? UInt8(ascii: "-") : UInt8(ascii: "+"))
        let size = abs(exponent)
        append(UInt8(ascii: "0") + UInt8(truncatingIfNeeded: size / 10))
        append(UInt8(ascii: "0") + UInt8(truncatingIfNeeded: size % 10))
    }

    /// Appends one to nine digits.
    private mutating func append(_ digits: UInt32, _ width: Int) {
        if width == 9 {
            let (first, rest) = digits.quotientAndRemainder(dividingBy: 100_000_000)
            append(UInt8(ascii: "0") + UInt8(truncatingIfNeeded: first))
            store(Self.eightDigits(rest))
            count += 8
        } else {
            // Without the zeros in front.
            store(Self.eightDigits(digits) >> UInt64(8 * (8 - width)))
            count += width
        }
    }

    /// Eight decimal digits as text.
    ///
    /// - Parameter value: below 10^8.
    /// - Returns: the characters, the first in the lowest byte.
    private static func eightDigits(_ value: UInt32) -> UInt64 {
        // Halves of four digits, then of two, then of one, side by side in one word.
        let (high, low) = value.quotientAndRemainder(dividingBy: 10_000)
        let fours = UInt64(high) | UInt64(low) << 32
        let hundreds = (fours &* 10_486) >> 20 & 0x7F_0000_007F
        let twos = hundreds | (fours &- hundreds &* 100) << 16
        let tens = (twos &* 103) >> 10 & 0x000F_000F_000F_000F
        return (tens | (twos &- tens &* 10) << 8) &+ 0x3030_3030_3030_3030
    }

    /// Puts eight bytes after the text without adding them to it.
    private mutating func store(_ word: UInt64) {
        var span = bytes.mutableSpan
        // Bounds: the store checks them; the text has at most 15 of the 24 bytes.
        var raw = unsafe span.mutableBytes
        raw.storeBytes(of: word.littleEndian, toByteOffset: count, as: UInt64.self)
    }

    /// `0.000000`.
    private static let zeros: UInt64 = 0x3030_3030_3030_2E30

    private mutating func append(_ byte: UInt8) {
        bytes[count] = byte
        count += 1
    }

    // MARK: Powers of ten

    private static let firstPower = -31

    /// 10^-31 to 10^45, scaled to 64 bits, rounded up.
    private static let powers: [77 of UInt64] = [
        0x81CEB32C4B43FCF5, 0xA2425FF75E14FC32, 0xCAD2F7F5359A3B3F, 0xFD87B5F28300CA0E,
        0x9E74D1B791E07E49, 0xC612062576589DDB, 0xF79687AED3EEC552, 0x9ABE14CD44753B53,
        0xC16D9A0095928A28, 0xF1C90080BAF72CB2, 0x971DA05074DA7BEF, 0xBCE5086492111AEB,
        0xEC1E4A7DB69561A6, 0x9392EE8E921D5D08, 0xB877AA3236A4B44A, 0xE69594BEC44DE15C,
        0x901D7CF73AB0ACDA, 0xB424DC35095CD810, 0xE12E13424BB40E14, 0x8CBCCC096F5088CC,
        0xAFEBFF0BCB24AAFF, 0xDBE6FECEBDEDD5BF, 0x89705F4136B4A598, 0xABCC77118461CEFD,
        0xD6BF94D5E57A42BD, 0x8637BD05AF6C69B6, 0xA7C5AC471B478424, 0xD1B71758E219652C,
        0x83126E978D4FDF3C, 0xA3D70A3D70A3D70B, 0xCCCCCCCCCCCCCCCD, 0x8000000000000001,
        0xA000000000000001, 0xC800000000000001, 0xFA00000000000001, 0x9C40000000000001,
        0xC350000000000001, 0xF424000000000001, 0x9896800000000001, 0xBEBC200000000001,
        0xEE6B280000000001, 0x9502F90000000001, 0xBA43B74000000001, 0xE8D4A51000000001,
        0x9184E72A00000001, 0xB5E620F480000001, 0xE35FA931A0000001, 0x8E1BC9BF04000001,
        0xB1A2BC2EC5000001, 0xDE0B6B3A76400001, 0x8AC7230489E80001, 0xAD78EBC5AC620001,
        0xD8D726B7177A8001, 0x878678326EAC9001, 0xA968163F0A57B401, 0xD3C21BCECCEDA101,
        0x84595161401484A1, 0xA56FA5B99019A5C9, 0xCECB8F27F4200F3B, 0x813F3978F8940985,
        0xA18F07D736B90BE6, 0xC9F2C9CD04674EDF, 0xFC6F7C4045812297, 0x9DC5ADA82B70B59E,
        0xC5371912364CE306, 0xF684DF56C3E01BC7, 0x9A130B963A6C115D, 0xC097CE7BC90715B4,
        0xF0BDC21ABB48DB21, 0x96769950B50D88F5, 0xBC143FA4E250EB32, 0xEB194F8E1AE525FE,
        0x92EFD1B8D0CF37BF, 0xB7ABC627050305AE, 0xE596B7B0C643C71A, 0x8F7E32CE7BEA5C70,
        0xB35DBF821AE4F38C,
    ]
}
