/// Reads the body of `POST /predict` into raw rows.
///
/// An image model takes `{"image": …}` as `[784]`, `[28][28]`, `[n][784]` or `[n][28][28]` (any
/// extents), and `"scaled": true` when the values are divided already. A table model takes
/// `{"features": …}` as one object by column name, one array in schema order, or an array of
/// several of either. Both take `"model": "name"` and `"parameters": {…}`. Members may come in any
/// order; one that is unknown or repeated is refused.
///
/// The other dialects read their rows by the same functions, so that a row means the same in each.
package struct PredictDecoder: Sendable {
    /// What a valid row is.
    package let schema: FeatureSchema
    /// The most rows in one request.
    package let rowsMax: Int
    /// The look-ups of a table; `nil` for images.
    package let codec: TableCodec?

    /// Prepares to decode for one model.
    ///
    /// - Parameters:
    ///   - schema: What a valid row is.
    ///   - rowsMax: The most rows in one request.
    package init(schema: FeatureSchema, rowsMax: Int = 1024) {
        self.schema = schema
        self.rowsMax = rowsMax
        codec = schema.table.map { TableCodec($0) }
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
        batch.reset(rowWidth: schema.rawWidth, rowsMax: rowsMax)
        var reader = JSONReader(body)
        var hasInput = false
        var scaled: Bool?
        var hasParameters = false
        try reader.beginObject()
        while let key = try reader.nextKey() {
            if reader.matches(key, inputKey) {
                guard !hasInput else { throw Self.repeated(key, reader) }
                hasInput = true
                try readRows(&reader, into: &batch)
            } else if reader.matches(key, "model") {
                guard batch.model == nil else { throw Self.repeated(key, reader) }
                batch.model = try reader.readString()
            } else if codec == nil, reader.matches(key, "scaled") {
                guard scaled == nil else { throw Self.repeated(key, reader) }
                scaled = try reader.readBoolean()
            } else if reader.matches(key, "parameters") {
                guard !hasParameters else { throw Self.repeated(key, reader) }
                hasParameters = true
                try batch.options.readParameters(&reader)
            } else {
                throw unknown(key, reader)
            }
        }
        try reader.finish()
        guard hasInput else { throw .missingKey(expected: expectedInput) }
        if scaled == true, let image = schema.image { batch.unscale(image.scaling) }
        try batch.finish(schema)
    }

    /// Reads the value of `image` or `features`, which comes next, and adds its rows.
    ///
    /// The caller calls ``FeatureBatch/finish(_:)`` when all is read.
    package func readRows(
        _ reader: inout JSONReader,
        into batch: inout FeatureBatch
    ) throws(FeatureError) {
        if let codec {
            try readTable(&reader, into: &batch, codec)
        } else if let image = schema.image {
            try readImages(&reader, into: &batch, image.shape)
        }
    }

    /// The value of the member `model` of a body, read before it is known whose schema applies.
    ///
    /// This reads the whole body once more, so it is for servers of several models only.
    ///
    /// - Throws: ``FeatureError`` when the body is not a JSON object, or names two models.
    package static func modelName(in body: Span<UInt8>) throws(FeatureError) -> String? {
        var reader = JSONReader(body)
        var name: String?
        try reader.beginObject()
        while let key = try reader.nextKey() {
            if reader.matches(key, "model") {
                guard name == nil else { throw repeated(key, reader) }
                name = try reader.readString()
            } else {
                try reader.skipValue()
            }
        }
        try reader.finish()
        return name
    }

    /// What the input is called in a request.
    package var inputKey: String { codec == nil ? "image" : "features" }

    private var expectedInput: String {
        switch schema.layout {
        case .image(let image):
            #"{"image": …} with \#(schema.rawWidth) numbers, as \#(image.shape) or in one array"#
        case .table:
            #"{"features": …} with an object by column name or an array of \#(schema.rawWidth)"#
        }
    }

    static func repeated(_ key: JSONText, _ reader: borrowing JSONReader) -> FeatureError {
        let name = JSONPath.excerpt(key.range, of: reader.bytes)
        return .repeatedKey(reader.place(key.range.lowerBound - 1), key: name)
    }

    private func unknown(_ key: JSONText, _ reader: borrowing JSONReader) -> FeatureError {
        let name = JSONPath.excerpt(key.range, of: reader.bytes)
        let known =
            codec == nil ? "image, scaled, model or parameters" : "features, model or parameters"
        return .unknownKey(reader.place(key.range.lowerBound - 1), key: name, expected: known)
    }
}
