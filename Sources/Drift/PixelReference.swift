/// The mean and the spread of each value of the hold-out's images: what a map of changes begins with.
package struct PixelReference: Codable, Sendable, Equatable {
    /// The mean of each value, in the data's unit.
    package let means: [Float]
    /// The standard deviation of each value.
    package let deviations: [Float]

    /// Images of more values have no map.
    package static let valuesMax = 4096

    /// Refuses a reference that is of other images.
    func validate(rawWidth: Int) throws(DriftError) {
        let isWhole =
            means.count == rawWidth && deviations.count == rawWidth && rawWidth <= Self.valuesMax
            && means.allSatisfy(\.isFinite) && deviations.allSatisfy { $0 >= 0 && $0.isFinite }
        guard isWhole else {
            throw .profile(stream: "pixels", problem: "they are not those of the profile's images")
        }
    }
}

/// Makes a pixel reference from hold-out rows.
package struct PixelBuilder: Sendable {
    private var sums: [Double]
    private var squares: [Double]
    private var rows = 0.0

    /// Prepares for images; nil where none are kept.
    package init?(_ frame: FrameGeometry?) {
        guard let frame, frame.pixels <= PixelReference.valuesMax else { return nil }
        sums = [Double](repeating: 0, count: frame.pixels)
        squares = sums
    }

    /// Takes in raw rows, one behind the other.
    package mutating func add(raw: Span<Float>) {
        for start in stride(from: 0, to: raw.count - sums.count + 1, by: sums.count) {
            for index in sums.indices {
                let value = Double(raw[start + index])
                sums[index] += value
                squares[index] += value * value
            }
            rows += 1
        }
    }

    /// Makes the reference; nil without rows, or where a value is no number.
    package func finish() -> PixelReference? {
        guard rows > 0 else { return nil }
        let reference = PixelReference(
            means: sums.map { Float($0 / rows) },
            deviations: sums.indices.map { index in
                let mean = sums[index] / rows
                return Float(max(0, squares[index] / rows - mean * mean).squareRoot())
            }
        )
        do throws(DriftError) {
            try reference.validate(rawWidth: sums.count)
        } catch {
            return nil
        }
        return reference
    }
}
