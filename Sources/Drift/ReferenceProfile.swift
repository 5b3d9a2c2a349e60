/// The frozen picture of the hold-out that live traffic is compared with.
///
/// It belongs to one model version and is the file `reference.json` of its bundle. It holds bin
/// edges and shares only, never a row.
package struct ReferenceProfile: Codable, Sendable, Equatable {
    /// The version of the file's form.
    package let format: Int
    /// The hold-out rows behind the shares.
    package let holdoutRows: Int
    /// The number of raw values of a row.
    package let rawWidth: Int
    /// The number of probabilities (or values) that the model gives for a row.
    package let outputWidth: Int
    /// The width of the last hidden layer; 0 when it is not watched.
    package let hiddenWidth: Int
    /// For images: how pixels lie in a row.
    package let frame: FrameGeometry?
    /// With this probability at least one stream's true shares are farther off than its
    /// sampling error; the guarantee of the alarm holds in the other cases.
    package let failureProbability: Double
    /// Columns that are not watched, since there were more than ``streamsMax`` streams.
    package let columnsUnwatched: Int
    /// What is watched.
    package let streams: [ReferenceStream]
    /// What the hold-out's labels say of the answers; nil where it is not known.
    package var performance: PerformanceReference?
    /// For small images: the mean and the spread of each value; nil for others.
    package var pixels: PixelReference?
    /// Shares by hour of the week; nil where all hours are compared with the same ones.
    package internal(set) var seasons: SeasonalReference?
    /// The directions that are watched, if there are any.
    package let projection: Projection?
    /// The cells of the projection's scores.
    package let partition: JointPartition?
    /// Which numbers can be right at all.
    package let quality: QualityLimits?

    /// Most streams of a profile.
    package static let streamsMax = 128
    /// The form that this code writes; it reads the first, too, which has no projection, partition
    /// or limits.
    package static let formatCurrent = 2
    /// Most raw values of a row.
    package static let rawWidthMax = 1 << 24

    /// What a profile may have beside its streams.
    package struct Measures: Sendable {
        /// See ``ReferenceProfile/hiddenWidth``.
        package var hiddenWidth = 0
        /// See ``ReferenceProfile/projection``.
        package var projection: Projection?
        /// See ``ReferenceProfile/partition``.
        package var partition: JointPartition?
        /// See ``ReferenceProfile/quality``.
        package var quality: QualityLimits?

        /// Nothing.
        package init() {}
    }

    /// Puts together a profile; ``ReferenceBuilder`` makes one from rows.
    ///
    /// - Throws: ``DriftError/profile(stream:problem:)`` when it contradicts itself.
    package init(
        holdoutRows: Int,
        rawWidth: Int,
        outputWidth: Int,
        frame: FrameGeometry?,
        failureProbability: Double,
        columnsUnwatched: Int,
        streams: [ReferenceStream],
        measures: Measures = Measures()
    ) throws(DriftError) {
        format = Self.formatCurrent
        hiddenWidth = measures.hiddenWidth
        projection = measures.projection
        partition = measures.partition
        quality = measures.quality
        self.holdoutRows = holdoutRows
        self.rawWidth = rawWidth
        self.outputWidth = outputWidth
        self.frame = frame
        self.failureProbability = failureProbability
        self.columnsUnwatched = columnsUnwatched
        self.streams = streams
        try validate()
    }

    /// Reads a profile and refuses one that contradicts itself.
    package init(from decoder: any Decoder) throws {
        let container = try decoder.container(keyedBy: CodingKeys.self)
        let format = try container.decode(Int.self, forKey: .format)
        guard (1...Self.formatCurrent).contains(format) else {
            throw DriftError.profile(stream: "(all)", problem: "format \(format) is unknown")
        }
        var measures = Measures()
        measures.hiddenWidth = try container.decodeIfPresent(Int.self, forKey: .hiddenWidth) ?? 0
        measures.projection = try container.decodeIfPresent(Projection.self, forKey: .projection)
        measures.partition = try container.decodeIfPresent(JointPartition.self, forKey: .partition)
        measures.quality = try container.decodeIfPresent(QualityLimits.self, forKey: .quality)
        try self.init(
            holdoutRows: container.decode(Int.self, forKey: .holdoutRows),
            rawWidth: container.decode(Int.self, forKey: .rawWidth),
            outputWidth: container.decode(Int.self, forKey: .outputWidth),
            frame: container.decodeIfPresent(FrameGeometry.self, forKey: .frame),
            failureProbability: container.decode(Double.self, forKey: .failureProbability),
            columnsUnwatched: container.decode(Int.self, forKey: .columnsUnwatched),
            streams: container.decode([ReferenceStream].self, forKey: .streams),
            measures: measures
        )
        performance = try container.decodeIfPresent(
            PerformanceReference.self,
            forKey: .performance
        )
        try performance?.validate(outputWidth: outputWidth)
        pixels = try container.decodeIfPresent(PixelReference.self, forKey: .pixels)
        try pixels?.validate(rawWidth: rawWidth)
        seasons = try container.decodeIfPresent(SeasonalReference.self, forKey: .seasons)
        try seasons?.validate(streams: streams)
    }

    private enum CodingKeys: String, CodingKey {
        case format
        case holdoutRows = "holdout_rows"
        case rawWidth = "raw_width"
        case outputWidth = "output_width"
        case frame
        case failureProbability = "failure_probability"
        case columnsUnwatched = "columns_unwatched"
        case streams
        case performance
        case pixels
        case seasons
        case hiddenWidth = "hidden_width"
        case projection
        case partition
        case quality
    }

    /// The widths of its rows.
    var form: RowForm {
        RowForm(rawWidth: rawWidth, outputWidth: outputWidth, hiddenWidth: hiddenWidth)
    }
}

extension ReferenceProfile {
    private func validate() throws(DriftError) {
        try require(holdoutRows > 0, "no hold-out rows")
        try require(rawWidth > 0 && rawWidth <= Self.rawWidthMax, "raw width \(rawWidth)")
        try require(outputWidth > 0, "output width \(outputWidth)")
        try require(failureProbability > 0 && failureProbability < 1, "failure probability")
        try require(columnsUnwatched >= 0, "a negative number of columns")
        try require(
            (1...Self.streamsMax).contains(streams.count),
            "\(streams.count) streams, 1 to \(Self.streamsMax) are possible"
        )
        try require(Set(streams.map(\.name)).count == streams.count, "two streams of one name")
        if let frame {
            try frame.validate()
            try require(frame.pixels == rawWidth, "the frame's shape does not fit the raw width")
        }
        try require((0...Self.rawWidthMax).contains(hiddenWidth), "hidden width \(hiddenWidth)")
        try projection?.validate(rawWidth: rawWidth, hiddenWidth: hiddenWidth)
        try partition?.validate(dimensions: (projection?.count ?? -2) + 2)
        try quality?.validate(rawWidth: rawWidth, isFrame: frame != nil)
        for stream in streams {
            try stream.validate()
            try require(isReadable(stream), "\(stream.name) looks at what a row has not")
        }
    }

    /// Whether rows of this profile have what the stream looks at, in the form it expects.
    private func isReadable(_ stream: ReferenceStream) -> Bool {
        switch stream.source {
        case .predictedClass: stream.isCategorical
        case .confidence, .probability, .value, .confidenceOdds, .logOdds, .absoluteLogOdds:
            !stream.isCategorical
        case .margin, .entropy, .energy: outputWidth > 1 && !stream.isCategorical
        case .odds(let index):
            index >= 0 && index < outputWidth && outputWidth > 1 && !stream.isCategorical
        case .component(let index):
            index >= 0 && index < projection?.count ?? 0 && !stream.isCategorical
        case .scoreDistance, .residual: projection != nil && !stream.isCategorical
        case .partition:
            stream.isCategorical && stream.binOfCategory.count == partition?.cellCount ?? 0
        case .quality: quality != nil && !stream.isCategorical
        case .frame: frame != nil && !stream.isCategorical
        case .column(let index): index >= 0 && index < rawWidth
        }
    }

    private func require(_ holds: Bool, _ problem: String) throws(DriftError) {
        guard holds else { throw .profile(stream: "(all)", problem: problem) }
    }
}
