internal import CKernels

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
    /// The value from which a pixel is as bright as can be, if that is known.
    package let white: Float?

    /// Reads a shape such as `[28, 28]`, `[32, 32, 3]`, `[3, 32, 32]` or `[784]` (one row).
    ///
    /// Three extents are channels first when the first is at most 4 and the last is not; four are
    /// pictures, rows, columns, channels.
    package init(shape: [Int], white: Float? = nil) throws(DriftError) {
        self.white = white
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
        if let white, !white.isFinite {
            throw .setting(name: "white", problem: "it is no finite number")
        }
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

/// The numbers that stand for an image.
package struct FrameSummary: Equatable, Sendable {
    var mean: Float = 0
    var deviation: Float = 0
    var zeroFraction: Float = 0
    var saturatedFraction: Float = 0
    var rowCentroid: Float = 0
    var columnCentroid: Float = 0
    /// The root of the pixels' mean square.
    var magnitude: Float = 0
    /// The pixels outside of what is usual.
    var outside = 0
    /// A number that two images share by accident hardly ever.
    var fingerprint: UInt64 = 0

    /// Whether all pixels are equal, as far as rounding can tell.
    var isConstant: Bool { deviation <= 1e-3 * magnitude }

    /// One of the numbers.
    package subscript(statistic: FrameStatistic) -> Float {
        switch statistic {
        case .mean: mean
        case .deviation: deviation
        case .zeroFraction: zeroFraction
        case .saturatedFraction: saturatedFraction
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
    private let places: [Places]
    private let centre: (row: Float, column: Float)
    private let white: Float
    private let usual: (lower: Float, upper: Float)

    fileprivate struct Places: Sendable {
        var rows = SIMD8<Float>.zero
        var columns = SIMD8<Float>.zero
    }

    /// Prepares for images of a geometry; pixels outside of `usual` are counted.
    package init(
        _ geometry: FrameGeometry,
        usual: (lower: Float, upper: Float) = (-.infinity, .infinity)
    ) {
        pixels = geometry.pixels
        var places = [Places](repeating: Places(), count: (geometry.pixels + 7) / 8)
        for pixel in 0..<geometry.pixels {
            let position = pixel / geometry.channels
            places[pixel / 8].columns[pixel % 8] = Float(position % geometry.columns)
            let row = (position / geometry.columns) % geometry.rows
            places[pixel / 8].rows[pixel % 8] = Float(row)
        }
        self.places = places
        centre = (Float(geometry.rows - 1) / 2, Float(geometry.columns - 1) / 2)
        white = geometry.white ?? .infinity
        self.usual = usual
    }

    /// The statistics of one image; its width has been checked by the caller.
    ///
    /// A picture without light has its centroid in the middle.
    package func summary(of frame: Span<Float>) -> FrameSummary {
        guard pixels > 0, frame.count >= pixels else { return FrameSummary() }
        var sums = FrameSums(white: white, usual: usual)
        let whole = pixels / 8
        let places = places.span
        sums.add(frame, places, groups: whole)
        let rest = pixels - whole * 8
        if rest > 0 {
            // Filled up with the last pixel, whose surplus is taken off again.
            let filling = frame[pixels - 1]
            var last = SIMD8<Float>(repeating: filling)
            for lane in 0..<rest { last[lane] = frame[whole * 8 + lane] }
            sums.add(last, row: places[whole].rows, column: places[whole].columns)
            sums.remove(filling, times: 8 - rest)
        }
        return summary(sums)
    }

    private func summary(_ sums: FrameSums) -> FrameSummary {
        let count = Float(pixels)
        let (light, squares) = (sums.light.sum(), sums.squares.sum())
        let mean = light / count
        let variance = max(0, squares / count - mean * mean)
        let isLit = light > 0
        let moments = (rows: sums.rowMoments.sum(), columns: sums.columnMoments.sum())
        return FrameSummary(
            mean: mean,
            deviation: variance.squareRoot(),
            zeroFraction: Float(sums.zeros.wrappedSum()) / count,
            saturatedFraction: Float(sums.saturated.wrappedSum()) / count,
            rowCentroid: isLit ? moments.rows / light : centre.row,
            columnCentroid: isLit ? moments.columns / light : centre.column,
            magnitude: (squares / count).squareRoot(),
            outside: Int(sums.outside.wrappedSum()),
            fingerprint: RowHistory.mix(
                RowHistory.mix(light.bitPattern, squares.bitPattern),
                RowHistory.mix(moments.rows.bitPattern, moments.columns.bitPattern)
            )
        )
    }
}

private struct FrameSums {
    let white: Float
    let usual: (lower: Float, upper: Float)
    var light = SIMD8<Float>.zero
    var squares = SIMD8<Float>.zero
    var rowMoments = SIMD8<Float>.zero
    var columnMoments = SIMD8<Float>.zero
    var zeros = SIMD8<Int32>.zero
    var saturated = SIMD8<Int32>.zero
    var outside = SIMD8<Int32>.zero

    init(white: Float, usual: (lower: Float, upper: Float)) {
        (self.white, self.usual) = (white, usual)
    }

    /// Adds the first groups of eight pixels, of which the picture and the places must have so many.
    mutating func add(_ frame: Span<Float>, _ places: Span<FrameReader.Places>, groups: Int) {
        precondition(frame.count >= groups * 8 && places.count >= groups)
        let limits = leeway_picture_limits(
            white: white,
            lower: usual.lower,
            upper: usual.upper
        )
        var found = leeway_picture_sums()
        unsafe frame.withUnsafeBufferPointer { values in
            unsafe places.withUnsafeBytes { places in
                // Bounds: eight values a group and sixteen numbers a place, as was just checked.
                unsafe leeway_picture(
                    Self.level,
                    groups,
                    limits,
                    values.baseAddress,
                    places.baseAddress?.assumingMemoryBound(to: Float.self),
                    &found
                )
            }
        }
        take(found)
    }

    /// Takes sums of C, whose arrays of eight have the form of vectors of eight.
    private mutating func take(_ found: leeway_picture_sums) {
        unsafe light += unsafeBitCast(found.light, to: SIMD8<Float>.self)
        unsafe squares += unsafeBitCast(found.squares, to: SIMD8<Float>.self)
        unsafe rowMoments += unsafeBitCast(found.row_moments, to: SIMD8<Float>.self)
        unsafe columnMoments += unsafeBitCast(found.column_moments, to: SIMD8<Float>.self)
        unsafe zeros &+= unsafeBitCast(found.zeros, to: SIMD8<Int32>.self)
        unsafe saturated &+= unsafeBitCast(found.saturated, to: SIMD8<Int32>.self)
        unsafe outside &+= unsafeBitCast(found.outside, to: SIMD8<Int32>.self)
    }

    private static let level = leeway_kernels_level()

    /// Adds the last group.
    mutating func add(_ pixels: SIMD8<Float>, row: SIMD8<Float>, column: SIMD8<Float>) {
        light += pixels
        squares += pixels * pixels
        zeros &-= (pixels .== 0).bits
        saturated &-= (pixels .>= white).bits
        rowMoments += pixels * row
        columnMoments += pixels * column
        outside &-= ((pixels .< usual.lower) .| (pixels .> usual.upper)).bits
    }

    /// Takes a pixel off that was counted in the first row and column.
    mutating func remove(_ pixel: Float, times: Int) {
        light[7] -= pixel * Float(times)
        squares[7] -= pixel * pixel * Float(times)
        if pixel == 0 { zeros[7] -= Int32(times) }
        if pixel >= white { saturated[7] -= Int32(times) }
        if pixel < usual.lower || pixel > usual.upper { outside[7] -= Int32(times) }
    }
}

extension SIMDMask where Storage == SIMD8<Int32> {
    /// −1 where it holds, 0 elsewhere.
    @inline(__always)
    fileprivate var bits: SIMD8<Int32> { unsafe unsafeBitCast(self, to: SIMD8<Int32>.self) }
}

extension Span<Float> {
    /// Eight values from `start` on; the bounds are checked once, by the last of them.
    @inline(__always)
    func group(at start: Int) -> SIMD8<Float> {
        // Bounds: the load checks that start ... start + 7 lie in 0 ..< count; any bytes are floats.
        unsafe bytes.unsafeLoadUnaligned(
            fromByteOffset: start * MemoryLayout<Float>.stride,
            as: SIMD8<Float>.self
        )
    }
}

extension SIMD8<Float> {
    @inline(__always)
    func sum() -> Float {
        let four = lowHalf + highHalf
        let two = four.lowHalf + four.highHalf
        return two.x + two.y
    }
}
