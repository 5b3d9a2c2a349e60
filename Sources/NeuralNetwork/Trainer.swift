/// Fits a network to rows and their targets.
///
/// The same network, rows, targets and settings give the same weights bit for bit, on machines
/// with the same ``InstructionSet`` and with any number of threads.
package struct Trainer: Sendable {
    private let settings: TrainingSettings
    private let threads: Int
    private let clock: (@Sendable () -> Double)?

    /// Rows that are not fitted, by which it is seen when to stop.
    package struct Validation<Rows: TrainingRows> {
        let rows: Rows
        let targets: Targets

        /// Takes rows and what they should give.
        package init(rows: Rows, targets: Targets) {
            self.rows = rows
            self.targets = targets
        }
    }

    /// Takes checked settings.
    ///
    /// - Parameters:
    ///   - settings: How to learn.
    ///   - threads: How many threads share each step.
    ///   - clock: Seconds since some moment. With it, steps are shared only as long as that is
    ///     faster: not so when other work takes the cores.
    /// - Throws: ``TrainingError/setting(name:range:)``.
    package init(
        settings: TrainingSettings,
        threads: Int = 1,
        clock: (@Sendable () -> Double)? = nil
    ) throws(TrainingError) {
        try settings.check()
        self.settings = settings
        self.threads = threads
        self.clock = clock
    }

    /// How many threads are worth their meetings: each should do some 4 million operations a step.
    ///
    /// - Parameters:
    ///   - network: What is trained.
    ///   - batch: Rows of a step.
    ///   - cores: How many threads can run at a time.
    /// - Returns: At least 1, at most `cores`.
    package static func usefulThreads(
        for network: MultilayerPerceptron,
        batch: Int,
        cores: Int
    ) -> Int {
        // Forward, the slopes by the weights, and those by the inputs: 2 operations each.
        let operations = 6.0 * Double(network.parameterCount) * Double(batch)
        return max(1, min(cores, ComputeTeam.membersMax, Int(min(operations / 4e6, 1000))))
    }

    /// Trains until the epochs are over, the loss is low enough, the validation loss has stopped
    /// to fall, or the observer says stop.
    ///
    /// - Parameters:
    ///   - network: Where to start, replaced by the trained one; left as it was when an error is
    ///     thrown. With early stopping it is that of the epoch with the least validation loss.
    ///   - rows: What goes in. Each epoch sees every row once, in a new order.
    ///   - targets: What should come out.
    ///   - validation: Judged after each epoch; needed for early stopping, of the rows' own type.
    ///   - progress: Called after every step; it should return at once.
    /// - Returns: How it ended.
    /// - Throws: ``TrainingError`` when the data do not fit the network or the loss diverges.
    package func train<Rows: TrainingRows>(
        _ network: inout MultilayerPerceptron,
        rows: Rows,
        targets: Targets,
        validation: Validation<Rows>? = nil,
        progress: (TrainingProgress) -> TrainingDecision = { _ in .continue }
    ) throws(TrainingError) -> TrainingReport {
        let session = try TrainingSession(
            network,
            settings: settings,
            rows: rows,
            targets: targets,
            validation: validation,
            threads: threads,
            clock: clock
        )
        while try session.runEpoch(progress) {}
        network = session.best
        return session.report
    }
}

/// A training run under way, one epoch at a time.
package final class TrainingSession<Rows: TrainingRows> {
    private let settings: TrainingSettings
    private let rows: Rows
    private let compact: CompactRows?
    private let targets: Targets
    private let validation: Trainer.Validation<Rows>?
    private let start: MultilayerPerceptron
    private let batch: Int
    private let stepsPerEpoch: Int
    private let step: TrainingStep
    private var pace: TeamPace
    private var optimizer: Optimizer
    private var order: [Int32]
    private var random: RandomSource
    private var tally = Tally()
    private var stepsTaken = 0
    private var rowsDone = 0
    private var epochsDone = 0
    private var kept: (network: MultilayerPerceptron, loss: Double, epoch: Int)?
    private var reason: TrainingReport.Reason?

    /// What an epoch has summed up so far.
    private struct Tally {
        var loss = 0.0
        var correct = 0
        var rows = 0
    }

    /// Prepares a run.
    ///
    /// - Parameters:
    ///   - network: Where to start.
    ///   - settings: How to learn.
    ///   - rows: What goes in.
    ///   - targets: What should come out.
    ///   - validation: Judged after each epoch; needed for early stopping.
    ///   - threads: How many threads share each step.
    ///   - clock: Seconds since some moment; see ``Trainer``.
    /// - Throws: ``TrainingError`` when settings, data and network do not fit.
    package init(
        _ network: MultilayerPerceptron,
        settings: TrainingSettings,
        rows: Rows,
        targets: Targets,
        validation: Trainer.Validation<Rows>? = nil,
        threads: Int = 1,
        clock: (@Sendable () -> Double)? = nil
    ) throws(TrainingError) {
        try settings.check()
        try targets.check(against: network, rowCount: rows.rowCount, width: rows.width)
        if let validation {
            let count = validation.rows.rowCount
            try validation.targets.check(
                against: network,
                rowCount: count,
                width: validation.rows.width
            )
        } else if settings.patience != nil {
            throw .setting(name: "early_stopping", range: "nothing, or validation rows too")
        }
        self.settings = settings
        self.rows = rows
        compact = rows.compact
        self.targets = targets
        self.validation = validation
        start = network
        batch = min(settings.batch, rows.rowCount)
        stepsPerEpoch = (rows.rowCount + batch - 1) / batch
        optimizer = Optimizer(settings, stepsPerEpoch: stepsPerEpoch)
        step = TrainingStep(
            network,
            batch: batch,
            threads: threads,
            options: try settings.lossOptions(for: network),
            dropout: settings.dropout > 0,
            moments: optimizer.hasSecondMoments ? 2 : 1,
            keepsSlopes: settings.clipNorm != nil
        )
        pace = TeamPace(step.threads > 1 ? clock : nil)
        order = [Int32](0..<Int32(rows.rowCount))
        // Another stream than the initial weights, which may well have the same seed.
        random = RandomSource(seed: settings.seed, stream: 1)
    }

    /// Runs the next epoch.
    ///
    /// - Parameter progress: Called after every step.
    /// - Returns: Whether there is another one to run.
    /// - Throws: ``TrainingError/diverged(epoch:step:)``.
    package func runEpoch(
        _ progress: (TrainingProgress) -> TrainingDecision = { _ in .continue }
    ) throws(TrainingError) -> Bool {
        guard reason == nil else { return false }
        let epoch = epochsDone + 1
        random.shuffle(&order)
        tally = Tally()
        for number in 1...stepsPerEpoch {
            try take(epoch: epoch, step: number)
            guard progress(standing(epoch, number)) == .continue else {
                if number == stepsPerEpoch { epochsDone = epoch }
                return try end(.stopped, epoch, number)
            }
        }
        epochsDone = epoch
        try judge(epoch)
        if let limit = settings.lossBelow, meanLoss < Double(limit) {
            return try end(.lossBelow, epoch, stepsPerEpoch)
        }
        if let patience = settings.patience, let kept, epoch - kept.epoch >= patience {
            return try end(.validationLoss, epoch, stepsPerEpoch)
        }
        if epoch == settings.epochs { return try end(.completed, epoch, stepsPerEpoch) }
        try checkWeights(epoch, stepsPerEpoch)
        return true
    }

    /// The network as it is now.
    package var current: MultilayerPerceptron { step.network(like: start) }

    /// The network of the best epoch where there is a validation, else as it is now.
    package var best: MultilayerPerceptron {
        guard settings.patience != nil, let kept else { return current }
        return kept.network
    }

    /// How the run has ended, or where it stands.
    package var report: TrainingReport {
        TrainingReport(
            epochs: epochsDone,
            steps: stepsTaken,
            loss: meanLoss,
            accuracy: accuracy,
            reason: reason ?? .stopped,
            bestEpoch: kept?.epoch,
            validationLoss: kept?.loss
        )
    }

    private func take(epoch: Int, step number: Int) throws(TrainingError) {
        let first = (number - 1) * batch
        let range = first..<min(first + batch, order.count)
        let (forWeights, forBiases) = optimizer.next()
        let dropping =
            settings.dropout > 0
            ? TrainingStep.Dropping(
                share: settings.dropout,
                seed: settings.seed &+ UInt64(stepsTaken) &* 0x9E37_79B9_7F4A_7C15
            ) : nil
        step.isAlone = pace.isAlone
        let order = order
        let loss = step.run(
            rows,
            compact,
            targets,
            order.span.extracting(range),
            settings.optimizer == .sgd
                ? .descend(weights: forWeights, biases: forBiases)
                : .adam(weights: forWeights, biases: forBiases),
            clipNorm: settings.clipNorm,
            dropping: dropping
        )
        pace.stepEnded()
        guard loss.sum.isFinite else { throw .diverged(epoch: epoch, step: number) }
        tally.loss += loss.sum
        tally.correct += loss.correct
        tally.rows += range.count
        rowsDone += range.count
        stepsTaken += 1
    }

    /// Scores the epoch's network on the validation rows, and keeps the best.
    private func judge(_ epoch: Int) throws(TrainingError) {
        guard let validation else { return }
        let network = current
        let loss = try network.evaluate(rows: validation.rows, targets: validation.targets).loss
        guard loss.isFinite else { throw .diverged(epoch: epoch, step: stepsPerEpoch) }
        if kept.map({ loss < $0.loss }) ?? true { kept = (network, loss, epoch) }
    }

    private func end(_ reason: TrainingReport.Reason, _ epoch: Int, _ step: Int)
        throws(TrainingError) -> Bool
    {
        try checkWeights(epoch, step)
        self.reason = reason
        return false
    }

    /// The loss shows a NaN one step late; this looks at the last step's weights themselves.
    private func checkWeights(_ epoch: Int, _ step: Int) throws(TrainingError) {
        guard self.step.isFinite else { throw .diverged(epoch: epoch, step: step) }
    }

    private var meanLoss: Double { tally.rows > 0 ? tally.loss / Double(tally.rows) : .nan }

    private var accuracy: Double? {
        start.head == .linear || tally.rows == 0 ? nil : Double(tally.correct) / Double(tally.rows)
    }

    private func standing(_ epoch: Int, _ step: Int) -> TrainingProgress {
        TrainingProgress(
            epoch: epoch,
            epochs: settings.epochs,
            step: step,
            steps: stepsPerEpoch,
            rowsDone: rowsDone,
            rowsMax: settings.epochs * order.count,
            loss: meanLoss,
            accuracy: accuracy,
            validationLoss: kept?.loss
        )
    }
}
