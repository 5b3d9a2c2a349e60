internal import Digest
internal import Features
internal import ModelStore
internal import NeuralNetwork

/// Rows that can be learned from: read, checked, and split.
struct TrainingData {
    /// What a valid input is, with the scaling fitted on the training rows.
    let schema: FeatureSchema
    /// Class labels in the order of the class index; empty for a regression.
    let labels: [String]
    /// The rows that are fitted.
    let train: RowSet
    /// The rows that are not.
    let holdout: RowSet
    /// Rows that never change, for the gate; nil without a golden set.
    var golden: RowSet?
    /// The digest of each source by its role.
    let digests: [String: String]
    /// The path of each source's file by the digest.
    let kept: [String: String]
    /// The downloads of the window, this one included; nil for snapshots.
    let window: [DataArchive.Entry]?
    /// What was odd.
    var warnings: [String]

    /// Some rows of a data set.
    struct RowSet: Sendable {
        let dataset: Dataset
        let rows: [Int32]

        init(dataset: Dataset, rows: [Int32]) {
            self.dataset = dataset
            self.rows = rows
        }

        /// All rows of a data set.
        init(all dataset: Dataset) {
            self.init(dataset: dataset, rows: Array(0..<Int32(dataset.rowCount)))
        }
    }

    /// How many rows there are; none are fitted where the weights come from elsewhere.
    func counts(fitted: Bool) -> RetrainingOutcome.Rows {
        RetrainingOutcome.Rows(train: fitted ? train.rows.count : 0, holdout: holdout.rows.count)
    }

    /// Where a version comes from; with its weights' digest, imported ones are of no origin that a
    /// retrain could have, so that a scheduled one does not end as unchanged.
    func provenance(_ plan: RetrainingPlan, _ file: WeightFile?) throws -> Manifest.Provenance {
        var sources = digests
        sources[WeightFile.role] = file?.digest
        let counts = counts(fitted: file == nil)
        var provenance = Manifest.Provenance(
            sources: sources,
            settings: try plan.settingsDigest(),
            trainRows: counts.train,
            holdoutRows: counts.holdout
        )
        provenance.recipe = try plan.recipe()
        provenance.kernels = InstructionSet.current.rawValue
        return provenance
    }
}

/// The second step: turns files into rows, and refuses what nothing sensible can be learned from.
struct ValidateStep {
    let plan: RetrainingPlan
    /// Earlier downloads.
    let archive: DataArchive
    /// Unix seconds.
    let now: Int64

    func run(_ sources: DownloadedSources) throws(RetrainingError) -> TrainingData {
        var reader = SourceReader(plan: plan, archive: archive, now: now)
        let train = try reader.train(sources)
        let feedback = reader.feedback(sources)
        let test = plan.test == nil ? nil : try reader.newest("test", sources)
        let golden = plan.golden == nil ? nil : try reader.newest("golden", sources)
        return switch plan.input {
        case .image(let shape, let scale, let strict):
            try images(
                train,
                feedback,
                test,
                golden,
                &reader,
                shape: shape,
                scale: scale,
                strict: strict
            )
        case .table(let declaration, let delimiter):
            try table(
                train,
                feedback,
                test,
                golden,
                &reader,
                declaration,
                DelimitedOptions(delimiter: delimiter)
            )
        }
    }

    private func images(
        _ train: [SourceRows],
        _ feedback: [SourceRows],
        _ test: SourceRows?,
        _ golden: SourceRows?,
        _ reader: inout SourceReader,
        shape: [Int],
        scale: Float,
        strict: Bool
    ) throws(RetrainingError) -> TrainingData {
        let schema = try inData("input") { () throws(FeatureError) in
            try FeatureSchema(
                .image(ImageLayout(shape: shape, scaling: .constant(divisor: scale))),
                strict: strict
            )
        }
        func dataset(_ rows: SourceRows) throws(FeatureError) -> Dataset {
            try Dataset.images(
                IDXFile(rows.features.bytes),
                labels: IDXFile(rows.labels?.bytes ?? []),
                schema: schema,
                classes: plan.labels.count,
                source: rows.identity
            )
        }
        let joined = try joined(train, feedback, &reader, dataset)
        let held = try read(test, "test", dataset)
        var data = try split(joined, held, schema, plan.labels, reader)
        data.golden = try read(golden, "golden", dataset).map { TrainingData.RowSet(all: $0) }
        return data
    }

    private func table(
        _ train: [SourceRows],
        _ feedback: [SourceRows],
        _ test: SourceRows?,
        _ golden: SourceRows?,
        _ reader: inout SourceReader,
        _ declaration: TableDeclaration,
        _ options: DelimitedOptions
    ) throws(RetrainingError) -> TrainingData {
        let own = train.map(\.table)
        // Scalings and categories are fitted on the rows that are trained on, and no others.
        let holdout = plan.test == nil ? try self.holdout() : nil
        func inferred(_ sources: [TableSource]) throws(FeatureError) -> FeatureSchema {
            try TableInference.schema(
                declaration,
                sources: sources,
                holdout: holdout,
                options: options,
                timeColumn: plan.seasonColumn
            )
        }
        // Captured rows of a time with other columns must not keep the new ones from being used.
        var usable = feedback
        var schema = usable.isEmpty ? nil : try? inferred(own + usable.map(\.table))
        if schema == nil {
            reader.leaveOut(usable, "they do not fit the columns of the data")
            usable = []
            schema = try inData("train") { () throws(FeatureError) in try inferred(own) }
        }
        guard let schema else {
            throw .data(role: "train", reason: "no source is configured", code: "missing")
        }
        func dataset(_ rows: SourceRows) throws(FeatureError) -> Dataset {
            // Nobody keeps the time of captured rows; of golden ones nobody asks for it.
            let isTimed = rows.set == "train" || rows.set == "test"
            let time = plan.seasonColumn.map { TimeColumn(name: $0, isOptional: !isTimed) }
            return try Dataset.table(rows.table, schema: schema, options: options, time: time)
        }
        let joined = try joined(train, usable, &reader, dataset)
        let held = try read(test, "test", dataset)
        let labels = schema.table?.target.labels ?? []
        var data = try split(joined, held, schema, labels, reader)
        data.golden = try read(golden, "golden", dataset).map { TrainingData.RowSet(all: $0) }
        return data
    }

    private func read(
        _ rows: SourceRows?,
        _ set: String,
        _ dataset: (SourceRows) throws(FeatureError) -> Dataset
    ) throws(RetrainingError) -> Dataset? {
        guard let rows else { return nil }
        return try inData(set) { () throws(FeatureError) in try dataset(rows) }
    }

    /// All training rows: downloads, oldest first, then what was captured and can be read.
    private func joined(
        _ train: [SourceRows],
        _ feedback: [SourceRows],
        _ reader: inout SourceReader,
        _ read: (SourceRows) throws(FeatureError) -> Dataset
    ) throws(RetrainingError) -> Dataset {
        var joined: Dataset?
        for rows in train {
            joined = try inData(rows.name) { () throws(FeatureError) in
                try Self.append(read(rows), to: joined)
            }
        }
        for rows in feedback {
            do {
                joined = try Self.append(read(rows), to: joined)
                reader.take(rows)
            } catch {
                reader.leaveOut([rows], "\(error)")
            }
        }
        guard let joined else {
            throw .data(role: "train", reason: "no source is configured", code: "missing")
        }
        return joined
    }

    private static func append(
        _ new: Dataset,
        to old: Dataset?
    ) throws(FeatureError) -> Dataset {
        guard var joined = old else { return new }
        try joined.append(new)
        return joined
    }

    private func split(
        _ train: Dataset,
        _ test: Dataset?,
        _ schema: FeatureSchema,
        _ labels: [String],
        _ reader: SourceReader
    ) throws(RetrainingError) -> TrainingData {
        var warnings = try reader.warnings + check(train, schema, labels, set: "train")
        let all: (Dataset) -> [Int32] = { Array(0..<Int32($0.rowCount)) }
        let fitted: TrainingData.RowSet
        let held: TrainingData.RowSet
        if let test {
            warnings += try check(test, schema, labels, set: "test")
            fitted = TrainingData.RowSet(dataset: train, rows: all(train))
            held = TrainingData.RowSet(dataset: test, rows: all(test))
        } else {
            let (kept, taken) = try holdout().split(train)
            fitted = TrainingData.RowSet(dataset: train, rows: kept)
            held = TrainingData.RowSet(dataset: train, rows: taken)
        }
        guard fitted.rows.count >= Self.rowsMin, held.rows.count >= Self.rowsMin else {
            throw .data(
                role: "train",
                reason: "\(fitted.rows.count) rows to fit and \(held.rows.count) to hold out: "
                    + "at least \(Self.rowsMin) of each are needed",
                code: "too_few_rows"
            )
        }
        return TrainingData(
            schema: schema,
            labels: labels,
            train: fitted,
            holdout: held,
            digests: reader.digests,
            kept: reader.kept,
            window: reader.window,
            warnings: warnings
        )
    }

    /// With fewer rows neither a score nor a drift reference means anything.
    private static let rowsMin = 10

    private func check(
        _ dataset: Dataset,
        _ schema: FeatureSchema,
        _ labels: [String],
        set: String
    ) throws(RetrainingError) -> [String] {
        let findings = DataValidation.findings(dataset, schema: schema, classes: labels.count)
        if let error = findings.first(where: { $0.severity == .error }) {
            throw .data(role: set, reason: "\(error)", code: error.code)
        }
        return findings.map { "\(set): \($0)" }
    }

    private func holdout() throws(RetrainingError) -> DataSplit {
        try inData("holdout") { () throws(FeatureError) in try DataSplit(share: plan.holdout) }
    }

    private func inData<Result>(
        _ role: String,
        _ body: () throws(FeatureError) -> Result
    ) throws(RetrainingError) -> Result {
        do {
            return try body()
        } catch {
            throw .data(role: role, reason: "\(error)", code: error.code)
        }
    }
}
