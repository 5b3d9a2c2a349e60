import Features
import Glibc
import Testing

@Suite("Numbers in the middle of two") struct ExactNumberTests {
    private func float(_ text: String) throws(FeatureError) -> Float {
        let bytes = Array(text.utf8)
        var reader = JSONReader(bytes.span)
        let value = try reader.readFloat()
        try reader.finish()
        return value
    }

    /// The same number as an element of an array, with nothing and with much after it.
    private func inArrays(_ text: String) throws(FeatureError) -> [Float] {
        var found: [Float] = []
        for padding in ["", String(repeating: " ", count: 64)] {
            let bytes = Array("[\(text),\(text)]\(padding)".utf8)
            var values: [Float] = [-1, -1]
            var target = values.mutableSpan
            var reader = JSONReader(bytes.span)
            _ = try reader.readFloats(into: &target, range: 0..<2)
            try reader.finish()
            found += values
        }
        return found
    }

    /// All digits of a binary64, as `d.ddd…e±dd`.
    private func exactText(_ value: Double) -> String {
        var buffer = [CChar](repeating: 0, count: 400)
        _ = unsafe withVaList([value]) { arguments in
            unsafe vsnprintf(&buffer, buffer.count, "%.180e", arguments)
        }
        let bytes = buffer.prefix { $0 != 0 }.map { UInt8(bitPattern: $0) }
        return String(decoding: bytes, as: UTF8.self)
    }

    @Test("every middle of two binary32, normal or not, goes to the even one; a hair moves it")
    func middles() throws {
        var generator = FixedGenerator(state: 11)
        for round in 0..<600 {
            // Every exponent comes up, subnormals and the largest among them.
            let exponent = UInt32(round % 255)
            let significand = UInt32.random(in: 0..<1 << 23, using: &generator)
            let below = Float(bitPattern: exponent << 23 | significand)
            let above = below.nextUp
            let middle =
                above.isFinite ? (Double(below) + Double(above)) / 2 : Double(below) + 0x1p103
            let even = significand & 1 == 0 ? below : above
            let text = exactText(middle)
            let parts = text.split(separator: "e")
            let (digits, power) = (String(parts[0]), String(parts[1]))
            #expect(try float(text) == even, "\(text)")
            #expect(try float("\(digits)000000001e\(power)") == above, "\(text)")
            #expect(try float(lowered(digits) + "e\(power)") == below, "\(text)")
            #expect(try inArrays(text).allSatisfy { $0 == even }, "\(text)")
        }
    }

    /// A number a little below one whose last digits may be zeros.
    private func lowered(_ digits: String) -> String {
        var bytes = Array(digits.utf8)
        while bytes.last == UInt8(ascii: "0") { bytes.removeLast() }
        let isWhole = bytes.last == UInt8(ascii: ".")
        if isWhole { bytes.removeLast() }
        bytes[bytes.count - 1] -= 1
        return String(decoding: bytes, as: UTF8.self) + (isWhole ? ".99999" : "99999")
    }

    @Test("the largest number and the one that is too large are told apart by the last digit")
    func largest() throws {
        // 2^128 - 2^103 is the middle of the largest number and what would come next.
        let limit = "340282356779733661637539395458142568448"
        let less = "340282356779733661637539395458142568447.9999999999999999999999999999"
        #expect(try float(less) == .greatestFiniteMagnitude)
        #expect(
            failure { () throws(FeatureError) in _ = try float(limit) }?.code == "number_overflow"
        )
        let least = exactText(0x1p-150)
        #expect(try float(least) == 0)
        #expect(try float(least.replacing("e", with: "1e")) == .leastNonzeroMagnitude)
    }

    @Test("numbers of very many digits are rounded as the C library rounds them")
    func manyDigits() throws {
        var generator = FixedGenerator(state: 12)
        for _ in 0..<300 {
            let count = Int.random(in: 20...900, using: &generator)
            let digits = (0..<count).map { _ in "\(Int.random(in: 0...9, using: &generator))" }
            let point = Int.random(in: 1..<count, using: &generator)
            let whole = digits[..<point].joined().drop { $0 == "0" }
            let power = Int.random(in: -40...38, using: &generator) - whole.count
            let text =
                "\(whole.isEmpty ? "0" : whole).\(digits[point...].joined())e\(power)"
            let expected = unsafe strtof(text, nil)
            #expect(try float(text) == expected, "\(text)")
        }
    }

    @Test("short numbers of all exponents are rounded as the C library rounds them")
    func shortNumbers() throws {
        var generator = FixedGenerator(state: 13)
        for _ in 0..<3000 {
            let bits = UInt32.random(in: 0..<0x7F80_0000, using: &generator)
            let value = Float(bitPattern: bits)
            let sign = Bool.random(using: &generator) ? "-" : ""
            // One digit less, just enough and one more than the value needs.
            for text in ["\(sign)\(value)", "\(sign)\(Double(value) * 1.000000001)"] {
                let expected = unsafe strtof(text, nil)
                guard expected.isFinite else { continue }
                #expect(try float(text).bitPattern == expected.bitPattern, "\(text)")
                let same = try inArrays(text).allSatisfy { $0.bitPattern == expected.bitPattern }
                #expect(same, "\(text)")
            }
        }
    }

    @Test("exponents of one, two and three digits, with and without sign")
    func exponents() throws {
        for mantissa in ["1", "-2.5", "0.0", "0.00000000000000001234", "123456.7890123456789"] {
            for power in [-50, -45, -39, -10, -9, -1, 0, 1, 9, 10, 32, 33, 45, 99, 100] {
                for text in [
                    "\(mantissa)e\(power)", "\(mantissa)E\(power < 0 ? "" : "+")\(power)",
                    "\(mantissa)e\(power < 0 ? "-" : "")00\(power.magnitude)",
                ] {
                    let expected = unsafe strtof(text, nil)
                    let found = Result { () throws(FeatureError) in try inArrays(text) }
                    if expected.isFinite {
                        let bits = try found.get().map(\.bitPattern)
                        #expect(bits.allSatisfy { $0 == expected.bitPattern }, "\(text)")
                    } else {
                        #expect(throws: FeatureError.self) { try found.get() }
                    }
                }
            }
        }
    }
}
