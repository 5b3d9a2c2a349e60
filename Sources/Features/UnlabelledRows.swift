/// Rows without targets, such as past traffic: read as a model's data are, but for the target.
package struct UnlabelledRows: Sendable {
    private let values: Dataset.Values
    private let rowWidth: Int
    /// How many rows there are.
    package let rowCount: Int
    /// The hour of the week (``HourOfWeek``) of each row; empty when the file does not tell.
    package let hours: [UInt8]

    /// Reads an IDX file of images, or a delimited file with the schema's columns.
    ///
    /// Columns are found by name, in any order; others, the target among them, are ignored.
    ///
    /// - Parameters:
    ///   - bytes: The whole file, unpacked.
    ///   - schema: Whose rows they are.
    ///   - options: How a delimited file is written.
    ///   - timeColumn: The column with each row's time, which a file may be without.
    /// - Throws: ``FeatureError`` naming the line, or the shape, for what cannot be read.
    package init(
        _ bytes: consuming [UInt8],
        schema: FeatureSchema,
        options: DelimitedOptions = DelimitedOptions(),
        timeColumn: String? = nil
    ) throws(FeatureError) {
        rowWidth = schema.rawWidth
        switch schema.layout {
        case .image(let image):
            let file = try IDXFile(bytes)
            let shape = Array(file.dimensions.dropFirst())
            guard shape == image.shape || shape == [schema.rawWidth] else {
                throw .invalidData(problem: "images of \(shape), the schema says \(image.shape)")
            }
            values =
                file.element == .unsigned8
                ? .bytes(file.bytes, offset: file.offset) : .floats(file.floats())
            rowCount = file.itemCount
            hours = []
        case .table(let table):
            let source = TableSource(bytes: bytes, identity: SourceIdentity(digest: []))
            let time = timeColumn.map { TimeColumn(name: $0, isOptional: true) }
            let read = try Self.table(source, table, options, time)
            values = .floats(read.values)
            rowCount = read.values.count / max(1, rowWidth)
            hours = read.hours
        }
    }

    /// Writes one raw row at the start of `target`.
    ///
    /// - Precondition: `row` is less than ``rowCount``, and the target has room for a row.
    package func raw(row: Int, into target: inout MutableSpan<Float>) {
        precondition(row >= 0 && row < rowCount && target.count >= rowWidth)
        switch values {
        case .bytes(let bytes, let offset):
            let start = offset + row * rowWidth
            for index in 0..<rowWidth { target[index] = Float(bytes[start + index]) }
        case .floats(let floats):
            for index in 0..<rowWidth { target[index] = floats[row * rowWidth + index] }
        }
    }

    private static func table(
        _ source: TableSource,
        _ table: TableLayout,
        _ options: DelimitedOptions,
        _ time: TimeColumn?
    ) throws(FeatureError) -> (values: [Float], hours: [UInt8]) {
        let codec = TableCodec(table)
        let names = try source.columnNames(options)
        var positions: [Int] = []
        for column in table.columns {
            positions.append(try TableSource.position(of: column.name, in: names))
        }
        let timePosition = try time?.position(in: names)
        var (values, hours): ([Float], [UInt8]) = ([], [])
        try source.forEachRow(options) { (record, _) throws(FeatureError) in
            if let time, let timePosition {
                hours.append(try time.hour(record, at: timePosition))
            }
            for (index, column) in table.columns.enumerated() {
                let field = codec.field(record.field(positions[index]), column: index)
                guard case .raw(let value) = field else {
                    let reason = field == .overflow ? "a number too large" : "not a number"
                    let problem = "column \"\(column.name)\": the value is \(reason)"
                    throw .invalidCSV(line: record.line, problem: problem)
                }
                values.append(value)
            }
        }
        return (values, hours)
    }
}
