/// How often a row's nearest neighbour has the same label, among an evenly spread sample.
///
/// The figure says nothing by itself; compared with that of another run it tells whether labels
/// became noise, whatever happened to the inputs: with a share f of labels replaced at random it
/// falls to about (1 − f)² of what it was. Distances are Euclidean, of engine inputs.
package struct NeighbourAgreement: Sendable, Equatable {
    /// The share, 0 to 1; nil for numbers as targets and for too few rows.
    package let share: Double?

    /// Rows whose neighbour is sought, at most.
    static let queriesMax = 300
    /// Rows among which it is sought, at most.
    static let poolMax = 3000
    /// Fewer queries say nothing.
    static let queriesMin = 100

    /// Looks at some rows of a data set.
    package init(_ dataset: Dataset, rows: [Int32], schema: FeatureSchema) {
        guard case .classes(let labels) = dataset.labels, rows.count > Self.queriesMin else {
            share = nil
            return
        }
        let pool = Self.spread(rows, Self.poolMax)
        let queries = Self.spread(Array(pool.indices), Self.queriesMax)
        let packed = Self.packed(dataset, pool, schema)
        let width = packed.count / pool.count
        var agreeing = 0
        for query in queries {
            let nearest = Self.nearest(to: query, packed, width, pool.count)
            if labels[Int(pool[nearest])] == labels[Int(pool[query])] { agreeing += 1 }
        }
        share = Double(agreeing) / Double(queries.count)
    }

    /// Evenly spread elements, all when there are not more.
    private static func spread<Element>(_ elements: [Element], _ countMax: Int) -> [Element] {
        guard elements.count > countMax else { return elements }
        return (0..<countMax).map { elements[$0 * elements.count / countMax] }
    }

    /// Engine inputs of rows, eight to a vector, each row filled up with zeros.
    private static func packed(
        _ dataset: Dataset,
        _ rows: [Int32],
        _ schema: FeatureSchema
    ) -> [SIMD8<Float>] {
        let width = schema.encodedWidth
        var inputs = [Float](repeating: 0, count: width)
        var packed: [SIMD8<Float>] = []
        packed.reserveCapacity(rows.count * ((width + 7) / 8))
        for row in rows {
            var target = inputs.mutableSpan
            schema.encode(dataset, rows: [row].span, into: &target)
            for start in stride(from: 0, to: width, by: 8) {
                var vector = SIMD8<Float>.zero
                for lane in 0..<min(8, width - start) { vector[lane] = inputs[start + lane] }
                packed.append(vector)
            }
        }
        return packed
    }

    private static func nearest(
        to query: Int,
        _ packed: [SIMD8<Float>],
        _ width: Int,
        _ count: Int
    ) -> Int {
        var (best, least) = (query, Float.infinity)
        let ours = packed.span.extracting(query * width..<(query + 1) * width)
        for other in 0..<count where other != query {
            let theirs = packed.span.extracting(other * width..<(other + 1) * width)
            var sums = SIMD8<Float>.zero
            for index in 0..<width {
                let difference = ours[index] - theirs[index]
                sums += difference * difference
            }
            let distance = sums.sum()
            // Of equals the first is taken, so that the figure is the same in every run.
            if distance < least { (best, least) = (other, distance) }
        }
        return best
    }
}
