extension PredictDecoder {
    /// Reads one row or several, each an object by column name or an array in schema order.
    func readTable(
        _ reader: inout JSONReader,
        into batch: inout FeatureBatch,
        _ codec: TableCodec
    ) throws(FeatureError) {
        if try reader.peek() == .object {
            try readObject(&reader, into: &batch, codec)
            return
        }
        try reader.expect(.array, "an object or an array")
        let start = reader.position
        try reader.beginArray()
        guard try reader.nextElement() else { throw .noRows(reader.place(start)) }
        let form = try reader.peek()
        guard form == .object || form == .array else {
            // The elements are values: this array itself is the one row.
            try readValues(&reader, into: &batch, codec, start)
            return
        }
        batch.wasBatch = true
        repeat {
            try reader.expect(form, "\(form.phrase), like the first row")
            if form == .object {
                try readObject(&reader, into: &batch, codec)
                continue
            }
            let start = reader.position
            try reader.beginArray()
            guard try reader.nextElement() else { throw wrongLength(reader, start, found: "0") }
            try readValues(&reader, into: &batch, codec, start)
        } while try reader.nextElement()
    }

    /// A row as an array that was entered, before its first element; reads its end, too.
    func readValues(
        _ reader: inout JSONReader,
        into batch: inout FeatureBatch,
        _ codec: TableCodec,
        _ start: Int
    ) throws(FeatureError) {
        let row = try batch.appendRow()
        var column = 0
        repeat {
            guard column < row.count else { throw wrongLength(reader, start, found: "more") }
            batch.values[row.lowerBound + column] = try readValue(&reader, codec, column)
            column += 1
        } while try reader.nextElement()
        guard column == row.count else { throw wrongLength(reader, start, found: "\(column)") }
    }

    /// A row as an object by column name; a column that is not named is missing.
    func readObject(
        _ reader: inout JSONReader,
        into batch: inout FeatureBatch,
        _ codec: TableCodec
    ) throws(FeatureError) {
        let row = try batch.appendRow()
        for index in row { batch.values[index] = .nan }
        var guess = 0
        try reader.beginObject()
        while let key = try reader.nextKey() {
            guard let column = find(key, reader, codec, guess) else {
                let name = JSONPath.excerpt(key.range, of: reader.bytes)
                let place = reader.place(key.range.lowerBound - 1)
                throw .unknownKey(place, key: name, expected: "a column of this model")
            }
            guard batch.setOnce(column) else {
                let place = reader.place(key.range.lowerBound - 1)
                throw .repeatedKey(place, key: codec.layout.columns[column].name)
            }
            batch.values[row.lowerBound + column] = try readValue(&reader, codec, column)
            guess = column + 1
        }
    }

    func find(
        _ key: JSONText,
        _ reader: borrowing JSONReader,
        _ codec: TableCodec,
        _ guess: Int
    ) -> Int? {
        if key.isEscaped { return codec.column(named: reader.unescaped(key).span, guess: guess) }
        return codec.column(named: reader.bytes.extracting(key.range), guess: guess)
    }

    /// The raw value of one column.
    ///
    /// `null` and the missing markers are missing; a category may also be written as a number or a
    /// boolean, and is then the text that stands there.
    func readValue(
        _ reader: inout JSONReader,
        _ codec: TableCodec,
        _ column: Int
    ) throws(FeatureError) -> Float {
        let kind = try reader.peek()
        if kind == .null {
            try reader.readNull()
            return .nan
        }
        guard codec.layout.columns[column].type == .categorical else {
            return try readNumeric(&reader, codec, kind)
        }
        let start = reader.position
        switch kind {
        case .string:
            let text = try reader.readText()
            if text.isEscaped { return codec.category(reader.unescaped(text).span, column: column) }
            return codec.category(reader.bytes.extracting(text.range), column: column)
        case .number: _ = try reader.scanNumber()
        case .boolean: _ = try reader.readBoolean()
        case .object, .array, .null:
            throw .wrongType(reader.place, expected: "a category", found: kind.phrase)
        }
        return codec.category(reader.bytes.extracting(start..<reader.position), column: column)
    }

    private func readNumeric(
        _ reader: inout JSONReader,
        _ codec: TableCodec,
        _ kind: JSONKind
    ) throws(FeatureError) -> Float {
        guard kind == .string else { return try reader.readFloat() }
        let start = reader.position
        let text = try reader.readText()
        if !text.isEscaped, codec.isMissing(reader.bytes.extracting(text.range)) { return .nan }
        throw .wrongType(reader.place(start), expected: "a number", found: kind.phrase)
    }

    func wrongLength(
        _ reader: borrowing JSONReader,
        _ start: Int,
        found: String
    ) -> FeatureError {
        let expected = "\(schema.rawWidth) values, one for each column"
        return .wrongLength(reader.place(start), expected: expected, found: found)
    }
}
