/// How much total variation chance alone makes between a window and a hold-out of one law.
///
/// With Z_b normal and of the multinomial's covariance, the total variation ½ Σ |Z_b| has mean
/// ½ Σ σ_b √(2/π) and a variance that is known from Cov(|X|, |Y|) of two normal numbers; its upper
/// quantile is taken from these two.
package enum ChanceVariation {
    /// A value that total variation exceeds by chance with probability 1 %.
    ///
    /// - Parameters:
    ///   - law: The shares of the bins.
    ///   - rows: Live rows.
    ///   - holdoutRows: Rows behind the law.
    /// - Returns: A total variation, 0 to 1.
    package static func quantile(law: [Double], rows: Int, holdoutRows: Int) -> Double {
        guard rows > 0, holdoutRows > 0, law.count > 1 else { return 1 }
        let scale = 1 / Double(rows) + 1 / Double(holdoutRows)
        let deviations = law.map { (max(0, $0 * (1 - $0)) * scale).squareRoot() }
        let mean = deviations.reduce(0, +) * (2 / Double.pi).squareRoot() / 2
        var variance = 0.0
        for first in law.indices {
            for second in law.indices {
                let product = deviations[first] * deviations[second]
                variance += product * covariance(law, first, second)
            }
        }
        // Of two bins it is one half-normal number, which is skewed; of many it is almost normal.
        let steps = 2.33 + 0.62 / Double(law.count - 1)
        return min(1, mean + steps * variance.squareRoot() / 2)
    }

    /// Cov(|X|, |Y|) of two standard normal numbers with the bins' correlation.
    private static func covariance(_ law: [Double], _ first: Int, _ second: Int) -> Double {
        guard first != second else { return 1 - 2 / Double.pi }
        let odds = law[first] * law[second] / ((1 - law[first]) * (1 - law[second]))
        let correlation = min(1, max(0, odds).squareRoot())
        let part = (1 - correlation * correlation).squareRoot()
        return 2 / Double.pi * (part + correlation * arcsine(correlation) - 1)
    }
}

extension EffectSize {
    /// The Wasserstein distance of ordered bins, in the reference's standard deviations; NaN where
    /// there are too few edges to say.
    ///
    /// The area between both distribution functions, which are known at the edges and taken for
    /// linear between them; beyond the outer edges nothing is known, so it is rather too small.
    /// Missing values are left out.
    static func wasserstein(_ live: [Double], _ stream: ReferenceStream) -> Double {
        let edges = stream.edges.map(Double.init)
        guard edges.count > 1 else { return .nan }
        let ahead = ascending(live, edges.count)
        let reference = ascending(stream.probabilities, edges.count)
        guard let ahead, let reference else { return .nan }
        var area = 0.0
        for index in 1..<edges.count {
            let (before, after) = (
                ahead[index - 1] - reference[index - 1], ahead[index] - reference[index]
            )
            area += (edges[index] - edges[index - 1]) * (abs(before) + abs(after)) / 2
        }
        let deviation = deviation(edges, reference)
        return deviation > 0 ? area / deviation : .nan
    }

    /// The distribution function at each edge, among rows that have a value.
    private static func ascending(_ shares: [Double], _ edges: Int) -> [Double]? {
        let whole = shares.prefix(edges + 1).reduce(0, +)
        guard whole > 0 else { return nil }
        var sum = 0.0
        return shares.prefix(edges).map {
            sum += $0
            return sum / whole
        }
    }

    /// The standard deviation of a law whose bins are spread evenly between their edges.
    private static func deviation(_ edges: [Double], _ cumulative: [Double]) -> Double {
        var mean = cumulative[0] * edges[0]
        var square = cumulative[0] * edges[0] * edges[0]
        for index in 1..<edges.count {
            let share = cumulative[index] - cumulative[index - 1]
            let (low, high) = (edges[index - 1], edges[index])
            mean += share * (low + high) / 2
            square += share * (low * low + low * high + high * high) / 3
        }
        let last = 1 - cumulative[edges.count - 1]
        mean += last * edges[edges.count - 1]
        square += last * edges[edges.count - 1] * edges[edges.count - 1]
        return max(0, square - mean * mean).squareRoot()
    }
}
