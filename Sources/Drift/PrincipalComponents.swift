/// Finds the directions in which rows vary most.
///
/// Orthogonal iteration on the covariance matrix, from a fixed start: the same rows give the same
/// directions. Directions of nearly equal variance may be mixed, which does no harm here: any
/// fixed directions make valid streams.
enum PrincipalComponents {
    private static let iterations = 40

    /// Fits a projection to rows.
    ///
    /// - Parameters:
    ///   - rows: The numbers at the positions, row after row; NaN is missing.
    ///   - positions: Which numbers of a whole row they are.
    ///   - source: Where the rows come from; raw ones are brought to one scale.
    /// - Returns: The projection; nil when nothing varies.
    static func fit(rows: [Float], positions: [Int32], source: Projection.Source) -> Projection? {
        let width = positions.count
        guard width > 0, rows.count >= 2 * width else { return nil }
        let (means, deviations) = moments(rows, width: width)
        let scales = deviations.map { source == .hidden || $0 <= 0 ? 1 : $0 }
        let matrix = covariance(rows, width: width, means: means, scales: scales)
        let whole = (0..<width).reduce(0.0) { $0 + matrix[$1 * width + $1] }
        guard whole > 0, whole.isFinite else { return nil }
        var vectors = start(width: width, count: min(Projection.componentsMax, width))
        for _ in 0..<iterations {
            vectors = orthonormal(vectors.map { product(matrix, $0) })
        }
        // Directions without any variance are left out.
        let kept = vectors.map { ($0, dot($0, product(matrix, $0))) }.filter { $0.1 > 1e-7 * whole }
        guard !kept.isEmpty else { return nil }
        return Projection(
            source: source,
            positions: positions,
            means: means.map { Float($0) },
            scales: scales.map { Float($0) },
            components: kept.flatMap { $0.0.map { Float($0) } },
            variances: kept.map { Float($0.1) }
        )
    }

    /// Positions spread evenly over `count` numbers, at most as many as a projection looks at.
    static func positions(of count: Int) -> [Int32] {
        let kept = min(count, Projection.positionsMax)
        return (0..<kept).map { Int32($0 * count / kept) }
    }

    private static func moments(_ rows: [Float], width: Int) -> ([Double], [Double]) {
        var sums = [Double](repeating: 0, count: width)
        var counts = sums
        for (place, value) in rows.enumerated() where value.isFinite {
            sums[place % width] += Double(value)
            counts[place % width] += 1
        }
        let means = zip(sums, counts).map { $1 > 0 ? $0 / $1 : 0 }
        var squares = [Double](repeating: 0, count: width)
        for (place, value) in rows.enumerated() where value.isFinite {
            let difference = Double(value) - means[place % width]
            squares[place % width] += difference * difference
        }
        return (means, zip(squares, counts).map { $1 > 0 ? ($0 / $1).squareRoot() : 0 })
    }

    private static func covariance(
        _ rows: [Float],
        width: Int,
        means: [Double],
        scales: [Double]
    ) -> [Double] {
        var matrix = [Double](repeating: 0, count: width * width)
        var centred = [Double](repeating: 0, count: width)
        let count = rows.count / width
        for row in 0..<count {
            for column in 0..<width {
                let value = (Double(rows[row * width + column]) - means[column]) / scales[column]
                centred[column] = value.isFinite ? value : 0
            }
            for line in 0..<width where centred[line] != 0 {
                let factor = centred[line]
                for column in line..<width {
                    matrix[line * width + column] += factor * centred[column]
                }
            }
        }
        for line in 0..<width {
            for column in line..<width {
                let value = matrix[line * width + column] / Double(count)
                matrix[line * width + column] = value
                matrix[column * width + line] = value
            }
        }
        return matrix
    }

    /// Numbers that no data resemble, always the same.
    private static func start(width: Int, count: Int) -> [[Double]] {
        var random = FixedRandom()
        return orthonormal((0..<count).map { _ in (0..<width).map { _ in random.uniform() - 0.5 } })
    }

    /// Gram and Schmidt's process, twice, so that rounding leaves no overlap.
    private static func orthonormal(_ vectors: [[Double]]) -> [[Double]] {
        var done: [[Double]] = []
        for vector in vectors {
            var rest = vector
            for _ in 0..<2 {
                for base in done {
                    let share = dot(base, rest)
                    for index in rest.indices { rest[index] -= share * base[index] }
                }
            }
            let length = dot(rest, rest).squareRoot()
            guard length > 1e-30 else { continue }
            done.append(rest.map { $0 / length })
        }
        return done
    }

    private static func product(_ matrix: [Double], _ vector: [Double]) -> [Double] {
        let width = vector.count
        return (0..<width).map { line in
            var sum = 0.0
            for column in 0..<width { sum += matrix[line * width + column] * vector[column] }
            return sum
        }
    }

    private static func dot(_ a: [Double], _ b: [Double]) -> Double {
        var sum = 0.0
        for index in a.indices { sum += a[index] * b[index] }
        return sum
    }
}

/// A generator whose numbers are the same on every machine (SplitMix64).
struct FixedRandom {
    private var state: UInt64 = 0x1EE7

    mutating func next() -> UInt64 {
        state &+= 0x9E37_79B9_7F4A_7C15
        var z = state
        z = (z ^ (z >> 30)) &* 0xBF58_476D_1CE4_E5B9
        z = (z ^ (z >> 27)) &* 0x94D0_49BB_1331_11EB
        return z ^ (z >> 31)
    }

    mutating func uniform() -> Double { Double(next() >> 11) * 0x1p-53 }

    mutating func below(_ bound: Int) -> Int { Int(next() % UInt64(max(1, bound))) }
}
