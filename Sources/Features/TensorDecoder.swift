/// Reads an inference request of the Open Inference Protocol into raw rows.
///
/// The body is JSON, or JSON followed by the binary tensors in the order in which the JSON names
/// them. An image model has one input, of any shape whose product is a whole number of rows; a
/// table has one input a column, of shape `[n]` or `[n, 1]`. Numbers of any type become the
/// nearest binary32; categories are `BYTES`.
///
/// Members may come in any order; those that nobody reads are passed over.
package struct TensorDecoder: Sendable {
    let rows: PredictDecoder
    /// The names of the model's outputs, in order.
    let outputs: [String]
    /// The output that can be told as classes; nil where there is none.
    let classified: Int?

    /// The longest `id` of a request, in bytes.
    package static let identifierBytesMax = 1024
    /// The most extents of a shape.
    static let extentsMax = 8

    /// Prepares to decode for one model.
    ///
    /// - Parameters:
    ///   - rows: The decoder of its rows.
    ///   - outputs: The names of its outputs, in order.
    ///   - classified: The output that can be told as classes.
    package init(_ rows: PredictDecoder, outputs: [String], classified: Int?) {
        self.rows = rows
        self.outputs = outputs
        self.classified = classified
    }

    /// What has been read of a request so far.
    struct Progress {
        /// Where the next binary tensor begins in the body.
        var binary: Int
        /// Where the JSON ends, and the binary tensors begin.
        let header: Int
        /// How many inputs have been read.
        var inputs = 0
        var hasInputs = false
        var hasOutputs = false
        var hasParameters = false
        var hasIdentifier = false
    }

    /// Reads a whole body.
    ///
    /// - Parameters:
    ///   - body: The JSON text, and the binary tensors after it.
    ///   - headerBytes: The length of the JSON text; nil when it is the whole body.
    ///   - batch: Where the rows go; what it held is forgotten.
    /// - Throws: what is wrong with the body, with path and byte.
    package func decode(
        _ body: Span<UInt8>,
        headerBytes: Int?,
        into batch: inout FeatureBatch
    ) throws(FeatureError) {
        let header = headerBytes ?? body.count
        guard header >= 0, header <= body.count else {
            throw .wrongHeaderLength(problem: "more than the \(body.count) bytes of the body")
        }
        batch.reset(rowWidth: rows.schema.rawWidth, rowsMax: rows.rowsMax)
        batch.wasBatch = true
        if headerBytes == 0 { return try decodeRaw(body, into: &batch) }
        var reader = JSONReader(body.extracting(0..<header))
        var progress = Progress(binary: header, header: header)
        try reader.beginObject()
        while let key = try reader.nextKey() {
            try readMember(key, &reader, body, &batch, &progress)
        }
        try reader.finish()
        guard progress.hasInputs else {
            throw .missingMember(JSONPlace(path: "body", byte: 0), key: "inputs")
        }
        guard progress.binary == body.count else {
            let rest = body.count - progress.binary
            throw .wrongHeaderLength(problem: "\(rest) bytes follow that belong to no input")
        }
        try batch.finish(rows.schema)
    }

    private func readMember(
        _ key: JSONText,
        _ reader: inout JSONReader,
        _ body: Span<UInt8>,
        _ batch: inout FeatureBatch,
        _ progress: inout Progress
    ) throws(FeatureError) {
        if reader.matches(key, "inputs") {
            try Self.once(&progress.hasInputs, key, reader)
            try readInputs(&reader, body, &batch, &progress)
        } else if reader.matches(key, "outputs") {
            try Self.once(&progress.hasOutputs, key, reader)
            try readOutputs(&reader, &batch.options)
        } else if reader.matches(key, "parameters") {
            try Self.once(&progress.hasParameters, key, reader)
            try batch.options.readParameters(&reader, hasTensors: true)
        } else if reader.matches(key, "id") {
            try Self.once(&progress.hasIdentifier, key, reader)
            batch.options.identifier = try readIdentifier(&reader)
        } else {
            try reader.skipValue()
        }
    }

    static func once(
        _ flag: inout Bool,
        _ key: JSONText,
        _ reader: borrowing JSONReader
    ) throws(FeatureError) {
        guard !flag else { throw PredictDecoder.repeated(key, reader) }
        flag = true
    }

    private func readIdentifier(_ reader: inout JSONReader) throws(FeatureError) -> Range<Int>? {
        try reader.expect(.string, "a string")
        let start = reader.position
        let text = try reader.readText()
        guard text.range.count <= Self.identifierBytesMax else {
            let most = "at most \(Self.identifierBytesMax) bytes"
            throw .wrongLength(reader.place(start), expected: most, found: "\(text.range.count)")
        }
        return text.range.isEmpty ? nil : start..<reader.position
    }

    // MARK: Raw requests

    /// A body that is the data of the only input, as one row.
    private func decodeRaw(
        _ body: Span<UInt8>,
        into batch: inout FeatureBatch
    ) throws(FeatureError) {
        guard rows.codec == nil else {
            let problem = "a raw request is for models with one input; this one has one a column"
            throw .wrongHeaderLength(problem: problem)
        }
        let width = rows.schema.rawWidth
        let type: TensorDatatype
        switch body.count {
        case width: type = .uint8
        case width * 4: type = .float32
        default:
            let expected = "\(width) bytes (UINT8) or \(width * 4) (FP32), one row"
            throw .wrongBodySize(expected: expected, found: body.count)
        }
        try batch.appendRow()
        batch.read(type, body, at: 0, count: width, column: nil)
        batch.options.isBinary = true
        try batch.finish(rows.schema)
    }

    // MARK: Outputs

    private func readOutputs(
        _ reader: inout JSONReader,
        _ options: inout RequestOptions
    ) throws(FeatureError) {
        try reader.beginArray()
        while try reader.nextElement() {
            try reader.expect(.object, "an object")
            let start = reader.position
            var index: Int?
            var output = RequestedOutput(index: 0)
            var hasParameters = false
            try reader.beginObject()
            while let key = try reader.nextKey() {
                if reader.matches(key, "name") {
                    guard index == nil else { throw PredictDecoder.repeated(key, reader) }
                    index = try readOutputName(&reader, options)
                } else if reader.matches(key, "parameters") {
                    try Self.once(&hasParameters, key, reader)
                    try readOutputParameters(&reader, &output)
                } else {
                    try reader.skipValue()
                }
            }
            guard let index else { throw .missingMember(reader.place(start), key: "name") }
            guard output.classCount == 0 || index == classified else {
                let problem = "only probabilities can be told as classes"
                throw .invalidParameter(reader.place(start), problem: problem)
            }
            options.outputs.append(
                RequestedOutput(
                    index: index,
                    isBinary: output.isBinary,
                    classCount: output.classCount
                )
            )
        }
    }

    private func readOutputName(
        _ reader: inout JSONReader,
        _ options: RequestOptions
    ) throws(FeatureError) -> Int {
        try reader.expect(.string, "a string")
        let start = reader.position
        let text = try reader.readText()
        guard let index = outputs.firstIndex(where: { reader.matches(text, $0) }) else {
            let name = JSONPath.excerpt(text.range, of: reader.bytes)
            let expected = outputs.joined(separator: " or ")
            throw .unknownTensor(reader.place(start), name: name, expected: expected)
        }
        guard !options.outputs.contains(where: { $0.index == index }) else {
            throw .repeatedKey(reader.place(start), key: outputs[index])
        }
        return index
    }

    private func readOutputParameters(
        _ reader: inout JSONReader,
        _ output: inout RequestedOutput
    ) throws(FeatureError) {
        var hasClasses = false
        try reader.beginObject()
        while let key = try reader.nextKey() {
            if reader.matches(key, "binary_data") {
                guard output.isBinary == nil else { throw PredictDecoder.repeated(key, reader) }
                output.isBinary = try reader.readBoolean()
            } else if reader.matches(key, "classification") {
                try Self.once(&hasClasses, key, reader)
                reader.skipWhitespace()
                let start = reader.position
                let count = try reader.readWhole()
                guard count >= 0 else {
                    let problem = "a number of classes is not below 0"
                    throw .invalidParameter(reader.place(start), problem: problem)
                }
                output.classCount = count
            } else {
                try RequestOptions.pass(key, &reader)
            }
        }
    }
}
