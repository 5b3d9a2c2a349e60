/// The second reading: what the training rows say of each column.
struct TableFit {
    /// What has been seen of one column.
    private struct Seen {
        var missing = 0
        var statistics = RunningStatistics()
        var frequencies: [String: Int] = [:]
        var uncounted = 0
    }

    private let types: [ColumnType]
    private let declared: [ColumnDeclaration]
    private let target: String
    private let markers: NameTable
    private var seen: [Seen]

    init(_ types: [ColumnType], _ columns: [ColumnDeclaration], _ declaration: TableDeclaration) {
        self.types = types
        declared = columns
        target = declaration.target
        markers = NameTable(declaration.missingMarkers)
        seen = columns.map { _ in Seen() }
    }

    mutating func read(
        _ source: TableSource,
        _ options: DelimitedOptions,
        _ holdout: DataSplit?
    ) throws(FeatureError) {
        let positions = try TablePositions(source, declared, target, options)
        let fields = positions.columns + [positions.target]
        var keys = RowKeys()
        try source.forEachRow(options) { (record, _) throws(FeatureError) in
            if let holdout, holdout.takes(key: keys.next(RowKeys.content(record, fields))) {
                return
            }
            // A row without a target is not trained on.
            if isMissing(record.field(positions.target), nil) { return }
            for column in types.indices {
                try take(record.field(positions.columns[column]), column, record.line)
            }
        }
    }

    /// The columns with all that was fitted.
    func columns() -> [FeatureColumn] {
        types.indices.map { types[$0] == .numeric ? numeric($0) : categorical($0) }
    }

    private mutating func take(
        _ text: Span<UInt8>,
        _ column: Int,
        _ line: Int
    ) throws(FeatureError) {
        guard !isMissing(text, declared[column].categories) else {
            seen[column].missing += 1
            return
        }
        guard types[column] == .categorical else {
            guard let value = NumberText.float(text), value.isFinite else {
                let name = declared[column].name
                let problem = "column \"\(name)\": the value is not a number that fits"
                throw .invalidCSV(line: line, problem: problem)
            }
            seen[column].statistics.add(value)
            return
        }
        let category = text.text
        let isFull = seen[column].frequencies.count >= TableInference.distinctMax
        if isFull, seen[column].frequencies[category] == nil {
            seen[column].uncounted += 1
        } else {
            seen[column].frequencies[category, default: 0] += 1
        }
    }

    /// Whether a text means "no value"; a declared category wins over a marker, as in a request.
    private func isMissing(_ text: Span<UInt8>, _ categories: [String]?) -> Bool {
        if text.isEmpty { return true }
        guard markers.find(text) != nil else { return false }
        return !(categories ?? []).contains(text.text)
    }

    private func numeric(_ column: Int) -> FeatureColumn {
        let (declared, seen) = (declared[column], seen[column])
        let policy = declared.missing ?? .mean
        let statistics = seen.statistics
        let observed =
            statistics.count > 0
            ? ValueRange(lower: statistics.minimum, upper: statistics.maximum) : nil
        return .numeric(
            declared.name,
            scaling: (declared.scaling ?? .standardise).fitted(statistics),
            missing: policy,
            missingIndicator: policy != .refuse && seen.missing > 0,
            fill: Float(statistics.mean),
            range: declared.range ?? observed
        )
    }

    private func categorical(_ column: Int) -> FeatureColumn {
        let (declared, seen) = (declared[column], seen[column])
        let policy = declared.missing ?? .mean
        let categories = declared.categories ?? mostFrequent(seen.frequencies)
        let known = Set(categories)
        let hasOthers = seen.uncounted > 0 || seen.frequencies.keys.contains { !known.contains($0) }
        return .categorical(
            declared.name,
            categories: categories,
            otherSlot: hasOthers,
            missing: policy,
            missingIndicator: policy != .refuse && seen.missing > 0
        )
    }

    /// The most frequent first; of equally frequent ones the first by name, so that the order does
    /// not depend on anything but the data.
    private func mostFrequent(_ frequencies: [String: Int]) -> [String] {
        frequencies.sorted { ($1.value, $0.key) < ($0.value, $1.key) }
            .prefix(TableInference.categoriesMax).map(\.key)
    }
}
