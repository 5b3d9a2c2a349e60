internal import Features

/// Rows by hour of the week and bin, of all streams.
struct HourCounts: Sendable {
    /// The cells of each stream.
    let cells: [Range<Int>]
    let cellCount: Int
    /// Hour after hour.
    private var counts: [UInt32]
    /// The rows of each hour.
    private(set) var rows = [Int](repeating: 0, count: HourOfWeek.count)

    init(binCounts: [Int]) {
        var cells: [Range<Int>] = []
        var next = 0
        for bins in binCounts {
            cells.append(next..<next + bins)
            next += bins
        }
        self.cells = cells
        cellCount = next
        counts = [UInt32](repeating: 0, count: next * HourOfWeek.count)
    }

    /// Counts a bin of a row; ``endRow(hour:)`` ends the row.
    mutating func add(hour: Int, stream: Int, bin: Int) {
        counts[hour * cellCount + cells[stream].lowerBound + bin] &+= 1
    }

    mutating func endRow(hour: Int) { rows[hour] += 1 }

    /// All cells of an hour.
    func of(hour: Int) -> ArraySlice<UInt32> {
        counts[hour * cellCount..<(hour + 1) * cellCount]
    }

    /// A stream's cells of an hour.
    func of(hour: Int, stream: Int) -> ArraySlice<UInt32> {
        let start = hour * cellCount
        let cells = cells[stream]
        return counts[start + cells.lowerBound..<start + cells.upperBound]
    }

    /// A stream's cells, summed up over some hours.
    func sum(stream: Int, hours: [Int]) -> [Int] {
        var sum = [Int](repeating: 0, count: cells[stream].count)
        for hour in hours {
            for (bin, count) in of(hour: hour, stream: stream).enumerated() {
                sum[bin] += Int(count)
            }
        }
        return sum
    }
}

/// Which hours of the week are together.
struct HourGroups: Sendable, Equatable {
    /// The group of each hour; groups are numbered from 0 by their first hours.
    private(set) var groupOfHour: [UInt8]

    /// All hours in one group.
    init() { groupOfHour = [UInt8](repeating: 0, count: HourOfWeek.count) }

    /// Hours with the same name are together.
    init(_ names: [Int]) {
        var numbers: [Int: UInt8] = [:]
        groupOfHour = names.map { name in
            if let number = numbers[name] { return number }
            let number = UInt8(numbers.count)
            numbers[name] = number
            return number
        }
    }

    var count: Int { Int(groupOfHour.max() ?? 0) + 1 }

    func hours(of group: Int) -> [Int] {
        groupOfHour.indices.filter { Int(groupOfHour[$0]) == group }
    }

    /// The same with two groups in one.
    func joining(_ group: Int, _ other: Int) -> HourGroups {
        HourGroups(groupOfHour.map { Int($0) == other ? group : Int($0) })
    }
}
