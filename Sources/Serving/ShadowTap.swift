internal import HTTPTransport

/// Rows of the live traffic that one event loop puts aside for another version: a candidate in the
/// shadow, or the version before.
///
/// A fixed number of rows waits here until the control path fetches them; what comes while there is
/// no room is dropped and counted. Nothing waits, and after the first rows nothing is allocated but
/// once a fetch.
final class ShadowTap {
    /// Of all 2^32 random numbers, so many take a request.
    private let threshold: UInt64
    private let version: Int
    private let rawWidth: Int
    private var state = UInt64.random(in: 1...UInt64.max)
    private var rows: ShadowRows

    /// Rows that wait at most.
    static let rowsMax = 64

    /// A tap.
    ///
    /// - Parameters:
    ///   - share: The share of requests of which a row is put aside, 0…1.
    ///   - version: Who answers them.
    ///   - rawWidth: Raw values of a row.
    init(share: Double, version: Int, rawWidth: Int) {
        threshold = UInt64(min(max(share, 0), 1) * 4_294_967_296)
        (self.version, self.rawWidth) = (version, rawWidth)
        rows = ShadowRows(version: version, rawWidth: rawWidth, rowsMax: Self.rowsMax)
    }

    /// The row of a request that is put aside; nil for most requests.
    func choose(of rowCount: Int) -> Int? {
        // xorshift64*, which need not be more than even.
        state ^= state >> 12
        state ^= state << 25
        state ^= state >> 27
        let random = state &* 0x2545_F491_4F6C_DD1D
        guard random >> 32 < threshold, rowCount > 0 else { return nil }
        guard rows.count < Self.rowsMax else {
            rows.dropped += 1
            return nil
        }
        return Int(((random & 0xFFFF_FFFF) &* UInt64(rowCount)) >> 32)
    }

    /// Puts a row aside.
    ///
    /// - Parameters:
    ///   - name: What the request is called.
    ///   - raw: All raw rows of the request.
    ///   - row: Which of them.
    ///   - predicted: The class that was answered; 0 for a regression.
    ///   - confidence: Its probability; the value of a regression.
    func put(
        _ name: RequestName,
        raw: Span<Float>,
        row: Int,
        predicted: Int,
        confidence: Float
    ) {
        let first = row * rawWidth
        guard row >= 0, first + rawWidth <= raw.count else { return }
        for index in first..<first + rawWidth { rows.raw.append(raw[index]) }
        rows.names.append(RowName(RequestKey(name), row: row))
        rows.predicted.append(Int32(truncatingIfNeeded: predicted))
        rows.confidence.append(confidence)
    }

    /// Takes the rows that were put aside since the last time.
    func take() -> ShadowRows {
        guard rows.count > 0 || rows.dropped > 0 else {
            return ShadowRows(version: version, rawWidth: rawWidth)
        }
        defer { rows = ShadowRows(version: version, rawWidth: rawWidth, rowsMax: Self.rowsMax) }
        return rows
    }
}

/// Rows of the live traffic with what the version that answers everybody made of them.
struct ShadowRows: Sendable {
    /// That version.
    let version: Int
    let rawWidth: Int
    /// By which labels find them.
    var names: [RowName] = []
    /// `count × rawWidth`.
    var raw: [Float] = []
    var predicted: [Int32] = []
    /// The probability of that class; the value of a regression.
    var confidence: [Float] = []
    /// Rows that found no room.
    var dropped = 0

    var count: Int { predicted.count }

    init(version: Int, rawWidth: Int, rowsMax: Int = 0) {
        (self.version, self.rawWidth) = (version, rawWidth)
        names.reserveCapacity(rowsMax)
        raw.reserveCapacity(rowsMax * rawWidth)
        predicted.reserveCapacity(rowsMax)
        confidence.reserveCapacity(rowsMax)
    }
}

/// What a row of a request is called.
struct RowName: Hashable, Sendable {
    private let high: UInt64
    private let low: UInt64
    private let row: Int

    init(_ key: RequestKey, row: Int) { (high, low, self.row) = (key.high, key.low, row) }
}
