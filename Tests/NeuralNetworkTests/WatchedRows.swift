import NeuralNetwork
import Synchronization

/// Rows that note which of them were asked for, and insist on the exact room for them.
struct WatchedRows: TrainingRows {
    /// What was asked for, shared by copies.
    final class Notes: Sendable {
        private let notes = Mutex<[[Int32]]>([])
        var value: [[Int32]] { notes.withLock { $0 } }
        func append(_ indices: [Int32]) { notes.withLock { $0.append(indices) } }
    }

    let rows: Matrix
    let seen = Notes()

    var rowCount: Int { rows.rowCount }
    var width: Int { rows.width }

    func gather(_ indices: Span<Int32>, into target: inout MutableSpan<Float>) {
        precondition(target.count == indices.count * width)
        seen.append(indices.indices.map { indices[$0] })
        rows.gather(indices, into: &target)
    }
}
