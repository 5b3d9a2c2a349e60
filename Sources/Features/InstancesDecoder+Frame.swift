/// MLflow's `dataframe_split`: names of columns, and rows of values in their order.
extension InstancesDecoder {
    /// Reads the object, whose `columns` stand before its `data`, as pandas writes them.
    func readFrame(
        _ reader: inout JSONReader,
        into batch: inout FeatureBatch
    ) throws(FeatureError) {
        try reader.expect(.object, "an object")
        let start = reader.position
        var columns: [Int]?
        var hasData = false
        try reader.beginObject()
        while let key = try reader.nextKey() {
            if reader.matches(key, "columns") {
                guard columns == nil else { throw PredictDecoder.repeated(key, reader) }
                columns = try readFrameColumns(&reader)
            } else if reader.matches(key, "data") {
                guard !hasData else { throw PredictDecoder.repeated(key, reader) }
                guard let columns else {
                    throw .missingMember(reader.place(start), key: "columns")
                }
                hasData = true
                try readFrameRows(&reader, columns, into: &batch)
            } else {
                try reader.skipValue()
            }
        }
        guard hasData else { throw .missingMember(reader.place(start), key: "data") }
    }

    /// The columns in the order of the frame; of an image, pixels in their own order.
    private func readFrameColumns(_ reader: inout JSONReader) throws(FeatureError) -> [Int] {
        var columns: [Int] = []
        try reader.beginArray()
        while try reader.nextElement() {
            guard let codec = rows.codec else {
                columns.append(columns.count)
                try reader.skipValue()
                continue
            }
            try reader.expect(.string, "the name of a column")
            let start = reader.position
            let text = try reader.readText()
            let name = JSONPath.excerpt(text.range, of: reader.bytes)
            guard let column = rows.find(text, reader, codec, columns.count) else {
                let expected = "a column of this model"
                throw .unknownKey(reader.place(start), key: name, expected: expected)
            }
            guard !columns.contains(column) else {
                throw .repeatedKey(reader.place(start), key: name)
            }
            columns.append(column)
        }
        return columns
    }

    private func readFrameRows(
        _ reader: inout JSONReader,
        _ columns: [Int],
        into batch: inout FeatureBatch
    ) throws(FeatureError) {
        guard let codec = rows.codec else { return try readInstances(&reader, into: &batch) }
        try reader.beginArray()
        while try reader.nextElement() {
            reader.skipWhitespace()
            let start = reader.position
            let row = try batch.appendRow()
            for index in row { batch.values[index] = .nan }
            var count = 0
            try reader.beginArray()
            while try reader.nextElement() {
                guard count < columns.count else {
                    let expected = "\(columns.count) values"
                    throw .wrongLength(reader.place(start), expected: expected, found: "more")
                }
                let column = columns[count]
                let value = try rows.readValue(&reader, codec, column)
                batch.values[row.lowerBound + column] = value
                count += 1
            }
            guard count == columns.count else {
                let expected = "\(columns.count) values"
                throw .wrongLength(reader.place(start), expected: expected, found: "\(count)")
            }
        }
    }
}
