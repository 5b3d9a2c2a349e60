/// A bounded, evenly spread part of a sequence of values, or of rows of values.
///
/// It has every n-th of them, where n doubles whenever there is no more room, so it depends on the
/// sequence only, not on chance.
struct ValueSample: Sendable {
    private let valuesMax: Int
    private(set) var values: [Float] = []
    private var step = 1
    private var untilNext = 1

    init(valuesMax: Int = 20_000) {
        self.valuesMax = valuesMax
    }

    mutating func add(_ value: Float) {
        untilNext -= 1
        guard untilNext == 0 else { return }
        untilNext = step
        values.append(value)
        guard values.count >= valuesMax else { return }
        values = stride(from: 0, to: values.count, by: 2).map { values[$0] }
        step *= 2
        untilNext = step
    }
}

/// The same for rows of `width` numbers.
struct RowSample: Sendable {
    static let rowsMax = 4096
    let width: Int
    private(set) var values: [Float] = []
    private var step = 1
    private var untilNext = 1

    init(width: Int) {
        self.width = width
    }

    var rowCount: Int { width > 0 ? values.count / width : 0 }

    /// Adds the numbers of a row that stand at some positions.
    mutating func add(_ numbers: Span<Float>, at positions: [Int32]) {
        untilNext -= 1
        guard untilNext == 0, width == positions.count else { return }
        untilNext = step
        for position in positions { values.append(numbers[Int(position)]) }
        guard rowCount >= Self.rowsMax else { return }
        var kept: [Float] = []
        kept.reserveCapacity(values.count)
        for row in stride(from: 0, to: rowCount, by: 2) {
            kept.append(contentsOf: values[row * width..<(row + 1) * width])
        }
        values = kept
        step *= 2
        untilNext = step
    }
}
