/// Directions in which rows vary most, found by the principal components of training rows.
///
/// It looks at the last hidden layer; a model without one has its numeric columns or its pixels
/// looked at instead. The scores are z = W(x − μ)/s with orthonormal rows of W.
package struct Projection: Codable, Sendable, Equatable {
    /// Where the numbers come from.
    package enum Source: String, Codable, Sendable, Equatable {
        /// The last hidden layer.
        case hidden
        /// The raw row.
        case raw
    }

    /// Where the numbers come from.
    package let source: Source
    /// Which of the numbers are looked at.
    package let positions: [Int32]
    /// What is taken off each; it stands for missing ones.
    package let means: [Float]
    /// What each is divided by.
    package let scales: [Float]
    /// The directions, one after another, each with a factor for each position.
    package let components: [Float]
    /// The variance of each score in training rows.
    package let variances: [Float]

    /// Most directions.
    package static let componentsMax = 16
    /// Most numbers that are looked at: more are thinned out evenly.
    package static let positionsMax = 256

    private enum CodingKeys: String, CodingKey {
        case source, positions, means, scales, components, variances
    }

    /// The number of directions.
    package var count: Int { variances.count }

    /// Refuses what contradicts itself or looks beyond a row.
    func validate(rawWidth: Int, hiddenWidth: Int) throws(DriftError) {
        let width = source == .hidden ? hiddenWidth : rawWidth
        let holds =
            (1...Self.componentsMax).contains(count)
            && (1...Self.positionsMax).contains(positions.count)
            && means.count == positions.count && scales.count == positions.count
            && components.count == positions.count * count
            && positions.allSatisfy { $0 >= 0 && $0 < width }
            && means.allSatisfy { $0.isFinite } && components.allSatisfy { $0.isFinite }
            && scales.allSatisfy { $0.isFinite && $0 > 0 }
            && variances.allSatisfy { $0.isFinite && $0 > 0 }
        guard holds else {
            throw .profile(stream: "(all)", problem: "the projection contradicts itself")
        }
    }
}

/// Computes scores, T² and the residual without allocating.
struct ProjectionReader: Sendable {
    let source: Projection.Source
    private let positions: [Int32]
    /// Whether the positions are all of the first numbers, in order.
    private let isPrefix: Bool
    private let means: [SIMD8<Float>]
    private let factors: [SIMD8<Float>]
    /// W/s, component by component, each filled up to whole groups.
    private let weights: [SIMD8<Float>]
    private let precisions: [Float]
    private var centred: [SIMD8<Float>]

    /// The scores written for a row: one a direction, T², the residual.
    var scoreCount: Int { precisions.count + 2 }

    init(_ projection: Projection) {
        source = projection.source
        positions = projection.positions
        isPrefix = projection.positions.indices.allSatisfy { projection.positions[$0] == $0 }
        means = Self.grouped(projection.means[...])
        factors = Self.grouped(projection.scales.map { 1 / $0 }[...])
        let width = projection.positions.count
        weights = (0..<projection.count).flatMap {
            Self.grouped(projection.components[$0 * width..<($0 + 1) * width])
        }
        precisions = projection.variances.map { 1 / $0 }
        centred = [SIMD8<Float>](repeating: .zero, count: means.count)
    }

    /// Writes the scores of the numbers into `scores` from `start` on.
    mutating func read(_ numbers: Span<Float>, into scores: inout [Float], at start: Int) {
        centre(numbers)
        let (centred, weights) = (centred.span, weights.span)
        var target = scores.mutableSpan
        let groups = centred.count
        var squares = SIMD8<Float>.zero
        for group in 0..<groups { squares += centred[group] * centred[group] }
        var rest = squares.sum()
        var distance: Float = 0
        var first = 0
        for component in precisions.indices {
            var sum = SIMD8<Float>.zero
            precondition(first + groups <= weights.count)
            // Bounds: group is below centred.count, first + group below weights.count.
            for group in 0..<groups {
                sum += unsafe centred[unchecked: group] * weights[unchecked: first + group]
            }
            first += groups
            let score = sum.sum()
            target[start + component] = score
            distance += score * score * precisions[component]
            rest -= score * score
        }
        target[start + precisions.count] = distance
        target[start + precisions.count + 1] = max(0, rest)
    }

    /// Takes the means off and divides; a missing number is taken as its mean.
    private mutating func centre(_ numbers: Span<Float>) {
        if isPrefix {
            let whole = positions.count / 8
            for group in 0..<whole {
                let value = (numbers.group(at: group * 8) - means[group]) * factors[group]
                centred[group] = value.replacing(with: 0, where: value .!= value)
            }
            for index in whole * 8..<positions.count { centre(numbers[index], at: index) }
        } else {
            for index in positions.indices { centre(numbers[Int(positions[index])], at: index) }
        }
    }

    private mutating func centre(_ number: Float, at index: Int) {
        let value = (number - means[index / 8][index % 8]) * factors[index / 8][index % 8]
        centred[index / 8][index % 8] = value.isFinite ? value : 0
    }

    private static func grouped(_ values: ArraySlice<Float>) -> [SIMD8<Float>] {
        var groups = [SIMD8<Float>](repeating: .zero, count: (values.count + 7) / 8)
        for (index, value) in values.enumerated() { groups[index / 8][index % 8] = value }
        return groups
    }
}
