import Features
import Testing

@Suite("Shortest decimal of a binary32") struct ShortestFloatTests {
    private func text(_ value: Float) -> String {
        let shortest = ShortestFloat(value)
        var bytes: [UInt8] = []
        for index in shortest.span.indices { bytes.append(shortest.span[index]) }
        return String(decoding: bytes, as: UTF8.self)
    }

    private func expectSame(_ value: Float) {
        let mine = text(value)
        // An expectation for each of a million equal ones would take minutes.
        if mine != value.description { #expect(mine == value.description) }
    }

    @Test("known values")
    func known() {
        for (value, expected) in [
            (0, "0.0"), (-0.0, "-0.0"), (0.1, "0.1"), (1, "1.0"), (-2.5, "-2.5"),
            (0.0001, "0.0001"), (0.00001, "1e-05"), (1234.5, "1234.5"),
            (16_777_215, "16777215.0"), (.leastNonzeroMagnitude, "1e-45"),
            (.greatestFiniteMagnitude, "3.4028235e+38"), (.nan, "0.0"), (-.infinity, "0.0"),
        ] as [(Float, String)] {
            #expect(text(value) == expected)
        }
    }

    @Test("every power of two, and its neighbours")
    func powersOfTwo() {
        for exponent in Int64(0)..<255 {
            for step in Int64(-3)...3 {
                let bits = exponent << 23 + step
                guard bits > 0, bits < 0x7F80_0000 else { continue }
                expectSame(Float(bitPattern: UInt32(bits)))
                expectSame(-Float(bitPattern: UInt32(bits)))
            }
        }
    }

    @Test("the first subnormal values, and values of few digits")
    func few() {
        for bits in UInt32(1)...3000 { expectSame(Float(bitPattern: bits)) }
        for digits in 1...99 {
            for exponent in -45...38 {
                guard let value = Float("\(digits)e\(exponent)"), value.isFinite else { continue }
                expectSame(value)
            }
        }
    }

    @Test("one of every so many values, over the whole range")
    func overTheRange() {
        // Odd, so that all endings come.
        for bits in stride(from: UInt32(1), to: 0x7F80_0000, by: 30_011) {
            expectSame(Float(bitPattern: bits))
        }
    }
}
