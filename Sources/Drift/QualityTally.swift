/// How often a stream's value was not a usual one.
package struct QualityCounts: Codable, Sendable, Equatable {
    /// Rows without a value.
    package internal(set) var missing: UInt64 = 0
    /// Numbers below all training data.
    package internal(set) var below: UInt64 = 0
    /// Numbers above all training data.
    package internal(set) var above: UInt64 = 0
    /// Rare or unseen categories.
    package internal(set) var other: UInt64 = 0
    /// Rows whose data were bad in the stream's way.
    package internal(set) var bad: UInt64 = 0
}

/// Counts unusual values of all streams; they have bins of their own, so that blocks tell them.
struct QualityTally: Sendable {
    var counts: [QualityCounts]
    private let cells: [Cell]

    private struct Cell: Sendable {
        let cell: Int
        let stream: Int
        let role: BinRole
    }

    init(_ streams: [ReferenceStream]) {
        let layout = CellLayout(streams)
        counts = [QualityCounts](repeating: QualityCounts(), count: streams.count)
        cells = streams.indices.flatMap { stream in
            zip(streams[stream].roles, layout.cells(of: stream))
                .filter { role, _ in role != .body && role != .rare }
                .map { role, cell in Cell(cell: cell, stream: stream, role: role) }
        }
    }

    mutating func add(_ block: Span<UInt32>) {
        for cell in cells where block[cell.cell] > 0 {
            let count = UInt64(block[cell.cell])
            switch cell.role {
            case .body, .rare: break
            case .missing: counts[cell.stream].missing &+= count
            case .below: counts[cell.stream].below &+= count
            case .above: counts[cell.stream].above &+= count
            case .other: counts[cell.stream].other &+= count
            case .bad: counts[cell.stream].bad &+= count
            }
        }
    }
}
