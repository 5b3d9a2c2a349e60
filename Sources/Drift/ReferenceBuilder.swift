package import Features

/// Makes a reference profile from rows that the model has scored.
///
/// Training rows come first and fix the bins; then hold-out rows, which were never fitted, are
/// counted. The two roles must not mix: shares of training rows are over-confident, and bins cut
/// by the hold-out would void the bound on its sampling error.
package struct ReferenceBuilder: Sendable {
    private let layout: InputLayout
    private let form: RowForm
    private let frame: FrameGeometry?
    private let plans: [StreamPlan]
    private let columnsUnwatched: Int
    /// Reads training rows, before bins are fixed, and hold-out rows after.
    private var reader: StreamReader
    private var collector: TrainingCollector
    private var parts = StreamReader.Parts()
    private var bins: [StreamBins] = []
    private var cuts = StreamCuts([StreamBins]())
    private var counts: [[Int]] = []
    private var values: [Float]
    private let seasonColumn: String?
    private var seasons: SeasonBuilder?
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
    /// `hiddenWidth` is that of the last hidden layer; 0 for a network without one.
    /// `seasonColumn` is the name of the data's column that tells the rows' hours; nil when the
    /// reference shall not depend on them.
    package init(
        schema: FeatureSchema,
        prediction: PredictionShape,
        classLabels: [String] = [],
        hiddenWidth: Int = 0,
        seasonColumn: String? = nil
    ) throws(DriftError) {
        try self.init(
            layout: InputLayout(schema: schema),
            prediction: prediction,
            classLabels: classLabels,
            hiddenWidth: hiddenWidth,
            seasonColumn: seasonColumn
        )
    }

    /// Prepares for the rows of a layout and of a network's outputs.
    package init(
        layout: InputLayout,
        prediction: PredictionShape,
        classLabels: [String] = [],
        hiddenWidth: Int = 0,
        seasonColumn: String? = nil
    ) throws(DriftError) {
        self.seasonColumn = seasonColumn
        try Self.check(layout, prediction, hiddenWidth)
        self.layout = layout
        form = RowForm(
            rawWidth: layout.rawWidth,
            outputWidth: prediction.width,
            hiddenWidth: hiddenWidth
        )
        if case .frame(let geometry) = layout { frame = geometry } else { frame = nil }
        collector = TrainingCollector(layout: layout, form: form)
        (plans, columnsUnwatched) = StreamPlan.streams(
            layout: layout,
            prediction: prediction,
            classLabels: classLabels,
            projection: collector.projectionPlan
        )
        reader = StreamReader(sources: plans.map(\.source), form: form, frame: frame)
        values = [Float](repeating: 0, count: plans.count)
        collector.prepare(streams: plans.count)
    }

    /// Feeds training rows; of many, an evenly spread part is kept.
    ///
    /// - Parameter rows: What the model made of them.
    /// - Throws: ``DriftError/rowWidth(part:expected:found:)``, and
    ///   ``DriftError/trainingAfterHoldout`` once the bins are fixed.
    package mutating func addTraining(_ rows: borrowing ScoredRows) throws(DriftError) {
        guard bins.isEmpty else { throw .trainingAfterHoldout }
        try check(rows)
        for index in 0..<rows.rowCount {
            let row = rows[row: index]
            // The widths were checked for all rows at once.
            _ = reader.read(row, into: &values)
            collector.add(row, values: values, frame: reader.lastFrame)
        }
        trainingRows += rows.rowCount
    }

    /// Feeds all training rows once more, with their hours of the week.
    ///
    /// They decide which hours are alike. The first call fixes the bins; hold-out rows come after.
    ///
    /// - Parameters:
    ///   - rows: What the model made of them.
    ///   - hours: The hour of each (`HourOfWeek`).
    /// - Throws: As ``addHoldout(_:hours:)``.
    package mutating func addSeason(
        _ rows: borrowing ScoredRows,
        hours: Span<UInt8>
    ) throws(DriftError) {
        try check(rows, hours)
        if bins.isEmpty { try fixBins() }
        for index in 0..<rows.rowCount {
            let found = bins(of: rows[row: index])
            seasons?.addTraining(hour: Int(hours[index]), bins: found)
        }
    }

    /// Feeds hold-out rows; the first call fixes the bins.
    ///
    /// - Parameters:
    ///   - rows: What the model made of them.
    ///   - hours: The hour of the week of each (`HourOfWeek`); empty when they are not known.
    /// - Throws: ``DriftError/rowWidth(part:expected:found:)``, and
    ///   ``DriftError/tooFewRows(part:rows:rowsMin:)`` when too few rows could fix the bins.
    package mutating func addHoldout(
        _ rows: borrowing ScoredRows,
        hours: Span<UInt8> = Span()
    ) throws(DriftError) {
        try check(rows)
        if hours.count > 0 { try check(rows, hours) }
        if bins.isEmpty { try fixBins() }
        for index in 0..<rows.rowCount {
            let found = bins(of: rows[row: index])
            for (stream, bin) in found.enumerated() {
                if let bin { counts[stream][bin] += 1 }
            }
            if hours.count > 0 { seasons?.addHoldout(hour: Int(hours[index]), bins: found) }
        }
        holdoutRows += rows.rowCount
    }

    /// Makes the profile from what was fed; a stream with a single bin, or without numbers, has
    /// nothing to tell and is left out.
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
        let told = plans.indices.filter { isTelling($0) }
        let failure = failureProbability / Double(max(1, told.count))
        var measures = ReferenceProfile.Measures()
        measures.hiddenWidth = form.hiddenWidth
        measures.projection = parts.projection
        measures.partition = parts.partition
        measures.quality = parts.limits
        let streams = told.map { stream($0, failure: failure) }
        var profile = try ReferenceProfile(
            holdoutRows: holdoutRows,
            rawWidth: form.rawWidth,
            outputWidth: form.outputWidth,
            frame: frame,
            failureProbability: failureProbability,
            columnsUnwatched: columnsUnwatched,
            streams: streams,
            measures: measures
        )
        profile.seasons = seasons?.finish(Array(zip(told, streams)), failure: failure)
        return profile
    }
}

extension ReferenceBuilder {
    /// Rows repeat in the hold-out itself at most so often where repetitions are watched: with
    /// more of them, chances depend on the rows before, which the guarantee does not allow.
    private static let repeatsMax = 0.005

    /// The bin of each stream for a row; nil where it has none.
    private mutating func bins(of row: borrowing ScoredRows) -> [Int?] {
        _ = reader.read(row, into: &values)
        return plans.indices.map { stream in
            guard !bins[stream].labels.isEmpty else { return nil }
            let bin = Int(cuts.bin(of: values[stream], stream: stream))
            return bin < counts[stream].count ? bin : nil
        }
    }

    /// Whether a stream can tell anything.
    private func isTelling(_ index: Int) -> Bool {
        let counted = counts[index].reduce(0, +)
        guard bins[index].labels.count > 1, counted > 0 else { return false }
        switch plans[index].source {
        case .quality(.duplicate), .quality(.stuck):
            return Double(counts[index][1]) <= Self.repeatsMax * Double(counted)
        default: return true
        }
    }

    private func stream(_ index: Int, failure: Double) -> ReferenceStream {
        let counted = counts[index]
        let whole = Double(counted.reduce(0, +)) + Double(counted.count) / 2
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
        parts = collector.parts()
        bins = plans.indices.map { index in
            let values = collector.values(of: plans[index].source, stream: index)
            return switch plans[index].form {
            case .numeric(let hasOutside, let hasMissing):
                StreamBins.numeric(
                    values: values.filter { !$0.isNaN }.sorted(),
                    hasOutside: hasOutside,
                    hasMissing: hasMissing
                )
            case .indexed(let names, let binsMax, let isOpen):
                StreamBins.indexed(values: values, names: names, binsMax: binsMax, isOpen: isOpen)
            case .tail(let isUpper):
                StreamBins.tail(values: values.filter { !$0.isNaN }.sorted(), isUpper: isUpper)
            case .known(let edges, let labels, let usual):
                StreamBins.known(edges: edges, labels: labels, usual: usual)
            case .cells: StreamBins.cells(parts.partition?.cellCount ?? 0)
            }
        }
        cuts = StreamCuts(bins)
        counts = bins.map { [Int](repeating: 0, count: $0.labels.count) }
        seasons = seasonColumn.map { SeasonBuilder(column: $0, binCounts: counts.map(\.count)) }
        reader = StreamReader(
            sources: plans.map(\.source),
            form: form,
            frame: frame,
            parts: parts
        )
        collector = TrainingCollector(layout: layout, form: form)
    }

    private func check(_ rows: borrowing ScoredRows, _ hours: Span<UInt8>) throws(DriftError) {
        try check(rows)
        guard hours.count == rows.rowCount else {
            throw .rowWidth(part: "hours", expected: rows.rowCount, found: hours.count)
        }
    }

    private func check(_ rows: borrowing ScoredRows) throws(DriftError) {
        let count = rows.rowCount
        guard count >= 0, rows.raw.count == count * form.rawWidth else {
            throw .rowWidth(
                part: "raw rows",
                expected: count * form.rawWidth,
                found: rows.raw.count
            )
        }
        guard form.fits(rows) else {
            throw .rowWidth(
                part: "outputs",
                expected: count * form.outputWidth,
                found: rows.probabilities.count
            )
        }
    }

    private static func check(
        _ layout: InputLayout,
        _ prediction: PredictionShape,
        _ hiddenWidth: Int
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
        guard (0...ReferenceProfile.rawWidthMax).contains(hiddenWidth) else {
            throw .setting(name: "hiddenWidth", problem: "\(hiddenWidth) is no width")
        }
        guard layout.rawWidth > 0 else {
            throw .setting(name: "columns", problem: "no column to watch")
        }
        guard case .columns(let columns) = layout else { return }
        for column in columns where (column.categories?.count ?? 0) > outputsMax {
            throw .setting(
                name: "columns",
                problem: "\(column.name) has more than \(outputsMax) categories"
            )
        }
    }
}

extension ReferenceBuilder {
    /// As ``addTraining(_:)`` for rows of which only the input and the answer are known.
    package mutating func addTraining(
        raw: Span<Float>,
        probabilities: Span<Float>,
        rowCount: Int
    ) throws(DriftError) {
        try addTraining(ScoredRows(raw: raw, probabilities: probabilities, rowCount: rowCount))
    }

    /// As ``addHoldout(_:)`` for rows of which only the input and the answer are known.
    package mutating func addHoldout(
        raw: Span<Float>,
        probabilities: Span<Float>,
        rowCount: Int
    ) throws(DriftError) {
        try addHoldout(ScoredRows(raw: raw, probabilities: probabilities, rowCount: rowCount))
    }
}
