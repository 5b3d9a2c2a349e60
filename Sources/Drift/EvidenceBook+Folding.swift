extension EvidenceBook {
    /// Settles the bets on a block, learns its counts and makes new bets, in this order, so that
    /// no bet knows the rows it is on.
    ///
    /// - Parameters:
    ///   - counts: how often each cell was met, in this book's layout.
    ///   - rows: the rows of the block, at least 1.
    mutating func fold(counts: Span<UInt32>, rows: Int) {
        let due = halfLivesDue(rows: rows)
        for stream in 0..<layout.streamCount {
            let touchedCount = collect(counts, stream: stream)
            var sum = 0.0
            for memory in halfLives.indices {
                let series = stream * halfLives.count + memory
                let cells = firstCell(stream: stream, memory: memory)
                sum += settle(series: series, cells: cells, touchedCount: touchedCount, rows: rows)
                remember(stream: stream, memory: memory, cells: cells, rows: rows)
                if due & (1 << memory) != 0 {
                    refresh(series: series, stream: stream, cells: cells)
                }
            }
            streamWealth[stream] = sum
        }
    }

    /// Takes all wealth and the accounts away; what was learnt of traffic stays.
    mutating func forgetEvidence() {
        for series in pages.wealth.indices {
            pages.wealth[series] = 0
            pages.unspent[series] = 0
        }
        for stream in streamWealth.indices { streamWealth[stream] = 0 }
    }

    /// The half-life that holds most of a stream's wealth.
    func leadingMemory(of stream: Int) -> Int {
        let first = stream * halfLives.count
        var leading = 0
        for memory in halfLives.indices
        where pages.wealth[first + memory] > pages.wealth[first + leading] {
            leading = memory
        }
        return leading
    }

    /// The decayed shares of a stream's bins and the rows they amount to.
    func decayedShares(stream: Int, memory: Int) -> (shares: [Double], rows: Double) {
        let first = firstCell(stream: stream, memory: memory)
        let counts = (0..<Int(layout.binCounts[stream])).map { bin in
            Double(pages.decayed[(first + bin) / 4][bin % 4])
        }
        let rows = counts.reduce(0, +)
        return (rows > 0 ? counts.map { $0 / rows } : counts, rows)
    }

    /// Puts saved pages in place of these; their sizes have been compared.
    mutating func restore(_ saved: Pages) {
        pages = saved
        for stream in streamWealth.indices {
            let first = stream * halfLives.count
            var sum = 0.0
            for memory in halfLives.indices { sum += saved.wealth[first + memory] }
            streamWealth[stream] = sum
        }
    }

    /// A series' cells lie together, half-life after half-life of a stream.
    func firstCell(stream: Int, memory: Int) -> Int {
        Int(layout.starts[stream]) * halfLives.count + memory * groupCount(of: stream) * 4
    }

    /// How many groups of four cells a stream has.
    func groupCount(of stream: Int) -> Int { (Int(layout.binCounts[stream]) + 3) / 4 }

    /// Which half-lives h have seen h/4 rows since their bets were made: one bit each.
    private mutating func halfLivesDue(rows: Int) -> UInt {
        var due: UInt = 0
        for memory in halfLives.indices {
            pages.rowsSinceRefresh[memory] += Double(rows)
            guard pages.rowsSinceRefresh[memory] >= halfLives[memory] / 4 else { continue }
            pages.rowsSinceRefresh[memory] = 0
            due |= 1 << memory
        }
        return due
    }
}
