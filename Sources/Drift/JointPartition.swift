/// Cuts the space of a projection's scores into cells that training rows fill about equally.
///
/// It is a QuantTree (Boracchi, Carrera, Cervellera and Macciò 2018): cut by cut a share is taken
/// off one end of a dimension chosen at random; what is left in the end is the last cell. Streams
/// look at one number each; this one sees when their joint law changes and no single one does.
package struct JointPartition: Codable, Sendable, Equatable {
    /// One cut.
    package struct Cut: Codable, Sendable, Equatable {
        /// The score that is looked at.
        package let dimension: UInt8
        /// Whether the cell is what lies at or below the limit; else what lies above it.
        package let isBelow: Bool
        /// Where the cut is.
        package let limit: Float

        private enum CodingKeys: String, CodingKey {
            case dimension, limit
            case isBelow = "is_below"
        }
    }

    /// The cuts in the order in which they are tried.
    package let cuts: [Cut]

    /// The cells that training aims at.
    package static let cellsWanted = 32

    /// How many cells there are.
    package var cellCount: Int { cuts.count + 1 }

    /// Cuts training rows' scores; nil when rows are too few or do not differ.
    ///
    /// - Parameters:
    ///   - scores: `dimensions` numbers a row, row after row.
    ///   - dimensions: How many of them, at least 1.
    init?(scores: [Float], dimensions: Int) {
        let count = dimensions > 0 ? scores.count / dimensions : 0
        guard count >= 8 * Self.cellsWanted else { return nil }
        var random = FixedRandom()
        var left = Array(0..<count)
        var cuts: [Cut] = []
        while cuts.count < Self.cellsWanted - 1 {
            let dimension = random.below(dimensions)
            let isBelow = random.below(2) == 0
            let values = left.map { scores[$0 * dimensions + dimension] }.sorted()
            let share = left.count / (Self.cellsWanted - cuts.count)
            guard share > 0, let greatest = values.last else { break }
            let limit = isBelow ? values[share - 1] : values[values.count - 1 - share]
            guard limit < greatest, limit.isFinite else {
                // This end of the dimension has one value only; another end may have more.
                if random.below(200) == 0 { break }
                continue
            }
            cuts.append(Cut(dimension: UInt8(dimension), isBelow: isBelow, limit: limit))
            left = left.filter { row in
                let value = scores[row * dimensions + dimension]
                return isBelow ? value > limit : value <= limit
            }
        }
        guard cuts.count >= 3 else { return nil }
        self.cuts = cuts
    }

    /// The cell of a row whose scores begin at `start`.
    func cell(of scores: [Float], at start: Int) -> Int {
        for index in cuts.indices {
            let cut = cuts[index]
            let value = scores[start + Int(cut.dimension)]
            if (value <= cut.limit) == cut.isBelow { return index }
        }
        return cuts.count
    }

    func validate(dimensions: Int) throws(DriftError) {
        guard (1..<ReferenceStream.binsMax).contains(cuts.count),
            cuts.allSatisfy({ Int($0.dimension) < dimensions && $0.limit.isFinite })
        else { throw .profile(stream: "(all)", problem: "the partition contradicts itself") }
    }
}
