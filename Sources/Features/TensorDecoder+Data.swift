/// The elements of tensors, in JSON and in binary form.
extension TensorDecoder {
    /// Makes room for the rows that a tensor's shape announces.
    ///
    /// - Returns: How many rows there are.
    private func makeRows(
        _ facts: TensorFacts,
        _ reader: borrowing JSONReader,
        _ batch: inout FeatureBatch,
        _ progress: Progress
    ) throws(FeatureError) -> Int {
        if rows.codec == nil { return try makeImageRows(facts, reader, &batch) }
        let isColumn =
            facts.extentCount == 1 || (facts.extentCount == 2 && facts.extents[1] == 1)
        guard isColumn else {
            let place = place(of: "shape", facts, reader)
            throw .wrongShape(place, expected: "[n] or [n, 1]", found: facts.shape)
        }
        if progress.inputs == 0 {
            guard facts.count > 0 else { throw .noRows(place(of: "shape", facts, reader)) }
            for _ in 0..<facts.count {
                let row = try batch.appendRow()
                for index in row { batch.values[index] = .nan }
            }
        }
        guard facts.count == batch.rowCount else {
            let place = place(of: "shape", facts, reader)
            let expected = "[\(batch.rowCount)], as many rows as in the first input"
            throw .wrongShape(place, expected: expected, found: facts.shape)
        }
        if let column = facts.column { _ = batch.setOnce(column) }
        return batch.rowCount
    }

    private func makeImageRows(
        _ facts: TensorFacts,
        _ reader: borrowing JSONReader,
        _ batch: inout FeatureBatch
    ) throws(FeatureError) -> Int {
        let width = rows.schema.rawWidth
        guard facts.count > 0 || facts.extentCount == 0 else {
            throw .noRows(place(of: "shape", facts, reader))
        }
        guard facts.count > 0, facts.count % width == 0 else {
            let place = place(of: "shape", facts, reader)
            let expected = "[n, \(width)], or extents of the same product"
            throw .wrongShape(place, expected: expected, found: facts.shape)
        }
        for _ in 0..<facts.count / width { try batch.appendRow() }
        return batch.rowCount
    }

    /// The place of a member of an input, for errors.
    private func place(
        of member: String,
        _ facts: TensorFacts,
        _ reader: borrowing JSONReader
    ) -> JSONPlace {
        let place = reader.place(facts.start)
        return JSONPlace(path: "\(place.path).\(member)", byte: place.byte)
    }

    private func wrongDatatype(
        _ facts: TensorFacts,
        _ reader: borrowing JSONReader,
        expected: String
    ) -> FeatureError {
        let found = facts.datatype?.rawValue ?? "none"
        return .wrongDatatype(
            place(of: "datatype", facts, reader),
            expected: expected,
            found: found
        )
    }

    /// The column of a table that a tensor is; nil for an image.
    private func column(_ facts: TensorFacts) -> FeatureColumn? {
        guard let codec = rows.codec, let index = facts.column else { return nil }
        return codec.layout.columns[index]
    }

    /// Checks that the type fits the input.
    private func checkDatatype(
        _ facts: TensorFacts,
        _ reader: borrowing JSONReader
    ) throws(FeatureError) -> TensorDatatype {
        let isText = column(facts)?.type == .categorical
        guard let type = facts.datatype, (type == .bytes) == isText else {
            throw wrongDatatype(facts, reader, expected: isText ? "BYTES" : "a type of numbers")
        }
        return type
    }

    // MARK: JSON

    /// Reads `data`, which comes next; all else is known.
    func readData(
        _ reader: inout JSONReader,
        _ facts: inout TensorFacts,
        _ batch: inout FeatureBatch,
        _ progress: Progress
    ) throws(FeatureError) {
        facts.wasRead = true
        let type = try checkDatatype(facts, reader)
        guard type.hasJSONForm else {
            let expected = "data in binary form: \(type.rawValue) has none in JSON"
            throw .wrongDatatype(reader.place, expected: expected, found: "JSON")
        }
        _ = try makeRows(facts, reader, &batch, progress)
        try reader.expect(.array, "an array")
        let start = reader.position
        if let codec = rows.codec, let column = facts.column {
            try walk(&reader, facts) { reader, index throws(FeatureError) in
                batch[index, column] = try readCell(&reader, codec, column, type)
            }
        } else if type == .bool {
            try walk(&reader, facts) { reader, index throws(FeatureError) in
                batch.values[index] = try reader.readBoolean() ? 1 : 0
            }
        } else {
            try readNumbers(&reader, facts, &batch)
            try checkIntegers(type, batch.raw, reader, start)
        }
    }

    /// A value that is not of a type of integers is refused, never rounded.
    private func checkIntegers(
        _ type: TensorDatatype,
        _ values: Span<Float>,
        _ reader: borrowing JSONReader,
        _ start: Int
    ) throws(FeatureError) {
        guard let limits = type.integers else { return }
        let (lower, upper) = (limits.lowerBound, limits.upperBound)
        // Without short-circuits, so that the loop is vectorised. From 2^23 on all are whole; below,
        // adding it rounds to whole numbers.
        var good: Int32 = 0
        for index in values.indices {
            let value = values[index]
            let magnitude = value.magnitude
            let rounded = (magnitude + 0x1p23) - 0x1p23
            let isWhole: Int32 = (magnitude >= 0x1p23 ? 1 : 0) | (rounded == magnitude ? 1 : 0)
            good &+= isWhole & (value >= lower ? 1 : 0) & (value <= upper ? 1 : 0)
        }
        if good == values.count { return }
        for index in values.indices {
            let value = values[index]
            if value == value.rounded(.towardZero), limits.contains(value) { continue }
            let place = reader.place(start)
            throw .wrongDatatype(
                JSONPlace(path: "\(place.path)[\(index)]", byte: place.byte),
                expected: "a number of type \(type.rawValue)",
                found: "another"
            )
        }
    }

    private func readNumbers(
        _ reader: inout JSONReader,
        _ facts: TensorFacts,
        _ batch: inout FeatureBatch
    ) throws(FeatureError) {
        try walkLines(&reader, facts) { reader, range throws(FeatureError) in
            reader.skipWhitespace()
            let start = reader.position
            let count = try reader.readFloats(into: &batch.values, range: range)
            guard count == range.count else {
                let place = reader.place(start)
                throw .wrongLength(place, expected: "\(range.count) values", found: "\(count)")
            }
        }
    }

    /// The raw value of one column of a table.
    private func readCell(
        _ reader: inout JSONReader,
        _ codec: TableCodec,
        _ column: Int,
        _ type: TensorDatatype
    ) throws(FeatureError) -> Float {
        let kind = try reader.peek()
        switch (type, kind) {
        case (_, .null), (.bytes, .string):
            return try rows.readValue(&reader, codec, column)
        case (.bool, .boolean):
            return try reader.readBoolean() ? 1 : 0
        case (.bytes, _), (.bool, _):
            let expected = type == .bytes ? "a string" : "true or false"
            throw .wrongType(reader.place, expected: expected, found: kind.phrase)
        default:
            let start = reader.position
            let value = try reader.readFloat()
            guard let limits = type.integers else { return value }
            guard value == value.rounded(.towardZero), limits.contains(value) else {
                let expected = "a number of type \(type.rawValue)"
                throw .wrongDatatype(reader.place(start), expected: expected, found: "another")
            }
            return value
        }
    }

    /// Calls for each element, in order, of flat or nested data.
    private func walk(
        _ reader: inout JSONReader,
        _ facts: TensorFacts,
        _ element: (inout JSONReader, _ index: Int) throws(FeatureError) -> Void
    ) throws(FeatureError) {
        try walkLines(&reader, facts) { reader, range throws(FeatureError) in
            reader.skipWhitespace()
            let start = reader.position
            try reader.beginArray()
            for index in range {
                guard try reader.nextElement() else {
                    let found = "\(index - range.lowerBound)"
                    let expected = "\(range.count) values"
                    throw .wrongLength(reader.place(start), expected: expected, found: found)
                }
                try element(&reader, index)
            }
            guard try !reader.nextElement() else {
                let expected = "\(range.count) values"
                throw .wrongLength(reader.place(start), expected: expected, found: "more")
            }
        }
    }

    /// Calls for each innermost array of data, with the elements that it holds.
    private func walkLines(
        _ reader: inout JSONReader,
        _ facts: TensorFacts,
        _ line: (inout JSONReader, Range<Int>) throws(FeatureError) -> Void
    ) throws(FeatureError) {
        let nesting = reader.bracketsAhead(atMost: Self.extentsMax + 1)
        if nesting == 1 { return try line(&reader, 0..<facts.count) }
        guard nesting == facts.extentCount else {
            let expected = "data that is flat or nested as the shape \(facts.shape)"
            throw .wrongShape(reader.place, expected: expected, found: "arrays \(nesting) deep")
        }
        try walkNested(&reader, facts, 0, 0..<facts.count, line)
    }

    private func walkNested(
        _ reader: inout JSONReader,
        _ facts: TensorFacts,
        _ level: Int,
        _ range: Range<Int>,
        _ line: (inout JSONReader, Range<Int>) throws(FeatureError) -> Void
    ) throws(FeatureError) {
        guard level + 1 < facts.extentCount ?? 0 else { return try line(&reader, range) }
        let extent = facts.extents[level]
        let size = range.count / max(1, extent)
        reader.skipWhitespace()
        let start = reader.position
        try reader.beginArray()
        for index in 0..<extent {
            guard try reader.nextElement() else {
                let expected = "\(extent) arrays"
                throw .wrongLength(reader.place(start), expected: expected, found: "\(index)")
            }
            let first = range.lowerBound + index * size
            try walkNested(&reader, facts, level + 1, first..<first + size, line)
        }
        guard try !reader.nextElement() else {
            throw .wrongLength(reader.place(start), expected: "\(extent) arrays", found: "more")
        }
    }

    // MARK: Binary

    /// Takes an input's elements from what follows the JSON.
    func readBinary(
        _ reader: borrowing JSONReader,
        _ body: Span<UInt8>,
        _ facts: TensorFacts,
        _ batch: inout FeatureBatch,
        _ progress: inout Progress
    ) throws(FeatureError) {
        guard facts.binarySize != nil || progress.header < body.count else {
            throw .missingMember(reader.place(facts.start), key: "data")
        }
        let type = try checkDatatype(facts, reader)
        let count = try makeRows(facts, reader, &batch, progress)
        let start = progress.binary
        if let codec = rows.codec, let column = facts.column, type == .bytes {
            for row in 0..<count {
                guard let text = Self.element(body, &progress.binary) else {
                    throw wrongSize(reader, facts, "\(count) texts, each after its length", body)
                }
                batch[row, column] = codec.category(body.extracting(text), column: column)
            }
        } else {
            let elements = rows.codec == nil ? facts.count : count
            let size = elements * (type.size ?? 0)
            guard body.count - start >= size else {
                throw wrongSize(reader, facts, "\(size) bytes", body)
            }
            batch.read(
                type,
                body,
                at: start,
                count: elements,
                column: rows.codec.map { _ in
                    facts.column ?? 0
                }
            )
            progress.binary = start + size
        }
        guard facts.binarySize ?? progress.binary - start == progress.binary - start else {
            throw wrongSize(reader, facts, "\(progress.binary - start) bytes", body)
        }
    }

    /// Where the next text stands, its length in four bytes before it.
    private static func element(_ body: Span<UInt8>, _ position: inout Int) -> Range<Int>? {
        guard body.count - position >= 4 else { return nil }
        var length = 0
        for index in 0..<4 { length |= Int(body[position + index]) << (8 * index) }
        let start = position + 4
        guard body.count - start >= length else { return nil }
        position = start + length
        return start..<position
    }

    private func wrongSize(
        _ reader: borrowing JSONReader,
        _ facts: TensorFacts,
        _ expected: String,
        _ body: Span<UInt8>
    ) -> FeatureError {
        let place = place(of: "parameters.binary_data_size", facts, reader)
        let found = facts.binarySize.map { "\($0) bytes announced" } ?? "fewer"
        return .wrongTensorSize(
            place,
            expected: expected,
            found: "\(found), and \(body.count - reader.bytes.count) after the JSON"
        )
    }
}
