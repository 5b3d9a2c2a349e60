/// Reads the body of KServe V1's and TensorFlow Serving's `:predict` into raw rows.
///
/// `{"instances": […]}` holds one row an element: for images an array of the schema's shape or a
/// flat one, for tables an object by column name or an array in schema order; an object may name
/// the one input, as in `{"image": […]}`. `{"inputs": …}` is the same by columns: an array of
/// rows, or `{"image": [rows]}`, or for tables one array a column. `signature_name` and
/// `parameters` are read, other members are passed over, as those servers do.
///
/// MLflow's `{"dataframe_records": […]}` is the same as `instances`, and
/// `{"dataframe_split": {"columns": […], "data": [[…]]}}` names the columns once.
package struct InstancesDecoder: Sendable {
    let rows: PredictDecoder
    /// Whether MLflow's forms are taken, too.
    let takesFrames: Bool

    /// The only signature that a model has.
    package static let signature = "serving_default"

    /// Prepares to decode for one model.
    ///
    /// - Parameters:
    ///   - rows: The decoder of its rows.
    ///   - takesFrames: Whether MLflow's forms are taken, too.
    package init(_ rows: PredictDecoder, takesFrames: Bool = false) {
        self.rows = rows
        self.takesFrames = takesFrames
    }

    /// The members that are read, for finding repeated ones.
    private struct Seen {
        var rows = false
        var signature = false
        var parameters = false
    }

    /// Reads a whole body.
    ///
    /// - Parameters:
    ///   - body: The JSON text.
    ///   - batch: Where the rows go; what it held is forgotten.
    /// - Throws: what is wrong with the body, with path and byte.
    package func decode(
        _ body: Span<UInt8>,
        into batch: inout FeatureBatch
    ) throws(FeatureError) {
        batch.reset(rowWidth: rows.schema.rawWidth, rowsMax: rows.rowsMax)
        batch.wasBatch = true
        var reader = JSONReader(body)
        var seen = Seen()
        try reader.beginObject()
        while let key = try reader.nextKey() { try readMember(key, &reader, &batch, &seen) }
        try reader.finish()
        guard seen.rows else {
            throw .missingKey(expected: #"{"instances": […]} or {"inputs": …}"#)
        }
        try batch.finish(rows.schema)
    }

    private func readMember(
        _ key: JSONText,
        _ reader: inout JSONReader,
        _ batch: inout FeatureBatch,
        _ seen: inout Seen
    ) throws(FeatureError) {
        let isColumnar = reader.matches(key, "inputs")
        if takesFrames, reader.matches(key, "dataframe_split") {
            try Self.once(&seen.rows, key, reader)
            try readFrame(&reader, into: &batch)
        } else if isColumnar || reader.matches(key, "instances")
            || (takesFrames && reader.matches(key, "dataframe_records"))
        {
            try Self.once(&seen.rows, key, reader)
            batch.options.isColumnar = isColumnar
            if isColumnar {
                try readColumns(&reader, into: &batch)
            } else {
                try readInstances(&reader, into: &batch)
            }
        } else if reader.matches(key, "signature_name") {
            try Self.once(&seen.signature, key, reader)
            try readSignature(&reader)
        } else if reader.matches(key, "parameters") {
            try Self.once(&seen.parameters, key, reader)
            try batch.options.readParameters(&reader)
        } else {
            try reader.skipValue()
        }
    }

    private static func once(
        _ flag: inout Bool,
        _ key: JSONText,
        _ reader: borrowing JSONReader
    ) throws(FeatureError) {
        guard !flag else { throw PredictDecoder.repeated(key, reader) }
        flag = true
    }

    private func readSignature(_ reader: inout JSONReader) throws(FeatureError) {
        try reader.expect(.string, "a string")
        let start = reader.position
        let text = try reader.readText()
        guard reader.matches(text, Self.signature) || text.range.isEmpty else {
            let problem = "the only signature is \"\(Self.signature)\""
            throw .invalidParameter(reader.place(start), problem: problem)
        }
    }

    // MARK: Rows

    /// An array of rows.
    func readInstances(
        _ reader: inout JSONReader,
        into batch: inout FeatureBatch
    ) throws(FeatureError) {
        reader.skipWhitespace()
        let start = reader.position
        try reader.beginArray()
        while try reader.nextElement() { try readInstance(&reader, into: &batch) }
        guard batch.rowCount > 0 else { throw .noRows(reader.place(start)) }
    }

    private func readInstance(
        _ reader: inout JSONReader,
        into batch: inout FeatureBatch
    ) throws(FeatureError) {
        let kind = try reader.peek()
        if let codec = rows.codec {
            try readTableRow(&reader, into: &batch, codec, kind)
        } else if kind == .object {
            try readNamed(&reader) { reader throws(FeatureError) in
                try rows.readImageRow(&reader, into: &batch)
            }
        } else {
            try rows.readImageRow(&reader, into: &batch)
        }
    }

    private func readTableRow(
        _ reader: inout JSONReader,
        into batch: inout FeatureBatch,
        _ codec: TableCodec,
        _ kind: JSONKind
    ) throws(FeatureError) {
        if kind == .object { return try rows.readObject(&reader, into: &batch, codec) }
        try reader.expect(.array, "an object or an array")
        let start = reader.position
        try reader.beginArray()
        guard try reader.nextElement() else { throw rows.wrongLength(reader, start, found: "0") }
        try rows.readValues(&reader, into: &batch, codec, start)
    }

    /// An object whose only member is the input.
    private func readNamed(
        _ reader: inout JSONReader,
        _ read: (inout JSONReader) throws(FeatureError) -> Void
    ) throws(FeatureError) {
        reader.skipWhitespace()
        let start = reader.position
        var found = false
        try reader.beginObject()
        while let key = try reader.nextKey() {
            guard reader.matches(key, rows.inputKey) else {
                let name = JSONPath.excerpt(key.range, of: reader.bytes)
                let place = reader.place(key.range.lowerBound - 1)
                throw .unknownKey(place, key: name, expected: rows.inputKey)
            }
            try Self.once(&found, key, reader)
            try read(&reader)
        }
        guard found else {
            let expected = "an object with the member \(rows.inputKey)"
            throw .wrongType(reader.place(start), expected: expected, found: "an empty one")
        }
    }

    // MARK: Columns

    private func readColumns(
        _ reader: inout JSONReader,
        into batch: inout FeatureBatch
    ) throws(FeatureError) {
        guard try reader.peek() == .object else {
            return try readInstances(&reader, into: &batch)
        }
        guard let codec = rows.codec else {
            return try readNamed(&reader) { reader throws(FeatureError) in
                try readInstances(&reader, into: &batch)
            }
        }
        var columns = 0
        try reader.beginObject()
        while let key = try reader.nextKey() {
            guard let column = rows.find(key, reader, codec, columns) else {
                let name = JSONPath.excerpt(key.range, of: reader.bytes)
                let place = reader.place(key.range.lowerBound - 1)
                throw .unknownKey(place, key: name, expected: "a column of this model")
            }
            guard columns == 0 || batch.setOnce(column) else {
                throw PredictDecoder.repeated(key, reader)
            }
            try readColumn(&reader, into: &batch, codec, column, isFirst: columns == 0)
            columns += 1
        }
    }

    /// The values of one column, each alone or in an array of its own; the first column that comes
    /// says how many rows there are.
    private func readColumn(
        _ reader: inout JSONReader,
        into batch: inout FeatureBatch,
        _ codec: TableCodec,
        _ column: Int,
        isFirst: Bool
    ) throws(FeatureError) {
        reader.skipWhitespace()
        let start = reader.position
        var row = 0
        try reader.beginArray()
        while try reader.nextElement() {
            if isFirst {
                let range = try batch.appendRow()
                for index in range { batch.values[index] = .nan }
            }
            guard row < batch.rowCount else {
                let expected = "\(batch.rowCount) values, as in the first column"
                throw .wrongLength(reader.place(start), expected: expected, found: "more")
            }
            batch[row, column] = try readCell(&reader, codec, column)
            row += 1
        }
        if isFirst { _ = batch.setOnce(column) }
        guard batch.rowCount > 0 else { throw .noRows(reader.place(start)) }
        guard row == batch.rowCount else {
            let expected = "\(batch.rowCount) values, as in the first column"
            throw .wrongLength(reader.place(start), expected: expected, found: "\(row)")
        }
    }

    private func readCell(
        _ reader: inout JSONReader,
        _ codec: TableCodec,
        _ column: Int
    ) throws(FeatureError) -> Float {
        guard try reader.peek() == .array else { return try rows.readValue(&reader, codec, column) }
        try reader.beginArray()
        reader.skipWhitespace()
        let start = reader.position
        guard try reader.nextElement() else {
            throw .wrongLength(reader.place(start), expected: "one value", found: "none")
        }
        let value = try rows.readValue(&reader, codec, column)
        guard try !reader.nextElement() else {
            throw .wrongLength(reader.place(start), expected: "one value", found: "more")
        }
        return value
    }
}

extension PredictDecoder {
    /// One image as an element of a list: flat, or nested as its shape is.
    func readImageRow(
        _ reader: inout JSONReader,
        into batch: inout FeatureBatch
    ) throws(FeatureError) {
        guard let shape = schema.image?.shape else { return }
        try reader.expect(.array, "an array of numbers")
        let nesting = reader.bracketsAhead(atMost: shape.count + 1)
        if nesting == 1 {
            try readFlat(&reader, into: &batch)
        } else if nesting == shape.count {
            try readNested(&reader, into: &batch, shape[...], try batch.appendRow())
        } else {
            let expected = "\(schema.rawWidth) numbers, flat or as \(shape)"
            throw .wrongType(
                reader.place,
                expected: expected,
                found: "arrays nested \(nesting) deep or more"
            )
        }
    }
}
