/// The bytes of one delimited file and what it is.
package struct TableSource: Sendable {
    /// The whole file, unpacked.
    package let bytes: [UInt8]
    /// What the file is.
    package let identity: SourceIdentity

    /// Takes a file.
    package init(bytes: [UInt8], identity: SourceIdentity) {
        self.bytes = bytes
        self.identity = identity
    }

    /// The names of the columns; empty for one without a name, which nobody can ask for.
    ///
    /// Such is the index column that pandas and R write first.
    ///
    /// - Throws: ``FeatureError/invalidCSV(line:problem:)`` when there are none, or one is given
    ///   twice.
    package func columnNames(_ options: DelimitedOptions) throws(FeatureError) -> [String] {
        var reader = DelimitedReader(bytes.span, options: options)
        var record = DelimitedRecord()
        guard try reader.next(into: &record) else {
            throw .invalidCSV(line: 1, problem: "the file is empty")
        }
        guard options.hasHeader else {
            return (1...record.fieldCount).map { "column_\($0)" }
        }
        var names: [String] = []
        for index in 0..<record.fieldCount {
            let name = record.text(index)
            guard name.isEmpty || !names.contains(name) else {
                let problem = "column \(index + 1) has the name of another one"
                throw .invalidCSV(line: record.line, problem: problem)
            }
            names.append(name)
        }
        return names
    }

    /// Gives each data record to `body`, with its number counted from 0.
    ///
    /// - Throws: ``FeatureError/invalidCSV(line:problem:)`` for a record with more or fewer fields
    ///   than there are columns, and what `body` throws.
    func forEachRow(
        _ options: DelimitedOptions,
        _ body: (borrowing DelimitedRecord, Int) throws(FeatureError) -> Void
    ) throws(FeatureError) {
        var reader = DelimitedReader(bytes.span, options: options)
        var record = DelimitedRecord()
        var width: Int?
        var row = 0
        while try reader.next(into: &record) {
            let expected = width ?? record.fieldCount
            guard record.fieldCount == expected else {
                let problem = "\(record.fieldCount) fields where there are \(expected) columns"
                throw .invalidCSV(line: record.line, problem: problem)
            }
            let isHeader = width == nil && options.hasHeader
            width = expected
            if isHeader { continue }
            guard row < Dataset.rowsMax else {
                throw .invalidCSV(line: record.line, problem: "more than \(Dataset.rowsMax) rows")
            }
            try body(record, row)
            row += 1
        }
    }

    /// The index of a column in this file.
    static func position(of name: String, in names: [String]) throws(FeatureError) -> Int {
        guard let position = names.firstIndex(of: name) else {
            let known = names.prefix(8).joined(separator: ", ") + (names.count > 8 ? ", …" : "")
            let problem = "there is no column \"\(name)\": the file has \(known)"
            throw .invalidCSV(line: 1, problem: problem)
        }
        return position
    }
}
