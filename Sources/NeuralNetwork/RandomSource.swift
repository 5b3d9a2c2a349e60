/// Random numbers that are the same everywhere for the same seed.
///
/// The generator is xoshiro256** 1.0 (Blackman and Vigna 2018); its state is filled by SplitMix64
/// from the seed, as its authors advise. What is drawn from it (``nextUnit()``, ``shuffle(_:)``)
/// is written out here rather than taken from the standard library, whose algorithms may change
/// between releases. Not for secrets.
package struct RandomSource: RandomNumberGenerator, Sendable {
    private var a: UInt64
    private var b: UInt64
    private var c: UInt64
    private var d: UInt64

    /// Starts from a seed.
    ///
    /// - Parameters:
    ///   - seed: Any number; near ones give unrelated sequences, too.
    ///   - stream: Gives a sequence of its own for one seed, e.g. for weights and for shuffling.
    package init(seed: UInt64, stream: UInt64 = 0) {
        var mixer = SplitMix64(state: seed &+ stream &* 0xD134_2543_DE82_EF95)
        self.init(state: (mixer.next(), mixer.next(), mixer.next(), mixer.next()))
    }

    /// Starts from a state, which must not be all zeros.
    package init(state: (UInt64, UInt64, UInt64, UInt64)) {
        precondition(state != (0, 0, 0, 0))
        (a, b, c, d) = state
    }

    /// The next 64 random bits.
    package mutating func next() -> UInt64 {
        let result = Self.rotated(b &* 5, by: 7) &* 9
        let shifted = b << 17
        c ^= a
        d ^= b
        b ^= c
        a ^= d
        c ^= shifted
        d = Self.rotated(d, by: 45)
        return result
    }

    /// A number from 0 up to but not including 1, a multiple of 2⁻²⁴.
    package mutating func nextUnit() -> Float {
        Float(next() >> 40) * 0x1p-24
    }

    /// A whole number below a bound, each with the same probability (Lemire 2019).
    package mutating func next(below bound: UInt64) -> UInt64 {
        precondition(bound > 0)
        var product = next().multipliedFullWidth(by: bound)
        guard product.low < bound else { return product.high }
        let biased = (0 &- bound) % bound
        while product.low < biased { product = next().multipliedFullWidth(by: bound) }
        return product.high
    }

    /// Puts the elements into a random order (Fisher and Yates, from the last to the first).
    package mutating func shuffle(_ elements: inout [Int32]) {
        for last in stride(from: elements.count - 1, to: 0, by: -1) {
            elements.swapAt(last, Int(next(below: UInt64(last) + 1)))
        }
    }

    private static func rotated(_ value: UInt64, by count: UInt64) -> UInt64 {
        value << count | value >> (64 - count)
    }
}

/// SplitMix64 (Steele, Lea and Flood 2014): spreads a seed with few bits over a whole state.
private struct SplitMix64 {
    var state: UInt64

    mutating func next() -> UInt64 {
        state &+= 0x9E37_79B9_7F4A_7C15
        var mixed = state
        mixed = (mixed ^ mixed >> 30) &* 0xBF58_476D_1CE4_E5B9
        mixed = (mixed ^ mixed >> 27) &* 0x94D0_49BB_1331_11EB
        return mixed ^ mixed >> 31
    }
}
