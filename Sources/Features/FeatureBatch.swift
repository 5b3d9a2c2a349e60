/// The raw rows of one request, in memory that is kept from request to request.
///
/// An event loop owns one and hands it to each decode; after the first few requests nothing is
/// allocated. After a decode has thrown, the contents mean nothing until the next one.
package struct FeatureBatch: Sendable {
    /// How many rows there are.
    package private(set) var rowCount = 0
    /// How many raw values a row has.
    package private(set) var rowWidth = 0
    /// Whether the request used the form of several rows, so that the answer must, too.
    package var wasBatch = false
    /// The model that the request named, if it did.
    package var model: String?
    /// What the request said beside its rows.
    package var options = RequestOptions()
    /// What was unusual in the values.
    package private(set) var counts = InputCounts()

    var values: [Float] = []
    private var rowsMax = 0
    /// For each column, the row that set it last: finds repeated keys without clearing anything.
    private var marks: [UInt64] = []
    private var mark: UInt64 = 0
    /// Room for the elements of one column.
    private var columnValues: [Float] = []

    /// An empty batch; it grows when it is first used.
    package init() {}

    /// The raw values, row after row.
    package var raw: Span<Float> { values.span.extracting(0..<rowCount * rowWidth) }

    /// Forgets all rows.
    ///
    /// - Parameters:
    ///   - rowWidth: How many raw values a row will have, above 0.
    ///   - rowsMax: The most rows that will be taken.
    package mutating func reset(rowWidth: Int, rowsMax: Int) {
        self.rowWidth = rowWidth
        self.rowsMax = rowsMax
        rowCount = 0
        wasBatch = false
        model = nil
        options.reset()
        counts = InputCounts()
        if marks.count < rowWidth {
            let added = rowWidth - marks.count
            marks.append(contentsOf: repeatElement(0, count: added))
        }
    }

    /// Adds a row whose values are set afterwards; until then they mean nothing.
    ///
    /// - Returns: Where the row's values are in the whole.
    /// - Throws: ``FeatureError/tooManyRows(rowsMax:)``.
    @discardableResult
    package mutating func appendRow() throws(FeatureError) -> Range<Int> {
        guard rowCount < rowsMax else { throw .tooManyRows(rowsMax: rowsMax) }
        let start = rowCount * rowWidth
        if values.count < start + rowWidth {
            // Doubling keeps the number of growths small; the limit on rows bounds the whole.
            let rows = min(max(rowCount * 2, 1), rowsMax)
            let added = rows * rowWidth - values.count
            values.append(contentsOf: repeatElement(0, count: added))
        }
        rowCount += 1
        mark &+= 1
        return start..<start + rowWidth
    }

    /// One raw value, for readers that fill column by column.
    package subscript(row: Int, column: Int) -> Float {
        get { values[checkedIndex(row, column)] }
        set { values[checkedIndex(row, column)] = newValue }
    }

    /// Checks the rows and counts what is unusual; the last step of every decode.
    ///
    /// - Throws: what ``FeatureSchema/inspect(raw:wasBatch:)`` throws, and
    ///   ``FeatureError/noRows(_:)`` when there are none.
    package mutating func finish(_ schema: FeatureSchema) throws(FeatureError) {
        guard rowCount > 0 else { throw .noRows(JSONPlace(path: "body", byte: 0)) }
        counts = try schema.inspect(raw: raw, wasBatch: wasBatch)
    }

    /// Notes that the last row's column is set; `false` when it was already.
    mutating func setOnce(_ column: Int) -> Bool {
        guard marks[column] != mark else { return false }
        marks[column] = mark
        return true
    }

    /// Whether the last row's column is set.
    func isSet(_ column: Int) -> Bool { marks[column] == mark }

    /// Takes binary elements: for one column of each row, or for all values in their order.
    ///
    /// - Precondition: the rows are there, and the bytes hold so many elements.
    mutating func read(
        _ type: TensorDatatype,
        _ bytes: Span<UInt8>,
        at offset: Int,
        count: Int,
        column: Int?
    ) {
        guard let column else {
            var target = values.mutableSpan
            TensorBytes.read(type, bytes, at: offset, into: &target, range: 0..<count)
            return
        }
        if columnValues.count < count {
            let added = count - columnValues.count
            columnValues.append(contentsOf: repeatElement(0, count: added))
        }
        var target = columnValues.mutableSpan
        TensorBytes.read(type, bytes, at: offset, into: &target, range: 0..<count)
        for row in 0..<count { self[row, column] = columnValues[row] }
    }

    /// Brings values that are scaled already back to the data's unit.
    mutating func unscale(_ scaling: Scaling) {
        let (offset, span) = (scaling.offset, scaling.span)
        let count = rowCount * rowWidth
        var target = values.mutableSpan
        // An absurd value stays a finite one, which is scored and counted like others out of range.
        let greatest = Float.greatestFiniteMagnitude
        for index in 0..<count {
            target[index] = min(max(offset + target[index] * span, -greatest), greatest)
        }
    }

    private func checkedIndex(_ row: Int, _ column: Int) -> Int {
        precondition(row >= 0 && row < rowCount && column >= 0 && column < rowWidth)
        return row * rowWidth + column
    }
}
