/// The buckets of a native histogram of Prometheus: powers of two, each in eight steps.
///
/// Schema 3: bucket `i` holds the values above 2^((i-1)/8) and up to 2^(i/8), so that a quantile is
/// off by at most 4.5 %. What is at or below the threshold is in a zero bucket; what is above the
/// last bucket is in the last one, which no value that a server measures should reach.
final class NativeBuckets: Sendable {
    /// The resolution: 2^3 buckets in an octave.
    static let schema = 3
    private static let bucketsPerOctave = 1 << schema

    /// Values at or below it are in the zero bucket.
    let zeroThreshold: Double
    /// The number of the first bucket.
    let firstKey: Int
    /// Cells of a row: the zero bucket, then the others.
    let cellCount: Int
    private let unitPerRaw: Double
    /// Where the steps of an octave end, as the 52 bits of a fraction.
    private let steps: InlineArray<8, UInt64>

    /// Chooses the range by the unit.
    init(_ unit: HistogramUnit) {
        let (least, most) =
            switch unit {
            case .nanosecondsAsSeconds: (-24, 12)
            case .millionthsAsRatio: (-20, 0)
            case .bytes, .count: (-1, 40)
            }
        zeroThreshold = Double(sign: .plus, exponent: least, significand: 1)
        firstKey = least * Self.bucketsPerOctave + 1
        cellCount = 1 + (most - least) * Self.bucketsPerOctave
        unitPerRaw = 1 / unit.rawPerUnit
        // 2^(j/8) by repeated square roots, so that no step is off by more than a rounding.
        let root2 = 2.0.squareRoot()
        let (root4, root8) = (root2.squareRoot(), root2.squareRoot().squareRoot())
        steps = InlineArray { index in
            let value =
                (index & 4 != 0 ? root2 : 1) * (index & 2 != 0 ? root4 : 1)
                * (index & 1 != 0 ? root8 : 1)
            return value.significandBitPattern
        }
    }

    /// The cell of a raw value.
    @inline(__always)
    func cell(of raw: UInt64) -> Int {
        let value = Double(raw) * unitPerRaw
        guard value > zeroThreshold else { return 0 }
        // The steps that end below the value; none for a power of two, which ends the octave before.
        let fraction = value.significandBitPattern
        var steps = 0
        for index in self.steps.indices where self.steps[index] < fraction { steps += 1 }
        let octave = Int(value.exponentBitPattern) - 1023
        let key = octave * Self.bucketsPerOctave + steps
        return min(key - firstKey + 1, cellCount - 1)
    }
}
