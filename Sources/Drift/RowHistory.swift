/// The last rows that one event loop scored, as far as repetitions can be told from it.
struct RowHistory: Sendable {
    private var fingerprints = SIMD8<UInt64>.zero
    private var count = 0
    /// The raw row before; empty where no column is asked for.
    private(set) var previous: [Float]
    private(set) var hasPrevious = false

    /// Remembers the values of `previousWidth` columns; 0 for none.
    init(previousWidth: Int) {
        previous = [Float](repeating: 0, count: previousWidth)
    }

    /// Whether one of the last eight rows had this fingerprint; it is remembered then, too.
    mutating func meets(_ fingerprint: UInt64) -> Bool {
        // 0 stands for no row.
        let mark = fingerprint | 1
        var isKnown = false
        for lane in 0..<8 where fingerprints[lane] == mark { isKnown = true }
        fingerprints[count & 7] = mark
        count &+= 1
        return isKnown
    }

    /// Keeps a raw row to compare the next with.
    mutating func remember(_ raw: Span<Float>) {
        guard previous.count == raw.count else { return }
        for column in raw.indices { previous[column] = raw[column] }
        hasPrevious = true
    }

    /// Spreads two words over one.
    @inline(__always)
    static func mix(_ high: UInt32, _ low: UInt32) -> UInt64 {
        mix(UInt64(high), UInt64(low))
    }

    /// Spreads two words over one.
    @inline(__always)
    static func mix(_ a: UInt64, _ b: UInt64) -> UInt64 {
        let product = (a ^ 0x9E37_79B9_7F4A_7C15).multipliedFullWidth(by: b ^ 0xD1B5_4A32_D192_ED03)
        return product.high ^ product.low ^ a &+ (b << 1)
    }
}
