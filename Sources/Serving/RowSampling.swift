/// Which requests the drift monitor looks at.
package struct RowSampling: Sendable, Equatable {
    /// One of so many.
    package var every = 1
    /// About so many in a second, on one event loop, however many there are; 0 for no limit.
    package var rowsPerSecond = 0
    /// Of one client's no more in a second, on one event loop; 0 for no limit.
    package var clientRowsPerSecond = 0

    /// All of them, unless it is said otherwise.
    package init(every: Int = 1, rowsPerSecond: Int = 0, clientRowsPerSecond: Int = 0) {
        self.every = max(1, every)
        self.rowsPerSecond = max(0, rowsPerSecond)
        self.clientRowsPerSecond = max(0, clientRowsPerSecond)
    }
}

/// Chooses one request of each group of so many, at random within the group.
///
/// Not every k-th: where requests come in turns (a balancer's clients, a test's files) those would
/// always be the same ones. How large the groups are follows the number of requests, never what is
/// in them, as the monitor's guarantee asks.
package struct RowThinning {
    private let every: Int
    private let rowsPerSecond: Int
    private var random = RowChooser()
    /// Requests that one is chosen of, by the number of them in the window before.
    private var pace = 1
    private var windowStart: UInt64 = 0
    /// Requests of the window that runs.
    private var seen = 0
    /// Requests of the group that runs, its size, and which one of it is chosen.
    private var (place, size, chosen) = (0, 0, 0)

    /// A tenth of a second, in nanoseconds: about the time between two fetches of what was counted.
    private static let window: UInt64 = 100_000_000
    private static let windowsPerSecond = 10

    /// Begins with a group of its own.
    package init(_ sampling: RowSampling) {
        every = sampling.every
        rowsPerSecond = sampling.rowsPerSecond
    }

    /// Whether a request is chosen.
    ///
    /// - Parameter now: nanoseconds of a clock that does not go back.
    /// - Returns: Whether it is the one of its group.
    package mutating func admits(at now: UInt64) -> Bool {
        if rowsPerSecond > 0 { keepPace(now) }
        if place >= size {
            size = max(every, pace)
            chosen = size == 1 ? 0 : random.next(below: size)
            place = 0
        }
        defer { place += 1 }
        return place == chosen
    }

    private mutating func keepPace(_ now: UInt64) {
        let elapsed = now > windowStart ? now - windowStart : 0
        if elapsed >= Self.window {
            let rate = Double(seen) * 1e9 / Double(elapsed)
            pace = max(1, Int((rate / Double(rowsPerSecond)).rounded()))
            (windowStart, seen) = (now, 0)
        }
        seen += 1
        // A sudden rush makes larger groups at once.
        let rowsAimed = max(1, rowsPerSecond / Self.windowsPerSecond)
        if seen > 2 * rowsAimed * pace { pace *= 2 }
    }
}

/// A small generator of row numbers (xorshift64*); it need not be more than even.
struct RowChooser {
    private var state = UInt64.random(in: 1...UInt64.max)

    /// A number from 0 to below the bound.
    mutating func next(below bound: Int) -> Int {
        state ^= state >> 12
        state ^= state << 25
        state ^= state >> 27
        let high = (state &* 0x2545_F491_4F6C_DD1D) >> 32
        return Int((high &* UInt64(truncatingIfNeeded: bound)) >> 32)
    }
}
