internal import Features
package import HTTPTransport
internal import NIOCore
internal import Telemetry

/// What one event loop remembers of the rows of one model that it scored last, so that labels
/// which come later find them.
///
/// A ring of a fixed number of bytes that only its loop writes: no lock, and after it has gone
/// round once no allocation. A request's rows lie one behind the other, and a table of chains finds
/// the first of them.
package final class RecentPredictions {
    /// Rows that are remembered.
    package let capacity: Int
    /// Outputs of a row.
    private let width: Int
    /// Raw values of a row; 0 where they are not kept.
    private let rawWidth: Int
    private var chunks: [Chunk] = []
    /// The place of the newest request of each chain, plus one; 0 for none.
    private var heads: [UInt32]
    private let mask: Int
    /// The number of the next row since the ring was made.
    private var next: UInt64 = 0

    /// Rows of a chunk, which is made when it is first needed.
    private static let chunkRows = 1024
    /// Bytes of a row beside its outputs and raw values.
    private static let rowBytes = MemoryLayout<Entry>.stride + 8

    private struct Entry {
        var key = RequestKey(high: 0, low: 0)
        var sequence = UInt64.max
        /// The place of the chain's request before, plus one.
        var previous: UInt32 = 0
        var version: Int32 = 0
        var predicted: Int32 = 0
        var row: UInt32 = 0
        var isLabelled = false
    }

    private final class Chunk {
        var entries: [Entry]
        var outputs: [Float]
        var raw: [Float]

        init(_ rows: Int, width: Int, rawWidth: Int) {
            entries = [Entry](repeating: Entry(), count: rows)
            outputs = [Float](repeating: 0, count: rows * width)
            raw = [Float](repeating: 0, count: rows * rawWidth)
        }
    }

    /// A ring of a size in memory.
    ///
    /// - Parameters:
    ///   - bytesMax: Bytes that it takes at most, but for the least number of rows.
    ///   - width: Outputs of a row.
    ///   - rawWidth: Raw values of a row; 0 keeps none.
    package init(bytesMax: Int, width: Int, rawWidth: Int) {
        let bytes = Self.rowBytes + 4 * (width + rawWidth)
        capacity = min(max(bytesMax / bytes, 16), 1 << 24)
        self.width = width
        self.rawWidth = rawWidth
        var slots = 16
        while slots < capacity { slots *= 2 }
        heads = [UInt32](repeating: 0, count: slots)
        mask = slots - 1
    }

    /// Remembers the rows of a request, at most as many as the ring has.
    ///
    /// - Parameters:
    ///   - key: What the request is called.
    ///   - version: Who answered.
    ///   - rowCount: How many rows.
    ///   - outputs: `rowCount × width`.
    ///   - raw: `rowCount × rawWidth`, or anything where none are kept.
    ///   - predicted: The class of a row.
    package func append(
        _ key: RequestKey,
        version: Int,
        rowCount: Int,
        outputs: Span<Float>,
        raw: Span<Float>,
        predicted: (_ row: Int) -> Int
    ) {
        let count = min(rowCount, capacity)
        guard count > 0, outputs.count >= count * width, raw.count >= count * rawWidth else {
            return
        }
        let slot = key.slot & mask
        let previous = heads[slot]
        heads[slot] = UInt32(next % UInt64(capacity)) + 1
        for row in 0..<count {
            let place = Int(next % UInt64(capacity))
            let (chunk, index) = chunk(place)
            chunk.entries[index] = Entry(
                key: key,
                sequence: next,
                previous: row == 0 ? previous : 0,
                version: Int32(truncatingIfNeeded: version),
                predicted: Int32(truncatingIfNeeded: predicted(row)),
                row: UInt32(row)
            )
            for column in 0..<width {
                chunk.outputs[index * width + column] = outputs[row * width + column]
            }
            for column in 0..<rawWidth {
                chunk.raw[index * rawWidth + column] = raw[row * rawWidth + column]
            }
            next += 1
        }
    }

    /// What became of a label.
    package enum Match: Equatable {
        /// No such row is remembered.
        case unknown
        /// The row has its label already.
        case repeated
        /// The row.
        case found(RememberedRow)
    }

    /// Finds a row, and marks it as labelled.
    ///
    /// - Parameters:
    ///   - key: What the request was called.
    ///   - row: The row of the request.
    ///   - accepts: Whether the label can be taken; else the row stays open for another one.
    /// - Returns: The row, if it is remembered and has no label yet.
    package func take(_ key: RequestKey, row: Int, if accepts: Bool) -> Match {
        guard let first = first(key) else { return .unknown }
        let (sequence, overflow) = first.addingReportingOverflow(UInt64(max(row, 0)))
        guard !overflow, row >= 0, sequence < next else { return .unknown }
        let (chunk, index) = chunk(Int(sequence % UInt64(capacity)))
        let entry = chunk.entries[index]
        guard entry.sequence == sequence, entry.key == key, entry.row == UInt32(clamping: row)
        else { return .unknown }
        if entry.isLabelled { return .repeated }
        if accepts { chunk.entries[index].isLabelled = true }
        return .found(
            RememberedRow(
                version: Int(entry.version),
                predicted: Int(entry.predicted),
                outputs: Array(chunk.outputs[index * width..<(index + 1) * width]),
                raw: Array(chunk.raw[index * rawWidth..<(index + 1) * rawWidth])
            )
        )
    }

    /// The number of the first row of the newest request of a name.
    private func first(_ key: RequestKey) -> UInt64? {
        var place = heads[key.slot & mask]
        var newest = UInt64.max
        while place > 0 {
            let (chunk, index) = chunk(Int(place) - 1)
            let entry = chunk.entries[index]
            // Older ones than one that was written over were written over, too.
            guard entry.sequence < newest else { return nil }
            if entry.key == key, entry.row == 0 { return entry.sequence }
            newest = entry.sequence
            place = entry.previous
        }
        return nil
    }

    private func chunk(_ place: Int) -> (Chunk, Int) {
        let (number, index) = place.quotientAndRemainder(dividingBy: Self.chunkRows)
        while chunks.count <= number {
            let rows = min(Self.chunkRows, capacity - chunks.count * Self.chunkRows)
            chunks.append(Chunk(rows, width: width, rawWidth: rawWidth))
        }
        return (chunks[number], index)
    }
}

/// A row that was predicted, as it is remembered.
package struct RememberedRow: Sendable, Equatable {
    /// The version that answered.
    package let version: Int
    /// The class that was answered.
    package let predicted: Int
    /// The network's answers.
    package let outputs: [Float]
    /// The raw row; empty where it is not kept.
    package let raw: [Float]

    /// Takes note of a row.
    package init(version: Int, predicted: Int, outputs: [Float], raw: [Float]) {
        self.version = version
        self.predicted = predicted
        self.outputs = outputs
        self.raw = raw
    }
}

/// What a request is called, in 128 bits.
package struct RequestKey: Sendable, Equatable {
    /// The upper half.
    package let high: UInt64
    /// The lower half.
    package let low: UInt64

    /// Takes both halves.
    package init(high: UInt64, low: UInt64) {
        self.high = high
        self.low = low
    }

    /// The key of a name; nothing is allocated.
    package init(_ name: RequestName) {
        switch name {
        case .made(let identifier): self.init(high: identifier.high, low: identifier.low)
        case .given(let bytes): self.init(bytes.readableBytesUInt8Span)
        }
    }

    /// The key of a name's bytes: 32 hexadecimal digits are what they say, and all else is hashed
    /// with the seed of the process, which no client knows.
    package init(_ name: Span<UInt8>) {
        if let identifier = RequestIdentifier.parse(name) {
            self.init(high: identifier.high, low: identifier.low)
            return
        }
        var (first, second) = (Hasher(), Hasher())
        second.combine(name.count)
        var word: UInt64 = 0
        for index in name.indices {
            word = word << 8 | UInt64(name[index])
            guard index % 8 == 7 || index == name.count - 1 else { continue }
            first.combine(word)
            second.combine(word)
            word = 0
        }
        self.init(
            high: UInt64(bitPattern: Int64(first.finalize())),
            low: UInt64(bitPattern: Int64(second.finalize()))
        )
    }

    /// Where the chain begins, by numbers that no client knows: nobody can make chains long.
    var slot: Int {
        let mixed = (high &+ Self.secrets.0) &* (low ^ Self.secrets.1)
        return Int(truncatingIfNeeded: mixed >> 32)
    }

    private static let secrets = (
        UInt64.random(in: 0...UInt64.max), UInt64.random(in: 0...UInt64.max)
    )
}
