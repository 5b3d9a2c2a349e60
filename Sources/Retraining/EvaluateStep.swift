internal import Features
internal import ModelStore
internal import NeuralNetwork

/// The fourth step: scores candidate and champion on the same rows, which neither was fitted to.
struct EvaluateStep {
    let plan: RetrainingPlan
    let clock: RetrainingClock

    struct Result {
        let candidate: Scores
        let calibration: Manifest.Calibration?
        let champion: Scores?
        /// The scores that the champion had on its own hold-out.
        let championBefore: Scores?
        let championVersion: Int?
        /// Both on the hold-out, row by row.
        let holdout: PairedResult
        /// Both on the golden set; nil without one.
        let golden: PairedResult?
        /// Rows by class and by slice.
        let groups: [RowGroups]
        /// What serving the candidate costs.
        let cost: CandidateCost

        var evaluation: Evaluation { holdout.candidate.evaluation }
    }

    func run(
        _ candidate: Candidate,
        _ champion: Champion?,
        _ data: TrainingData
    ) throws(RetrainingError) -> Result {
        let rows = EncodedRows(data.holdout, data.schema)
        var calibrating = CalibrationSample(candidate.network, rows)
        let scored = try score(candidate.network, rows) { range, outputs in
            calibrating?.add(range, outputs)
        }
        // Weights from elsewhere answer as they do there.
        let takes = plan.calibrates && candidate.training != nil
        let calibration = calibrating?.result(takesTemperature: takes)
        var served = candidate.network
        served.temperature = calibration?.temperature.flatMap { Temperature($0) }
        var ours = scored
        if let tally = calibrating?.tally(served.temperature) {
            ours = SetResult(evaluation: scored.evaluation, rows: scored.rows.with(tally))
        }
        let theirs = try champion.flatMap { champion throws(RetrainingError) in
            try score(champion, data.holdout, data)
        }
        return Result(
            candidate: Scores(scored.evaluation),
            calibration: calibration,
            champion: theirs.map { Scores($0.evaluation) },
            championBefore: theirs == nil ? nil : champion?.bundle.manifest.training.scores,
            championVersion: champion?.version,
            holdout: PairedResult(candidate: ours, champion: theirs),
            golden: try golden(served, champion, data),
            groups: RowGroups.all(of: data, plan.gate.slices),
            cost: CandidateCost(served, rows, clock)
        )
    }

    private func golden(
        _ network: MultilayerPerceptron,
        _ champion: Champion?,
        _ data: TrainingData
    ) throws(RetrainingError) -> PairedResult? {
        guard let golden = data.golden else { return nil }
        return PairedResult(
            candidate: try score(network, EncodedRows(golden, data.schema)),
            champion: try champion.flatMap { champion throws(RetrainingError) in
                try score(champion, golden, data)
            }
        )
    }

    /// The champion reads the raw rows through its own schema, as it does in service.
    private func score(
        _ champion: Champion,
        _ set: TrainingData.RowSet,
        _ data: TrainingData
    ) throws(RetrainingError) -> SetResult? {
        let manifest = champion.bundle.manifest
        guard manifest.task == plan.task, manifest.labels == data.labels,
            manifest.schema.readsSameRows(as: data.schema)
        else { return nil }
        return try score(champion.bundle.network, EncodedRows(set, manifest.schema))
    }

    private func score(
        _ network: MultilayerPerceptron,
        _ rows: EncodedRows,
        each: (Range<Int>, borrowing InferenceScratch) -> Void = { _, _ in }
    ) throws(RetrainingError) -> SetResult {
        var scoring = RowScoring(network, rows)
        do {
            let evaluation = try network.evaluate(
                rows: rows,
                targets: rows.targets(network.head),
                each: { range, outputs in
                    BackgroundProcess.giveWay()
                    scoring.add(range, outputs)
                    each(range, outputs)
                }
            )
            return SetResult(evaluation: evaluation, rows: scoring.scores)
        } catch {
            throw .training("evaluation: \(error)")
        }
    }
}

extension RowScores {
    /// The same rows, with the probabilities that will be served.
    fileprivate func with(_ calibration: CalibrationTally) -> RowScores {
        var scores = self
        scores.calibration = calibration
        return scores
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

/// The rows of the hold-out by their class, or by the value of a column.
struct RowGroups {
    /// Nil for the classes.
    let column: String?
    let names: [String]
    /// The group of each row; -1 for none.
    let groups: [Int32]

    /// The classes, and the columns that are named; a column that is no categorical one is left out.
    static func all(of data: TrainingData, _ columns: [String]) -> [RowGroups] {
        var all: [RowGroups] = []
        let set = data.holdout
        if case .classes(let classes) = set.dataset.labels, !data.labels.isEmpty {
            all.append(
                RowGroups(
                    column: nil,
                    names: data.labels,
                    groups: set.rows.map { classes[Int($0)] }
                )
            )
        }
        guard let table = data.schema.table else { return all }
        for name in columns {
            guard let place = table.columns.firstIndex(where: { $0.name == name }),
                table.columns[place].type == .categorical,
                let categories = table.columns[place].categories
            else { continue }
            var raw = [Float](repeating: 0, count: data.schema.rawWidth)
            let groups = set.rows.map { row -> Int32 in
                var target = raw.mutableSpan
                set.dataset.raw(row: Int(row), into: &target)
                return Int32(exactly: raw[place]) ?? -1
            }
            all.append(RowGroups(column: name, names: categories, groups: groups))
        }
        return all
    }
}

/// What serving a network costs.
struct CandidateCost {
    /// Bytes of the weights' file.
    private(set) var weightBytes: Int?
    /// Microseconds of one row alone; the least of several attempts, since others want the
    /// processor, too.
    private(set) var rowMicroseconds: Double?
    /// The greatest difference that weights which were written and read again make, relative where
    /// an answer is above 1; nil when they cannot be read.
    private(set) var rereadDifference: Float?

    private static let attempts = 5

    init(_ network: MultilayerPerceptron, _ rows: EncodedRows, _ clock: RetrainingClock) {
        let count = min(SelfTest.rowsMax, rows.rowCount)
        let indices = [Int32](0..<Int32(count))
        var inputs = [Float](repeating: 0, count: count * rows.width)
        var target = inputs.mutableSpan
        rows.gather(indices.span, into: &target)
        guard count > 0, let bytes = try? network.encoded() else { return }
        weightBytes = bytes.count
        if var again = try? MultilayerPerceptron(safetensors: bytes) {
            again.temperature = network.temperature
            rereadDifference = Self.difference(network, again, inputs, count)
        }
        var scratch = InferenceScratch(for: network, rowsMax: 1)
        let width = rows.width
        for _ in 0..<Self.attempts {
            let start = clock.monotonicSeconds()
            for row in 0..<count {
                network.forward(
                    rows: inputs.span.extracting(row * width..<(row + 1) * width),
                    rowCount: 1,
                    scratch: &scratch
                )
            }
            let each = (clock.monotonicSeconds() - start) / Double(count) * 1e6
            rowMicroseconds = min(rowMicroseconds ?? .infinity, each)
        }
    }

    private static func difference(
        _ one: MultilayerPerceptron,
        _ other: MultilayerPerceptron,
        _ inputs: [Float],
        _ count: Int
    ) -> Float? {
        guard one.inputWidth == other.inputWidth, one.outputWidth == other.outputWidth else {
            return nil
        }
        var left = InferenceScratch()
        var right = InferenceScratch()
        one.forward(rows: inputs.span, rowCount: count, scratch: &left)
        other.forward(rows: inputs.span, rowCount: count, scratch: &right)
        var greatest: Float = 0
        for index in 0..<count * one.outputWidth {
            let (ours, theirs) = (left.probabilities[index], right.probabilities[index])
            let difference = abs(ours - theirs) / max(1, abs(ours))
            // What is no number is no small difference.
            guard difference.isFinite else { return nil }
            greatest = max(greatest, difference)
        }
        return greatest
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

    /// The probabilities that a temperature makes of the logits.
    func tally(_ temperature: Temperature?) -> CalibrationTally { rows.tally { _ in temperature } }
}
