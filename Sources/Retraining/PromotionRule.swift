package import ModelStore

/// The gate: a candidate that scores worse than the champion on the same rows is not served.
package struct PromotionRule: Sendable, Equatable {
    /// How much worse a candidate may score, in the score's unit (accuracy: 0…1).
    package let margin: Double

    /// Sets the margin.
    package init(margin: Double) {
        self.margin = margin
    }

    /// What the gate decided, and why in words.
    package struct Verdict: Sendable, Equatable {
        /// Whether the candidate may go live.
        package let accepts: Bool
        /// Why, with the numbers.
        package let reason: String
    }

    /// Compares a candidate with the champion.
    ///
    /// Classifications are compared by accuracy, regressions by mean absolute error relative to
    /// the champion's. Scores that are not finite are refused.
    ///
    /// - Parameters:
    ///   - candidate: Scores on the hold-out.
    ///   - champion: The current version's scores on the same rows; nil when there is none.
    /// - Returns: The verdict.
    package func judge(candidate: Scores, champion: Scores?) -> Verdict {
        guard candidate.loss.isFinite else {
            return Verdict(accepts: false, reason: "the candidate's loss is not finite")
        }
        guard let champion else {
            return Verdict(accepts: true, reason: "first version: there is no champion")
        }
        if let ours = candidate.accuracy, let theirs = champion.accuracy {
            return verdict(
                "accuracy \(Self.text(ours)), champion \(Self.text(theirs))",
                isBetter: ours >= theirs,
                accepts: ours >= theirs - margin
            )
        }
        if let ours = candidate.meanAbsoluteError, let theirs = champion.meanAbsoluteError {
            return verdict(
                "mean absolute error \(Self.text(ours)), champion \(Self.text(theirs))",
                isBetter: ours <= theirs,
                accepts: ours <= theirs * (1 + margin)
            )
        }
        return Verdict(
            accepts: true,
            reason: "the champion answers another task: the scores cannot be compared"
        )
    }

    private func verdict(_ numbers: String, isBetter: Bool, accepts: Bool) -> Verdict {
        let words =
            isBetter
            ? "not worse" : "worse, \(accepts ? "within" : "by more than") the margin of \(margin)"
        return Verdict(accepts: accepts, reason: "\(numbers): \(words)")
    }

    /// Four decimals, enough to tell one row in ten thousand.
    private static func text(_ score: Double) -> String {
        String((score * 10_000).rounded() / 10_000)
    }
}
