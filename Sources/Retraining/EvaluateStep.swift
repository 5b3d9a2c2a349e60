internal import Features
internal import ModelStore
internal import NeuralNetwork

/// The fourth step: scores candidate and champion on the same rows, which neither was fitted to.
struct EvaluateStep {
    let plan: RetrainingPlan

    struct Result {
        let candidate: Scores
        let evaluation: Evaluation
        let calibration: Manifest.Calibration?
        let champion: Scores?
        let championVersion: Int?
    }

    func run(
        _ candidate: Candidate,
        _ champion: Champion?,
        _ data: TrainingData
    ) throws(RetrainingError) -> Result {
        let rows = EncodedRows(data.holdout, data.schema)
        var calibrating = CalibrationSample(candidate.network, rows)
        let evaluation = try evaluate(candidate.network, rows) { range, outputs in
            calibrating?.add(range, outputs)
        }
        // Weights from elsewhere answer as they do there.
        let takes = plan.calibrates && candidate.training != nil
        return Result(
            candidate: Scores(evaluation),
            evaluation: evaluation,
            calibration: calibrating?.result(takesTemperature: takes),
            champion: try champion.flatMap { champion throws(RetrainingError) in
                try scores(of: champion, data)
            },
            championVersion: champion?.version
        )
    }

    /// The champion reads the raw rows through its own schema, as it does in service.
    private func scores(of champion: Champion, _ data: TrainingData) throws(RetrainingError)
        -> Scores?
    {
        let manifest = champion.bundle.manifest
        guard manifest.task == plan.task, manifest.labels == data.labels,
            manifest.schema.readsSameRows(as: data.schema)
        else { return nil }
        let rows = EncodedRows(data.holdout, manifest.schema)
        return Scores(try evaluate(champion.bundle.network, rows))
    }

    private func evaluate(
        _ network: MultilayerPerceptron,
        _ rows: EncodedRows,
        each: (Range<Int>, borrowing InferenceScratch) -> Void = { _, _ in }
    ) throws(RetrainingError) -> Evaluation {
        do {
            return try network.evaluate(
                rows: rows,
                targets: rows.targets(network.head),
                each: each
            )
        } catch {
            throw .training("evaluation: \(error)")
        }
    }
}

extension Scores {
    init(_ evaluation: Evaluation) {
        self.init(
            rows: evaluation.rowCount,
            loss: evaluation.loss,
            accuracy: evaluation.accuracy,
            meanAbsoluteError: evaluation.meanAbsoluteError
        )
    }
}

/// The hold-out's logits and classes that a temperature is fitted to, taken while they are scored.
struct CalibrationSample {
    private var rows: CalibrationRows
    private let truths: [Int32]
    /// Every how many rows one is taken.
    private let every: Int

    /// The most logits that are kept: 32 MiB of them.
    private static let logitsMax = 8 << 20

    /// Nil for a regression, whose answers are no probabilities.
    init?(_ network: MultilayerPerceptron, _ encoded: EncodedRows) {
        switch encoded.targets(network.head) {
        case .classes(let classes): truths = classes
        case .binary(let values): truths = values.map { $0 >= 0.5 ? 1 : 0 }
        case .values: return nil
        }
        rows = CalibrationRows(head: network.head, outputs: network.outputWidth)
        let rowsMax = max(1, Self.logitsMax / rows.classes)
        every = max(1, (truths.count + rowsMax - 1) / rowsMax)
    }

    mutating func add(_ range: Range<Int>, _ outputs: borrowing InferenceScratch) {
        let (width, logits) = (outputs.outputWidth, outputs.logits)
        for row in range where row % every == 0 {
            let first = (row - range.lowerBound) * width
            rows.append(logits.extracting(first..<first + width), truth: truths[row])
        }
    }

    /// Fits the temperature; without `takesTemperature` only the figures are told.
    func result(takesTemperature: Bool) -> Manifest.Calibration {
        let calibration = rows.calibrated()
        return Manifest.Calibration(
            temperature: takesTemperature ? calibration.temperature?.value : nil,
            rows: calibration.rows,
            before: calibration.before,
            after: takesTemperature ? calibration.after : nil
        )
    }
}
