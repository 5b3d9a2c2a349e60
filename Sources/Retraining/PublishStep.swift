internal import Drift
internal import Features
internal import FoundationEssentials
internal import ModelStore
internal import NeuralNetwork

/// The last step: puts the candidate into the store with all that a server needs to trust it.
struct PublishStep {
    let plan: RetrainingPlan
    let directory: ModelDirectory
    let now: Date

    func publish(
        _ candidate: Candidate,
        _ scores: EvaluateStep.Result,
        _ provenance: Manifest.Provenance,
        _ data: TrainingData,
        _ report: CandidateReport,
        _ trigger: RetrainingTrigger
    ) throws -> Int {
        let outcome = report.outcome
        let (json, page) = try report.files()
        // What the reference and the self-test are made of is what will be served.
        var network = candidate.network
        network.temperature = scores.calibration?.temperature.flatMap { Temperature($0) }
        let draft = ModelBundle.Draft(
            model: plan.model,
            created: now,
            task: plan.task,
            labels: data.labels,
            schema: data.schema,
            data: provenance,
            training: summary(candidate, scores, trigger),
            calibration: scores.calibration,
            network: network,
            reference: try reference(network, data),
            selfTest: selfTest(network, data),
            report: json,
            page: page
        )
        let publication = outcome.result.publication(plan)
        let version = try directory.publish(draft, as: publication) { version, previous, digest in
            JournalEntry(
                time: now,
                event: publication.event,
                version: version,
                previous: previous,
                actor: trigger.rawValue,
                reason: outcome.reason,
                digest: digest,
                candidate: scores.candidate,
                champion: scores.champion,
                stage: publication.stage
            )
        }
        // The version is live: what cannot be removed now is no failure, and is tried next time.
        _ = try? directory.prune(plan.retention, actor: trigger.rawValue, now: now)
        return version
    }

    private func summary(
        _ candidate: Candidate,
        _ scores: EvaluateStep.Result,
        _ trigger: RetrainingTrigger
    ) -> Manifest.TrainingSummary {
        Manifest.TrainingSummary(
            trigger: trigger.rawValue,
            seconds: candidate.training?.seconds ?? 0,
            epochs: candidate.training?.epochs ?? 0,
            seed: candidate.training == nil ? 0 : plan.training.seed,
            scores: scores.candidate
        )
    }

    /// Leaves the report of a candidate that the gates refused, and notes the refusal.
    func refuse(_ report: CandidateReport, _ trigger: RetrainingTrigger) throws {
        let (json, page) = try report.files()
        try directory.writeRefusal(report: json, page: page)
        try refuse(report.outcome, trigger)
    }

    /// Notes a refusal in the journal; nothing else changes.
    func refuse(_ outcome: RetrainingOutcome, _ trigger: RetrainingTrigger) throws {
        try directory.record(
            JournalEntry(
                time: now,
                event: .refused,
                version: 0,
                previous: outcome.version,
                actor: trigger.rawValue,
                reason: outcome.reason,
                candidate: outcome.evaluation,
                champion: outcome.champion
            )
        )
    }

    /// Bin edges from training rows, shares from the hold-out: what live traffic is compared with.
    private func reference(_ network: MultilayerPerceptron, _ data: TrainingData) throws
        -> ReferenceProfile
    {
        var builder = try ReferenceBuilder(
            schema: data.schema,
            prediction: plan.task.predictionShape(classes: data.labels.count),
            classLabels: data.labels,
            hiddenWidth: network.lastHiddenWidth,
            seasonColumn: plan.seasonColumn
        )
        try Self.eachBatch(network, data.train, data.schema) { rows in
            try builder.addTraining(rows)
        }
        if plan.seasonColumn != nil {
            var hours = BatchHours(data.train)
            try Self.eachBatch(network, data.train, data.schema) { rows in
                try builder.addSeason(rows, hours: hours.next(rows.rowCount).span)
            }
        }
        var pixels: PixelBuilder?
        if let image = data.schema.image {
            pixels = PixelBuilder(try FrameGeometry(shape: image.shape))
        }
        var hours = BatchHours(data.holdout)
        try Self.eachBatch(network, data.holdout, data.schema) { rows in
            try builder.addHoldout(rows, hours: hours.next(rows.rowCount).span)
            pixels?.add(raw: rows.raw)
        }
        var profile = try builder.finish()
        profile.performance = performance(network, data)
        profile.pixels = pixels?.finish()
        return profile
    }

    /// What the hold-out's labels say of the answers.
    private func performance(_ network: MultilayerPerceptron, _ data: TrainingData)
        -> PerformanceReference?
    {
        let rows = data.holdout.rows
        let shape = plan.task.predictionShape(classes: data.labels.count)
        var builder = PerformanceBuilder(shape: shape, rowCount: rows.count)
        var next = 0
        Self.eachBatch(network, data.holdout, data.schema) { batch in
            for row in 0..<batch.rowCount {
                let answer = batch[row: row].probabilities
                switch data.holdout.dataset.labels {
                case .classes(let classes):
                    builder.add(outputs: answer, label: Int(classes[Int(rows[next])]))
                case .values(let values):
                    builder.add(value: answer[0], truth: values[Int(rows[next])])
                }
                next += 1
            }
        }
        return builder.finish()
    }

    private func selfTest(_ network: MultilayerPerceptron, _ data: TrainingData) -> SelfTest {
        let count = min(SelfTest.rowsMax, data.holdout.rows.count)
        let first = TrainingData.RowSet(
            dataset: data.holdout.dataset,
            rows: Array(data.holdout.rows.prefix(count))
        )
        var test = SelfTest(rows: [], probabilities: [], rowCount: count)
        Self.eachBatch(network, first, data.schema) { rows in
            for index in rows.raw.indices { test.rows.append(rows.raw[index]) }
            for index in rows.probabilities.indices {
                test.probabilities.append(rows.probabilities[index])
            }
        }
        return test
    }

    /// Runs rows through the network as a server does: raw rows, encoding, forward pass.
    static func eachBatch<Failure: Error>(
        _ network: MultilayerPerceptron,
        _ set: TrainingData.RowSet,
        _ schema: FeatureSchema,
        _ body: (borrowing ScoredRows) throws(Failure) -> Void
    ) throws(Failure) {
        let size = 64
        var raw = [Float](repeating: 0, count: size * schema.rawWidth)
        var inputs = [Float](repeating: 0, count: size * schema.encodedWidth)
        var scratch = InferenceScratch(for: network, rowsMax: size)
        for start in stride(from: 0, to: set.rows.count, by: size) {
            let count = min(size, set.rows.count - start)
            BackgroundProcess.giveWay()
            for row in 0..<count {
                var target = raw.mutableSpan
                set.dataset.raw(
                    row: Int(set.rows[start + row]),
                    into: &target,
                    at: row * schema.rawWidth
                )
            }
            let rows = raw.span.extracting(0..<count * schema.rawWidth)
            var encoded = inputs.mutableSpan
            schema.encode(raw: rows, into: &encoded)
            network.forward(
                rows: inputs.span.extracting(0..<count * schema.encodedWidth),
                rowCount: count,
                scratch: &scratch
            )
            try body(
                ScoredRows(
                    raw: rows,
                    logits: scratch.logits,
                    probabilities: scratch.probabilities,
                    hidden: scratch.lastHidden,
                    logitScale: network.temperature?.reciprocal ?? 1,
                    rowCount: count
                )
            )
        }
    }
}

/// The hours of the week of some rows, batch by batch.
private struct BatchHours {
    private let set: TrainingData.RowSet
    private var first = 0

    init(_ set: TrainingData.RowSet) { self.set = set }

    /// Those of the next rows; empty where the data do not tell.
    mutating func next(_ count: Int) -> [UInt8] {
        defer { first += count }
        let hours = set.dataset.hours
        return hours.isEmpty ? [] : set.rows[first..<first + count].map { hours[Int($0)] }
    }
}

extension RetrainingOutcome.Result {
    /// How a candidate that passed its gates ends: what is pinned stays, and the first version is
    /// served at once.
    static func passed(
        _ plan: RetrainingPlan,
        _ directory: ModelDirectory,
        hasChampion: Bool
    ) -> Self {
        if hasChampion, directory.pinnedVersion() != nil { return .held }
        return plan.release == .immediate || !hasChampion ? .published : .staged
    }

    /// What becomes of the version.
    fileprivate func publication(_ plan: RetrainingPlan) -> Publication {
        switch (self, plan.release) {
        case (.staged, .staged(let stage)): .staged(stage)
        case (.held, _): .held
        default: .current
        }
    }
}

extension Publication {
    fileprivate var event: JournalEntry.Event {
        switch self {
        case .current: .published
        case .staged: .staged
        case .held: .held
        }
    }

    fileprivate var stage: StagedRelease.Stage? {
        if case .staged(let stage) = self { stage } else { nil }
    }
}

extension ModelTask {
    /// What the drift monitor has to know of the network's outputs.
    func predictionShape(classes: Int) -> PredictionShape {
        switch self {
        case .classification: .classes(count: classes)
        case .binary: .binary
        case .regression: .value(width: 1)
        }
    }
}
