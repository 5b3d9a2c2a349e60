/// The bounds of a histogram family in raw units, with what finds a value's bucket quickly.
final class HistogramLayout: Sendable {
    /// The most bounds of a family; `+Inf` comes on top.
    static let boundsMax = 64

    /// The bounds as they were declared, in the exported unit.
    let bounds: [Double]
    let unit: HistogramUnit
    /// The largest raw integer that each bound admits.
    let rawBounds: [UInt64]
    /// For a value of `w` significant bits, the first bound that can hold it: at index `w`.
    private let starts: [UInt8]

    /// Buckets of a series, `+Inf` included.
    var bucketCount: Int { rawBounds.count + 1 }

    /// Checks the bounds and converts them to raw units.
    ///
    /// - Throws: ``TelemetryError/histogramBounds(name:reason:)``.
    init(name: String, unit: HistogramUnit, bounds: [Double]) throws(TelemetryError) {
        guard !bounds.isEmpty, bounds.count <= Self.boundsMax else {
            throw .histogramBounds(
                name: name,
                reason: "\(bounds.count) bounds: give 1 to \(Self.boundsMax)"
            )
        }
        var raw: [UInt64] = []
        for bound in bounds {
            guard let next = Self.raw(bound, unit) else {
                throw .histogramBounds(
                    name: name,
                    reason: "\(bound) is not a finite number from 0 to 2^62 raw units"
                )
            }
            if let last = raw.last, last >= next {
                throw .histogramBounds(
                    name: name,
                    reason: "\(bound) is not above the bound before it in raw units"
                )
            }
            raw.append(next)
        }
        self.bounds = bounds
        self.unit = unit
        rawBounds = raw
        starts = (0...UInt64.bitWidth).map { width in
            let least: UInt64 = width == 0 ? 0 : 1 << UInt64(width - 1)
            return UInt8(raw.firstIndex { $0 >= least } ?? raw.count)
        }
    }

    /// The largest integer that is not above a bound, allowing for the bound's binary rounding.
    private static func raw(_ bound: Double, _ unit: HistogramUnit) -> UInt64? {
        let scaled = bound * unit.rawPerUnit
        guard scaled.isFinite, scaled >= 0, scaled <= 0x1p62 else { return nil }
        let nearest = scaled.rounded()
        let exact = abs(scaled - nearest) <= 1e-9 * scaled
        return UInt64(exact ? nearest : scaled.rounded(.down))
    }

    /// The bucket of a raw value: the first whose bound is not below it.
    @inline(__always)
    func bucket(of raw: UInt64) -> Int {
        var index = Int(starts[UInt64.bitWidth - raw.leadingZeroBitCount])
        while index < rawBounds.count, rawBounds[index] < raw { index += 1 }
        return index
    }
}
