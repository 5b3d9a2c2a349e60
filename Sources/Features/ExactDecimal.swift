/// Decides on which side of the middle of two binary32 a decimal number lies, exactly.
///
/// Few numbers come here: those within 2⁻⁵⁰ of a middle, as a share. Both sides of the comparison
/// are integers of at most some 3,800 bits, since a text has at most
/// ``JSONReader/numberBytesMax`` bytes and the number is near one of binary32; they live on the
/// stack.
struct ExactDecimal {
    private var digits = Natural(0)
    private var exponent = 0

    /// Takes the text of a number: an optional sign, digits with at most one point, an exponent.
    ///
    /// - Parameter text: Its bytes, at most ``JSONReader/numberBytesMax``.
    init(_ text: Span<UInt8>) {
        var scale = 0
        var piece: UInt64 = 0
        var power: UInt64 = 1
        var index = 0
        while index < text.count, text[index] | 0x20 != UInt8(ascii: "e") {
            let byte = text[index]
            index += 1
            if byte == UInt8(ascii: ".") { scale = 1 }
            guard byte &- UInt8(ascii: "0") <= 9 else { continue }
            piece = piece * 10 + UInt64(byte &- UInt8(ascii: "0"))
            power *= 10
            exponent -= scale
            if power == 1_000_000_000_000_000_000 {
                digits.multiply(by: power, adding: piece)
                (piece, power) = (0, 1)
            }
        }
        digits.multiply(by: power, adding: piece)
        exponent += Self.writtenExponent(text, after: index)
    }

    private static func writtenExponent(_ text: Span<UInt8>, after index: Int) -> Int {
        var value = 0
        var isNegative = false
        for index in min(index + 1, text.count)..<text.count {
            if text[index] == UInt8(ascii: "-") { isNegative = true }
            let digit = text[index] &- UInt8(ascii: "0")
            if digit <= 9, value < 1_000_000 { value = value * 10 + Int(digit) }
        }
        return isNegative ? -value : value
    }

    /// The nearest binary32 to the number, which is `below` or the next one above it.
    ///
    /// - Parameter below: Zero or above, and finite.
    /// - Returns: The nearer one; of two equally near, the even one.
    func nearer(_ below: Float) -> Float {
        // The middle is `middle × 2^power`.
        let isNormal = below.exponentBitPattern > 0
        let significand = below.significandBitPattern | (isNormal ? 1 << 23 : 0)
        let middle = UInt64(significand) * 2 + 1
        let power = Int(max(below.exponentBitPattern, 1)) - 151
        var left = digits
        var right = Natural(middle)
        // Ten is five times two: fives are multiplied on one side, twos shifted on the other.
        if exponent >= 0 {
            left.multiply(byFiveTo: exponent)
        } else {
            right.multiply(byFiveTo: -exponent)
        }
        let shift = exponent - power
        if shift >= 0 { left.shift(shift) } else { right.shift(-shift) }
        switch left.compared(with: right) {
        case ..<0: return below
        case 0: return significand & 1 == 0 ? below : below.nextUp
        default: return below.nextUp
        }
    }
}

/// A natural number below 2⁴⁰⁹⁶ on the stack; what would be beyond is dropped, which no number of
/// ``ExactDecimal`` reaches.
private struct Natural {
    private var limbs = [64 of UInt64](repeating: 0)
    private var count = 0

    init(_ value: UInt64) {
        limbs[0] = value
        count = value == 0 ? 0 : 1
    }

    mutating func multiply(by factor: UInt64, adding addend: UInt64) {
        var carry = addend
        for index in 0..<count {
            let product = limbs[index].multipliedFullWidth(by: factor)
            let (low, overflow) = product.low.addingReportingOverflow(carry)
            limbs[index] = low
            carry = product.high &+ (overflow ? 1 : 0)
        }
        push(carry)
    }

    mutating func multiply(byFiveTo exponent: Int) {
        var left = exponent
        while left >= 27 {
            multiply(by: 7_450_580_596_923_828_125, adding: 0)
            left -= 27
        }
        for _ in 0..<max(left, 0) { multiply(by: 5, adding: 0) }
    }

    mutating func shift(_ bits: Int) {
        guard count > 0 else { return }
        let within = UInt64(bits % 64)
        if within > 0 { multiply(by: 1 << within, adding: 0) }
        let whole = bits / 64
        guard whole > 0, count + whole <= limbs.count else { return }
        for index in stride(from: count - 1, through: 0, by: -1) {
            limbs[index + whole] = limbs[index]
        }
        for index in 0..<whole { limbs[index] = 0 }
        count += whole
    }

    /// Below, at or above 0 as this number is below, equal to or above another.
    func compared(with other: Natural) -> Int {
        if count != other.count { return count < other.count ? -1 : 1 }
        for index in stride(from: count - 1, through: 0, by: -1)
        where limbs[index] != other.limbs[index] {
            return limbs[index] < other.limbs[index] ? -1 : 1
        }
        return 0
    }

    private mutating func push(_ limb: UInt64) {
        guard limb > 0, count < limbs.count else { return }
        limbs[count] = limb
        count += 1
    }
}
