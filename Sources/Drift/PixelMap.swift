/// Sums of the values of some live images, which add up over event loops and replicas.
package struct PixelSums: Sendable, Equatable {
    /// The images.
    package private(set) var rows = 0
    private(set) var sums: [Float]

    /// Has seen no image.
    init(count: Int) { sums = [Float](repeating: 0, count: count) }

    mutating func add(_ raw: Span<Float>) {
        guard raw.count == sums.count else { return }
        // Values that are no numbers are watched elsewhere; here they would spoil all that follow.
        for index in sums.indices where !raw[index].isFinite { return }
        for index in sums.indices { sums[index] += raw[index] }
        rows += 1
    }
}

/// Sums up one in sixteen of the watched images; each event loop has its own.
package struct PixelCounter: Sendable {
    private var sums: PixelSums
    private var untilNext = 1

    private static let every = 16

    /// Makes the counter of a version; nil for one without a pixel reference.
    package init?(_ reference: PixelReference?) {
        guard let reference else { return nil }
        sums = PixelSums(count: reference.means.count)
    }

    /// Looks at a raw row.
    package mutating func count(_ raw: Span<Float>) {
        untilNext -= 1
        guard untilNext == 0 else { return }
        untilNext = Self.every
        sums.add(raw)
    }

    /// Takes what was summed up since the last time; nil when that is nothing.
    package mutating func take() -> PixelSums? {
        guard sums.rows > 0 else { return nil }
        defer { sums = PixelSums(count: sums.sums.count) }
        return sums
    }
}

/// The means of live images, old ones fading.
package struct PixelWindow: Sendable {
    private let reference: PixelReference
    private let frame: FrameGeometry
    private var sums: [Float]
    private var weight = 0.0

    /// Images, of those that are summed up, after which one counts half.
    private static let halfLife = 256.0
    /// Of fewer images no map is drawn.
    package static let rowsMin = 8.0

    /// Has seen no image; nil for a profile without a pixel reference.
    package init?(_ profile: ReferenceProfile) {
        guard let reference = profile.pixels, let frame = profile.frame else { return nil }
        (self.reference, self.frame) = (reference, frame)
        sums = [Float](repeating: 0, count: reference.means.count)
    }

    /// Takes in sums of images.
    package mutating func fold(_ live: PixelSums) {
        guard live.sums.count == sums.count else { return }
        let kept = powerOfTwo(-Double(live.rows) / Self.halfLife)
        let factor = Float(kept)
        for index in sums.indices { sums[index] = sums[index] * factor + live.sums[index] }
        weight = weight * kept + Double(live.rows)
    }

    /// The map of what has changed; nil before there are images.
    package var map: PixelMap? {
        guard weight >= Self.rowsMin else { return nil }
        return PixelMap(reference, frame, live: sums.map { $0 / Float(weight) }, rows: weight)
    }
}

/// Where images have changed: each value's live mean beside that of the hold-out.
package struct PixelMap: Codable, Sendable, Equatable {
    /// How values lie in a row.
    package let frame: FrameGeometry
    /// The live images that the means amount to.
    package let rows: Double
    /// The hold-out's mean of each value, in the data's unit.
    package let reference: [Float]
    /// The live mean of each value.
    package let live: [Float]
    /// The difference of the means, in the root mean square of the hold-out's deviations.
    package let change: [Float]
    /// The values that have changed most.
    package let top: [Place]

    /// Most places that are told.
    package static let placesMax = 10

    /// A value of an image.
    package struct Place: Codable, Sendable, Equatable {
        /// The row of pixels, from 0.
        package let row: Int
        /// The pixel in the row, from 0.
        package let column: Int
        /// The plane or the channel, from 0.
        package let channel: Int
        /// How far the mean has moved, as in ``PixelMap/change``.
        package let change: Float
    }

    init(_ reference: PixelReference, _ frame: FrameGeometry, live: [Float], rows: Double) {
        self.frame = frame
        self.rows = rows
        self.reference = reference.means
        self.live = live
        let squares = reference.deviations.reduce(0) { $0 + Double($1) * Double($1) }
        let spread = Float((squares / Double(max(1, live.count))).squareRoot())
        let unit = spread > 0 ? spread : 1
        let change = zip(live, reference.means).map { ($0 - $1) / unit }
        self.change = change
        top = change.indices
            .sorted { (abs(change[$1]), $0) < (abs(change[$0]), $1) }
            .prefix(Self.placesMax)
            .filter { change[$0] != 0 }
            .map { Self.place($0, frame, change[$0]) }
    }

    private static func place(_ index: Int, _ frame: FrameGeometry, _ change: Float) -> Place {
        let pixel = index / frame.channels
        let plane = pixel / (frame.rows * frame.columns)
        return Place(
            row: pixel / frame.columns % frame.rows,
            column: pixel % frame.columns,
            channel: plane * frame.channels + index % frame.channels,
            change: change
        )
    }

    /// The mean over channels and planes of one of the maps, pixel by pixel.
    package func grey(_ values: [Float]) -> [Float] {
        let pixels = frame.rows * frame.columns
        guard values.count == frame.pixels else { return [] }
        return (0..<pixels).map { pixel in
            var sum: Float = 0
            for plane in 0..<frame.planes {
                for channel in 0..<frame.channels {
                    sum += values[(plane * pixels + pixel) * frame.channels + channel]
                }
            }
            return sum / Float(frame.planes * frame.channels)
        }
    }
}
