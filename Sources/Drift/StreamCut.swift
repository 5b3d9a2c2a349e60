/// The rules by which the streams' numbers fall into bins, in flat memory.
struct StreamCuts: Sendable {
    private var rules: [Rule] = []
    /// The upper ends of each stream, filled up with infinity, which no number exceeds.
    private var edges: [SIMD16<Float>] = []
    private var bins: [UInt8] = []

    /// The rule of one stream.
    fileprivate struct Rule: Sendable {
        /// Where its categories begin among the bins, and how many there are; 0 for numbers.
        var start: Int32
        var count: Int32
        /// Where what is no number goes: the missing bin; 255 if it is not counted.
        var absent: UInt8
    }

    /// The bin of a number that is not counted.
    static let none: UInt8 = 255

    init(_ streams: [ReferenceStream]) {
        for stream in streams {
            append(
                edges: stream.edges,
                binOfCategory: stream.binOfCategory,
                missing: stream.missingBin
            )
        }
    }

    init(_ all: [StreamBins]) {
        for one in all {
            append(
                edges: one.edges,
                binOfCategory: one.binOfCategory,
                missing: one.roles.firstIndex(of: .missing)
            )
        }
    }

    var count: Int { rules.count }

    /// The rules, to be used for a whole row.
    var ruler: Ruler {
        @_lifetime(borrow self) get { Ruler(rules: rules.span, edges: edges.span, bins: bins.span) }
    }

    /// See ``Ruler/bin(of:stream:)``.
    func bin(of value: Float, stream: Int) -> UInt8 { ruler.bin(of: value, stream: stream) }

    private mutating func append(edges: [Float], binOfCategory: [UInt8], missing: Int?) {
        var filled = SIMD16<Float>(repeating: .infinity)
        for index in edges.indices.prefix(ReferenceStream.edgesMax) { filled[index] = edges[index] }
        self.edges.append(filled)
        rules.append(
            Rule(
                start: Int32(bins.count),
                count: Int32(binOfCategory.count),
                absent: missing.map { UInt8(clamping: $0) } ?? Self.none
            )
        )
        bins += binOfCategory
    }

    /// Borrows the rules.
    struct Ruler: ~Escapable {
        fileprivate let rules: Span<Rule>
        fileprivate let edges: Span<SIMD16<Float>>
        fileprivate let bins: Span<UInt8>

        @_lifetime(copy rules, copy edges, copy bins)
        fileprivate init(rules: Span<Rule>, edges: Span<SIMD16<Float>>, bins: Span<UInt8>) {
            self.edges = edges
            self.rules = rules
            self.bins = bins
        }

        /// The bin: for numbers, how many edges lie below `value`; for categories, by their index.
        @inline(__always)
        func bin(of value: Float, stream: Int) -> UInt8 {
            precondition(stream >= 0 && stream < rules.count)
            // Bounds: by the line above.
            let rule = unsafe rules[unchecked: stream]
            guard value == value else { return rule.absent }
            guard rule.count == 0 else {
                // An index that is none is taken as the last one, which is "unseen".
                let last = rule.count - 1
                return bins[
                    Int(rule.start + (value >= 0 && value < Float(last) ? Int32(value) : last))
                ]
            }
            // Four compares, added up lane by lane: −1 for each edge below the value.
            let isBelow = unsafe unsafeBitCast(edges[stream] .< value, to: SIMD16<Int32>.self)
            let eight = isBelow.lowHalf &+ isBelow.highHalf
            let four = eight.lowHalf &+ eight.highHalf
            return UInt8(truncatingIfNeeded: 0 &- four.x &- four.y &- four.z &- four.w)
        }
    }
}
