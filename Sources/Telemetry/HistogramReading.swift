/// The observations of several series of a histogram family, added up.
package struct HistogramReading: Sendable, Equatable {
    /// Upper bounds in the exported unit, without `+Inf`.
    package let bounds: [Double]
    /// Observations by bucket, not cumulative, `+Inf` last.
    package private(set) var buckets: [UInt64]

    /// Observations in all.
    package var count: UInt64 { buckets.reduce(0, &+) }

    /// What was observed since an earlier reading.
    package func since(_ earlier: HistogramReading) -> HistogramReading {
        guard earlier.buckets.count == buckets.count else { return self }
        var difference = self
        for index in buckets.indices {
            let before = earlier.buckets[index]
            difference.buckets[index] = buckets[index] >= before ? buckets[index] - before : 0
        }
        return difference
    }

    /// The value that this share of the observations does not exceed, as `histogram_quantile` has
    /// it: evenly spread within a bucket, and the last bound for what lies beyond it.
    ///
    /// - Returns: nil without observations.
    package func quantile(_ share: Double) -> Double? {
        let wanted = Double(count) * share
        guard count > 0, let last = bounds.last else { return nil }
        var below: UInt64 = 0
        for (index, bound) in bounds.enumerated() {
            let inside = buckets[index]
            if Double(below &+ inside) >= wanted, inside > 0 {
                let lower = index > 0 ? bounds[index - 1] : 0
                return lower + (bound - lower) * (wanted - Double(below)) / Double(inside)
            }
            below &+= inside
        }
        return last
    }
}

extension MetricRegistry {
    /// Adds up the series of a histogram family.
    ///
    /// - Parameters:
    ///   - name: The family's name.
    ///   - isWanted: Chooses series by their labels.
    /// - Returns: nil when no histogram has the name.
    package func reading(
        _ name: String,
        where isWanted: ([String: String]) -> Bool
    ) -> HistogramReading? {
        guard case .histogram(let family)? = family(name) else { return nil }
        let declaration = family.declaration
        var buckets = [UInt64](repeating: 0, count: declaration.bounds.count + 1)
        for series in family.all() {
            let labels = Dictionary(
                zip(declaration.labels, series.labelValues),
                uniquingKeysWith: { first, _ in first }
            )
            guard isWanted(labels) else { continue }
            for (index, count) in series.handle.read().buckets.enumerated() {
                buckets[index] &+= count
            }
        }
        return HistogramReading(bounds: declaration.bounds, buckets: buckets)
    }
}
