/// How different a window of live rows is from the reference: a diagnosis, never an alarm.
package struct EffectSize: Sendable, Equatable {
    /// The live rows in the window.
    package let rows: Int
    /// The population stability index Σ (p − π) ln(p/π), in nats, less what chance alone adds.
    package let populationStability: Double
    /// The total variation ½ Σ |p − π|, 0 to 1; chance alone adds to it.
    package let totalVariation: Double
    /// The Jensen–Shannon distance, 0 to 1: the root of the divergence in bits, less what chance
    /// alone adds to the divergence.
    package let jensenShannon: Double
    /// The Kolmogorov–Smirnov distance max |F_p − F_π| at the bins' edges, 0 to 1; NaN for
    /// categories, which have no order.
    package let kolmogorovSmirnov: Double
    /// The Wasserstein distance in the reference's standard deviations; NaN for categories.
    package let wasserstein: Double
    /// The total variation less what chance alone exceeds with probability 1 %, at least 0: the
    /// distance that is certain.
    package let totalVariationLowerBound: Double

    /// Windows of fewer rows say nothing: all sizes are NaN.
    package static let rowsMin = 200

    /// Compares counted live rows with a stream's reference.
    ///
    /// With K bins, n live and m reference rows, chance adds (K − 1)(1/n + 1/m) to the stability
    /// index and an eighth of it to the Jensen–Shannon divergence; both are taken off.
    package init(counts: [UInt64], stream: ReferenceStream, holdoutRows: Int) {
        let total = counts.reduce(0, +)
        rows = Int(clamping: total)
        guard total >= UInt64(Self.rowsMin), counts.count == stream.binCount, holdoutRows > 0 else {
            populationStability = .nan
            totalVariation = .nan
            jensenShannon = .nan
            kolmogorovSmirnov = .nan
            wasserstein = .nan
            totalVariationLowerBound = .nan
            return
        }
        let n = Double(total)
        let bins = Double(stream.binCount)
        let chance = (bins - 1) * (1 / n + 1 / Double(holdoutRows))
        let live = counts.map { Double($0) / n }
        // Half a row in each bin, as in the reference, so that no logarithm is infinite.
        let smoothed = counts.map { (Double($0) + 0.5) / (n + bins / 2) }
        let reference = stream.probabilities
        let variation = zip(live, reference).reduce(0) { $0 + abs($1.0 - $1.1) } / 2
        totalVariation = variation
        let byChance = ChanceVariation.quantile(
            law: reference,
            rows: rows,
            holdoutRows: holdoutRows
        )
        totalVariationLowerBound = max(0, variation - byChance)
        let stability = zip(smoothed, reference)
            .reduce(0) { $0 + ($1.0 - $1.1) * naturalLogarithm($1.0 / $1.1) }
        populationStability = max(0, stability - chance)
        let divergence = Self.jensenShannonDivergence(smoothed, reference)
        jensenShannon = (max(0, divergence - chance / 8) / naturalLogarithm(2)).squareRoot()
        kolmogorovSmirnov = stream.isOrdered ? Self.kolmogorovSmirnov(live, reference) : .nan
        wasserstein = stream.isOrdered ? Self.wasserstein(live, stream) : .nan
    }

    /// The divergence in nats, at most ln 2.
    private static func jensenShannonDivergence(_ p: [Double], _ q: [Double]) -> Double {
        zip(p, q).reduce(0) { sum, pair in
            let middle = (pair.0 + pair.1) / 2
            return sum + pair.0 / 2 * naturalLogarithm(pair.0 / middle)
                + pair.1 / 2 * naturalLogarithm(pair.1 / middle)
        }
    }

    private static func kolmogorovSmirnov(_ p: [Double], _ q: [Double]) -> Double {
        var difference = 0.0
        var greatest = 0.0
        for (live, reference) in zip(p, q) {
            difference += live - reference
            greatest = max(greatest, abs(difference))
        }
        return greatest
    }
}
