/// Remembers when which row was scored, to tell people when something changed.
///
/// A bounded number of marks; when there is no more room, every second one is forgotten, so that
/// they reach back to the first row however long ago that was.
package struct RowClock: Codable, Sendable, Equatable {
    private var marks: [Mark] = []
    private var spacing = 0.0

    private struct Mark: Codable, Sendable, Equatable {
        let row: UInt64
        let seconds: Double
    }

    /// Most marks.
    package static let marksMax = 512

    /// Knows of no row.
    package init() {}

    /// Takes note of the number of rows at a time.
    ///
    /// - Parameters:
    ///   - row: All rows so far; less than before starts anew.
    ///   - seconds: Unix seconds.
    package mutating func mark(row: UInt64, seconds: Double) {
        guard (0..<Self.secondsMax).contains(seconds) else { return }
        if let last = marks.last {
            if row < last.row || seconds < last.seconds { marks = [] }
            if row == last.row || seconds - last.seconds < spacing, !marks.isEmpty { return }
        }
        marks.append(Mark(row: row, seconds: seconds))
        guard marks.count > Self.marksMax else { return }
        marks = stride(from: 0, to: marks.count, by: 2).map { marks[$0] }
        let span = seconds - (marks.first?.seconds ?? seconds)
        spacing = span / Double(Self.marksMax) * 2
    }

    /// Whether the marks are in order, as those of a file need not be.
    var isOrdered: Bool {
        marks.count <= Self.marksMax && spacing.isFinite
            && marks.allSatisfy { (0..<Self.secondsMax).contains($0.seconds) }
            && zip(marks, marks.dropFirst()).allSatisfy { low, high in
                low.row < high.row && low.seconds <= high.seconds
            }
    }

    /// No clock tells a later time: the year 2255.
    private static let secondsMax = 9e9

    /// When a row was scored, in Unix seconds, about; nil when it is not known.
    package func seconds(of row: UInt64) -> Double? {
        guard let after = marks.firstIndex(where: { $0.row >= row }) else {
            return marks.last?.seconds
        }
        guard after > 0 else { return marks[after].row == row ? marks[after].seconds : nil }
        let (low, high) = (marks[after - 1], marks[after])
        let part = Double(row - low.row) / Double(high.row - low.row)
        return low.seconds + part * (high.seconds - low.seconds)
    }
}
