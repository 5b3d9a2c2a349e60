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
            try await ask(client, 10)
            #expect(try await Counted(bench).rows == 3)
            // The tenth was the first of the next three.
            try await ask(client, 2)
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
}
