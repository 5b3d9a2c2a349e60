/// Makes a performance reference from hold-out rows and their labels.
///
/// One half of the rows fits the calibrators, the other says what loss they expect of rows that
/// they have not seen, so that the bound on that loss is one.
package struct PerformanceBuilder: Sendable {
    private let shape: PredictionShape
    private var rows = 0
    private var errors = 0
    private var confusion: [[Int]]?
    private var outputs: [Float] = []
    private var labels: [Int32] = []
    private var answers: [Int32] = []
    private var deviations: [Double] = []
    private let every: Int

    /// Rows whose outputs are kept, evenly spread; all rows are counted.
    package static let keptRowsMax = 20_000
    /// With fewer rows there are no calibrators.
    package static let calibrationRowsMin = 400

    /// Prepares for hold-out rows.
    ///
    /// - Parameters:
    ///   - shape: What the outputs mean.
    ///   - rowCount: How many rows are to come.
    package init(shape: PredictionShape, rowCount: Int) {
        self.shape = shape
        every = max(1, (rowCount + Self.keptRowsMax - 1) / Self.keptRowsMax)
        let classes = shape.classCount
        if (2...PerformanceReference.classesMax).contains(classes) {
            confusion = [[Int]](repeating: [Int](repeating: 0, count: classes), count: classes)
        }
    }

    /// Takes in a classified row.
    ///
    /// - Parameters:
    ///   - row: The model's probabilities.
    ///   - label: The true class.
    ///   - given: The class that was answered; nil for the most probable one.
    package mutating func add(outputs row: Span<Float>, label: Int, answer given: Int? = nil) {
        guard row.count == shape.width, (0..<shape.classCount).contains(label) else { return }
        let answer = CalibratedReader(shape, []).read(row, answer: given)
        confusion?[answer.predicted][label] += 1
        errors += answer.predicted == label ? 0 : 1
        if rows % every == 0 {
            for index in row.indices { outputs.append(row[index]) }
            labels.append(Int32(label))
            answers.append(Int32(answer.predicted))
        }
        rows += 1
    }

    /// Takes in a row of a regression.
    ///
    /// - Parameters:
    ///   - value: The model's answer, in the target's unit.
    ///   - truth: The true value.
    package mutating func add(value: Float, truth: Float) {
        let deviation = abs(Double(value) - Double(truth))
        guard case .value = shape, deviation.isFinite else { return }
        deviations.append(deviation)
        rows += 1
    }

    /// Which rows the calibrators are fitted to.
    package enum Fitting: Sendable, Equatable {
        /// One half; the other bounds the loss that they expect.
        case half
        /// All, as other estimators do it; the loss that they expect is then too low by as much as
        /// they follow chance.
        case all
    }

    /// Makes the reference; nil when there was no row.
    package func finish(fitting: Fitting = .half) -> PerformanceReference? {
        guard rows > 0 else { return nil }
        if case .value = shape { return regression() }
        return PerformanceReference(
            shape: shape,
            risk: HoldoutRisk(rows: rows, errors: errors),
            errorLimit: nil,
            confusion: confusion,
            estimation: estimation(fitting)
        )
    }

    /// A tenth of the hold-out is above the limit, which is one of its errors: how far the true
    /// share may be off is told by the bound of Clopper and Pearson, as for any order statistic.
    private func regression() -> PerformanceReference {
        let ascending = deviations.sorted()
        let share = PerformanceReference.regressionErrorShare
        let above = min(ascending.count - 1, Int(Double(ascending.count) * share))
        return PerformanceReference(
            shape: shape,
            risk: HoldoutRisk(rows: rows, errors: above),
            errorLimit: ascending[ascending.count - 1 - above],
            confusion: nil,
            estimation: nil
        )
    }

    private func estimation(_ fitting: Fitting) -> PerformanceReference.Estimation {
        let halves = Dictionary(grouping: labels.indices) { CalibrationCheck.mixed($0) & 1 }
        let fitted = fitting == .all ? Array(labels.indices) : halves[0] ?? []
        let isEnough = labels.count >= Self.calibrationRowsMin
        let calibrators = isEnough ? calibrators(fitted) : []
        let reader = CalibratedReader(shape, calibrators)
        // Of few rows none was used for a calibrator, and all tell the loss.
        let judged = isEnough && fitting == .half ? halves[1] ?? [] : Array(labels.indices)
        let losses = judged.map { 1 - Double(answer($0, reader).expected) }
        let confidences = labels.indices.map { answer($0, reader).confidence }.sorted()
        let wrong = Double(errors) / Double(rows)
        let place = min(confidences.count - 1, Int((wrong * Double(confidences.count)).rounded()))
        let threshold = confidences[place]
        let below = confidences.prefix { $0 < threshold }.count
        return PerformanceReference.Estimation(
            calibrators: calibrators,
            expectedLoss: HoldoutRisk(losses: losses),
            confidenceThreshold: threshold,
            confidentShare: 1 - Double(below) / Double(confidences.count)
        )
    }

    /// One calibrator an output, the identity where none helps; none at all where none helps.
    private func calibrators(_ chosen: [Int]) -> [IsotonicCalibrator] {
        let width = shape.width
        guard width <= PerformanceReference.calibratedClassesMax else { return [] }
        let made = (0..<width).map { index -> IsotonicCalibrator in
            let scores = chosen.map { outputs[$0 * width + index] }
            let outcomes = chosen.map { Int(labels[$0]) == (width == 1 ? 1 : index) }
            return CalibrationCheck.helps(scores: scores, outcomes: outcomes)
                ? IsotonicCalibrator(scores: scores, outcomes: outcomes) : .identity
        }
        return made.allSatisfy { $0 == .identity } ? [] : made
    }

    private func answer(_ row: Int, _ reader: CalibratedReader) -> CalibratedReader.Answer {
        let width = shape.width
        return reader.read(
            outputs.span.extracting(row * width..<(row + 1) * width),
            answer: Int(answers[row])
        )
    }
}
