/// Rows to learn from, which may stay in a compact form until they are needed.
package protocol TrainingRows: Sendable {
    /// How many rows there are.
    var rowCount: Int { get }
    /// How many numbers a row has once it is ready for the network.
    var width: Int { get }
    /// Writes the rows with these indices one after the other, ready for the network.
    ///
    /// `target` holds exactly `indices.count × width` numbers; every one must be written.
    /// Several threads may ask at the same time.
    func gather(_ indices: Span<Int32>, into target: inout MutableSpan<Float>)
    /// The rows as bytes where they are kept as such; ``gather(_:into:)`` gives the same numbers.
    var compact: CompactRows? { get }
}

/// What each row should give.
package enum Targets: Sendable {
    /// For the softmax head: each row's class.
    case classes([Int32])
    /// For the sigmoid head: each row's probability of yes, 0 to 1.
    case binary([Float])
    /// For the linear head: `outputWidth` values for each row.
    case values([Float])

    /// How many numbers there are.
    package var count: Int {
        switch self {
        case .classes(let classes): classes.count
        case .binary(let values), .values(let values): values.count
        }
    }

    /// Refuses rows and targets that do not fit the network.
    func check(
        against network: MultilayerPerceptron,
        rowCount: Int,
        width: Int
    ) throws(TrainingError) {
        guard rowCount > 0 else { throw .noRows }
        guard rowCount <= Int(Int32.max) else { throw .tooManyRows(rowCount) }
        guard width == network.inputWidth else {
            throw .rowWidth(found: width, expected: network.inputWidth)
        }
        let expected = rowCount * network.outputWidth
        switch (self, network.head) {
        case (.classes(let classes), .softmax):
            guard classes.count == rowCount else {
                throw .targetCount(found: classes.count, expected: rowCount)
            }
            let limit = network.outputWidth
            for (row, found) in classes.enumerated() where found < 0 || found >= limit {
                throw .classOutOfRange(row: row, found: found, classes: limit)
            }
        case (.binary(let values), .sigmoid):
            guard values.count == expected else {
                throw .targetCount(found: values.count, expected: expected)
            }
            for (row, value) in values.enumerated() where !(0...1 ~= value) {
                throw .targetOutOfRange(row: row)
            }
        case (.values(let values), .linear):
            guard values.count == expected else {
                throw .targetCount(found: values.count, expected: expected)
            }
            for (index, value) in values.enumerated() where !value.isFinite {
                throw .targetOutOfRange(row: index / network.outputWidth)
            }
        default:
            throw .targetsDoNotFitHead(network.head)
        }
    }
}

/// Rows that are kept as bytes, so that whoever needs them scales them himself.
package struct CompactRows: Sendable {
    /// Whole rows, from the offset on.
    let bytes: [UInt8]
    let offset: Int
    /// How many bytes a row has.
    let width: Int
    /// Which of the rows are meant, in order; all when nil.
    let numbers: [Int32]?
    /// How a byte becomes an engine input.
    let scaling: ByteScaling

    /// Takes rows that are checked here, so that no row that is asked for lies outside.
    ///
    /// - Precondition: Every number is that of a whole row of `width` bytes.
    package init(
        bytes: [UInt8],
        offset: Int,
        width: Int,
        numbers: [Int32]?,
        scaling: ByteScaling
    ) {
        precondition(width > 0 && offset >= 0 && offset <= bytes.count)
        let rows = (bytes.count - offset) / width
        precondition(numbers?.allSatisfy { $0 >= 0 && Int($0) < rows } ?? true)
        self.bytes = bytes
        self.offset = offset
        self.width = width
        self.numbers = numbers
        self.scaling = scaling
    }

    /// How many rows are meant.
    package var rowCount: Int { numbers?.count ?? (bytes.count - offset) / width }
}

extension TrainingRows {
    /// Most rows are not.
    package var compact: CompactRows? { nil }
}
