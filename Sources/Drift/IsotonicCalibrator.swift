/// A rising function from a score to the share of rows that it comes true for.
///
/// Fitted by pooling adjacent violators (Ayer et al. 1955), as isotonic regression does: the
/// function with the least squared error among all that never fall. Between two points it is
/// linear, and beyond them constant.
package struct IsotonicCalibrator: Codable, Sendable, Equatable {
    /// Scores, in ascending order.
    package let scores: [Float]
    /// What each score stands for, 0 to 1, never falling.
    package let shares: [Float]

    /// Most points; of more, an evenly spread part is kept.
    package static let pointsMax = 512

    /// Leaves scores as they are.
    package static let identity = IsotonicCalibrator(scores: [0, 1], shares: [0, 1])

    private init(scores: [Float], shares: [Float]) {
        (self.scores, self.shares) = (scores, shares)
    }

    /// Fits the function; without rows it leaves scores as they are.
    ///
    /// - Parameters:
    ///   - scores: A score a row; those that are no number are left out.
    ///   - outcomes: Whether it came true.
    package init(scores: [Float], outcomes: [Bool]) {
        let order = scores.indices
            .filter { $0 < outcomes.count && !scores[$0].isNaN }
            .sorted { scores[$0] < scores[$1] }
        // Rows of one score are one point.
        var points: [Pool] = []
        for index in order {
            let pool = Pool(scores[index], outcomes[index])
            if let last = points.last, last.high == pool.low {
                points[points.count - 1] = last.joined(with: pool)
            } else {
                points.append(pool)
            }
        }
        var pools: [Pool] = []
        for point in points {
            var pool = point
            while let last = pools.last, last.share >= pool.share {
                pool = last.joined(with: pool)
                pools.removeLast()
            }
            pools.append(pool)
        }
        guard !pools.isEmpty else {
            self = .identity
            return
        }
        let corners = pools.flatMap { pool in
            pool.low == pool.high
                ? [(pool.low, pool.share)] : [(pool.low, pool.share), (pool.high, pool.share)]
        }
        let kept = Self.thinned(corners.count).map { corners[$0] }
        self.init(scores: kept.map(\.0), shares: kept.map { Float($0.1) })
    }

    private struct Pool {
        var low: Float
        var high: Float
        var rows = 1.0
        var hits: Double

        init(_ score: Float, _ outcome: Bool) {
            (low, high, hits) = (score, score, outcome ? 1 : 0)
        }

        var share: Double { hits / rows }

        func joined(with next: Pool) -> Pool {
            var all = self
            all.high = next.high
            all.rows += next.rows
            all.hits += next.hits
            return all
        }
    }

    /// The numbers of the points that are kept: the first, the last, and evenly spread ones.
    private static func thinned(_ count: Int) -> [Int] {
        guard count > pointsMax else { return Array(0..<count) }
        return (0..<pointsMax).map { $0 * (count - 1) / (pointsMax - 1) }
    }

    /// The share that a score stands for; for what is no number that of the least score.
    package func share(of score: Float) -> Float {
        CalibratorTable([self]).share(of: score, calibrator: 0)
    }

    /// Refuses what is no rising function.
    func validate() throws(DriftError) {
        let isFunction =
            scores.count == shares.count && (1...Self.pointsMax).contains(scores.count)
            && scores.allSatisfy(\.isFinite) && shares.allSatisfy { $0 >= 0 && $0 <= 1 }
            && zip(scores, scores.dropFirst()).allSatisfy { $0 < $1 }
            && zip(shares, shares.dropFirst()).allSatisfy { $0 <= $1 }
        guard isFunction else {
            throw .profile(stream: "performance", problem: "a calibrator is no rising function")
        }
    }
}

/// Several calibrators in two flat arrays, so that looking a score up touches little memory.
struct CalibratorTable: Sendable {
    private let starts: [Int]
    private let scores: [Float]
    private let shares: [Float]

    init(_ calibrators: [IsotonicCalibrator]) {
        var starts = [0]
        for calibrator in calibrators {
            starts.append(starts[starts.count - 1] + calibrator.scores.count)
        }
        self.starts = starts
        scores = calibrators.flatMap(\.scores)
        shares = calibrators.flatMap(\.shares)
    }

    /// Looks a score up by halving.
    func share(of score: Float, calibrator: Int) -> Float {
        var low = starts[calibrator]
        var high = starts[calibrator + 1] - 1
        // NaN is above no score.
        guard score > scores[low] else { return shares[low] }
        guard score < scores[high] else { return shares[high] }
        while high - low > 1 {
            let middle = (low + high) / 2
            if scores[middle] <= score { low = middle } else { high = middle }
        }
        let part = (score - scores[low]) / (scores[high] - scores[low])
        return shares[low] + part * (shares[high] - shares[low])
    }
}
