internal import Features
internal import ModelStore
internal import NeuralNetwork

/// The fourth step: scores candidate and champion on the same rows, which neither was fitted to.
struct EvaluateStep {
    let plan: RetrainingPlan

    struct Result {
        let candidate: Scores
        let evaluation: Evaluation
        let champion: Scores?
        let championVersion: Int?
    }

    func run(
        _ candidate: Candidate,
        _ champion: Champion?,
        _ data: TrainingData
    ) throws(RetrainingError) -> Result {
        let evaluation = try evaluate(
            candidate.network,
            EncodedRows(data.holdout, data.schema)
        )
        return Result(
            candidate: Scores(evaluation),
            evaluation: evaluation,
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

    private func evaluate(_ network: MultilayerPerceptron, _ rows: EncodedRows)
        throws(RetrainingError) -> Evaluation
    {
        do {
            return try network.evaluate(rows: rows, targets: rows.targets(network.head))
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
