/// Labelled rows in memory, kept as compactly as they came.
///
/// Images of bytes stay bytes (47 MB for MNIST, not 188); all else is binary32. A row becomes a raw
/// row when it is asked for, and engine inputs by ``FeatureSchema``, as a request does.
package struct Dataset: Sendable {
    /// The raw values.
    package enum Values: Sendable {
        /// Bytes, from an offset on.
        case bytes([UInt8], offset: Int)
        /// Numbers in the data's unit; NaN is missing.
        case floats([Float])
    }

    /// What is to be learned of each row.
    package enum Labels: Sendable, Equatable {
        /// Class indices.
        case classes([Int32])
        /// Numbers.
        case values([Float])

        /// How many there are.
        package var count: Int {
            switch self {
            case .classes(let classes): classes.count
            case .values(let values): values.count
            }
        }
    }

    /// Rows that came from one source.
    struct Run: Sendable {
        let source: SourceIdentity
        /// The first of the rows in the data set.
        let start: Int
        /// Their numbers in the source; consecutive from 0 when absent.
        let numbers: [Int32]?
    }

    /// The raw values, row after row.
    package private(set) var values: Values
    /// One label for each row.
    package private(set) var labels: Labels
    /// How many raw values a row has.
    package let rowWidth: Int
    /// How many rows there are.
    package private(set) var rowCount: Int
    /// How many rows of the sources were left out because their target is missing.
    package private(set) var skippedRows: Int
    private(set) var runs: [Run]
    /// What tells each row from all others, in other files of the same rows, too.
    private(set) var keys: [UInt64]
    /// The hour of the week (``HourOfWeek``) of each row; empty when no row's time was read.
    package private(set) var hours: [UInt8]

    /// The most rows; row numbers are 32 bits wide.
    package static let rowsMax = Int(Int32.max)

    /// Rows of one source.
    ///
    /// - Parameters:
    ///   - values: Whole rows of `rowWidth` values each.
    ///   - labels: One label for each row.
    ///   - rowWidth: How many raw values a row has, above 0.
    ///   - source: Where they came from.
    ///   - rowNumbers: Their numbers in the source; consecutive from 0 when not given.
    ///   - keys: Their keys (``RowKeys``); of their content when not given.
    ///   - skippedRows: How many rows of the source were left out.
    ///   - hours: Their hours of the week; empty when these are not known.
    /// - Throws: ``FeatureError/invalidData(problem:)`` when the counts do not agree.
    package init(
        values: Values,
        labels: Labels,
        rowWidth: Int,
        source: SourceIdentity,
        rowNumbers: [Int32]? = nil,
        keys: [UInt64]? = nil,
        skippedRows: Int = 0,
        hours: [UInt8] = []
    ) throws(FeatureError) {
        let count: Int
        switch values {
        case .bytes(let bytes, let offset):
            guard offset >= 0, offset <= bytes.count else {
                throw .invalidData(problem: "the rows begin beyond the end of the bytes")
            }
            count = bytes.count - offset
        case .floats(let floats): count = floats.count
        }
        guard rowWidth > 0, count % rowWidth == 0 else {
            throw .invalidData(problem: "\(count) values are not rows of \(rowWidth)")
        }
        let rows = count / rowWidth
        guard rows == labels.count, keys.map({ $0.count == rows }) ?? true,
            rowNumbers.map({ $0.count == rows }) ?? true, hours.isEmpty || hours.count == rows
        else {
            throw .invalidData(problem: "there are \(rows) rows but \(labels.count) labels")
        }
        guard rows <= Self.rowsMax else {
            throw .invalidData(problem: "\(rows) rows: at most \(Self.rowsMax) can be taken")
        }
        self.values = values
        self.labels = labels
        self.rowWidth = rowWidth
        rowCount = rows
        self.skippedRows = skippedRows
        self.hours = hours
        runs = [Run(source: source, start: 0, numbers: rowNumbers)]
        self.keys = keys ?? []
        guard keys == nil else { return }
        var made = RowKeys()
        self.keys = (0..<rows).map { row in
            made.next(RowKeys.mixed(featureDigest(of: row), UInt64(bitPattern: labelBits(of: row))))
        }
    }

    /// Adds the rows of another data set behind these.
    ///
    /// - Throws: ``FeatureError/invalidData(problem:)`` when widths or kinds of label differ.
    package mutating func append(_ other: Dataset) throws(FeatureError) {
        guard rowWidth == other.rowWidth else {
            let widths = "\(rowWidth) and \(other.rowWidth)"
            throw .invalidData(problem: "sources with rows of \(widths) values cannot be joined")
        }
        guard rowCount + other.rowCount <= Self.rowsMax else {
            throw .invalidData(problem: "more than \(Self.rowsMax) rows")
        }
        switch (labels, other.labels) {
        case (.classes(let mine), .classes(let theirs)): labels = .classes(mine + theirs)
        case (.values(let mine), .values(let theirs)): labels = .values(mine + theirs)
        default: throw .invalidData(problem: "sources with classes and with numbers as targets")
        }
        switch (values, other.values) {
        case (.bytes(let mine, let start), .bytes(let theirs, let offset)):
            values = .bytes(Array(mine[start...]) + theirs[offset...], offset: 0)
        default:
            values = .floats(floats + other.floats)
        }
        runs += other.runs.map {
            Run(source: $0.source, start: rowCount + $0.start, numbers: $0.numbers)
        }
        keys += other.keys
        if !hours.isEmpty || !other.hours.isEmpty {
            hours = known(hours, rowCount) + known(other.hours, other.rowCount)
        }
        rowCount += other.rowCount
        skippedRows += other.skippedRows
    }

    /// Writes one raw row.
    ///
    /// - Parameters:
    ///   - row: The row's number in the data set.
    ///   - target: Where it goes.
    ///   - start: The index in `target` of the first value.
    package func raw(row: Int, into target: inout MutableSpan<Float>, at start: Int = 0) {
        precondition(row >= 0 && row < rowCount)
        switch values {
        case .bytes(let bytes, let offset):
            let source = bytes.span.extracting(span(of: row, offset))
            for index in source.indices { target[start + index] = Float(source[index]) }
        case .floats(let floats):
            let source = floats.span.extracting(span(of: row, 0))
            for index in source.indices { target[start + index] = source[index] }
        }
    }

    /// Where a row came from.
    package func origin(of row: Int) -> RowOrigin {
        let (run, number) = location(of: row)
        return RowOrigin(source: runs[run].source, row: number)
    }

    /// The run that a row belongs to and the row's number in its source.
    func location(of row: Int) -> (run: Int, number: Int) {
        precondition(row >= 0 && row < rowCount)
        // The last run that begins at or before the row; there are as many as source files.
        let run = runs.lastIndex { $0.start <= row } ?? 0
        let place = row - runs[run].start
        return (run, runs[run].numbers.map { Int($0[place]) } ?? place)
    }

    func span(of row: Int, _ offset: Int) -> Range<Int> {
        let start = offset + row * rowWidth
        return start..<start + rowWidth
    }

    private func known(_ hours: [UInt8], _ count: Int) -> [UInt8] {
        hours.isEmpty ? [UInt8](repeating: HourOfWeek.unknown, count: count) : hours
    }

    private var floats: [Float] {
        switch values {
        case .bytes(let bytes, let offset): bytes[offset...].map { Float($0) }
        case .floats(let floats): floats
        }
    }
}

extension FeatureSchema {
    /// Makes engine inputs of some rows of a data set; nothing is allocated.
    ///
    /// The arithmetic is that of ``encode(raw:into:)``, which requests go through, bit for bit.
    ///
    /// - Parameters:
    ///   - dataset: Rows of ``rawWidth`` values.
    ///   - rows: The numbers of the rows wanted.
    ///   - inputs: Room for as many rows of ``encodedWidth`` values.
    package func encode(
        _ dataset: Dataset,
        rows: Span<Int32>,
        into inputs: inout MutableSpan<Float>
    ) {
        precondition(dataset.rowWidth == rawWidth && inputs.count >= rows.count * encodedWidth)
        switch dataset.values {
        case .bytes(let bytes, let offset):
            // Tables are never kept as bytes: see Dataset.table.
            guard let image else { return }
            for index in rows.indices {
                let source = bytes.span.extracting(dataset.span(of: Int(rows[index]), offset))
                encodeImageRow(source, image.scaling, index * encodedWidth, &inputs)
            }
        case .floats(let floats):
            for index in rows.indices {
                let source = floats.span.extracting(dataset.span(of: Int(rows[index]), 0))
                encodeRow(source, at: index * encodedWidth, into: &inputs)
            }
        }
    }

    private func encodeImageRow(
        _ source: Span<UInt8>,
        _ scaling: Scaling,
        _ start: Int,
        _ inputs: inout MutableSpan<Float>
    ) {
        let (offset, factor) = (scaling.offset, 1 / scaling.span)
        for index in source.indices {
            inputs[start &+ index] = Self.bounded((Float(source[index]) - offset) * factor)
        }
    }
}
