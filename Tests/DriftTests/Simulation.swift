import Drift

/// SplitMix64: enough for simulations, and the same everywhere.
struct SeededGenerator: RandomNumberGenerator {
    private var state: UInt64

    init(seed: UInt64) { state = seed }

    mutating func next() -> UInt64 {
        state &+= 0x9E37_79B9_7F4A_7C15
        var z = state
        z = (z ^ (z >> 30)) &* 0xBF58_476D_1CE4_E5B9
        z = (z ^ (z >> 27)) &* 0x94D0_49BB_1331_11EB
        return z ^ (z >> 31)
    }

    mutating func uniform() -> Double { Double(next() >> 11) * 0x1p-53 }

    /// A normal number, by twelve uniform ones.
    mutating func normal() -> Double {
        var sum = -6.0
        for _ in 0..<12 { sum += uniform() }
        return sum
    }

    /// An index drawn from `law`.
    mutating func draw(_ law: [Double]) -> Int {
        var rest = uniform()
        for (index, share) in law.enumerated() {
            rest -= share
            if rest < 0 { return index }
        }
        return law.count - 1
    }

    /// A law over `count` bins with all shares positive.
    mutating func law(_ count: Int, sharpness: Double = 1) -> [Double] {
        let weights = (0..<count).map { _ in
            let u = uniform() + 0.001
            return sharpness > 1 ? u * u * u * u : u
        }
        let sum = weights.reduce(0, +)
        return weights.map { $0 / sum }
    }
}

/// A profile of streams whose laws are known: the sampling error is 0.
func knownProfile(
    _ laws: [[Double]],
    kind: ReferenceStream.Kind = .input,
    samplingError: Double = 0
) throws -> ReferenceProfile {
    try ReferenceProfile(
        holdoutRows: 10_000,
        rawWidth: laws.count,
        outputWidth: 1,
        frame: nil,
        failureProbability: 0.001,
        columnsUnwatched: 0,
        streams: laws.enumerated().map { index, law in
            ReferenceStream(
                name: "column.\(index)",
                kind: kind,
                source: .column(index: index),
                binOfCategory: law.indices.map { UInt8($0) },
                labels: law.indices.map { "\($0)" },
                roles: law.map { _ in .body },
                probabilities: law,
                samplingError: samplingError
            )
        }
    )
}

/// A law in the ball that pays most for `payoffs`: `tolerance` goes from the lowest to the highest.
func leastFavourable(_ law: [Double], payoffs: [Double], tolerance: Double) -> [Double] {
    var moved = law
    let ascending = payoffs.indices.sorted { payoffs[$0] < payoffs[$1] }
    var rest = tolerance
    guard let top = ascending.last else { return law }
    for index in ascending.dropLast() {
        let taken = min(rest, moved[index])
        moved[index] -= taken
        moved[top] += taken
        rest -= taken
    }
    return moved
}

func totalVariation(_ p: [Double], _ q: [Double]) -> Double {
    zip(p, q).reduce(0) { $0 + abs($1.0 - $1.1) } / 2
}

extension DriftMonitor {
    /// Folds rows, given as bins of all streams, in blocks of `size`.
    mutating func fold(rows: [[UInt8]], inBlocksOf size: Int = BlockCounts.rowsMax) {
        var block = BlockCounts(profile: profile)
        for row in rows {
            block.add(bins: row.span)
            if block.rowCount >= size {
                fold(block)
                block.reset()
            }
        }
        fold(block)
    }

    /// Draws and folds blocks until an alarm or until `rowsMax`; returns the rows since the start.
    mutating func runToAlarm(
        rowsMax: Int,
        blockRows: Int = BlockCounts.rowsMax,
        row: () -> [UInt8]
    ) -> Int {
        var block = BlockCounts(profile: profile)
        var drawn = 0
        while alarm == nil && drawn < rowsMax {
            for _ in 0..<blockRows { block.add(bins: row().span) }
            drawn += blockRows
            fold(block)
            block.reset()
        }
        return drawn
    }
}
