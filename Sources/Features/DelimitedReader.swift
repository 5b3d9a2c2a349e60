/// How a delimited text is written.
package struct DelimitedOptions: Sendable, Equatable {
    /// What stands between fields; a comma unless said otherwise.
    package var delimiter: UInt8
    /// Whether the first record names the columns; otherwise they are `column_1`, `column_2`, ….
    package var hasHeader: Bool
    /// The longest field, in bytes.
    package var fieldBytesMax: Int
    /// The most fields in a record.
    package var fieldsMax: Int

    /// The usual form.
    package init(
        delimiter: UInt8 = UInt8(ascii: ","),
        hasHeader: Bool = true,
        fieldBytesMax: Int = 65_536,
        fieldsMax: Int = FeatureSchema.columnsMax + 1
    ) {
        self.delimiter = delimiter
        self.hasHeader = hasHeader
        self.fieldBytesMax = fieldBytesMax
        self.fieldsMax = fieldsMax
    }
}

/// One record of a delimited text, in memory that is used again for the next.
package struct DelimitedRecord: Sendable {
    /// The line on which it begins, counted from 1.
    package fileprivate(set) var line = 0
    fileprivate var bytes: [UInt8] = []
    fileprivate var ends: [Int] = []

    /// An empty record.
    package init() {}

    /// How many fields it has.
    package var fieldCount: Int { ends.count }

    /// The bytes of a field, unquoted.
    @_lifetime(borrow self)
    package func field(_ index: Int) -> Span<UInt8> {
        bytes.span.extracting((index == 0 ? 0 : ends[index - 1])..<ends[index])
    }

    /// A field as text.
    package func text(_ index: Int) -> String { field(index).text }
}

/// Reads a delimited text (RFC 4180) record by record from bytes in memory.
///
/// Lines end with CRLF, LF or CR; a byte order mark is passed over; empty lines are skipped. A
/// field in quotes may hold delimiters, line ends and doubled quotes, and is taken as it is. Blanks
/// around a field without quotes are taken off, unless the blank is the delimiter: files with
/// `, ` between fields are common. The text must be UTF-8.
package struct DelimitedReader: ~Copyable, ~Escapable {
    private let bytes: Span<UInt8>
    private let options: DelimitedOptions
    private var position = 0
    private var line = 1

    /// Begins to read.
    @_lifetime(copy bytes)
    package init(_ bytes: Span<UInt8>, options: DelimitedOptions = DelimitedOptions()) {
        self.bytes = bytes
        self.options = options
        if bytes.count >= 3, bytes[0] == 0xEF, bytes[1] == 0xBB, bytes[2] == 0xBF { position = 3 }
    }

    /// Reads the next record.
    ///
    /// - Parameter record: Where it goes; what it held is forgotten.
    /// - Returns: `false` at the end of the text.
    /// - Throws: ``FeatureError/invalidCSV(line:problem:)``.
    package mutating func next(into record: inout DelimitedRecord) throws(FeatureError) -> Bool {
        while let byte = bytes.byte(position), Self.isLineEnd(byte) { endLine() }
        guard position < bytes.count else { return false }
        record.line = line
        record.bytes.removeAll(keepingCapacity: true)
        record.ends.removeAll(keepingCapacity: true)
        while true {
            try readField(&record)
            guard let byte = bytes.byte(position) else { return true }
            if Self.isLineEnd(byte) {
                endLine()
                return true
            }
            // Only the delimiter is left to end a field.
            position += 1
        }
    }

    private mutating func readField(_ record: inout DelimitedRecord) throws(FeatureError) {
        let start = record.bytes.count
        while let byte = bytes.byte(position), isBlank(byte) { position += 1 }
        if bytes.byte(position) == UInt8(ascii: "\"") {
            try readQuoted(&record, start)
        } else {
            while let byte = bytes.byte(position), !endsField(byte) {
                try append(byte, to: &record, start)
                position += 1
            }
            while record.bytes.count > start, let last = record.bytes.last, isBlank(last) {
                record.bytes.removeLast()
            }
        }
        guard record.ends.count < options.fieldsMax else {
            throw invalid("more than \(options.fieldsMax) fields")
        }
        record.ends.append(record.bytes.count)
        guard (try? UTF8Span(validating: record.field(record.ends.count - 1))) != nil else {
            throw invalid("field \(record.ends.count) is not UTF-8: convert the file first")
        }
    }

    private mutating func readQuoted(
        _ record: inout DelimitedRecord,
        _ start: Int
    ) throws(FeatureError) {
        let opened = line
        position += 1
        while let byte = bytes.byte(position) {
            if byte == UInt8(ascii: "\"") {
                guard bytes.byte(position + 1) == byte else { break }
                position += 1
            } else if byte == 0x0A || byte == 0x0D && bytes.byte(position + 1) != 0x0A {
                line += 1
            }
            try append(byte, to: &record, start)
            position += 1
        }
        guard position < bytes.count else {
            throw .invalidCSV(line: opened, problem: "a quoted field is never closed")
        }
        position += 1
        while let byte = bytes.byte(position), isBlank(byte) { position += 1 }
        if let byte = bytes.byte(position), !endsField(byte) {
            throw invalid("something follows the closing quote of a field")
        }
    }

    private func append(
        _ byte: UInt8,
        to record: inout DelimitedRecord,
        _ start: Int
    ) throws(FeatureError) {
        guard record.bytes.count - start < options.fieldBytesMax else {
            throw invalid("a field is longer than \(options.fieldBytesMax) bytes")
        }
        record.bytes.append(byte)
    }

    /// Passes over one line end.
    private mutating func endLine() {
        let isPair = bytes[position] == 0x0D && bytes.byte(position + 1) == 0x0A
        position += isPair ? 2 : 1
        line += 1
    }

    private func invalid(_ problem: String) -> FeatureError {
        .invalidCSV(line: line, problem: problem)
    }

    private func endsField(_ byte: UInt8) -> Bool {
        byte == options.delimiter || Self.isLineEnd(byte)
    }

    private func isBlank(_ byte: UInt8) -> Bool {
        (byte == 0x20 || byte == 0x09) && byte != options.delimiter
    }

    private static func isLineEnd(_ byte: UInt8) -> Bool { byte == 0x0A || byte == 0x0D }
}
