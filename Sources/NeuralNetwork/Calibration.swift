/// Logits of rows whose classes are known: what a temperature is fitted to.
///
/// A logit that decides between two classes counts as the second of two logits, the first being 0.
package struct CalibrationRows: Sendable {
    /// Classes of a row.
    package let classes: Int
    private var logits: [Float] = []
    private var truths: [Int32] = []

    /// Empty.
    ///
    /// - Parameters:
    ///   - head: What the logits mean; for ``Head/sigmoid`` there is one a row.
    ///   - outputs: Logits of a row.
    package init(head: Head, outputs: Int) {
        classes = head == .sigmoid ? 2 : outputs
    }

    /// How many rows there are.
    package var count: Int { truths.count }

    /// Adds a row's logits, and its class.
    ///
    /// - Precondition: There are as many logits as the head has, and the class is one of them.
    package mutating func append(_ row: Span<Float>, truth: Int32) {
        precondition(truth >= 0 && truth < classes)
        if row.count == 1 && classes == 2 { logits.append(0) }
        for index in row.indices { logits.append(row[index]) }
        truths.append(truth)
        precondition(logits.count == truths.count * classes)
    }

    /// The temperature with the least log loss; the loss is convex in its reciprocal.
    ///
    /// - Parameter chosen: Which rows count.
    /// - Returns: The temperature, at an end of ``Temperature/range`` where the least lies beyond.
    package func fitted(where chosen: (_ row: Int) -> Bool = { _ in true }) -> Temperature? {
        let range = Temperature.range
        var (low, high) = (1 / Double(range.upperBound), 1 / Double(range.lowerBound))
        // Each halving adds a bit; 40 are more than a Float holds.
        for _ in 0..<40 {
            let middle = (low + high) / 2
            if slope(at: middle, chosen) > 0 { high = middle } else { low = middle }
        }
        let value = Float(2 / (low + high))
        return Temperature(min(max(value, range.lowerBound), range.upperBound))
    }

    /// The slope of the summed log loss by the reciprocal of the temperature.
    private func slope(at reciprocal: Double, _ chosen: (Int) -> Bool) -> Double {
        var total = 0.0
        for row in truths.indices where chosen(row) {
            var (sum, weighted) = (0.0, 0.0)
            let shift = greatest(row)
            for index in row * classes..<(row + 1) * classes {
                let distance = Double(logits[index]) - shift
                let power = SystemMath.exp(distance * reciprocal)
                sum += power
                weighted += power * distance
            }
            let truth = Double(logits[row * classes + Int(truths[row])]) - shift
            total += weighted / sum - truth
        }
        return total
    }

    private func greatest(_ row: Int) -> Double {
        var greatest = logits[row * classes]
        for index in row * classes..<(row + 1) * classes { greatest = max(greatest, logits[index]) }
        return Double(greatest)
    }

    /// How well the probabilities agree with the truth.
    ///
    /// - Parameter temperature: The temperature of each row; nil for none.
    /// - Returns: The figures of all rows.
    package func figures(_ temperature: (_ row: Int) -> Temperature?) -> CalibrationFigures {
        tally(temperature).figures
    }

    /// What there is to say of the probabilities, row by row.
    ///
    /// - Parameter temperature: The temperature of each row; nil for none.
    /// - Returns: The sums over all rows.
    package func tally(_ temperature: (_ row: Int) -> Temperature?) -> CalibrationTally {
        var tally = CalibrationTally()
        var probabilities = [Double](repeating: 0, count: classes)
        for row in truths.indices {
            let reciprocal = Double(temperature(row)?.reciprocal ?? 1)
            let shift = greatest(row)
            var sum = 0.0
            for index in 0..<classes {
                let distance = Double(logits[row * classes + index]) - shift
                probabilities[index] = SystemMath.exp(distance * reciprocal)
                sum += probabilities[index]
            }
            for index in 0..<classes { probabilities[index] /= sum }
            tally.add(CalibrationScore(probabilities.span, truth: Int(truths[row])))
        }
        return tally
    }
}

/// A temperature, and what it brings.
package struct Calibration: Sendable, Equatable {
    /// The temperature; nil where none is worth it.
    package let temperature: Temperature?
    /// Rows that it was fitted to.
    package let rows: Int
    /// The figures without a temperature.
    package let before: CalibrationFigures
    /// The figures with one, each half of the rows judged by the temperature of the other half;
    /// nil where none was fitted.
    package let after: CalibrationFigures?
}

extension CalibrationRows {
    /// With fewer rows a temperature says little.
    package static let rowsMin = 100

    /// Fits a temperature to all rows, and takes it only where it is well within its range, and
    /// those of the halves lower the log loss of the other half.
    ///
    /// Rows that are all right have no best temperature: the loss falls without end, and answers
    /// would be as sure as numbers can tell, on no other ground than that no mistake was seen.
    package func calibrated() -> Calibration {
        let before = figures { _ in nil }
        let (one, other) = (fitted { Self.isFirstHalf($0) }, fitted { !Self.isFirstHalf($0) })
        guard count >= Self.rowsMin, let one, let other else {
            return Calibration(temperature: nil, rows: count, before: before, after: nil)
        }
        let after = figures { Self.isFirstHalf($0) ? other : one }
        let whole = after.logLoss < before.logLoss ? fitted() : nil
        let hasMinimum = whole.map { !$0.isAtAnEnd } ?? false
        return Calibration(
            temperature: hasMinimum ? whole : nil,
            rows: count,
            before: before,
            after: after
        )
    }

    /// Which half a row is of, by the finalizer of splitmix64: rows that follow a pattern fall into
    /// both.
    private static func isFirstHalf(_ row: Int) -> Bool {
        var word = UInt64(truncatingIfNeeded: row) &+ 0x9E37_79B9_7F4A_7C15
        word = (word ^ (word >> 30)) &* 0xBF58_476D_1CE4_E5B9
        word = (word ^ (word >> 27)) &* 0x94D0_49BB_1331_11EB
        return (word ^ (word >> 31)) & 1 == 0
    }
}
