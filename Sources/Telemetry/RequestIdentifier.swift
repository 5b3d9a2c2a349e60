/// A random 128-bit number that names one request in answers, logs and traces.
package struct RequestIdentifier: Sendable, Equatable, Hashable {
    /// The upper 64 bits.
    package let high: UInt64
    /// The lower 64 bits.
    package let low: UInt64

    /// Wraps 128 bits.
    package init(high: UInt64, low: UInt64) {
        self.high = high
        self.low = low
    }

    /// 32 lower-case hexadecimal digits.
    package var text: String {
        var text: [UInt8] = []
        append(to: &text)
        return String(decoding: text, as: UTF8.self)
    }

    /// Appends the 32 digits.
    package func append(to bytes: inout [UInt8]) {
        bytes.append(hexadecimal: high)
        bytes.append(hexadecimal: low)
    }

    /// Reads 32 lower-case hexadecimal digits; nil for anything else.
    package static func parse(_ bytes: Span<UInt8>) -> RequestIdentifier? {
        guard bytes.count == 32,
            let high = hexadecimalValue(bytes, 0..<16),
            let low = hexadecimalValue(bytes, 16..<32)
        else { return nil }
        return RequestIdentifier(high: high, low: low)
    }
}

/// Makes identifiers for one event loop: no lock, no system call, no allocation.
///
/// The generator is xoshiro256\*\* (Blackman and Vigna, 2018). Identifiers are unique for all
/// practical purposes and fit for correlating; they are not secrets.
package struct RequestIdentifierSource: Sendable {
    private var state: (UInt64, UInt64, UInt64, UInt64)

    /// Seeds the source from the system's random numbers.
    package init() {
        var system = SystemRandomNumberGenerator()
        state = (system.next(), system.next(), system.next(), system.next() | 1)
    }

    /// Seeds the source with a number (spread by SplitMix64), so that tests repeat.
    package init(seed: UInt64) {
        var mixed = seed
        func next() -> UInt64 {
            mixed &+= 0x9E37_79B9_7F4A_7C15
            var bits = mixed
            bits = (bits ^ (bits >> 30)) &* 0xBF58_476D_1CE4_E5B9
            bits = (bits ^ (bits >> 27)) &* 0x94D0_49BB_1331_11EB
            return bits ^ (bits >> 31)
        }
        state = (next(), next(), next(), next())
    }

    /// The next identifier; never zero, because traces give zero a meaning of its own.
    package mutating func next() -> RequestIdentifier {
        RequestIdentifier(high: bits(), low: bits() | 1)
    }

    /// The next span identifier: 64 random bits, never zero.
    package mutating func nextSpan() -> UInt64 {
        bits() | 1
    }

    private mutating func bits() -> UInt64 {
        func rotated(_ value: UInt64, _ count: UInt64) -> UInt64 {
            value << count | value >> (64 - count)
        }
        let result = rotated(state.1 &* 5, 7) &* 9
        let shifted = state.1 << 17
        state.2 ^= state.0
        state.3 ^= state.1
        state.1 ^= state.2
        state.0 ^= state.3
        state.2 ^= shifted
        state.3 = rotated(state.3, 45)
        return result
    }
}
