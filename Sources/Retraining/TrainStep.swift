package import Features
internal import ModelStore
package import NeuralNetwork

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

    /// Images of bytes are scaled by the trainer itself, with the schema's numbers.
    var compact: CompactRows? {
        guard let image = schema.image, case .bytes(let bytes, let offset) = chosen.dataset.values
        else { return nil }
        return CompactRows(
            bytes: bytes,
            offset: offset,
            width: schema.rawWidth,
            numbers: chosen.rows,
            scaling: ByteScaling(image.scaling)
        )
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

extension ByteScaling {
    /// The scaling of an image's pixels, as ``FeatureSchema/encode(raw:into:)`` does it.
    package init(_ scaling: Scaling) {
        self.init(
            offset: scaling.offset,
            factor: 1 / scaling.span,
            limit: FeatureSchema.inputMax
        )
    }
}

/// A network that is fitted, but not yet judged.
struct Candidate {
    let network: MultilayerPerceptron
    /// How it was fitted; nil when that was done elsewhere.
    let training: RetrainingOutcome.Training?
    /// Where training stood at the end of each epoch.
    var curve: [CurvePoint] = []
}

/// Where training stood at the end of an epoch.
struct CurvePoint: Codable, Sendable, Equatable {
    let epoch: Int
    /// Mean loss of the epoch's rows, each by the weights of its step.
    let loss: Double
    let accuracy: Double?
    /// The least validation loss so far.
    let validationLoss: Double?

    enum CodingKeys: String, CodingKey {
        case epoch, loss, accuracy
        case validationLoss = "validation_loss"
    }
}

/// The third step: fits a new network to the training rows.
struct TrainStep {
    let plan: RetrainingPlan
    let clock: RetrainingClock
    let tell: (RetrainingEvent) -> Void

    /// Seconds between two progress events.
    private static let period = 0.2

    /// Fits a network.
    ///
    /// - Parameters:
    ///   - data: Rows to fit; with early stopping a share of them is kept for validation.
    ///   - champion: Where a warm start begins, if it fits.
    /// - Returns: The network, and how it was fitted.
    /// - Throws: ``RetrainingError/training(_:)``.
    func run(_ data: TrainingData, _ champion: Champion?) throws(RetrainingError) -> Candidate {
        let (fitted, kept) = try divided(data)
        let rows = EncodedRows(fitted, data.schema)
        // A regression is fitted to standardised targets, so that the step size suits any unit.
        let unit = TargetUnit(rows.targets(plan.task.head))
        do {
            let base = plan.warmStart ? start(data, champion, unit) : nil
            var network = try base?.network ?? fresh(data)
            let validation = kept.map { kept in
                let rows = EncodedRows(kept, data.schema)
                let targets = unit.standardised(rows.targets(plan.task.head))
                return Trainer.Validation(rows: rows, targets: targets)
            }
            let start = clock.monotonicSeconds()
            let curve = Curve()
            let report = try trainer(network).train(
                &network,
                rows: rows,
                targets: unit.targets,
                validation: validation,
                progress: progress(start, curve)
            )
            return Candidate(
                network: try unit.restored(network),
                training: RetrainingOutcome.Training(
                    seconds: clock.monotonicSeconds() - start,
                    epochs: report.epochs,
                    loss: report.loss,
                    reason: report.reason.rawValue,
                    bestEpoch: report.bestEpoch,
                    validationLoss: report.validationLoss,
                    startedFrom: base?.version
                ),
                curve: curve.points
            )
        } catch {
            throw .training("\(error)")
        }
    }

    private func trainer(_ network: MultilayerPerceptron) throws(TrainingError) -> Trainer {
        let useful = Trainer.usefulThreads(
            for: network,
            batch: plan.training.batch,
            cores: plan.cores
        )
        return try Trainer(
            settings: plan.training,
            threads: plan.threads ?? useful,
            clock: clock.monotonicSeconds
        )
    }

    /// The rows that are fitted, and those by which it is seen when to stop.
    ///
    /// A row falls on the same side in every run: by where it came from, never by its content.
    private func divided(_ data: TrainingData) throws(RetrainingError) -> (
        fitted: TrainingData.RowSet, kept: TrainingData.RowSet?
    ) {
        guard let share = plan.validation else { return (data.train, nil) }
        let split: DataSplit
        do {
            split = try DataSplit(share: share, purpose: "validation")
        } catch {
            throw .training("\(error)")
        }
        let dataset = data.train.dataset
        let (fitted, kept) = split.split(dataset, rows: data.train.rows)
        guard !fitted.isEmpty, !kept.isEmpty else {
            let counts = "\(fitted.count) rows to fit and \(kept.count) for validation"
            throw .training("early_stopping: \(counts): give more rows or another validation share")
        }
        return (
            TrainingData.RowSet(dataset: dataset, rows: fitted),
            TrainingData.RowSet(dataset: dataset, rows: kept)
        )
    }

    private func fresh(_ data: TrainingData) throws(NetworkError) -> MultilayerPerceptron {
        try MultilayerPerceptron(
            inputWidth: data.schema.encodedWidth,
            hidden: plan.hidden,
            outputWidth: plan.task == .classification ? data.labels.count : 1,
            activation: plan.activation,
            head: plan.task.head,
            seed: plan.training.seed
        )
    }

    /// The champion's network, if it has the shape that is wanted and means the same by its rows.
    private func start(_ data: TrainingData, _ champion: Champion?, _ unit: TargetUnit)
        -> (network: MultilayerPerceptron, version: Int)?
    {
        guard let champion else { return nil }
        let manifest = champion.bundle.manifest
        var network = champion.bundle.network
        network.temperature = nil
        let hidden = network.layers.dropLast()
        guard manifest.task == plan.task, manifest.labels == data.labels,
            manifest.schema.readsSameRows(as: data.schema),
            network.inputWidth == data.schema.encodedWidth, network.head == plan.task.head,
            hidden.map(\.outputWidth) == plan.hidden,
            hidden.allSatisfy({ $0.activation == plan.activation }),
            let start = unit.standardised(network)
        else { return nil }
        return (start, champion.version)
    }

    /// Tells where training stands, some times a second and at each epoch's end.
    private func progress(
        _ start: Double,
        _ curve: Curve
    ) -> (TrainingProgress) -> TrainingDecision {
        let told = LastTime(start)
        return { now in
            let time = clock.monotonicSeconds()
            curve.add(now)
            BackgroundProcess.giveWay()
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
                        rowsPerSecond: Double(now.rowsDone) / elapsed,
                        secondsLeft: elapsed * Double(now.rowsMax - now.rowsDone)
                            / Double(max(now.rowsDone, 1)),
                        validationLoss: now.validationLoss
                    )
                )
            )
            return Task.isCancelled ? .stop : .continue
        }
    }

    /// The ends of the epochs, thinned out where there are very many.
    private final class Curve {
        private(set) var points: [CurvePoint] = []
        private static let pointsMax = 1000

        func add(_ now: TrainingProgress) {
            guard now.step == now.steps else { return }
            let every = (now.epochs + Self.pointsMax - 1) / Self.pointsMax
            guard every <= 1 || now.epoch % every == 0 || now.epoch == now.epochs else { return }
            points.append(
                CurvePoint(
                    epoch: now.epoch,
                    loss: now.loss,
                    accuracy: now.accuracy,
                    validationLoss: now.validationLoss
                )
            )
        }
    }

    private final class LastTime {
        var seconds: Double
        init(_ seconds: Double) { self.seconds = seconds }
    }
}
