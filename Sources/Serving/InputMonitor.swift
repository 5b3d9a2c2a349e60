internal import Drift

/// Counts scored rows for the drift monitor, on one event loop, without waiting for anybody.
///
/// One row of each request is counted, chosen at random: the rows of a batch depend on each
/// other, which the monitor's guarantee does not allow. Blocks of sixteen rows wait here until
/// the loop hands them over.
struct InputMonitor {
    private var binner: StreamBinner
    private var block: BlockCounts
    private var full: [BlockCounts] = []
    private var random = RowChooser()
    private var performance: PerformanceCounter?
    private var pixels: PixelCounter?

    /// Blocks that wait at most; more would mean that nobody fetches them.
    static let blocksMax = 4096
    /// Rows that were not counted because too many blocks waited.
    private var dropped = 0

    init(_ profile: ReferenceProfile) {
        binner = StreamBinner(profile: profile)
        block = BlockCounts(profile: profile)
        performance = PerformanceCounter(profile.performance)
        pixels = PixelCounter(profile.pixels)
    }

    /// Counts one row of a request.
    ///
    /// - Parameters:
    ///   - raw: All raw rows of the request.
    ///   - outputs: The network's answers to them.
    ///   - rowCount: How many rows there are, at least one.
    mutating func observe(raw: Span<Float>, outputs: Span<Float>, rowCount: Int) {
        let row = rowCount == 1 ? 0 : random.next(below: rowCount)
        let rawWidth = raw.count / rowCount
        let outputWidth = outputs.count / rowCount
        binner.count(
            raw: raw.extracting(row * rawWidth..<(row + 1) * rawWidth),
            probabilities: outputs.extracting(row * outputWidth..<(row + 1) * outputWidth),
            in: &block
        )
        pixels?.count(raw.extracting(row * rawWidth..<(row + 1) * rawWidth))
        performance?.count(outputs.extracting(row * outputWidth..<(row + 1) * outputWidth))
        if block.isFull { close() }
    }

    /// Takes what was counted of answers since the last time; nil when that is nothing.
    mutating func takePerformance() -> PerformanceCounts? { performance?.take() }

    /// Takes what was summed up of images since the last time; nil when that is nothing.
    mutating func takePixels() -> PixelSums? { pixels?.take() }

    /// Takes all rows counted since the last time, and the number of those that found no room.
    mutating func take() -> (blocks: [BlockCounts], dropped: Int) {
        if block.rowCount > 0 { close() }
        defer { (full, dropped) = ([], 0) }
        return (full, dropped)
    }

    private mutating func close() {
        if full.count < Self.blocksMax {
            full.append(block)
        } else {
            dropped += block.rowCount
        }
        block.reset()
    }
}

/// A small generator of row numbers (xorshift64*); it need not be more than even.
private struct RowChooser {
    private var state = UInt64.random(in: 1...UInt64.max)

    mutating func next(below bound: Int) -> Int {
        state ^= state >> 12
        state ^= state << 25
        state ^= state >> 27
        let high = (state &* 0x2545_F491_4F6C_DD1D) >> 32
        return Int((high &* UInt64(truncatingIfNeeded: bound)) >> 32)
    }
}
