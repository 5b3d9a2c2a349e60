/// Fits a network to rows and their targets.
///
/// The same network, rows, targets and settings give the same weights bit for bit, on machines
/// with the same ``InstructionSet``.
package struct Trainer: Sendable {
    private let settings: TrainingSettings

    /// Takes checked settings.
    ///
    /// - Throws: ``TrainingError/setting(name:range:)``.
    package init(settings: TrainingSettings) throws(TrainingError) {
        try settings.check()
        self.settings = settings
    }

    /// Trains until the epochs are over, the loss is low enough, or the observer says stop.
    ///
    /// - Parameters:
    ///   - network: Replaced by the trained one; left as it was when an error is thrown.
    ///   - rows: What goes in. Each epoch sees every row once, in a new order.
    ///   - targets: What should come out.
    ///   - progress: Called after every step; it should return at once.
    /// - Returns: How it ended.
    /// - Throws: ``TrainingError`` when the data do not fit the network or the loss diverges.
    package func train(
        _ network: inout MultilayerPerceptron,
        rows: some TrainingRows,
        targets: Targets,
        progress: (TrainingProgress) -> TrainingDecision = { _ in .continue }
    ) throws(TrainingError) -> TrainingReport {
        try targets.check(against: network, rowCount: rows.rowCount, width: rows.width)
        var run = TrainingRun(settings, network, rowCount: rows.rowCount)
        let report = try run.run(rows, targets, progress)
        network = run.network
        return report
    }
}

/// One training run under way.
private struct TrainingRun {
    private let settings: TrainingSettings
    private let batch: Int
    private let stepsPerEpoch: Int
    private var pass: TrainingPass
    private var optimizer: Optimizer
    private var order: [Int32]
    private var random: RandomSource
    private var tally = Tally()
    private var stepsTaken = 0
    private var rowsDone = 0
    private(set) var network: MultilayerPerceptron

    /// What an epoch has summed up so far.
    private struct Tally {
        var loss = 0.0
        var correct = 0
        var rows = 0
    }

    init(_ settings: TrainingSettings, _ network: MultilayerPerceptron, rowCount: Int) {
        self.settings = settings
        self.network = network
        batch = min(settings.batch, rowCount)
        stepsPerEpoch = (rowCount + batch - 1) / batch
        pass = TrainingPass(network, batch: batch)
        optimizer = Optimizer(settings, for: network)
        order = [Int32](0..<Int32(rowCount))
        // Another stream than the initial weights, which may well have the same seed.
        random = RandomSource(seed: settings.seed, stream: 1)
    }

    mutating func run(
        _ rows: some TrainingRows,
        _ targets: Targets,
        _ progress: (TrainingProgress) -> TrainingDecision
    ) throws(TrainingError) -> TrainingReport {
        for epoch in 1...settings.epochs {
            random.shuffle(&order)
            tally = Tally()
            for step in 1...stepsPerEpoch {
                try take(epoch: epoch, step: step, rows, targets)
                guard progress(standing(epoch, step)) == .continue else {
                    try checkWeights(epoch, step)
                    return report(epochs: step == stepsPerEpoch ? epoch : epoch - 1, .stopped)
                }
            }
            try checkWeights(epoch, stepsPerEpoch)
            if let limit = settings.lossBelow, meanLoss < Double(limit) {
                return report(epochs: epoch, .lossBelow)
            }
        }
        return report(epochs: settings.epochs, .completed)
    }

    private mutating func take(
        epoch: Int,
        step: Int,
        _ rows: some TrainingRows,
        _ targets: Targets
    ) throws(TrainingError) {
        let first = (step - 1) * batch
        let range = first..<min(first + batch, order.count)
        let order = order
        let loss = pass.run(
            network,
            rows: rows,
            targets: targets,
            order.span.extracting(range)
        )
        guard loss.sum.isFinite else { throw .diverged(epoch: epoch, step: step) }
        optimizer.step(&network, pass.gradients)
        tally.loss += loss.sum
        tally.correct += loss.correct
        tally.rows += range.count
        rowsDone += range.count
        stepsTaken += 1
    }

    /// The loss shows a NaN one step late; this looks at the last step's weights themselves.
    private func checkWeights(_ epoch: Int, _ step: Int) throws(TrainingError) {
        guard network.isFinite else { throw .diverged(epoch: epoch, step: step) }
    }

    private var meanLoss: Double { tally.loss / Double(tally.rows) }

    private var accuracy: Double? {
        network.head == .linear ? nil : Double(tally.correct) / Double(tally.rows)
    }

    private func standing(_ epoch: Int, _ step: Int) -> TrainingProgress {
        TrainingProgress(
            epoch: epoch,
            epochs: settings.epochs,
            step: step,
            steps: stepsPerEpoch,
            rowsDone: rowsDone,
            loss: meanLoss,
            accuracy: accuracy
        )
    }

    private func report(epochs: Int, _ reason: TrainingReport.Reason) -> TrainingReport {
        TrainingReport(
            epochs: epochs,
            steps: stepsTaken,
            loss: meanLoss,
            accuracy: accuracy,
            reason: reason
        )
    }
}
