/// Reads bodies that are rows and nothing else: delimited text, and plain little-endian bytes.
package struct PlainDecoder: Sendable {
    let rows: PredictDecoder

    /// Whether the first record of a text names the columns.
    package enum Header: Sendable {
        /// It does when each of its fields is the name of a column.
        case detected
        /// It does.
        case present
        /// It does not.
        case absent
    }

    /// Prepares to decode for one model.
    ///
    /// - Parameter rows: The decoder of its rows.
    package init(_ rows: PredictDecoder) { self.rows = rows }

    // MARK: Text

    /// Reads comma-separated rows (RFC 4180), field by field as those of data files are read.
    ///
    /// A row holds pixels, or columns in schema order or in that of the names in the first record.
    ///
    /// - Parameters:
    ///   - body: The text.
    ///   - header: Whether it begins with names.
    ///   - batch: Where the rows go; what it held is forgotten.
    /// - Throws: ``FeatureError/invalidCSV(line:problem:)`` and what the schema refuses.
    package func decodeText(
        _ body: Span<UInt8>,
        header: Header,
        into batch: inout FeatureBatch
    ) throws(FeatureError) {
        batch.reset(rowWidth: rows.schema.rawWidth, rowsMax: rows.rowsMax)
        let options = DelimitedOptions(fieldsMax: rows.schema.rawWidth + 1)
        var reader = DelimitedReader(body, options: options)
        var record = DelimitedRecord()
        var columns: [Int]?
        var isFirst = true
        while try reader.next(into: &record) {
            if isFirst {
                isFirst = false
                columns = try names(in: record, header)
                if columns != nil || header == .present { continue }
            }
            try readRecord(record, columns, into: &batch)
        }
        batch.wasBatch = batch.rowCount > 1
        try batch.finish(rows.schema)
    }

    /// The columns that the first record names; nil when it is a row, or an image's.
    private func names(
        in record: DelimitedRecord,
        _ header: Header
    ) throws(FeatureError) -> [Int]? {
        guard let codec = rows.codec, header != .absent else { return nil }
        var columns: [Int] = []
        for index in 0..<record.fieldCount {
            guard let column = codec.column(named: record.field(index), guess: index) else {
                guard header == .present else { return nil }
                let name = String(record.text(index).prefix(JSONPath.keyBytesMax))
                let problem = "no column of this model is called \"\(name)\""
                throw .invalidCSV(line: record.line, problem: problem)
            }
            guard !columns.contains(column) else {
                let name = codec.layout.columns[column].name
                let problem = "the column \"\(name)\" is named twice"
                throw .invalidCSV(line: record.line, problem: problem)
            }
            columns.append(column)
        }
        return columns
    }

    private func readRecord(
        _ record: DelimitedRecord,
        _ columns: [Int]?,
        into batch: inout FeatureBatch
    ) throws(FeatureError) {
        let row = try batch.appendRow()
        let expected = columns?.count ?? row.count
        guard record.fieldCount == expected else {
            let problem = "expected \(expected) fields, found \(record.fieldCount)"
            throw .invalidCSV(line: record.line, problem: problem)
        }
        if columns != nil { for index in row { batch.values[index] = .nan } }
        for index in 0..<expected {
            let column = columns?[index] ?? index
            batch.values[row.lowerBound + column] = try readField(record, index, column)
        }
    }

    private func readField(
        _ record: DelimitedRecord,
        _ index: Int,
        _ column: Int
    ) throws(FeatureError) -> Float {
        let field: TableCodec.Field
        if let codec = rows.codec {
            field = codec.field(record.field(index), column: column)
        } else {
            field = NumberText.float(record.field(index)).map { .raw($0) } ?? .notANumber
        }
        switch field {
        case .raw(let value) where !value.isInfinite: return value
        case .raw, .overflow:
            let problem = "field \(index + 1): the number is too large for its type"
            throw .invalidCSV(line: record.line, problem: problem)
        case .notANumber:
            let name = rows.codec.map { " (\($0.layout.columns[column].name))" } ?? ""
            let problem = "field \(index + 1)\(name): expected a number"
            throw .invalidCSV(line: record.line, problem: problem)
        }
    }

    // MARK: Bytes

    /// Reads whole rows of elements of one type, little-endian.
    ///
    /// - Parameters:
    ///   - body: The elements, row after row.
    ///   - datatype: Their type; without it pixels are UINT8, if the length leaves no doubt.
    ///   - batch: Where the rows go; what it held is forgotten.
    /// - Throws: ``FeatureError/wrongBodySize(expected:found:)`` and what the schema refuses.
    package func decodeBytes(
        _ body: Span<UInt8>,
        datatype: TensorDatatype?,
        into batch: inout FeatureBatch
    ) throws(FeatureError) {
        let width = rows.schema.rawWidth
        batch.reset(rowWidth: width, rowsMax: rows.rowsMax)
        let type: TensorDatatype
        if let datatype { type = datatype } else { type = try guess(body.count, width) }
        let size = width * (type.size ?? 0)
        guard size > 0, allowsBytes else {
            let expected = "a type of numbers, and a model whose columns all are numbers,"
            throw .wrongBodySize(expected: expected, found: body.count)
        }
        guard body.count > 0, body.count % size == 0 else {
            let expected = "whole rows of \(size) bytes (\(width) × \(type.rawValue))"
            throw .wrongBodySize(expected: expected, found: body.count)
        }
        let count = body.count / size
        for _ in 0..<count { try batch.appendRow() }
        batch.read(type, body, at: 0, count: count * width, column: nil)
        batch.wasBatch = count > 1
        try batch.finish(rows.schema)
    }

    private var allowsBytes: Bool {
        rows.codec?.layout.columns.allSatisfy { $0.type == .numeric } ?? true
    }

    private func guess(_ count: Int, _ width: Int) throws(FeatureError) -> TensorDatatype {
        guard rows.codec == nil else {
            throw .wrongBodySize(expected: "?datatype=… to say what the bytes are", found: count)
        }
        guard count % (width * 4) != 0 || count == 0 else {
            let expected = "?datatype=UINT8 or FP32, since the length fits both,"
            throw .wrongBodySize(expected: expected, found: count)
        }
        return .uint8
    }
}
