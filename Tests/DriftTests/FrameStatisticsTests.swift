import Drift
import Testing

@Suite("Statistics of an image") struct FrameStatisticsTests {
    @Test(
        "they agree with the plain sums, for any shape",
        arguments: [
            [28, 28], [5, 3], [8, 8], [1, 7], [784], [3, 9, 6], [4, 5, 3], [2, 3, 4, 2],
        ]
    )
    func plainSums(shape: [Int]) throws {
        var generator = SeededGenerator(seed: UInt64(shape.count))
        let geometry = try FrameGeometry(shape: shape, white: 200)
        let pixels = (0..<geometry.pixels).map { _ in Float(generator.next() % 3 * 100) }
        var (light, squares, zeros, rows, columns) = (0.0, 0.0, 0.0, 0.0, 0.0)
        for (index, pixel) in pixels.enumerated() {
            let place = index / geometry.channels
            light += Double(pixel)
            squares += Double(pixel * pixel)
            zeros += pixel == 0 ? 1 : 0
            rows += Double(pixel) * Double(place / geometry.columns % geometry.rows)
            columns += Double(pixel) * Double(place % geometry.columns)
        }
        let count = Double(pixels.count)
        let mean = light / count
        let expected: [FrameStatistic: Double] = [
            .mean: mean,
            .deviation: (squares / count - mean * mean).squareRoot(),
            .zeroFraction: zeros / count,
            .saturatedFraction: pixels.reduce(0) { $0 + ($1 >= 200 ? 1 : 0) } / count,
            .rowCentroid: rows / light,
            .columnCentroid: columns / light,
        ]
        let summary = FrameReader(geometry).summary(of: pixels.span)
        for statistic in FrameStatistic.allCases {
            let value = try #require(expected[statistic])
            #expect(abs(Double(summary[statistic]) - value) <= 1e-4 * max(1, abs(value)))
        }
    }

    @Test("three extents are channels first or last")
    func channels() throws {
        let first = try FrameGeometry(shape: [3, 32, 32])
        #expect((first.planes, first.rows, first.columns, first.channels) == (3, 32, 32, 1))
        let last = try FrameGeometry(shape: [32, 32, 3])
        #expect((last.planes, last.rows, last.columns, last.channels) == (1, 32, 32, 3))
    }

    @Test("a black picture has its centroid in the middle")
    func black() throws {
        let summary = FrameReader(try FrameGeometry(shape: [5, 9]))
            .summary(of: [Float](repeating: 0, count: 45).span)
        #expect(summary[.mean] == 0 && summary[.zeroFraction] == 1)
        #expect(summary[.rowCentroid] == 2 && summary[.columnCentroid] == 4)
    }
}
