/// Which streams hold the evidence, and when they changed.
package struct DriftAttribution: Codable, Sendable, Equatable {
    /// The streams with evidence, the strongest first.
    package let streams: [Part]
    /// Those among them that are columns or statistics of the input.
    package let features: [Part]
    /// When the strongest changed; nil where nothing has evidence.
    package let change: Change?

    /// Most parts that are told.
    package static let partsMax = 10

    /// A stream's part.
    package struct Part: Codable, Sendable, Equatable {
        /// The stream's name.
        package let stream: String
        /// The stream's family.
        package let kind: ReferenceStream.Kind
        /// Its share of the evidence of all streams, 0 to 1.
        package let share: Double
        /// Its own evidence, in nats.
        package let evidence: Double

        private enum CodingKeys: String, CodingKey {
            case stream, kind, share
            case evidence = "evidence_nats"
        }
    }

    /// A point in time.
    package struct Change: Codable, Sendable, Equatable {
        /// The last watched row before it.
        package let afterRow: UInt64
        /// How many watched rows ago that was.
        package let rowsAgo: UInt64
        /// When that was, in Unix seconds, about; nil when it is not known.
        package let seconds: Double?

        private enum CodingKeys: String, CodingKey {
            case seconds
            case afterRow = "after_row"
            case rowsAgo = "rows_ago"
        }
    }

    /// Attributes the evidence of a monitor.
    ///
    /// - Parameters:
    ///   - monitor: The monitor.
    ///   - clock: When its rows were scored.
    package init(_ monitor: DriftMonitor, clock: RowClock) {
        let streams = monitor.profile.streams
        let wealth = streams.indices.map { exponential(monitor.evidence(ofStream: $0)) - 1 }
        let whole = wealth.reduce(0, +)
        let order = wealth.indices
            .filter { wealth[$0] > 0 }
            .sorted { (wealth[$1], $0) < (wealth[$0], $1) }
        func parts(_ chosen: [Int]) -> [Part] {
            chosen.prefix(Self.partsMax).map { index in
                Part(
                    stream: streams[index].name,
                    kind: streams[index].kind,
                    share: wealth[index] / whole,
                    evidence: monitor.evidence(ofStream: index)
                )
            }
        }
        self.streams = parts(order)
        features = parts(order.filter { streams[$0].kind == .input })
        change = monitor.alarm?.suspects.first.map { suspect in
            let rows = monitor.rows
            return Change(
                afterRow: suspect.changedAfterRow,
                rowsAgo: rows - min(rows, suspect.changedAfterRow),
                seconds: clock.seconds(of: suspect.changedAfterRow)
            )
        }
    }
}
