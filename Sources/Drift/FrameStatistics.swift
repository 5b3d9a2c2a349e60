/// How the pixels of an image lie in a raw row.
package struct FrameGeometry: Codable, Sendable, Equatable {
    /// Rows of pixels.
    package let rows: Int
    /// Pixels in a row.
    package let columns: Int
    /// Values of a pixel, beside one another; 1 for grey.
    package let channels: Int
    /// Whole pictures one after another (colour planes); 1 for grey.
    package let planes: Int

    /// Reads a shape such as `[28, 28]`, `[32, 32, 3]`, `[3, 32, 32]` or `[784]` (one row).
    ///
    /// Three extents are channels first when the first is at most 4 and the last is not; four are
    /// pictures, rows, columns, channels.
    package init(shape: [Int]) throws(DriftError) {
        switch shape.count {
        case 1: (rows, columns, channels, planes) = (1, shape[0], 1, 1)
        case 2: (rows, columns, channels, planes) = (shape[0], shape[1], 1, 1)
        case 3 where shape[0] <= 4 && shape[2] > 4:
            (rows, columns, channels, planes) = (shape[1], shape[2], 1, shape[0])
        case 3: (rows, columns, channels, planes) = (shape[0], shape[1], shape[2], 1)
        case 4: (planes, rows, columns, channels) = (shape[0], shape[1], shape[2], shape[3])
        default: throw .setting(name: "shape", problem: "\(shape.count) extents, 1 to 4 are known")
        }
        try validate()
    }

    /// All values of an image; ``validate()`` has seen that the product fits.
    package var pixels: Int { rows * columns * channels * planes }

    func validate() throws(DriftError) {
        var product = 1
        for size in [rows, columns, channels, planes] {
            let (next, overflow) = product.multipliedReportingOverflow(by: max(size, 0))
            guard !overflow, next > 0, next <= ReferenceProfile.rawWidthMax else {
                throw .setting(
                    name: "shape",
                    problem: "\([planes, rows, columns, channels]) is no picture of 1 to "
                        + "\(ReferenceProfile.rawWidthMax) values"
                )
            }
            product = next
        }
    }
}

/// The five numbers that stand for an image.
package struct FrameSummary: Equatable, Sendable {
    var mean: Float = 0
    var deviation: Float = 0
    var zeroFraction: Float = 0
    var rowCentroid: Float = 0
    var columnCentroid: Float = 0

    /// One of the numbers.
    package subscript(statistic: FrameStatistic) -> Float {
        switch statistic {
        case .mean: mean
        case .deviation: deviation
        case .zeroFraction: zeroFraction
        case .rowCentroid: rowCentroid
        case .columnCentroid: columnCentroid
        }
    }
}

/// Reduces images of one geometry to their statistics in one pass.
///
/// Sums run in eight lanes, which keeps pixel sums of bytes exact in 32-bit floats: a 28×28
/// picture has at most 98 · 255² < 2²⁴ in a lane.
package struct FrameReader: Sendable {
    private let pixels: Int
    /// Eight pixels' row and column numbers at a time; the last group is filled up with zeros.
    private let rowNumbers: [SIMD8<Float>]
    private let columnNumbers: [SIMD8<Float>]
    private let centre: (row: Float, column: Float)

    /// Prepares for images of a geometry.
    package init(_ geometry: FrameGeometry) {
        pixels = geometry.pixels
        let groups = (geometry.pixels + 7) / 8
        var rows = [SIMD8<Float>](repeating: .zero, count: groups)
        var columns = rows
        for pixel in 0..<geometry.pixels {
            let position = pixel / geometry.channels
            columns[pixel / 8][pixel % 8] = Float(position % geometry.columns)
            rows[pixel / 8][pixel % 8] = Float((position / geometry.columns) % geometry.rows)
        }
        rowNumbers = rows
        columnNumbers = columns
        centre = (Float(geometry.rows - 1) / 2, Float(geometry.columns - 1) / 2)
    }

    /// The statistics of one image; its width has been checked by the caller.
    ///
    /// A picture without light has its centroid in the middle.
    package func summary(of frame: Span<Float>) -> FrameSummary {
        var sums = FrameSums()
        let whole = min(frame.count, pixels) / 8
        for group in 0..<whole {
            sums.add(
                frame.group(at: group * 8),
                row: rowNumbers[group],
                column: columnNumbers[group]
            )
        }
        let rest = pixels - whole * 8
        if rest > 0 {
            var last = SIMD8<Float>.zero
            for lane in 0..<rest { last[lane] = frame[whole * 8 + lane] }
            sums.add(last, row: rowNumbers[whole], column: columnNumbers[whole])
        }
        return summary(sums, filledUp: (rest > 0 ? 8 - rest : 0))
    }

    /// Divides the sums; the last group was filled up with so many zeros.
    private func summary(_ sums: FrameSums, filledUp: Int) -> FrameSummary {
        let count = Float(pixels)
        let light = sums.light.sum()
        let mean = light / count
        let variance = max(0, sums.squares.sum() / count - mean * mean)
        let isLit = light > 0
        return FrameSummary(
            mean: mean,
            deviation: variance.squareRoot(),
            zeroFraction: (sums.zeros.sum() - Float(filledUp)) / count,
            rowCentroid: isLit ? sums.rowMoments.sum() / light : centre.row,
            columnCentroid: isLit ? sums.columnMoments.sum() / light : centre.column
        )
    }
}

private struct FrameSums {
    var light = SIMD8<Float>.zero
    var squares = SIMD8<Float>.zero
    var rowMoments = SIMD8<Float>.zero
    var columnMoments = SIMD8<Float>.zero
    var zeros = SIMD8<Float>.zero

    @inline(__always)
    mutating func add(_ pixels: SIMD8<Float>, row: SIMD8<Float>, column: SIMD8<Float>) {
        light += pixels
        squares += pixels * pixels
        rowMoments += pixels * row
        columnMoments += pixels * column
        zeros += SIMD8<Float>.zero.replacing(with: 1, where: pixels .== 0)
    }
}

extension Span<Float> {
    /// Eight values from `start` on; the bounds are checked once, by the last of them.
    @inline(__always)
    fileprivate func group(at start: Int) -> SIMD8<Float> {
        precondition(start >= 0 && start + 8 <= count)
        // Bounds: start ... start + 7 lie in 0 ..< count by the line above.
        return unsafe SIMD8(
            self[unchecked: start],
            self[unchecked: start + 1],
            self[unchecked: start + 2],
            self[unchecked: start + 3],
            self[unchecked: start + 4],
            self[unchecked: start + 5],
            self[unchecked: start + 6],
            self[unchecked: start + 7]
        )
    }
}

extension SIMD8<Float> {
    fileprivate func sum() -> Float {
        let four = lowHalf + highHalf
        let two = four.lowHalf + four.highHalf
        return two.x + two.y
    }
}
