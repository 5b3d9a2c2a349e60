package import Features

/// Makes a reference profile from rows that the model has scored.
///
/// Training rows come first and fix the bins; then hold-out rows, which were never fitted, are
/// counted. The two roles must not mix: shares of training rows are over-confident, and bins cut
/// by the hold-out would void the bound on its sampling error.
package struct ReferenceBuilder: Sendable {
    private let layout: InputLayout
    private let prediction: PredictionShape
    private let plans: [StreamPlan]
    private let columnsUnwatched: Int
    private let reader: StreamReader
    private var samples: [ValueSample]
    private var bins: [StreamBins] = []
    private var cuts: [StreamCut] = []
    private var counts: [[Int]] = []
    private var values: [Float]
    /// Training rows fed so far.
    package private(set) var trainingRows = 0
    /// Hold-out rows fed so far.
    package private(set) var holdoutRows = 0

    /// Training rows below which deciles mean nothing.
    package static let trainingRowsMin = 10
    /// Hold-out rows below which there is nothing to compare with.
    package static let holdoutRowsMin = 10

    /// Prepares for the rows of a schema and of a network's outputs.
    ///
    /// `classLabels` are names of the classes for reports; without one, its number stands.
    package init(
        schema: FeatureSchema,
        prediction: PredictionShape,
        classLabels: [String] = []
    ) throws(DriftError) {
        try self.init(
            layout: InputLayout(schema: schema),
            prediction: prediction,
            classLabels: classLabels
        )
    }

    /// Prepares for the rows of a layout and of a network's outputs.
    package init(
        layout: InputLayout,
        prediction: PredictionShape,
        classLabels: [String] = []
    ) throws(DriftError) {
        let outputsMax = ReferenceStream.categoriesMax - 1
        guard (1...outputsMax).contains(prediction.width) else {
            throw .setting(
                name: "outputs",
                problem: "\(prediction.width) is not in 1...\(outputsMax)"
            )
        }
        if case .classes(let count) = prediction, count < 2 {
            throw .setting(name: "classes", problem: "\(count) class, at least 2 are needed")
        }
        guard layout.rawWidth > 0 else {
            throw .setting(name: "columns", problem: "no column to watch")
        }
        if case .columns(let columns) = layout {
            for column in columns where (column.categories?.count ?? 0) > outputsMax {
                throw .setting(
                    name: "columns",
                    problem: "\(column.name) has more than \(outputsMax) categories"
                )
            }
        }
        self.layout = layout
        self.prediction = prediction
        (plans, columnsUnwatched) = StreamPlan.streams(
            layout: layout,
            prediction: prediction,
            classLabels: classLabels
        )
        var frame: FrameGeometry?
        if case .frame(let geometry) = layout { frame = geometry }
        reader = StreamReader(
            sources: plans.map(\.source),
            rawWidth: layout.rawWidth,
            outputWidth: prediction.width,
            frame: frame
        )
        samples = plans.map { _ in ValueSample() }
        values = [Float](repeating: 0, count: plans.count)
    }

    /// Feeds training rows; of many, an evenly spread part is kept.
    ///
    /// - Parameters:
    ///   - raw: `rowCount` raw rows, one after another.
    ///   - probabilities: the model's outputs for them, one row after another.
    ///   - rowCount: the number of rows.
    /// - Throws: ``DriftError/rowWidth(part:expected:found:)``, and
    ///   ``DriftError/trainingAfterHoldout`` once the bins are fixed.
    package mutating func addTraining(
        raw: Span<Float>,
        probabilities: Span<Float>,
        rowCount: Int
    ) throws(DriftError) {
        guard bins.isEmpty else { throw .trainingAfterHoldout }
        try check(raw: raw.count, outputs: probabilities.count, rowCount: rowCount)
        for row in 0..<rowCount {
            read(row, raw: raw, outputs: probabilities)
            for stream in plans.indices { samples[stream].add(values[stream]) }
        }
        trainingRows += rowCount
    }

    /// Feeds hold-out rows; the first call fixes the bins.
    ///
    /// - Parameters:
    ///   - raw: `rowCount` raw rows, one after another.
    ///   - probabilities: the model's outputs for them, one row after another.
    ///   - rowCount: the number of rows.
    /// - Throws: ``DriftError/rowWidth(part:expected:found:)``, and
    ///   ``DriftError/tooFewRows(part:rows:rowsMin:)`` when too few rows could fix the bins.
    package mutating func addHoldout(
        raw: Span<Float>,
        probabilities: Span<Float>,
        rowCount: Int
    ) throws(DriftError) {
        try check(raw: raw.count, outputs: probabilities.count, rowCount: rowCount)
        if bins.isEmpty { try fixBins() }
        for row in 0..<rowCount {
            read(row, raw: raw, outputs: probabilities)
            for stream in plans.indices {
                counts[stream][Int(cuts[stream].bin(of: values[stream]))] += 1
            }
        }
        holdoutRows += rowCount
    }

    /// Makes the profile from what was fed; a stream with a single bin has nothing to tell and is
    /// left out.
    ///
    /// `failureProbability` is the probability, over the choice of the hold-out, that some
    /// stream's sampling error is stated too small.
    package func finish(
        failureProbability: Double = 0.001
    ) throws(DriftError) -> ReferenceProfile {
        guard holdoutRows >= Self.holdoutRowsMin else {
            throw .tooFewRows(part: "hold-out", rows: holdoutRows, rowsMin: Self.holdoutRowsMin)
        }
        guard failureProbability > 0, failureProbability < 1 else {
            throw .setting(name: "failureProbability", problem: "it is not between 0 and 1")
        }
        let told = plans.indices.filter { bins[$0].labels.count > 1 }
        var frame: FrameGeometry?
        if case .frame(let geometry) = layout { frame = geometry }
        let failure = failureProbability / Double(max(1, told.count))
        return try ReferenceProfile(
            holdoutRows: holdoutRows,
            rawWidth: layout.rawWidth,
            outputWidth: prediction.width,
            frame: frame,
            failureProbability: failureProbability,
            columnsUnwatched: columnsUnwatched,
            streams: told.map { stream($0, failure: failure) }
        )
    }

    private func stream(_ index: Int, failure: Double) -> ReferenceStream {
        let counted = counts[index]
        let whole = Double(holdoutRows) + Double(counted.count) / 2
        let shares = counted.map { (Double($0) + 0.5) / whole }
        return ReferenceStream(
            name: plans[index].name,
            kind: plans[index].kind,
            source: plans[index].source,
            edges: bins[index].edges,
            binOfCategory: bins[index].binOfCategory,
            labels: bins[index].labels,
            roles: bins[index].roles,
            probabilities: shares,
            samplingError: SamplingError.totalVariation(
                counts: counted,
                shares: shares,
                failure: failure
            )
        )
    }

    private mutating func fixBins() throws(DriftError) {
        guard trainingRows >= Self.trainingRowsMin else {
            throw .tooFewRows(part: "training", rows: trainingRows, rowsMin: Self.trainingRowsMin)
        }
        bins = plans.indices.map { index in
            let values = samples[index].values
            return switch plans[index].form {
            case .numeric(let hasOutside, let hasMissing):
                StreamBins.numeric(
                    values: values.filter { !$0.isNaN }.sorted(),
                    hasOutside: hasOutside,
                    hasMissing: hasMissing
                )
            case .indexed(let names, let binsMax, let isOpen):
                StreamBins.indexed(values: values, names: names, binsMax: binsMax, isOpen: isOpen)
            }
        }
        cuts = bins.map {
            StreamCut(
                edges: $0.edges,
                binOfCategory: $0.binOfCategory,
                absent: $0.roles.firstIndex(of: .missing) ?? $0.roles.count - 1
            )
        }
        counts = bins.map { [Int](repeating: 0, count: $0.labels.count) }
        samples = []
    }

    private mutating func read(_ row: Int, raw: Span<Float>, outputs: Span<Float>) {
        let reader = reader
        let width = reader.rawWidth
        let outputWidth = reader.outputWidth
        var room = values.mutableSpan
        // The widths were checked for all rows at once.
        _ = reader.read(
            raw: raw.extracting(row * width..<(row + 1) * width),
            outputs: outputs.extracting(row * outputWidth..<(row + 1) * outputWidth),
            into: &room
        )
    }

    private func check(raw: Int, outputs: Int, rowCount: Int) throws(DriftError) {
        guard rowCount >= 0, raw == rowCount * reader.rawWidth else {
            throw .rowWidth(part: "raw rows", expected: rowCount * reader.rawWidth, found: raw)
        }
        guard outputs == rowCount * reader.outputWidth else {
            throw .rowWidth(
                part: "outputs",
                expected: rowCount * reader.outputWidth,
                found: outputs
            )
        }
    }
}
