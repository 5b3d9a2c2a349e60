import HTTPTransport
import Serving
import Telemetry
import Testing

@Suite("Recent predictions") struct RecentPredictionsTests {
    private func ring(_ rows: Int, width: Int = 2, rawWidth: Int = 0) -> RecentPredictions {
        // A row takes less than 100 bytes beside its numbers.
        let ring = RecentPredictions(bytesMax: rows * 100, width: width, rawWidth: rawWidth)
        #expect(ring.capacity >= rows)
        return ring
    }

    private func key(_ name: String) -> RequestKey { RequestKey(Array(name.utf8).span) }

    private func append(
        _ ring: RecentPredictions,
        _ name: String,
        rows: Int = 1,
        version: Int = 1,
        first: Float = 0
    ) {
        let outputs = (0..<rows * 2).map { first + Float($0) }
        ring.append(
            key(name),
            version: version,
            rowCount: rows,
            outputs: outputs.span,
            raw: outputs.span,
            predicted: { $0 % 2 }
        )
    }

    @Test("a row is found by its request and its number, once")
    func found() {
        let ring = ring(50)
        append(ring, "a", first: 10)
        append(ring, "b", rows: 3, version: 2, first: 20)
        let row = RememberedRow(version: 2, predicted: 1, outputs: [22, 23], raw: [])
        #expect(ring.take(key("b"), row: 1, if: true) == .found(row))
        #expect(ring.take(key("b"), row: 1, if: true) == .repeated)
        #expect(ring.take(key("b"), row: 3, if: true) == .unknown)
        #expect(ring.take(key("b"), row: -1, if: true) == .unknown)
        #expect(ring.take(key("b"), row: .max, if: true) == .unknown)
        #expect(ring.take(key("c"), row: 0, if: true) == .unknown)
        // The row behind a request's last is another request's.
        #expect(ring.take(key("a"), row: 1, if: true) == .unknown)
        let other = RememberedRow(version: 1, predicted: 0, outputs: [10, 11], raw: [])
        #expect(ring.take(key("a"), row: 0, if: true) == .found(other))
    }

    @Test("a label that cannot be taken leaves the row open for another one")
    func notAccepted() {
        let ring = ring(50)
        append(ring, "a")
        for _ in 0..<2 {
            guard case .found = ring.take(key("a"), row: 0, if: false) else {
                Issue.record("the row is closed")
                return
            }
        }
        guard case .found = ring.take(key("a"), row: 0, if: true) else {
            Issue.record("the row is closed")
            return
        }
        #expect(ring.take(key("a"), row: 0, if: false) == .repeated)
    }

    @Test("of several requests of one name the newest is meant")
    func sameName() {
        let ring = ring(50)
        append(ring, "a", first: 1)
        append(ring, "b")
        append(ring, "a", first: 5)
        let row = RememberedRow(version: 1, predicted: 0, outputs: [5, 6], raw: [])
        #expect(ring.take(key("a"), row: 0, if: true) == .found(row))
        #expect(ring.take(key("a"), row: 0, if: true) == .repeated)
    }

    @Test(
        "what was written over is unknown, and what was not is found, however often it goes round"
    )
    func goesRound() {
        let ring = ring(2000)
        let capacity = ring.capacity
        var random = SystemRandomNumberGenerator()
        var written: [(name: String, first: Int, rows: Int)] = []
        var next = 0
        while next < 5 * capacity {
            let rows = Int.random(in: 1...5, using: &random)
            let name = "request \(written.count)"
            append(ring, name, rows: rows, version: written.count, first: Float(rows))
            written.append((name, next, rows))
            next += rows
        }
        for (index, request) in written.enumerated() {
            for row in 0..<request.rows {
                let isThere = request.first + row >= next - capacity
                // A request of which the first row is gone is not found any more.
                let isWhole = request.first >= next - capacity
                let match = ring.take(key(request.name), row: row, if: true)
                if isThere && isWhole {
                    let outputs = [
                        Float(request.rows + 2 * row), Float(request.rows + 2 * row + 1),
                    ]
                    let row = RememberedRow(
                        version: index,
                        predicted: row % 2,
                        outputs: outputs,
                        raw: []
                    )
                    #expect(match == .found(row))
                } else {
                    #expect(match == .unknown)
                }
            }
        }
    }

    @Test("a request of more rows than the ring has is remembered as far as it goes")
    func tooManyRows() {
        let ring = RecentPredictions(bytesMax: 0, width: 2, rawWidth: 0)
        let capacity = ring.capacity
        append(ring, "a", rows: capacity + 5)
        guard case .found = ring.take(key("a"), row: capacity - 1, if: true) else {
            Issue.record("the last row that has room is not found")
            return
        }
        #expect(ring.take(key("a"), row: capacity, if: true) == .unknown)
        append(ring, "none", rows: 0)
        #expect(ring.take(key("none"), row: 0, if: true) == .unknown)
    }

    @Test("raw rows are kept where they are wanted")
    func raw() {
        let ring = RecentPredictions(bytesMax: 100_000, width: 2, rawWidth: 2)
        append(ring, "a", rows: 2, first: 7)
        let row = RememberedRow(version: 1, predicted: 1, outputs: [9, 10], raw: [9, 10])
        #expect(ring.take(key("a"), row: 1, if: true) == .found(row))
    }

    @Test("an id that the server made is found by its text")
    func madeIdentifier() {
        let ring = ring(10)
        let identifier = RequestIdentifier(high: 0x0123_4567_89ab_cdef, low: 42)
        let outputs: [Float] = [1, 2]
        ring.append(
            RequestKey(.made(identifier)),
            version: 1,
            rowCount: 1,
            outputs: outputs.span,
            raw: outputs.span,
            predicted: { _ in 1 }
        )
        guard case .found = ring.take(key(identifier.text), row: 0, if: true) else {
            Issue.record("\(identifier.text) is unknown")
            return
        }
        #expect(ring.take(key(identifier.text.uppercased()), row: 0, if: true) == .unknown)
    }

    @Test("the memory is what was said")
    func memory() {
        for (bytes, width, rawWidth) in [(1 << 20, 10, 0), (1 << 20, 10, 784), (1 << 14, 1, 5)] {
            let ring = RecentPredictions(bytesMax: bytes, width: width, rawWidth: rawWidth)
            let rowBytes = 4 * (width + rawWidth) + 48
            #expect(ring.capacity * rowBytes <= bytes)
            #expect(ring.capacity * (rowBytes + 40) >= bytes / 2)
        }
    }
}
