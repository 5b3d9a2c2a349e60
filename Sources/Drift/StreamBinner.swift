/// Finds the bin of each stream for a scored row.
///
/// Each event loop has its own, since it reuses a little working space and remembers the row
/// before; it never allocates after it is made.
package struct StreamBinner: Sendable {
    private var reader: StreamReader
    private let cuts: StreamCuts
    private var values: [Float]
    /// The bins of the row before, for the gauge of dependence.
    private var last: [UInt8]
    private let refused: (stream: Int, bin: Int)?

    /// Makes the binner of a profile.
    package init(profile: ReferenceProfile) {
        reader = StreamReader(
            sources: profile.streams.map(\.source),
            form: profile.form,
            frame: profile.frame,
            parts: StreamReader.Parts(
                projection: profile.projection,
                partition: profile.partition,
                limits: profile.quality
            )
        )
        cuts = StreamCuts(profile.streams)
        values = [Float](repeating: 0, count: profile.streams.count)
        last = [UInt8](repeating: StreamCuts.none, count: profile.streams.count)
        refused = profile.streams.firstIndex { $0.source == .quality(check: .refused) }.flatMap {
            stream in profile.streams[stream].roles.firstIndex(of: .bad).map { (stream, $0) }
        }
    }

    /// The number of bins written for a row: one for each stream.
    package var streamCount: Int { cuts.count }

    /// Writes the bins of one row, in the order of the profile's streams; 255 where a stream has
    /// no number for it.
    ///
    /// - Parameters:
    ///   - row: One row.
    ///   - bins: room for ``streamCount`` bins.
    /// - Returns: false, and nothing is written, when a width is not the profile's.
    @discardableResult
    package mutating func bins(
        _ row: borrowing ScoredRows,
        into bins: inout MutableSpan<UInt8>
    ) -> Bool {
        guard bins.count >= cuts.count, row.rowCount == 1 else { return false }
        guard reader.read(row, into: &values) else { return false }
        for index in 0..<cuts.count { bins[index] = cuts.bin(of: values[index], stream: index) }
        return true
    }

    /// Counts one row in a block of the same profile.
    ///
    /// - Returns: false, and nothing is counted, when a width is not the profile's.
    @discardableResult
    package mutating func count(
        _ row: borrowing ScoredRows,
        in block: inout BlockCounts
    ) -> Bool {
        guard block.streamCount == cuts.count, row.rowCount == 1 else { return false }
        guard reader.read(row, into: &values) else { return false }
        block.count(cuts, values, before: &last)
        return true
    }

    /// Counts a request whose input was refused: only the stream of refusals learns of it.
    ///
    /// - Returns: false, and nothing is counted, when the profile has no such stream.
    @discardableResult
    package mutating func countRefused(in block: inout BlockCounts) -> Bool {
        guard let refused, block.streamCount == cuts.count else { return false }
        block.increment(stream: refused.stream, bin: UInt8(refused.bin), before: StreamCuts.none)
        block.endRow()
        return true
    }
}

extension StreamBinner {
    /// As ``count(_:in:)`` for a row of which only the input and the answer are known.
    @discardableResult
    package mutating func count(
        raw: Span<Float>,
        probabilities: Span<Float>,
        in block: inout BlockCounts
    ) -> Bool {
        count(ScoredRows(raw: raw, probabilities: probabilities, rowCount: 1), in: &block)
    }

    /// As ``bins(_:into:)`` for a row of which only the input and the answer are known.
    @discardableResult
    package mutating func bins(
        raw: Span<Float>,
        probabilities: Span<Float>,
        into bins: inout MutableSpan<UInt8>
    ) -> Bool {
        self.bins(ScoredRows(raw: raw, probabilities: probabilities, rowCount: 1), into: &bins)
    }
}
