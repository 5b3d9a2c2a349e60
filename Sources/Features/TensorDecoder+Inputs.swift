/// One input tensor as its JSON describes it.
struct TensorFacts {
    /// Where its object begins in the JSON.
    let start: Int
    /// The column that it is, 0 for an image; nil before its name was read.
    var column: Int?
    var datatype: TensorDatatype?
    /// The extents; meaningful up to ``extentCount``.
    var extents = [8 of Int](repeating: 0)
    /// How many extents there are; nil before the shape was read.
    var extentCount: Int?
    /// The product of the extents.
    var count = 0
    /// The length that the request states for binary data.
    var binarySize: Int?
    /// Where `data` stands, if it came before all of the above was known.
    var data: JSONReader.Mark?
    var hasParameters = false
    var hasData = false
    var wasRead = false

    /// Whether the elements can be read.
    var isComplete: Bool { column != nil && datatype != nil && extentCount != nil }

    /// The shape as text.
    var shape: String {
        var words: [String] = []
        for index in 0..<(extentCount ?? 0) { words.append("\(extents[index])") }
        return "[\(words.joined(separator: ", "))]"
    }
}

extension TensorDecoder {
    func readInputs(
        _ reader: inout JSONReader,
        _ body: Span<UInt8>,
        _ batch: inout FeatureBatch,
        _ progress: inout Progress
    ) throws(FeatureError) {
        try reader.expect(.array, "an array")
        let start = reader.position
        try reader.beginArray()
        while try reader.nextElement() {
            try readInput(&reader, body, &batch, &progress)
            progress.inputs += 1
        }
        guard let codec = rows.codec else {
            guard progress.inputs == 1 else {
                throw .missingTensor(reader.place(start), name: rows.inputKey)
            }
            return
        }
        guard progress.inputs < codec.layout.columns.count else { return }
        for (index, column) in codec.layout.columns.enumerated() where batch.setOnce(index) {
            throw .missingTensor(reader.place(start), name: column.name)
        }
    }

    private func readInput(
        _ reader: inout JSONReader,
        _ body: Span<UInt8>,
        _ batch: inout FeatureBatch,
        _ progress: inout Progress
    ) throws(FeatureError) {
        try reader.expect(.object, "an object")
        var facts = TensorFacts(start: reader.position)
        try reader.beginObject()
        while let key = try reader.nextKey() {
            try readInputMember(key, &reader, &facts, &batch, progress)
        }
        for (key, isThere) in [
            ("name", facts.column != nil), ("shape", facts.extentCount != nil),
            ("datatype", facts.datatype != nil),
        ] where !isThere {
            throw .missingMember(reader.place(facts.start), key: key)
        }
        if let data = facts.data {
            let end = reader.mark
            reader.go(to: data)
            try readData(&reader, &facts, &batch, progress)
            reader.go(to: end)
        } else if !facts.wasRead {
            try readBinary(reader, body, facts, &batch, &progress)
        }
        if facts.hasData, facts.binarySize != nil {
            let problem = "an input has either data or binary_data_size"
            throw .invalidParameter(reader.place(facts.start), problem: problem)
        }
    }

    private func readInputMember(
        _ key: JSONText,
        _ reader: inout JSONReader,
        _ facts: inout TensorFacts,
        _ batch: inout FeatureBatch,
        _ progress: Progress
    ) throws(FeatureError) {
        if reader.matches(key, "name") {
            guard facts.column == nil else { throw PredictDecoder.repeated(key, reader) }
            facts.column = try readName(&reader, batch, progress)
        } else if reader.matches(key, "shape") {
            guard facts.extentCount == nil else { throw PredictDecoder.repeated(key, reader) }
            try readShape(&reader, &facts)
        } else if reader.matches(key, "datatype") {
            guard facts.datatype == nil else { throw PredictDecoder.repeated(key, reader) }
            facts.datatype = try readDatatype(&reader)
        } else if reader.matches(key, "parameters") {
            try Self.once(&facts.hasParameters, key, reader)
            try readInputParameters(&reader, &facts)
        } else if reader.matches(key, "data") {
            try Self.once(&facts.hasData, key, reader)
            if facts.isComplete {
                try readData(&reader, &facts, &batch, progress)
            } else {
                facts.data = reader.mark
                try reader.skipValue()
            }
        } else {
            try reader.skipValue()
        }
    }

    private func readName(
        _ reader: inout JSONReader,
        _ batch: FeatureBatch,
        _ progress: Progress
    ) throws(FeatureError) -> Int {
        try reader.expect(.string, "a string")
        let start = reader.position
        let text = try reader.readText()
        let column: Int?
        if let codec = rows.codec {
            column = rows.find(text, reader, codec, progress.inputs)
        } else {
            column = reader.matches(text, rows.inputKey) ? 0 : nil
        }
        guard let column else {
            let name = JSONPath.excerpt(text.range, of: reader.bytes)
            let expected = rows.codec == nil ? rows.inputKey : "a column of this model"
            throw .unknownTensor(reader.place(start), name: name, expected: expected)
        }
        let isRepeated =
            rows.codec == nil ? progress.inputs > 0 : progress.inputs > 0 && batch.isSet(column)
        guard !isRepeated else {
            let name = rows.codec?.layout.columns[column].name ?? rows.inputKey
            throw .repeatedKey(reader.place(start), key: name)
        }
        return column
    }

    private func readDatatype(_ reader: inout JSONReader) throws(FeatureError) -> TensorDatatype {
        try reader.expect(.string, "a string")
        let start = reader.position
        let text = try reader.readText()
        guard let type = TensorDatatype(reader.bytes.extracting(text.range)) else {
            let known = TensorDatatype.allCases.map(\.rawValue).joined(separator: ", ")
            let name = JSONPath.excerpt(text.range, of: reader.bytes)
            throw .wrongDatatype(reader.place(start), expected: known, found: "\"\(name)\"")
        }
        return type
    }

    private func readShape(
        _ reader: inout JSONReader,
        _ facts: inout TensorFacts
    ) throws(FeatureError) {
        try reader.expect(.array, "an array of integers")
        let start = reader.position
        var count = 0
        var product = 1
        try reader.beginArray()
        while try reader.nextElement() {
            let extent = try reader.readWhole()
            let (next, overflow) = product.multipliedReportingOverflow(by: extent)
            guard extent >= 0, !overflow, count < Self.extentsMax else {
                let expected = "1 to \(Self.extentsMax) extents, none below 0"
                throw .wrongShape(reader.place(start), expected: expected, found: "others")
            }
            facts.extents[count] = extent
            count += 1
            product = next
        }
        facts.extentCount = count
        facts.count = count == 0 ? 0 : product
    }

    private func readInputParameters(
        _ reader: inout JSONReader,
        _ facts: inout TensorFacts
    ) throws(FeatureError) {
        try reader.beginObject()
        while let key = try reader.nextKey() {
            guard reader.matches(key, "binary_data_size") else {
                try RequestOptions.pass(key, &reader)
                continue
            }
            guard facts.binarySize == nil else { throw PredictDecoder.repeated(key, reader) }
            reader.skipWhitespace()
            let start = reader.position
            let size = try reader.readWhole()
            guard size >= 0 else {
                let problem = "a size is a number of bytes, not below 0"
                throw .invalidParameter(reader.place(start), problem: problem)
            }
            facts.binarySize = size
        }
    }
}
