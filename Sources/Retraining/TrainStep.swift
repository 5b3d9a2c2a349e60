internal import Features
internal import ModelStore
internal import NeuralNetwork

/// Rows of a data set as the trainer takes them: compact in memory, scaled while they are
/// gathered, by the very code that scales a request.
struct EncodedRows: TrainingRows {
    let chosen: TrainingData.RowSet
    let schema: FeatureSchema

    init(_ chosen: TrainingData.RowSet, _ schema: FeatureSchema) {
        self.chosen = chosen
        self.schema = schema
    }

    var rowCount: Int { chosen.rows.count }
    var width: Int { schema.encodedWidth }

    func gather(_ indices: Span<Int32>, into target: inout MutableSpan<Float>) {
        // The set's rows are any of the data set's; a step has few of them.
        var numbers: [Int32] = []
        numbers.reserveCapacity(indices.count)
        for index in indices.indices { numbers.append(chosen.rows[Int(indices[index])]) }
        schema.encode(chosen.dataset, rows: numbers.span, into: &target)
    }

    /// What each row should give, in the set's order.
    func targets(_ head: Head) -> Targets {
        switch (chosen.dataset.labels, head) {
        case (.classes(let classes), .sigmoid):
            .binary(chosen.rows.map { classes[Int($0)] == 1 ? 1 : 0 })
        case (.classes(let classes), _):
            .classes(chosen.rows.map { classes[Int($0)] })
        case (.values(let values), _):
            .values(chosen.rows.map { values[Int($0)] })
        }
    }
}

/// A network that is fitted, but not yet judged.
struct Candidate {
    let network: MultilayerPerceptron
    let training: RetrainingOutcome.Training
}

/// The third step: fits a new network to the training rows.
struct TrainStep {
    let plan: RetrainingPlan
    let clock: RetrainingClock
    let tell: (RetrainingEvent) -> Void

    /// Seconds between two progress events.
    private static let period = 0.2

    func run(_ data: TrainingData) throws(RetrainingError) -> Candidate {
        let rows = EncodedRows(data.train, data.schema)
        // A regression is fitted to standardised targets, so that the step size suits any unit.
        let unit = TargetUnit(rows.targets(plan.task.head))
        do {
            var network = try MultilayerPerceptron(
                inputWidth: data.schema.encodedWidth,
                hidden: plan.hidden,
                outputWidth: plan.task == .classification ? data.labels.count : 1,
                activation: plan.activation,
                head: plan.task.head,
                seed: plan.training.seed
            )
            let start = clock.monotonicSeconds()
            let report = try Trainer(settings: plan.training).train(
                &network,
                rows: rows,
                targets: unit.targets,
                progress: progress(start)
            )
            return Candidate(
                network: try unit.restored(network),
                training: RetrainingOutcome.Training(
                    seconds: clock.monotonicSeconds() - start,
                    epochs: report.epochs,
                    loss: report.loss
                )
            )
        } catch {
            throw .training("\(error)")
        }
    }

    /// Tells where training stands, some times a second and at each epoch's end.
    private func progress(_ start: Double) -> (TrainingProgress) -> TrainingDecision {
        let told = LastTime(start)
        return { now in
            let time = clock.monotonicSeconds()
            guard now.step == now.steps || time - told.seconds >= Self.period else {
                return .continue
            }
            told.seconds = time
            let elapsed = max(time - start, 1e-9)
            tell(
                .progress(
                    RetrainingEvent.Progress(
                        epoch: now.epoch,
                        epochs: now.epochs,
                        step: now.step,
                        steps: now.steps,
                        loss: now.loss,
                        accuracy: now.accuracy,
                        rowsPerSecond: Double(now.rowsDone) / elapsed
                    )
                )
            )
            return Task.isCancelled ? .stop : .continue
        }
    }

    private final class LastTime {
        var seconds: Double
        init(_ seconds: Double) { self.seconds = seconds }
    }
}
