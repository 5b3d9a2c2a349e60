internal import Digest
internal import Features
internal import ModelStore

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
    /// What was odd.
    let warnings: [String]

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
        return Manifest.Provenance(
            sources: sources,
            settings: try plan.settingsDigest(),
            trainRows: counts.train,
            holdoutRows: counts.holdout
        )
    }
}

/// The second step: turns files into rows, and refuses what nothing sensible can be learned from.
struct ValidateStep {
    let plan: RetrainingPlan

    func run(_ sources: DownloadedSources) throws(RetrainingError) -> TrainingData {
        switch plan.input {
        case .image(let shape, let scale, let strict):
            try images(sources, shape: shape, scale: scale, strict: strict)
        case .table(let declaration, let delimiter):
            try table(sources, declaration, DelimitedOptions(delimiter: delimiter))
        }
    }

    private func images(
        _ sources: DownloadedSources,
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
        var digests: [String: String] = [:]
        func dataset(_ set: String) throws(RetrainingError) -> Dataset {
            let images = try file("\(set).features", sources, &digests)
            let labels = try file("\(set).labels", sources, &digests)
            return try inData(set) { () throws(FeatureError) in
                try Dataset.images(
                    IDXFile(images.bytes),
                    labels: IDXFile(labels.bytes),
                    schema: schema,
                    classes: plan.labels.count,
                    source: SourceIdentity(digest: images.digest.bytes)
                )
            }
        }
        let train = try dataset("train")
        let test = plan.test == nil ? nil : try dataset("test")
        let golden = plan.golden == nil ? nil : try dataset("golden")
        var data = try split(train, test, schema, plan.labels, digests)
        data.golden = golden.map { TrainingData.RowSet(all: $0) }
        return data
    }

    private func table(
        _ sources: DownloadedSources,
        _ declaration: TableDeclaration,
        _ options: DelimitedOptions
    ) throws(RetrainingError) -> TrainingData {
        var digests: [String: String] = [:]
        let file = try file("train.features", sources, &digests)
        let source = TableSource(
            bytes: file.bytes,
            identity: SourceIdentity(digest: file.digest.bytes)
        )
        // Scalings and categories are fitted on the rows that are trained on, and no others.
        let holdout = plan.test == nil ? try self.holdout() : nil
        let schema = try inData("train") { () throws(FeatureError) in
            try TableInference.schema(
                declaration,
                sources: [source],
                holdout: holdout,
                options: options
            )
        }
        let train = try inData("train") { () throws(FeatureError) in
            try Dataset.table(source, schema: schema, options: options)
        }
        var test: Dataset?
        if plan.test != nil {
            let file = try self.file("test.features", sources, &digests)
            test = try inData("test") { () throws(FeatureError) in
                let identity = SourceIdentity(digest: file.digest.bytes)
                return try Dataset.table(
                    TableSource(bytes: file.bytes, identity: identity),
                    schema: schema,
                    options: options
                )
            }
        }
        let golden = try goldenTable(sources, schema, options, &digests)
        let labels = schema.table?.target.labels ?? []
        var data = try split(train, test, schema, labels, digests)
        data.golden = golden.map { TrainingData.RowSet(all: $0) }
        return data
    }

    /// Rows that never change, by the schema of the fresh ones.
    private func goldenTable(
        _ sources: DownloadedSources,
        _ schema: FeatureSchema,
        _ options: DelimitedOptions,
        _ digests: inout [String: String]
    ) throws(RetrainingError) -> Dataset? {
        guard plan.golden != nil else { return nil }
        let file = try file("golden.features", sources, &digests)
        return try inData("golden") { () throws(FeatureError) in
            let identity = SourceIdentity(digest: file.digest.bytes)
            return try Dataset.table(
                TableSource(bytes: file.bytes, identity: identity),
                schema: schema,
                options: options
            )
        }
    }

    private func split(
        _ train: Dataset,
        _ test: Dataset?,
        _ schema: FeatureSchema,
        _ labels: [String],
        _ digests: [String: String]
    ) throws(RetrainingError) -> TrainingData {
        var warnings = try check(train, schema, labels, set: "train")
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
            digests: digests,
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

    private func file(
        _ role: String,
        _ sources: DownloadedSources,
        _ digests: inout [String: String]
    ) throws(RetrainingError) -> SourceFile {
        guard let path = sources.paths[role] else {
            throw .data(role: role, reason: "no source is configured", code: "missing")
        }
        let file = try SourceFile(
            role: role,
            path: path,
            demanded: nil,
            bytesMax: plan.decompressedBytesMax
        )
        digests[role] = file.digest.hex
        return file
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
