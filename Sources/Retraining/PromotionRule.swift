internal import ModelStore
internal import NeuralNetwork

/// The gates between a candidate and the clients: each looks at the evaluation and says yes or no,
/// with the numbers.
///
/// A candidate takes the champion's place only where it is shown that it is not worse by more than
/// the margin; a hold-out that is too small to show anything for that margin compares the scores as
/// they are.
struct PromotionRule {
    /// How much worse a candidate may score, in the score's unit (accuracy: 0…1; errors: relative
    /// to the champion's).
    let margin: Double
    let rules: GateRules
    /// Draws the bootstrap of a regression.
    let seed: UInt64

    init(margin: Double, rules: GateRules = GateRules(), seed: UInt64 = 1) {
        self.margin = margin
        self.rules = rules
        self.seed = seed
    }

    /// What the gates say.
    struct Verdict: Equatable {
        let gates: [GateResult]

        /// Whether the candidate may go on.
        var accepts: Bool { gates.allSatisfy(\.passed) }

        /// Why, with the numbers: all reasons against it, or the comparison with the champion.
        var reason: String {
            let against = gates.filter { !$0.passed }
            guard against.isEmpty else { return against.map(\.reason).joined(separator: "; ") }
            let told = gates.first { $0.gate == .holdout } ?? gates.first
            return told?.reason ?? "no gate is set"
        }
    }

    /// Judges a candidate by its evaluation.
    func judge(_ result: EvaluateStep.Result, labels: [String]) -> Verdict {
        guard result.candidate.loss.isFinite, result.holdout.candidate.rows.isFinite else {
            let reason = "the candidate's loss is not finite"
            return Verdict(gates: [GateResult(.loss, false, reason)])
        }
        var gates = [
            GateResult(.loss, true, "loss \(Self.text(result.candidate.loss))"),
            holdout(result),
        ]
        if let golden = result.golden { gates.append(self.golden(golden)) }
        gates += [level(result), classes(result)].compactMap { $0 }
        gates += slices(result)
        gates += calibration(result)
        gates += cost(result.cost)
        return Verdict(gates: gates)
    }

    // MARK: Candidate and champion

    private func holdout(_ result: EvaluateStep.Result) -> GateResult {
        guard result.championVersion != nil else {
            return GateResult(.holdout, true, "first version: there is no champion")
        }
        return compared(result.holdout, .holdout)
            ?? GateResult(
                .holdout,
                true,
                "the champion answers another task: the scores cannot be compared"
            )
    }

    private func golden(_ pair: PairedResult) -> GateResult {
        guard pair.candidate.rows.isFinite else {
            return GateResult(.golden, false, "golden set: an answer is not finite")
        }
        guard var result = compared(pair, .golden) else {
            return GateResult(.golden, true, "golden set: there is no champion to compare with")
        }
        result.reason = "golden set: \(result.reason)"
        return result
    }

    /// Whether the candidate is not worse on the same rows; nil without a champion who reads them.
    private func compared(_ pair: PairedResult, _ gate: GateResult.Gate) -> GateResult? {
        guard let champion = pair.champion else { return nil }
        if let counts = pair.counts { return compared(counts, gate) }
        guard let ours = pair.candidate.evaluation.meanAbsoluteError,
            let theirs = champion.evaluation.meanAbsoluteError
        else { return nil }
        let errors = PairedErrors(
            candidate: pair.candidate.rows.errors,
            champion: champion.rows.errors,
            margin: margin
        )
        let numbers = "mean absolute error \(Self.text(ours)), champion \(Self.text(theirs))"
        let bound = errors.upperBound(confidence: rules.confidence, seed: seed)
        let passes = bound <= 0 && ours.isFinite
        let words =
            passes
            ? ours <= theirs ? "not worse" : "worse, within the margin of \(margin)"
            : ours <= theirs * (1 + margin)
                ? "not shown to be within the margin of \(margin)"
                : "worse, by more than the margin of \(margin)"
        return GateResult(gate, passes, "\(numbers): \(words)", value: bound, limit: 0)
    }

    private func compared(_ counts: PairedCounts, _ gate: GateResult.Gate) -> GateResult {
        let numbers =
            "accuracy \(Self.text(counts.candidateShare)), champion \(Self.text(counts.championShare))"
        let decides =
            counts.rows >= PairedCounts.rowsMin(margin: margin, confidence: rules.confidence)
        let confidence = decides ? rules.confidence : 0.5
        let bound = counts.lowerBound(confidence: confidence)
        // Rounding must not refuse what is equal.
        let passes = bound >= -margin - 1e-12
        return GateResult(
            gate,
            passes,
            "\(numbers): \(words(counts, passes, bound))",
            value: bound,
            limit: -margin
        )
    }

    private func words(_ counts: PairedCounts, _ passes: Bool, _ bound: Double) -> String {
        if passes {
            return counts.difference >= 0 ? "not worse" : "worse, within the margin of \(margin)"
        }
        guard counts.difference >= -margin else {
            return "worse, by more than the margin of \(margin)"
        }
        let needed = counts.rowsNeeded(margin: margin, confidence: rules.confidence)
        return "not shown to be within the margin of \(margin): \(counts.rows) rows allow for a "
            + "difference of \(Self.text(bound))"
            + (needed.map { ", about \($0) such rows would be enough" } ?? "")
    }

    // MARK: The candidate by itself

    /// Labels that do not fit their rows make every model look bad: the champion falls from what it
    /// was, and a candidate that learned them is no better.
    private func level(_ result: EvaluateStep.Result) -> GateResult? {
        guard let ours = result.candidate.accuracy, let theirs = result.championBefore?.accuracy
        else { return nil }
        let fall = max(rules.fallMax, margin)
        let passes = ours >= theirs - fall
        let numbers =
            "accuracy \(Self.text(ours)) on the fresh hold-out, while version "
            + "\(result.championVersion ?? 0) had \(Self.text(theirs)) on its own"
        return GateResult(
            .level,
            passes,
            passes
                ? numbers
                : "\(numbers): a fall of more than \(fall): are the labels right?",
            value: ours,
            limit: theirs - fall
        )
    }

    private func classes(_ result: EvaluateStep.Result) -> GateResult? {
        guard let groups = result.groups.first(where: { $0.column == nil }) else { return nil }
        return worst(of: groups, result.holdout, .classes, rowsMin: 1)
    }

    private func slices(_ result: EvaluateStep.Result) -> [GateResult] {
        result.groups.compactMap { groups in
            groups.column == nil
                ? nil : worst(of: groups, result.holdout, .slices, rowsMin: rules.sliceRowsMin)
        }
    }

    /// The group with the greatest fall that is no chance, or that is answered too badly.
    private func worst(
        of groups: RowGroups,
        _ pair: PairedResult,
        _ gate: GateResult.Gate,
        rowsMin: Int
    ) -> GateResult {
        let counts = pair.counts(of: groups.names.count) { Int(groups.groups[$0]) }
        let judged = counts.indices.filter { counts[$0].rows >= max(1, rowsMin) }
        let margin = max(rules.classMargin, margin)
        // So many looks: each must be so much surer.
        let chance = (1 - rules.confidence) / Double(max(1, judged.count))
        let place = groups.column.map { "\($0) " } ?? "class "
        func name(_ group: Int) -> String { place + groups.names[group] }
        for group in judged.sorted(by: { counts[$0].difference < counts[$1].difference }) {
            let found = counts[group]
            let numbers =
                "\(name(group)): \(Self.text(found.candidateShare)) right of \(found.rows) rows"
            if gate == .classes, found.candidateShare < rules.classRecallMin {
                let reason = "\(numbers), less than \(rules.classRecallMin)"
                return GateResult(
                    gate,
                    false,
                    reason,
                    value: found.candidateShare,
                    limit: rules.classRecallMin
                )
            }
            if -found.difference > margin, found.chanceOfFall < chance {
                let reason =
                    "\(numbers), champion \(Self.text(found.championShare)): a fall of more than "
                    + "\(margin)"
                return GateResult(gate, false, reason, value: found.difference, limit: -margin)
            }
        }
        let least = judged.min { counts[$0].difference < counts[$1].difference }
        let words =
            least.map {
                "\(name($0)): \(Self.text(counts[$0].difference)) against the champion, the least "
                    + "of \(judged.count)"
            } ?? "none has \(rowsMin) rows"
        return GateResult(
            gate,
            true,
            words,
            value: least.map { counts[$0].difference },
            limit: -margin
        )
    }

    private func calibration(_ result: EvaluateStep.Result) -> [GateResult] {
        var gates: [GateResult] = []
        // Both go from nothing to everything: a score of 2 as an accuracy of 1.
        let margin = max(rules.brierMargin, 2 * margin)
        for (place, pair) in [("", result.holdout), ("golden set: ", result.golden)] {
            guard let pair, pair.candidate.rows.calibration.count > 0 else { continue }
            let ours = pair.candidate.rows.calibration.figures
            if let champion = pair.champion {
                let theirs = champion.rows.calibration.figures
                let passes = ours.brier <= theirs.brier + margin
                let numbers =
                    "\(place)Brier score \(Self.text(ours.brier)), champion "
                    + Self.text(theirs.brier)
                let reason = passes ? numbers : "\(numbers): worse by more than \(margin)"
                gates.append(
                    GateResult(
                        .calibration,
                        passes,
                        reason,
                        value: ours.brier,
                        limit: theirs.brier + margin
                    )
                )
            }
            guard let limit = rules.calibrationErrorMax else { continue }
            let passes = ours.expectedError <= limit
            gates.append(
                GateResult(
                    .calibration,
                    passes,
                    "\(place)expected calibration error \(Self.text(ours.expectedError)), at most "
                        + "\(limit)",
                    value: ours.expectedError,
                    limit: limit
                )
            )
        }
        return gates
    }

    private func cost(_ cost: CandidateCost) -> [GateResult] {
        let difference = cost.rereadDifference
        var gates = [
            GateResult(
                .selfTest,
                difference.map { $0 <= SelfTest.tolerance } ?? false,
                difference.map { "weights read again: answers differ by \($0) at most" }
                    ?? "the weights cannot be written and read again, or answer what is no number",
                value: difference.map(Double.init),
                limit: Double(SelfTest.tolerance)
            )
        ]
        if let limit = rules.rowMicrosecondsMax, let found = cost.rowMicroseconds {
            let reason = "one row takes \(Self.text(found)) µs, at most \(limit)"
            gates.append(
                GateResult(.latency, found <= limit, reason, value: found, limit: limit)
            )
        }
        if let limit = rules.weightBytesMax, let found = cost.weightBytes {
            let reason = "the weights take \(found) bytes, at most \(Int(limit))"
            gates.append(
                GateResult(
                    .size,
                    Double(found) <= limit,
                    reason,
                    value: Double(found),
                    limit: limit
                )
            )
        }
        return gates
    }

    /// Four decimals, enough to tell one row in ten thousand.
    static func text(_ score: Double) -> String {
        String((score * 10_000).rounded() / 10_000)
    }
}
