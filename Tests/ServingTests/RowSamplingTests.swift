import Drift
import ModelTestSupport
import Serving
import Testing

@Suite("Which rows the drift monitor sees") struct RowSamplingTests {
    /// What the loops counted, together.
    private struct Counted {
        let sizes: [Int]
        let dropped: Int

        init(_ bench: ServingBench) async throws {
            let rows = try await bench.loops.takeBlocks()
            sizes = rows.flatMap { $0.blocks.map(\.rowCount) }
            dropped = rows.reduce(0) { $0 + $1.dropped.byCap }
        }

        var rows: Int { sizes.reduce(0, +) }
    }

    private func ask(_ client: WebClient, _ count: Int) async throws {
        for number in 0..<count {
            let answer = try await client.predict(Body.image(number % 3))
            #expect(answer.status == 200)
        }
    }

    @Test("one request of so many is counted")
    func everyThird() async throws {
        try await ServingBench.run(sampling: RowSampling(every: 3)) { bench, client in
            try await bench.publish()
            try await ask(client, 9)
            #expect(try await Counted(bench).rows == 3)
            try await ask(client, 3)
            #expect(try await Counted(bench).rows == 1)
        }
    }

    @Test("of one client no more rows are counted in a second than the cap, and the rest is told")
    func cap() async throws {
        let sampling = RowSampling(clientRowsPerSecond: 2)
        try await ServingBench.run(sampling: sampling) { bench, client in
            try await bench.publish()
            var (rows, dropped) = (0, 0)
            // However the seconds fall, a client that goes on without end reaches its cap.
            while dropped == 0 {
                try await ask(client, 5)
                let counted = try await Counted(bench)
                rows += counted.rows
                dropped += counted.dropped
                #expect(counted.rows + counted.dropped == 5)
            }
            #expect(rows > 0)
        }
    }

    @Test("few rows are blocks of one; blocks grow with the rows between two fetches")
    func blocks() async throws {
        try await ServingBench.run { bench, client in
            try await bench.publish()
            try await ask(client, 20)
            #expect(try await Counted(bench).sizes == [Int](repeating: 1, count: 20))
            try await ask(client, 300)
            let rush = try await Counted(bench)
            #expect(rush.rows == 300)
            #expect(rush.sizes.prefix(128).allSatisfy { $0 == 1 })
            #expect(rush.sizes.dropFirst(128).dropLast().allSatisfy { $0 == 2 })
            // 300 rows in the time before: blocks of 3 from the start.
            try await ask(client, 9)
            #expect(try await Counted(bench).sizes == [3, 3, 3])
        }
    }

    @Test(
        "of more requests than are looked at in a second about so many are chosen",
        arguments: [2, 7, 40]
    )
    func pace(times: Int) {
        var thinning = RowThinning(RowSampling(rowsPerSecond: 1000))
        let step = UInt64(1_000_000 / times)
        var chosen = 0
        for number in 0..<(times * 3000) {
            let isChosen = thinning.admits(at: UInt64(number) * step)
            // The first second finds the pace.
            if isChosen, number >= times * 1000 { chosen += 1 }
        }
        #expect((1900...2100).contains(chosen))
    }

    @Test("fewer are all looked at, also after a rush")
    func fewAreAll() {
        var thinning = RowThinning(RowSampling(rowsPerSecond: 1000))
        var now: UInt64 = 0
        var chosen = 0
        for _ in 0..<100_000 {
            now += 1000
            if thinning.admits(at: now) { chosen += 1 }
        }
        #expect(chosen < 1500)
        // What is left of the last group, and then every one.
        for _ in 0..<1000 {
            now += 2_000_000
            _ = thinning.admits(at: now)
        }
        for _ in 0..<1000 {
            now += 2_000_000
            let isChosen = thinning.admits(at: now)
            #expect(isChosen)
        }
    }

    @Test("a rush out of nothing is thinned at once")
    func rush() {
        var thinning = RowThinning(RowSampling(rowsPerSecond: 1000))
        var chosen = 0
        for number in 0..<100_000 where thinning.admits(at: UInt64(number)) { chosen += 1 }
        #expect((200...1500).contains(chosen))
    }

    @Test("of requests that come in turns none is always left out")
    func turns() {
        var thinning = RowThinning(RowSampling(every: 10))
        var counts = [Int](repeating: 0, count: 10)
        for number in 0..<20_000 where thinning.admits(at: 0) { counts[number % 10] += 1 }
        #expect(counts.reduce(0, +) == 2000)
        // 200 each in the mean; beyond seven deviations of a binomial none is by chance.
        #expect(counts.allSatisfy { (105...295).contains($0) })
    }
}
