internal import Drift
internal import HTTPTransport
internal import NIOCore
internal import Telemetry

/// Counts scored rows for the drift monitor, on one event loop, without waiting for anybody.
///
/// One row of each request is counted, chosen at random: the rows of a batch depend on each
/// other, which the monitor's guarantee does not allow. Small blocks of rows wait here until the
/// loop hands them over; their memory is used again, so that no prediction allocates.
struct InputMonitor {
    private var binner: StreamBinner
    private var block: BlockCounts
    private var full: [BlockCounts] = []
    /// Empty blocks that are ready to take the place of full ones.
    private var spares: [BlockCounts]
    private let empty: BlockCounts
    private var random = RowChooser()
    private var performance: PerformanceCounter?
    private var pixels: PixelCounter?
    private var cap: ClientCap?
    private var thinning: RowThinning
    /// Rows counted since the last fetch.
    private var rowsSinceFetch = 0
    /// Which hours the rows belong to; nil for a model without a season.
    private var season: SeasonTeller?

    /// Blocks that one fetch brings, about: where rows are few each is a block of its own, so that
    /// no alarm waits for a block to fill, and where they are many folding does not cost too much.
    static let blocksAimed = 128
    /// Rows of a block, at most.
    ///
    /// It follows the rows between the two fetches before, never what is in the rows, as the
    /// monitor's guarantee asks.
    private var blockRows = 1
    /// Blocks that wait at most; more would mean that nobody fetches them.
    static let blocksMax = 4096
    private static let sparesMin = 8
    /// Rows that were not counted because too many blocks waited, or by the clients' cap.
    private(set) var dropped = DroppedRows()

    init(
        _ profile: ReferenceProfile,
        sampling: RowSampling = RowSampling(),
        clock: @escaping @Sendable () -> WallTime = WallTime.now
    ) {
        season = SeasonClock(profile).map { SeasonTeller($0, clock) }
        binner = StreamBinner(profile: profile)
        performance = PerformanceCounter(profile.performance)
        pixels = PixelCounter(profile.pixels)
        empty = BlockCounts(profile: profile)
        block = empty
        spares = []
        thinning = RowThinning(sampling)
        cap = sampling.clientRowsPerSecond > 0 ? ClientCap(sampling.clientRowsPerSecond) : nil
        refill(Self.sparesMin)
    }

    /// Decides which row of a request is counted, if one is.
    ///
    /// - Parameters:
    ///   - rowCount: How many rows there are, at least one.
    ///   - request: Who asks, and when.
    /// - Returns: The row's number; nil when none is counted.
    mutating func choose(rowCount: Int, of request: HTTPRequest) -> Int? {
        guard isTurn(of: request) else { return nil }
        return rowCount == 1 ? 0 : random.next(below: rowCount)
    }

    /// Counts the row that was chosen.
    mutating func observe(_ row: borrowing ScoredRows) {
        enterSeason()
        binner.count(row, in: &block)
        pixels?.count(row.raw)
        performance?.count(row.probabilities)
        endRow()
    }

    /// Counts a request whose input was refused.
    mutating func refused(_ request: HTTPRequest) {
        guard isTurn(of: request) else { return }
        enterSeason()
        binner.countRefused(in: &block)
        endRow()
    }

    /// Takes what was counted of answers since the last time; nil when that is nothing.
    mutating func takePerformance() -> PerformanceCounts? { performance?.take() }

    /// Takes what was summed up of images since the last time; nil when that is nothing.
    mutating func takePixels() -> PixelSums? { pixels?.take() }

    /// Takes all rows counted since the last time, and the number of those that were not.
    mutating func take() -> (blocks: [BlockCounts], dropped: DroppedRows) {
        if block.rowCount > 0 { close() }
        let asked = (rowsSinceFetch + Self.blocksAimed - 1) / Self.blocksAimed
        blockRows = min(BlockCounts.rowsMax, max(1, asked))
        rowsSinceFetch = 0
        let taken = full
        full = []
        full.reserveCapacity(taken.count + Self.sparesMin)
        // As many as this time, so that the next prediction finds its memory.
        refill(min(taken.count + Self.sparesMin, Self.blocksMax))
        defer { dropped = DroppedRows() }
        return (taken, dropped)
    }

    private mutating func endRow() {
        rowsSinceFetch += 1
        // A sudden rush makes larger blocks at once.
        let most = max(blockRows, 1 + full.count / Self.blocksAimed)
        if block.rowCount >= min(most, BlockCounts.rowsMax) { close() }
    }

    /// Ends the block when its hours are over: the rows of one block are compared with one group.
    private mutating func enterSeason() {
        guard let now = season?.now(), now != block.season else { return }
        if block.rowCount > 0 { close() }
        block.season = now
    }

    private mutating func isTurn(of request: HTTPRequest) -> Bool {
        guard thinning.admits(at: request.timing.bodyComplete.uptimeNanoseconds) else {
            return false
        }
        if cap?.admits(request) == false {
            dropped.byCap += 1
            return false
        }
        return true
    }

    private mutating func refill(_ count: Int) {
        spares.reserveCapacity(count)
        while spares.count < count {
            var spare = empty
            // Its own memory, and not on a prediction's time.
            spare.reset()
            spares.append(spare)
        }
    }

    private mutating func close() {
        if full.count < Self.blocksMax {
            var next = spares.popLast() ?? empty
            next.season = block.season
            swap(&next, &block)
            full.append(next)
        } else {
            dropped.withoutRoom += block.rowCount
            block.reset()
        }
    }
}

/// Tells the group of hours in force by the wall clock, and looks it up once an hour.
private struct SeasonTeller {
    private let seasons: SeasonClock
    private let clock: @Sendable () -> WallTime
    private var current: UInt8 = 0
    /// The hour, in nanoseconds, that `current` is of.
    private var hour: Range<Int64> = 0..<0

    private static let hourNanoseconds: Int64 = 3_600_000_000_000

    init(_ seasons: SeasonClock, _ clock: @escaping @Sendable () -> WallTime) {
        (self.seasons, self.clock) = (seasons, clock)
    }

    mutating func now() -> UInt8 {
        let time = clock().nanosecondsSinceEpoch
        guard !hour.contains(time) else { return current }
        // The clock tells no time before 1970, and none in the last hour that 64 bits can tell.
        let start = max(0, min(time, .max - Self.hourNanoseconds)) / Self.hourNanoseconds
        hour = start * Self.hourNanoseconds..<(start + 1) * Self.hourNanoseconds
        current = seasons.season(unixSeconds: start * 3600)
        return current
    }
}

/// Rows that a loop did not count.
package struct DroppedRows: Sendable, Equatable {
    /// Too many blocks waited.
    package var withoutRoom = 0
    /// Their client had its share.
    package var byCap = 0

    /// None.
    package init() {}
}

/// Counts each client's rows of a second, in a table that does not grow.
///
/// Two clients whose addresses fall on one place share a count: the cap is then stricter, never
/// looser.
private struct ClientCap {
    private let rowsMax: UInt32
    private var second: UInt64 = 0
    private var counts = [UInt32](repeating: 0, count: Self.places)

    private static let places = 1024

    init(_ rowsMax: Int) { self.rowsMax = UInt32(clamping: rowsMax) }

    mutating func admits(_ request: HTTPRequest) -> Bool {
        let now = request.timing.bodyComplete.uptimeNanoseconds / 1_000_000_000
        if now != second {
            second = now
            for place in counts.indices { counts[place] = 0 }
        }
        var hash: UInt64 = 0xCBF2_9CE4_8422_2325
        for byte in (request.connection.peerAddress ?? "").utf8 {
            hash = (hash ^ UInt64(byte)) &* 0x0000_0100_0000_01B3
        }
        let place = Int(hash % UInt64(Self.places))
        guard counts[place] < rowsMax else { return false }
        counts[place] += 1
        return true
    }
}
