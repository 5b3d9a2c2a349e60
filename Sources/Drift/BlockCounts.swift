/// Where the bins of each stream lie in a flat array: stream by stream, each filled up to a
/// multiple of four, so that four bins are worked on at once.
struct CellLayout: Sendable, Equatable {
    /// The number of bins of each stream.
    let binCounts: [Int32]
    /// The first cell of each stream.
    let starts: [Int32]
    /// All cells.
    let cellCount: Int

    init(_ streams: [ReferenceStream]) {
        var starts: [Int32] = []
        var next: Int32 = 0
        for stream in streams {
            starts.append(next)
            next += Int32((stream.binCount + 3) / 4 * 4)
        }
        binCounts = streams.map { Int32($0.binCount) }
        self.starts = starts
        cellCount = Int(next)
    }

    var streamCount: Int { binCounts.count }

    /// The cells of a stream, without those that fill up.
    func cells(of stream: Int) -> Range<Int> {
        let start = Int(starts[stream])
        return start..<start + Int(binCounts[stream])
    }
}

/// How often each bin of each stream was met in a few scored rows.
///
/// This is all that the monitor ever learns of traffic. Blocks of several event loops or replicas
/// add up; their rows must be of one profile.
package struct BlockCounts: Sendable, Equatable {
    /// The rows after which a block is folded into the monitor.
    package static let rowsMax = 16

    let layout: CellLayout
    private(set) var counts: [UInt32]
    /// For each stream how often a row's bin was that of the row before, and how many rows had one
    /// before them.
    private(set) var repeats: [SIMD2<UInt32>]
    /// The rows counted.
    package private(set) var rowCount = 0
    /// The group of hours in which all its rows were scored (``SeasonClock``); 0 without a season.
    package var season: UInt8 = 0

    /// Makes an empty block.
    package init(profile: ReferenceProfile) {
        layout = CellLayout(profile.streams)
        counts = [UInt32](repeating: 0, count: layout.cellCount)
        repeats = [SIMD2<UInt32>](repeating: .zero, count: layout.streamCount)
    }

    /// The number of streams.
    package var streamCount: Int { layout.streamCount }

    /// Whether it is time to fold the block.
    package var isFull: Bool { rowCount >= Self.rowsMax }

    /// Counts one row, given as a bin for each stream; 255 where a stream has none.
    ///
    /// - Returns: false, and nothing is counted, when a bin is missing or does not exist.
    @discardableResult
    package mutating func add(bins: Span<UInt8>) -> Bool {
        guard bins.count == streamCount else { return false }
        for stream in 0..<streamCount
        where bins[stream] >= layout.binCounts[stream] && bins[stream] != StreamCuts.none {
            return false
        }
        for stream in 0..<streamCount {
            increment(stream: stream, bin: bins[stream], before: StreamCuts.none)
        }
        endRow()
        return true
    }

    /// Adds the counts of another block.
    ///
    /// - Throws: ``DriftError/foreignCounts`` when its bins are of another profile, or its rows of
    ///   other hours.
    package mutating func add(_ other: BlockCounts) throws(DriftError) {
        guard other.layout == layout, other.season == season else { throw .foreignCounts }
        for cell in counts.indices { counts[cell] &+= other.counts[cell] }
        for stream in repeats.indices { repeats[stream] &+= other.repeats[stream] }
        rowCount += other.rowCount
    }

    /// How often a bin was met.
    package func count(stream: Int, bin: Int) -> Int {
        Int(counts[Int(layout.starts[stream]) + bin])
    }

    /// Forgets the rows and keeps the room.
    package mutating func reset() {
        for cell in counts.indices { counts[cell] = 0 }
        for stream in repeats.indices { repeats[stream] = .zero }
        rowCount = 0
    }

    /// Counts a row, given as a number for each stream, and keeps its bins for the next.
    mutating func count(_ cuts: StreamCuts, _ numbers: [Float], before: inout [UInt8]) {
        Self.count(cuts, numbers, layout.starts, &counts, &repeats, before: &before)
        endRow()
    }

    private static func count(
        _ cuts: StreamCuts,
        _ numbers: [Float],
        _ allStarts: [Int32],
        _ counts: inout [UInt32],
        _ repeats: inout [SIMD2<UInt32>],
        before: inout [UInt8]
    ) {
        let (starts, values, ruler) = (allStarts.span, numbers.span, cuts.ruler)
        var cells = counts.mutableSpan
        var pairs = repeats.mutableSpan
        var last = before.mutableSpan
        for stream in starts.indices {
            let bin = ruler.bin(of: values[stream], stream: stream)
            let previous = last[stream]
            last[stream] = bin
            guard bin != StreamCuts.none else { continue }
            cells[Int(starts[stream]) + Int(bin)] &+= 1
            let isPair: UInt32 = previous == StreamCuts.none ? 0 : 1
            pairs[stream] &+= SIMD2(bin == previous ? 1 : 0, isPair)
        }
    }

    /// Counts a bin that the profile's binner gave; ``endRow()`` ends the row.
    @inline(__always)
    mutating func increment(stream: Int, bin: UInt8, before: UInt8) {
        guard bin != StreamCuts.none else { return }
        counts[Int(layout.starts[stream]) + Int(bin)] &+= 1
        repeats[stream] &+= SIMD2(bin == before ? 1 : 0, before != StreamCuts.none ? 1 : 0)
    }

    mutating func endRow() { rowCount += 1 }
}
