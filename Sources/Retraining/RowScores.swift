internal import Features
internal import NeuralNetwork

/// What a network made of each row of a set, in the set's order.
struct RowScores: Sendable {
    /// Whether the most probable class was the true one; empty for a regression.
    var isRight: [Bool] = []
    /// The absolute errors of a regression; empty for a classifier.
    var errors: [Float] = []
    /// How well the probabilities agree with the truth.
    var calibration = CalibrationTally()
    /// Whether all outputs were numbers.
    var isFinite = true
}

/// Scores rows while a network is evaluated.
struct RowScoring {
    private(set) var scores = RowScores()
    private let truths: [Int32]
    private let values: [Float]
    private var probabilities: [Double] = []

    init(_ network: MultilayerPerceptron, _ rows: EncodedRows) {
        switch rows.targets(network.head) {
        case .classes(let classes): (truths, values) = (classes, [])
        case .binary(let values): (truths, self.values) = (values.map { $0 >= 0.5 ? 1 : 0 }, [])
        case .values(let values): (truths, self.values) = ([], values)
        }
        scores.isRight.reserveCapacity(truths.count)
        scores.errors.reserveCapacity(values.count)
    }

    mutating func add(_ range: Range<Int>, _ outputs: borrowing InferenceScratch) {
        let width = outputs.outputWidth
        let found = outputs.probabilities
        for (place, row) in range.enumerated() {
            if row < values.count {
                let error = abs(found[place * width] - values[row])
                scores.isFinite = scores.isFinite && error.isFinite
                scores.errors.append(error)
            }
            guard row < truths.count else { continue }
            scores.isRight.append(outputs.predictedClass(row: place) == Int(truths[row]))
            probabilities.removeAll(keepingCapacity: true)
            if width == 1 {
                let yes = Double(found[place])
                probabilities += [1 - yes, yes]
            } else {
                for index in 0..<width {
                    probabilities.append(Double(found[place * width + index]))
                }
            }
            guard probabilities.allSatisfy(\.isFinite), Int(truths[row]) < probabilities.count
            else {
                scores.isFinite = false
                continue
            }
            scores.calibration.add(CalibrationScore(probabilities.span, truth: Int(truths[row])))
        }
    }
}

/// One network on one set of rows.
struct SetResult: Sendable {
    let evaluation: Evaluation
    let rows: RowScores
}

/// Candidate and champion on the same rows.
struct PairedResult: Sendable {
    let candidate: SetResult
    /// Nil where the champion cannot read the rows.
    let champion: SetResult?

    /// Right answers of both; nil for a regression, or without a champion.
    var counts: PairedCounts? {
        guard let champion, !candidate.rows.isRight.isEmpty else { return nil }
        return PairedCounts(candidate: candidate.rows.isRight, champion: champion.rows.isRight)
    }

    /// Right answers of both to the rows of each group.
    ///
    /// - Parameters:
    ///   - groups: How many groups.
    ///   - group: The group of a row; one that is out of range leaves the row out.
    /// - Returns: One value a group; without a champion it stands for one who answered alike.
    func counts(of groups: Int, _ group: (_ row: Int) -> Int) -> [PairedCounts] {
        var counts = [PairedCounts](repeating: PairedCounts(), count: groups)
        for (row, isRight) in candidate.rows.isRight.enumerated() {
            let place = group(row)
            guard counts.indices.contains(place) else { continue }
            let theirs = champion?.rows.isRight[row] ?? isRight
            counts[place].add(candidate: isRight, champion: theirs)
        }
        return counts
    }
}
