/// Whether a calibrator is worth having: whether it lowers the squared error of rows that it was
/// not fitted to.
///
/// The squared error (Brier 1950) is a proper score: a calibrator that only follows chance has a
/// worse one than scores that were right already.
package enum CalibrationCheck {
    /// Parts of the rows, each judged by a calibrator that was fitted to the others.
    private static let folds = 5
    /// With fewer rows a calibrator says little.
    package static let rowsMin = 100

    /// Compares the squared error with and without a calibrator.
    ///
    /// - Parameters:
    ///   - scores: A score a row.
    ///   - outcomes: Whether it came true.
    /// - Returns: Whether the calibrated scores have the lower error.
    package static func helps(scores: [Float], outcomes: [Bool]) -> Bool {
        guard scores.count == outcomes.count, scores.count >= rowsMin,
            outcomes.contains(true), outcomes.contains(false)
        else { return false }
        var calibrated = scores
        for fold in 0..<folds {
            let (own, others) = split(scores.count, fold)
            let calibrator = IsotonicCalibrator(
                scores: others.map { scores[$0] },
                outcomes: others.map { outcomes[$0] }
            )
            let table = CalibratorTable([calibrator])
            for row in own { calibrated[row] = table.share(of: scores[row], calibrator: 0) }
        }
        return error(calibrated, outcomes) < error(scores, outcomes)
    }

    private static func split(_ count: Int, _ fold: Int) -> (own: [Int], others: [Int]) {
        var own: [Int] = []
        var others: [Int] = []
        for row in 0..<count {
            if Int(mixed(row) % UInt64(folds)) == fold {
                own.append(row)
            } else {
                others.append(row)
            }
        }
        return (own, others)
    }

    private static func error(_ scores: [Float], _ outcomes: [Bool]) -> Double {
        zip(scores, outcomes).reduce(0) { sum, row in
            let error = Double(row.0) - (row.1 ? 1 : 0)
            return sum + error * error
        }
    }

    /// The finalizer of splitmix64: rows that follow a pattern fall into all parts.
    static func mixed(_ row: Int) -> UInt64 {
        var word = UInt64(truncatingIfNeeded: row) &+ 0x9E37_79B9_7F4A_7C15
        word = (word ^ (word >> 30)) &* 0xBF58_476D_1CE4_E5B9
        word = (word ^ (word >> 27)) &* 0x94D0_49BB_1331_11EB
        return word ^ (word >> 31)
    }
}
