/// What of a scored row a stream looks at.
package enum StreamSource: Codable, Sendable, Equatable {
    /// The index of the greatest probability (or, of a binary model, p ≥ ½).
    case predictedClass
    /// The greatest probability.
    case confidence
    /// The greatest probability less the second.
    case margin
    /// The probability that a binary model gives.
    case probability
    /// The value that a regression gives.
    case value
    /// A statistic of a whole image.
    case frame(statistic: FrameStatistic)
    /// A column of a table, by its index in the raw row.
    case column(index: Int)
    /// p/(1 − p) of a class: it orders rows as the log-odds do, and needs no logarithm.
    case odds(class: Int)
    /// p/(1 − p) of the greatest probability.
    case confidenceOdds
    /// −Σ p ln p, in nats.
    case entropy
    /// ln Σ exp z of the scaled logits z.
    case energy
    /// A binary model's scaled logit.
    case logOdds
    /// A binary model's scaled logit without its sign.
    case absoluteLogOdds
    /// A score of the ``Projection``, from 0.
    case component(index: Int)
    /// Hotelling's T²: Σ z²/λ over the projection's scores.
    case scoreDistance
    /// The squared length of what the projection leaves over.
    case residual
    /// The cell of the ``JointPartition``.
    case partition
    /// Whether, or how much, a row's data are bad.
    case quality(check: QualityCheck)
}

/// A way in which a row's data can be bad, whatever the world does.
package enum QualityCheck: String, Codable, Sendable, Equatable, CaseIterable {
    /// The request was refused, since its input could not be read.
    case refused
    /// How many columns have no value.
    case missing
    /// A number is far outside of all training data.
    case outOfRange = "out_of_range"
    /// A category was never seen in training.
    case unseen
    /// All pixels are equal.
    case constant
    /// The row equals one of the last eight, value for value.
    case duplicate
    /// A column that hardly ever repeats has the value of the row before.
    case stuck
    /// The numbers are many times too small or too large, as in another unit.
    case scale
}

/// What a whole image is reduced to; pixels are not watched one by one.
package enum FrameStatistic: String, Codable, Sendable, Equatable, CaseIterable {
    /// The mean of all pixels.
    case mean
    /// The standard deviation of all pixels.
    case deviation
    /// The share of pixels that are exactly zero.
    case zeroFraction = "zero_fraction"
    /// The share of pixels that are as bright as can be.
    case saturatedFraction = "saturated_fraction"
    /// The mean row, weighted by the pixels' values.
    case rowCentroid = "row_centroid"
    /// The mean column, weighted by the pixels' values.
    case columnCentroid = "column_centroid"
}

/// What a bin of a stream stands for.
package enum BinRole: String, Codable, Sendable, Equatable {
    /// A usual value.
    case body
    /// A number below all of the training data.
    case below
    /// A number above all of the training data.
    case above
    /// A rare or an unseen category.
    case other
    /// No value.
    case missing
    /// A value of the reference's own tail.
    case rare
    /// A row whose data are bad.
    case bad
}

/// One thing that is watched, cut into bins, with the share of the hold-out in each bin.
package struct ReferenceStream: Codable, Sendable, Equatable {
    /// The family that a stream belongs to.
    package enum Kind: String, Codable, Sendable, Equatable {
        /// What the model answers.
        case prediction
        /// What the model makes of its input before it answers.
        case representation
        /// What the model is asked.
        case input
        /// Whether the data are whole.
        case quality
    }

    /// The name for labels and reports, unique in its profile, such as `prediction.class`.
    package let name: String
    /// The family.
    package let kind: Kind
    /// What is looked at.
    package let source: StreamSource
    /// For numbers: the upper ends of all bins but the last; a value equal to an edge is below it.
    package let edges: [Float]
    /// For categories and classes: the bin of each index.
    package let binOfCategory: [UInt8]
    /// The texts of bins that do not follow from edges and roles; empty where they do, since they
    /// would be most of a profile's memory.
    private let ownLabels: [String]
    /// What each bin stands for.
    package let roles: [BinRole]
    /// The share of each bin in the hold-out, with half a row added to each; the sum is 1.
    package let probabilities: [Double]
    /// How far, in total variation, these shares can be from the true ones (``SamplingError``).
    package let samplingError: Double

    /// Most bins of one stream.
    package static let binsMax = 64
    /// Most edges of one stream: a vector register's worth, so that finding a bin has no branch.
    package static let edgesMax = 15
    /// Most categories that can be told apart before they are put into bins.
    package static let categoriesMax = 65_536

    /// Puts together a stream; it is checked when a profile takes it.
    package init(
        name: String,
        kind: Kind,
        source: StreamSource,
        edges: [Float] = [],
        binOfCategory: [UInt8] = [],
        labels: [String],
        roles: [BinRole],
        probabilities: [Double],
        samplingError: Double
    ) {
        self.name = name
        self.kind = kind
        self.source = source
        self.edges = edges
        self.binOfCategory = binOfCategory
        self.roles = roles
        ownLabels = labels == Self.labels(edges: edges, roles: roles) ? [] : labels
        self.probabilities = probabilities
        self.samplingError = samplingError
    }

    /// What people read, one text for each bin.
    package var labels: [String] {
        ownLabels.isEmpty ? Self.labels(edges: edges, roles: roles) : ownLabels
    }
    /// The number of bins.
    package var binCount: Int { probabilities.count }
    /// Whether the bins have an order (missing values come last).
    package var isOrdered: Bool { binOfCategory.isEmpty }
    /// Whether it looks at a tail only, or at bad data: much smaller shares matter there.
    package var isRare: Bool { kind == .quality || roles.contains(.rare) }
    /// Whether index or number decides on the bin.
    var isCategorical: Bool { !binOfCategory.isEmpty }
    /// The bin for rows without a value, if the stream has one.
    var missingBin: Int? { roles.firstIndex(of: .missing) }

    /// The same with other shares of its bins.
    func with(probabilities: [Double]) -> ReferenceStream {
        ReferenceStream(
            name: name,
            kind: kind,
            source: source,
            edges: edges,
            binOfCategory: binOfCategory,
            labels: labels,
            roles: roles,
            probabilities: probabilities,
            samplingError: samplingError
        )
    }

    private enum CodingKeys: String, CodingKey {
        case name
        case kind
        case source
        case edges
        case binOfCategory = "bin_of_category"
        case labels
        case roles
        case probabilities
        case samplingError = "sampling_error"
    }
}

extension ReferenceStream {
    /// Reads a stream; it is checked when a profile takes it.
    package init(from decoder: any Decoder) throws {
        let container = try decoder.container(keyedBy: CodingKeys.self)
        self.init(
            name: try container.decode(String.self, forKey: .name),
            kind: try container.decode(Kind.self, forKey: .kind),
            source: try container.decode(StreamSource.self, forKey: .source),
            edges: try container.decode([Float].self, forKey: .edges),
            binOfCategory: try container.decode([UInt8].self, forKey: .binOfCategory),
            labels: try container.decode([String].self, forKey: .labels),
            roles: try container.decode([BinRole].self, forKey: .roles),
            probabilities: try container.decode([Double].self, forKey: .probabilities),
            samplingError: try container.decode(Double.self, forKey: .samplingError)
        )
    }

    /// Writes a stream with the texts of all its bins.
    package func encode(to encoder: any Encoder) throws {
        var container = encoder.container(keyedBy: CodingKeys.self)
        try container.encode(name, forKey: .name)
        try container.encode(kind, forKey: .kind)
        try container.encode(source, forKey: .source)
        try container.encode(edges, forKey: .edges)
        try container.encode(binOfCategory, forKey: .binOfCategory)
        try container.encode(labels, forKey: .labels)
        try container.encode(roles, forKey: .roles)
        try container.encode(probabilities, forKey: .probabilities)
        try container.encode(samplingError, forKey: .samplingError)
    }

    /// The texts of bins between edges, by what the bins stand for.
    static func labels(edges: [Float], roles: [BinRole]) -> [String] {
        roles.indices.map { bin in
            switch roles[bin] {
            case .missing: "missing"
            case .below: "below"
            case .above: "above"
            case _ where bin < edges.count: "≤ \(edges[bin])"
            default: edges.last.map { "> \($0)" } ?? "any"
            }
        }
    }

    /// Refuses a stream that contradicts itself, so that counting needs no further check.
    func validate() throws(DriftError) {
        let bins = probabilities.count
        try require(
            (2...Self.binsMax).contains(bins),
            "\(bins) bins, 2 to \(Self.binsMax) are possible"
        )
        try require(labels.count == bins && roles.count == bins, "labels and bins differ in number")
        try require(probabilities.allSatisfy { $0 > 0 && $0 < 1 }, "a share is not between 0 and 1")
        try require(abs(probabilities.reduce(0, +) - 1) < 1e-9, "the shares do not sum to 1")
        try require(samplingError >= 0 && samplingError.isFinite, "the sampling error is no number")
        if isCategorical {
            try require(edges.isEmpty, "it has both edges and categories")
            try require(
                binOfCategory.count <= Self.categoriesMax,
                "\(binOfCategory.count) categories, at most \(Self.categoriesMax) are possible"
            )
            try require(binOfCategory.allSatisfy { $0 < bins }, "a category has no bin")
        } else {
            let valueBins = bins - (missingBin == nil ? 0 : 1)
            try require(edges.count <= Self.edgesMax, "more than \(Self.edgesMax) edges")
            try require(edges.count + 1 == valueBins, "edges and bins differ in number")
            try require(edges.allSatisfy { $0.isFinite }, "an edge is no finite number")
            try require(zip(edges, edges.dropFirst()).allSatisfy { $0 < $1 }, "edges do not ascend")
            try require(missingBin == nil || missingBin == bins - 1, "the missing bin is not last")
        }
    }

    private func require(_ holds: Bool, _ problem: String) throws(DriftError) {
        guard holds else { throw .profile(stream: name, problem: problem) }
    }
}
