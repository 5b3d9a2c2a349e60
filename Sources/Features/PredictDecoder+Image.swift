extension PredictDecoder {
    /// Reads one image or several.
    ///
    /// The depth of the brackets says which form it is; for a shape of two extents `[28][28]` and
    /// `[n][784]` are equally deep, and the first inner array decides.
    func readImages(
        _ reader: inout JSONReader,
        into batch: inout FeatureBatch,
        _ shape: [Int]
    ) throws(FeatureError) {
        try reader.expect(.array, "an array of numbers")
        let nesting = reader.bracketsAhead(atMost: shape.count + 2)
        if nesting == 1 {
            try readFlat(&reader, into: &batch)
        } else if nesting == 2, shape.count == 2 {
            try readRowsOrLines(&reader, into: &batch, shape)
        } else if nesting == 2 {
            try readEach(&reader, into: &batch, [schema.rawWidth])
        } else if nesting == shape.count {
            try readNested(&reader, into: &batch, shape[...], try batch.appendRow())
        } else if nesting == shape.count + 1 {
            try readEach(&reader, into: &batch, shape[...])
        } else {
            let expected = "\(schema.rawWidth) numbers, flat or as \(shape), or rows of these"
            let found = "arrays nested \(nesting) deep or more"
            throw .wrongType(reader.place, expected: expected, found: found)
        }
    }

    /// `[784]`.
    func readFlat(
        _ reader: inout JSONReader,
        into batch: inout FeatureBatch
    ) throws(FeatureError) {
        let start = reader.position
        let row = try batch.appendRow()
        let count = try reader.readFloats(into: &batch.values, range: row)
        guard count > 0 else { throw .noRows(reader.place(start)) }
        try check(count, row.count, reader, start)
    }

    /// `[n][784]` or `[n][28][28]`.
    private func readEach(
        _ reader: inout JSONReader,
        into batch: inout FeatureBatch,
        _ shape: ArraySlice<Int>
    ) throws(FeatureError) {
        batch.wasBatch = true
        try reader.beginArray()
        while try reader.nextElement() {
            try readNested(&reader, into: &batch, shape, try batch.appendRow())
        }
    }

    /// `[28][28]` or `[n][784]`, which the first inner array tells apart; where both would do, as
    /// for a shape of `[1, 784]`, it is several rows.
    private func readRowsOrLines(
        _ reader: inout JSONReader,
        into batch: inout FeatureBatch,
        _ shape: [Int]
    ) throws(FeatureError) {
        try reader.beginArray()
        guard try reader.nextElement() else { return }
        reader.skipWhitespace()
        let start = reader.position
        let row = try batch.appendRow()
        let count = try reader.readFloats(into: &batch.values, range: row)
        if count == row.count {
            batch.wasBatch = true
            while try reader.nextElement() {
                try readNested(&reader, into: &batch, [row.count], try batch.appendRow())
            }
        } else if count == shape[1] {
            try readElements(&reader, into: &batch, shape[...], row, from: 1)
        } else {
            let expected = "\(shape[1]) values (a line) or \(row.count) (a row)"
            throw .wrongLength(reader.place(start), expected: expected, found: "\(count)")
        }
    }

    /// An array of the given extents into a part of the batch of just that size.
    func readNested(
        _ reader: inout JSONReader,
        into batch: inout FeatureBatch,
        _ shape: ArraySlice<Int>,
        _ range: Range<Int>
    ) throws(FeatureError) {
        if shape.count == 1 {
            reader.skipWhitespace()
            let start = reader.position
            let count = try reader.readFloats(into: &batch.values, range: range)
            try check(count, range.count, reader, start)
        } else {
            try reader.beginArray()
            try readElements(&reader, into: &batch, shape, range, from: 0)
        }
    }

    /// The rest of an array that was entered, from element `first` on, and its end.
    private func readElements(
        _ reader: inout JSONReader,
        into batch: inout FeatureBatch,
        _ shape: ArraySlice<Int>,
        _ range: Range<Int>,
        from first: Int
    ) throws(FeatureError) {
        let extent = shape.first ?? 1
        let size = range.count / extent
        for index in first..<extent {
            guard try reader.nextElement() else {
                let expected = "\(extent) arrays"
                throw .wrongLength(reader.place, expected: expected, found: "\(index)")
            }
            let start = range.lowerBound + index * size
            try readNested(&reader, into: &batch, shape.dropFirst(), start..<start + size)
        }
        guard try reader.nextElement() else { return }
        throw .wrongLength(reader.place, expected: "\(extent) arrays", found: "more")
    }

    private func check(
        _ count: Int,
        _ expected: Int,
        _ reader: borrowing JSONReader,
        _ start: Int
    ) throws(FeatureError) {
        guard count != expected else { return }
        let place = reader.place(start)
        throw .wrongLength(place, expected: "\(expected) values", found: "\(count)")
    }
}

extension JSONReader {
    /// How many opening brackets follow, with nothing but white space between; nothing is read.
    func bracketsAhead(atMost most: Int) -> Int {
        var found = 0
        var index = position
        while found < most, index < bytes.count {
            switch bytes[index] {
            case UInt8(ascii: "["): found += 1
            case 0x20, 0x0A, 0x0D, 0x09: break
            default: return found
            }
            index += 1
        }
        return found
    }

    /// ``readFloats(into:range:)`` for an array.
    mutating func readFloats(
        into values: inout [Float],
        range: Range<Int>
    ) throws(FeatureError) -> Int {
        var target = values.mutableSpan
        return try readFloats(into: &target, range: range)
    }
}
