package import NeuralNetwork

/// What predictions of one version cost on this machine, as measured when it was loaded.
package struct ComputeCost: Sendable, Equatable {
    /// The time of one product.
    package struct Point: Sendable, Equatable {
        /// Its rows.
        package let rows: Int
        /// Its nanoseconds.
        package let nanoseconds: UInt64

        /// Takes a measurement.
        package init(rows: Int, nanoseconds: UInt64) {
            self.rows = rows
            self.nanoseconds = nanoseconds
        }

        fileprivate var perRow: Double { Double(nanoseconds) / Double(max(rows, 1)) }
    }

    /// Nanoseconds of one row alone, on one thread.
    package let row: UInt64
    /// Nanoseconds of each further row of a product on one thread.
    package let furtherRow: UInt64
    /// Products on all threads of the batcher, in ascending order of rows; at least one.
    package let products: [Point]

    /// Takes measurements; without products the batcher is taken to have one thread.
    package init(row: UInt64, furtherRow: UInt64, products: [Point] = []) {
        self.row = row
        self.furtherRow = furtherRow
        self.products =
            products.isEmpty
            ? [Point(rows: 1, nanoseconds: row), Point(rows: 2, nanoseconds: row &+ furtherRow)]
            : products
    }

    /// Nanoseconds of a product on one thread.
    package func onOneThread(rows: Int) -> UInt64 {
        Self.clamped(Double(row) + Double(max(rows, 1) - 1) * Double(furtherRow))
    }

    /// Nanoseconds of a product on all threads of the batcher.
    package func inBatcher(rows: Int) -> UInt64 {
        guard let first = products.first, let last = products.last else { return row }
        if rows <= first.rows { return first.nanoseconds }
        if rows >= last.rows { return Self.beyond(products, rows) }
        var below = first
        for point in products {
            if point.rows >= rows { return Self.between(below, point, rows) }
            below = point
        }
        return last.nanoseconds
    }

    /// The fewest rows, among those measured, whose product takes no longer than this and is within
    /// a twentieth of the best time a row.
    package func bestRows(within nanoseconds: UInt64) -> Int {
        let fitting = products.filter { $0.nanoseconds <= nanoseconds }
        let best = fitting.map(\.perRow).min() ?? 0
        return fitting.first { $0.perRow <= best * 1.05 }?.rows ?? 1
    }

    private static func between(_ low: Point, _ high: Point, _ rows: Int) -> UInt64 {
        guard high.rows > low.rows else { return high.nanoseconds }
        let share = Double(rows - low.rows) / Double(high.rows - low.rows)
        return clamped(
            Double(low.nanoseconds) * (1 - share) + Double(high.nanoseconds) * share
        )
    }

    /// Goes on as between the last two points.
    private static func beyond(_ points: [Point], _ rows: Int) -> UInt64 {
        guard let last = points.last else { return 0 }
        guard points.count > 1 else {
            return clamped(Double(last.nanoseconds) / Double(last.rows) * Double(rows))
        }
        let before = points[points.count - 2]
        let rise =
            max(0, Double(last.nanoseconds) - Double(before.nanoseconds))
            / Double(max(1, last.rows - before.rows))
        return clamped(Double(last.nanoseconds) + rise * Double(rows - last.rows))
    }

    private static func clamped(_ nanoseconds: Double) -> UInt64 {
        UInt64(min(max(nanoseconds, 1), 1e15))
    }
}

extension ComputeCost {
    /// Rows of the products that are measured for the batcher.
    private static let measuredRows = [1, 2, 4, 8, 12, 16, 24, 32, 48, 64, 96, 128, 256]

    /// Measures a network: the least of several times, since other work only ever adds.
    ///
    /// - Parameters:
    ///   - network: What is measured; its weights are in the caches afterwards.
    ///   - threads: Of the batcher.
    ///   - inlineNanosecondsMax: Only what takes longer is measured on all threads.
    ///   - clock: Nanoseconds of a clock that does not go back.
    /// - Returns: Its cost.
    package static func measured(
        _ network: MultilayerPerceptron,
        threads: Int,
        inlineNanosecondsMax: UInt64,
        clock: () -> UInt64
    ) -> ComputeCost {
        var alone = InferenceScratch()
        let row = least(network, rows: 1, &alone, clock)
        let several = least(network, rows: 17, &alone, clock)
        let further = several > row ? (several - row) / 16 : row
        guard row > inlineNanosecondsMax else {
            return ComputeCost(row: row, furtherRow: max(1, further))
        }
        var team = InferenceScratch(threads: threads)
        var products: [Point] = []
        for rows in measuredRows {
            let nanoseconds = max(least(network, rows: rows, &team, clock), 1)
            // More rows never take less; what says so was measured in a worse moment.
            let floor = products.last?.nanoseconds ?? 0
            products.append(Point(rows: rows, nanoseconds: max(nanoseconds, floor)))
            if nanoseconds > 3 * products[0].nanoseconds { break }
        }
        return ComputeCost(row: row, furtherRow: max(1, further), products: products)
    }

    private static let repeats = 5
    /// A product that takes long is repeated less.
    private static let nanosecondsMax: UInt64 = 40_000_000

    private static func least(
        _ network: MultilayerPerceptron,
        rows: Int,
        _ scratch: inout InferenceScratch,
        _ clock: () -> UInt64
    ) -> UInt64 {
        let inputs = [Float](repeating: 0.5, count: rows * network.inputWidth)
        var least = UInt64.max
        var spent: UInt64 = 0
        for repetition in 0...repeats where repetition < 2 || spent < nanosecondsMax {
            let begun = clock()
            network.forward(rows: inputs.span, rowCount: rows, scratch: &scratch)
            let nanoseconds = clock() &- begun
            spent &+= nanoseconds
            // The first brings weights and results into the caches.
            if repetition > 0 { least = min(least, nanoseconds) }
        }
        return least
    }
}
