/// Finds the bin of each stream for a scored row.
///
/// Each event loop has its own, since it reuses a little working space; it never allocates after
/// it is made.
package struct StreamBinner: Sendable {
    private let reader: StreamReader
    private let cuts: [StreamCut]
    private var values: [Float]

    /// Makes the binner of a profile.
    package init(profile: ReferenceProfile) {
        reader = StreamReader(
            sources: profile.streams.map(\.source),
            rawWidth: profile.rawWidth,
            outputWidth: profile.outputWidth,
            frame: profile.frame
        )
        cuts = profile.streams.map { StreamCut($0) }
        values = [Float](repeating: 0, count: profile.streams.count)
    }

    /// The number of bins written for a row: one for each stream.
    package var streamCount: Int { cuts.count }

    /// Writes the bins of one row, in the order of the profile's streams.
    ///
    /// - Parameters:
    ///   - raw: the raw row as `Features` decodes it.
    ///   - probabilities: the model's outputs for it.
    ///   - bins: room for ``streamCount`` bins.
    /// - Returns: false, and nothing is written, when a width is not the profile's.
    @discardableResult
    package mutating func bins(
        raw: Span<Float>,
        probabilities: Span<Float>,
        into bins: inout MutableSpan<UInt8>
    ) -> Bool {
        guard bins.count >= cuts.count else { return false }
        guard read(raw: raw, outputs: probabilities) else { return false }
        for index in cuts.indices {
            bins[index] = cuts[index].bin(of: values[index])
        }
        return true
    }

    /// Counts one row in a block of the same profile.
    ///
    /// - Returns: false, and nothing is counted, when a width is not the profile's.
    @discardableResult
    package mutating func count(
        raw: Span<Float>,
        probabilities: Span<Float>,
        in block: inout BlockCounts
    ) -> Bool {
        guard block.streamCount == cuts.count else { return false }
        guard read(raw: raw, outputs: probabilities) else { return false }
        for index in cuts.indices {
            block.increment(stream: index, bin: Int(cuts[index].bin(of: values[index])))
        }
        block.endRow()
        return true
    }
}

extension StreamBinner {
    private mutating func read(raw: Span<Float>, outputs: Span<Float>) -> Bool {
        let reader = reader
        var room = values.mutableSpan
        return reader.read(raw: raw, outputs: outputs, into: &room)
    }
}

/// The rule by which a stream's number falls into a bin.
struct StreamCut: Sendable {
    /// The upper ends, filled up with infinity, which no number exceeds.
    private let edges: SIMD16<Float>
    private let binOfCategory: [UInt8]
    /// Where a number that is none goes: the missing bin, or else the last.
    private let absent: UInt8

    init(_ stream: ReferenceStream) {
        self.init(
            edges: stream.edges,
            binOfCategory: stream.binOfCategory,
            absent: stream.missingBin ?? stream.binCount - 1
        )
    }

    init(edges: [Float], binOfCategory: [UInt8], absent: Int) {
        var filled = SIMD16<Float>(repeating: .infinity)
        for index in edges.indices.prefix(ReferenceStream.edgesMax) { filled[index] = edges[index] }
        self.edges = filled
        self.binOfCategory = binOfCategory
        self.absent = UInt8(clamping: absent)
    }

    /// The bin: for numbers, how many edges lie below `value`; for categories, by their index.
    func bin(of value: Float) -> UInt8 {
        guard !value.isNaN else { return absent }
        guard binOfCategory.isEmpty else {
            // An index that is none is taken as the last one, which is "unseen".
            let last = binOfCategory.count - 1
            return binOfCategory[value >= 0 && value < Float(last) ? Int(value) : last]
        }
        let exceeded = SIMD16<UInt32>.zero.replacing(with: 1, where: edges .< value)
        return UInt8(truncatingIfNeeded: exceeded.wrappedSum())
    }
}
