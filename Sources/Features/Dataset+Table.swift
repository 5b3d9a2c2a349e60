extension Dataset {
    /// The rows of one delimited file, read as the schema says.
    ///
    /// Columns are found by name, in any order; others than the schema's are ignored. A row whose
    /// target is missing is left out and counted.
    ///
    /// - Parameters:
    ///   - source: The file.
    ///   - schema: A table schema, declared or from ``TableInference``.
    ///   - options: How the file is written.
    ///   - time: The column with each row's time, which is no input; nil reads none.
    /// - Returns: The rows that have a target.
    /// - Throws: ``FeatureError/invalidCSV(line:problem:)`` naming the line, for what cannot be
    ///   read: a missing column, a ragged row, text in a numeric column, a target that is not among
    ///   the labels, a missing value where the column refuses it, a time that is none.
    package static func table(
        _ source: TableSource,
        schema: FeatureSchema,
        options: DelimitedOptions = DelimitedOptions(),
        time: TimeColumn? = nil
    ) throws(FeatureError) -> Dataset {
        guard let table = schema.table else {
            throw .invalidData(problem: "a delimited file needs a table schema")
        }
        var rows = try TableRows(table, source.columnNames(options), time)
        try source.forEachRow(options) { (record, number) throws(FeatureError) in
            try rows.take(record, number)
        }
        return try Dataset(
            values: .floats(rows.values),
            labels: table.target.labels == nil ? .values(rows.numbers) : .classes(rows.classes),
            rowWidth: schema.rawWidth,
            source: source.identity,
            rowNumbers: rows.rowNumbers,
            keys: rows.keys,
            skippedRows: rows.skipped,
            hours: rows.hours
        )
    }
}

/// Collects raw rows and targets from records.
private struct TableRows {
    private let codec: TableCodec
    private let labels: NameTable?
    private let positions: [Int]
    private let targetPosition: Int
    private(set) var values: [Float] = []
    private(set) var classes: [Int32] = []
    private(set) var numbers: [Float] = []
    private(set) var rowNumbers: [Int32] = []
    private(set) var keys: [UInt64] = []
    private(set) var hours: [UInt8] = []
    private let time: (column: TimeColumn, position: Int)?
    private var made = RowKeys()
    private(set) var skipped = 0

    init(
        _ table: TableLayout,
        _ names: [String],
        _ time: TimeColumn?
    ) throws(FeatureError) {
        codec = TableCodec(table)
        labels = table.target.labels.map { NameTable($0) }
        var positions: [Int] = []
        for column in table.columns {
            positions.append(try TableSource.position(of: column.name, in: names))
        }
        self.positions = positions
        targetPosition = try TableSource.position(of: table.target.name, in: names)
        let place = try time?.position(in: names)
        self.time = time.flatMap { column in place.map { (column, $0) } }
    }

    mutating func take(
        _ record: borrowing DelimitedRecord,
        _ number: Int
    ) throws(FeatureError) {
        // Rows without a target count, too, as they do where columns are fitted.
        let key = made.next(RowKeys.content(record, positions + [targetPosition]))
        guard try takeTarget(record) else {
            skipped += 1
            return
        }
        keys.append(key)
        if let time { hours.append(try time.column.hour(record, at: time.position)) }
        rowNumbers.append(Int32(number))
        for (index, column) in codec.layout.columns.enumerated() {
            let field = codec.field(record.field(positions[index]), column: index)
            guard case .raw(let value) = field else {
                let reason = field == .overflow ? "a number too large" : "not a number"
                throw invalid(record, column.name, reason)
            }
            guard !value.isNaN || column.missing != .refuse else {
                throw invalid(record, column.name, "missing, which the column refuses")
            }
            values.append(value)
        }
    }

    /// Reads the target, or says `false` when it is missing; a label wins over a missing marker.
    private mutating func takeTarget(
        _ record: borrowing DelimitedRecord
    ) throws(FeatureError) -> Bool {
        let text = record.field(targetPosition)
        if let labels {
            if let index = labels.find(text) {
                classes.append(Int32(index))
                return true
            }
            if codec.isMissing(text) { return false }
            throw invalid(record, codec.layout.target.name, "not among the labels")
        }
        if codec.isMissing(text) { return false }
        guard let value = NumberText.float(text), value.isFinite else {
            throw invalid(record, codec.layout.target.name, "not a finite number")
        }
        numbers.append(value)
        return true
    }

    private func invalid(
        _ record: borrowing DelimitedRecord,
        _ column: String,
        _ problem: String
    ) -> FeatureError {
        .invalidCSV(line: record.line, problem: "column \"\(column)\": the value is \(problem)")
    }
}
