/// A bounded, evenly spread part of a sequence of values.
///
/// It has every n-th of them, where n doubles whenever there is no more room, so it depends on the
/// sequence only, not on chance.
struct ValueSample: Sendable {
    static let valuesMax = 20_000
    private(set) var values: [Float] = []
    private var step = 1
    private var untilNext = 1

    mutating func add(_ value: Float) {
        untilNext -= 1
        guard untilNext == 0 else { return }
        untilNext = step
        values.append(value)
        guard values.count >= Self.valuesMax else { return }
        values = stride(from: 0, to: values.count, by: 2).map { values[$0] }
        step *= 2
        untilNext = step
    }
}
