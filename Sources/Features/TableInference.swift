/// Finds out what a table's columns are, and fits what depends on the data.
///
/// The files are read twice: once to learn each column's type and the target's labels from all
/// rows, and once to fit scalings, fills and categories on those rows only that will be trained on.
/// What is declared always wins.
package enum TableInference {
    /// The most categories that are kept of a column when none are declared.
    package static let categoriesMax = 64
    /// The most different values of a column that are counted; more are taken together.
    package static let distinctMax = 100_000

    /// The schema of some files.
    ///
    /// - Parameters:
    ///   - declaration: What is said beforehand.
    ///   - sources: The training files; each must have all the columns.
    ///   - holdout: The split whose taken rows will not be trained on; all are, when not given.
    ///   - options: How the files are written.
    ///   - timeColumn: A column with each row's time, which is no input; nil when there is none.
    /// - Returns: The schema, complete and checked.
    /// - Throws: ``FeatureError/invalidCSV(line:problem:)`` for files that cannot be read,
    ///   ``FeatureError/invalidData(problem:)`` for too many classes, or fewer than two,
    ///   ``FeatureError/invalidSchema(field:problem:)`` for a declaration that cannot hold.
    package static func schema(
        _ declaration: TableDeclaration,
        sources: [TableSource],
        holdout: DataSplit? = nil,
        options: DelimitedOptions = DelimitedOptions(),
        timeColumn: String? = nil
    ) throws(FeatureError) -> FeatureSchema {
        guard let first = sources.first else {
            throw .invalidData(problem: "there are no files to take a schema from")
        }
        let names = try first.columnNames(options)
        _ = try TableSource.position(of: declaration.target, in: names)
        let columns =
            declaration.columns
            ?? names.filter { $0 != declaration.target && $0 != timeColumn && !$0.isEmpty }
            .map { ColumnDeclaration(name: $0) }
        for column in columns {
            try check(column, target: declaration.target, timeColumn: timeColumn)
        }
        var survey = TableSurvey(declaration, columns)
        for source in sources { try survey.read(source, options) }
        let labels = try survey.labels()
        var fit = TableFit(survey.types, columns, declaration)
        for source in sources { try fit.read(source, options, holdout) }
        let layout = TableLayout(
            columns: fit.columns(),
            target: TargetColumn(name: declaration.target, labels: labels),
            missingMarkers: declaration.missingMarkers
        )
        return try FeatureSchema(.table(layout), strict: declaration.strict)
    }

    /// Refuses what would be passed over in silence otherwise.
    private static func check(
        _ column: ColumnDeclaration,
        target: String,
        timeColumn: String?
    ) throws(FeatureError) {
        let field = "columns.\(column.name)"
        if column.name == timeColumn {
            throw .invalidSchema(field: field, problem: "the rows' time cannot be an input")
        }
        if column.name == target {
            throw .invalidSchema(field: field, problem: "the target cannot be an input")
        }
        let isCategorical = column.type == .categorical || column.categories != nil
        if column.type == .numeric, column.categories != nil {
            throw .invalidSchema(field: field, problem: "a numeric column has no categories")
        }
        if isCategorical, column.scaling != nil || column.range != nil {
            throw .invalidSchema(field: field, problem: "categories have no scaling and no range")
        }
    }
}

/// Where the columns of a declaration stand in one file.
struct TablePositions {
    let columns: [Int]
    let target: Int

    init(
        _ source: TableSource,
        _ columns: [ColumnDeclaration],
        _ target: String,
        _ options: DelimitedOptions
    ) throws(FeatureError) {
        let names = try source.columnNames(options)
        var positions: [Int] = []
        for column in columns {
            positions.append(try TableSource.position(of: column.name, in: names))
        }
        self.columns = positions
        self.target = try TableSource.position(of: target, in: names)
    }
}

/// The first reading: types and labels.
struct TableSurvey {
    private let declaration: TableDeclaration
    private let columns: [ColumnDeclaration]
    private let markers: NameTable
    private var isNumeric: [Bool]
    private var found: Set<String> = []

    init(_ declaration: TableDeclaration, _ columns: [ColumnDeclaration]) {
        self.declaration = declaration
        self.columns = columns
        markers = NameTable(declaration.missingMarkers)
        isNumeric = columns.map { $0.type != .categorical && $0.categories == nil }
    }

    /// The type of each column, declared or found.
    var types: [ColumnType] {
        columns.indices.map { columns[$0].type ?? (isNumeric[$0] ? .numeric : .categorical) }
    }

    mutating func read(
        _ source: TableSource,
        _ options: DelimitedOptions
    ) throws(FeatureError) {
        let positions = try TablePositions(source, columns, declaration.target, options)
        try source.forEachRow(options) { (record, _) throws(FeatureError) in
            for column in columns.indices where isNumeric[column] {
                let text = record.field(positions.columns[column])
                if text.isEmpty || markers.find(text) != nil { continue }
                isNumeric[column] = NumberText.float(text) != nil
            }
            guard declaration.task != .regression, declaration.labels == nil else { return }
            let text = record.field(positions.target)
            if text.isEmpty || markers.find(text) != nil { return }
            found.insert(text.text)
            guard found.count <= FeatureSchema.classesMax else {
                let problem = "more than \(FeatureSchema.classesMax) classes in the target"
                throw .invalidData(problem: problem + " \"\(declaration.target)\": regression?")
            }
        }
    }

    /// The classes: as declared, else sorted, by value where all are integers.
    func labels() throws(FeatureError) -> [String]? {
        if declaration.task == .regression { return nil }
        let labels: [String]
        if let declared = declaration.labels {
            labels = declared
        } else if found.allSatisfy({ Int64($0) != nil }) {
            labels = found.sorted { (Int64($0) ?? 0, $0) < (Int64($1) ?? 0, $1) }
        } else {
            labels = found.sorted()
        }
        guard labels.count >= 2, declaration.task != .binary || labels.count == 2 else {
            let wanted = declaration.task == .binary ? "exactly 2" : "at least 2"
            let problem = "the target \"\(declaration.target)\" has \(labels.count) classes: "
            throw .invalidData(problem: problem + "\(declaration.task) needs \(wanted)")
        }
        return labels
    }
}
