/// What of training rows is kept until the bins are fixed, in memory that does not grow with them.
struct TrainingCollector: Sendable {
    private let isFrame: Bool
    private var quality: QualityCollector
    private var samples: [ValueSample] = []
    private let source: Projection.Source
    private let positions: [Int32]
    private var rows: RowSample
    private var scores: [Float] = []
    private var scoreCount = 0

    init(layout: InputLayout, form: RowForm) {
        quality = QualityCollector(layout: layout)
        if case .frame = layout { isFrame = true } else { isFrame = false }
        source = form.hiddenWidth > 0 ? .hidden : .raw
        switch layout {
        case _ where form.hiddenWidth > 0:
            positions = PrincipalComponents.positions(of: form.hiddenWidth)
        case .frame: positions = PrincipalComponents.positions(of: form.rawWidth)
        case .columns(let columns):
            // A category's index is no quantity.
            let numeric = columns.indices.filter { columns[$0].categories == nil }
            let chosen = PrincipalComponents.positions(of: numeric.count)
            positions = chosen.count > 1 ? chosen.map { Int32(numeric[Int($0)]) } : []
        }
        rows = RowSample(width: positions.count)
    }

    /// What streams of scores there can be; fewer directions than planned may vary.
    var projectionPlan: (source: Projection.Source, count: Int)? {
        guard !positions.isEmpty else { return nil }
        return (source, min(Projection.componentsMax, positions.count))
    }

    /// Makes room for the values of the streams.
    mutating func prepare(streams: Int) {
        samples = [ValueSample](repeating: ValueSample(), count: streams)
    }

    mutating func add(_ row: borrowing ScoredRows, values: [Float], frame: FrameSummary) {
        for stream in samples.indices { samples[stream].add(values[stream]) }
        quality.add(row.raw, frame: frame)
        guard !positions.isEmpty else { return }
        if source == .raw {
            rows.add(row.raw, at: positions)
        } else if row.hidden.count > 0 {
            rows.add(row.hidden, at: positions)
        }
    }

    /// Fits what rows are measured with.
    mutating func parts() -> StreamReader.Parts {
        var parts = StreamReader.Parts()
        parts.limits = quality.limits()
        parts.projection = PrincipalComponents.fit(
            rows: rows.values,
            positions: positions,
            source: source
        )
        guard let projection = parts.projection else { return parts }
        // The sample holds only the numbers at the positions.
        let reader = ProjectionReader(projection.compacted)
        scoreCount = reader.scoreCount
        scores = Self.scores(of: rows, by: reader)
        parts.partition = JointPartition(scores: scores, dimensions: scoreCount)
        return parts
    }

    private static func scores(of rows: RowSample, by reader: ProjectionReader) -> [Float] {
        var reader = reader
        var scores = [Float](repeating: 0, count: rows.rowCount * reader.scoreCount)
        let numbers = rows.values.span
        for row in 0..<rows.rowCount {
            let first = row * rows.width
            reader.read(
                numbers.extracting(first..<first + rows.width),
                into: &scores,
                at: row * reader.scoreCount
            )
        }
        return scores
    }

    /// The values that fix a stream's bins; what is computed of scores is known only after
    /// ``parts()``.
    func values(of source: StreamSource, stream: Int) -> [Float] {
        switch source {
        case .component(let index): index < scoreCount - 2 ? column(index) : []
        case .scoreDistance: column(scoreCount - 2)
        case .residual: column(scoreCount - 1)
        default: samples[stream].values
        }
    }

    private func column(_ index: Int) -> [Float] {
        guard index >= 0, scoreCount > 0 else { return [] }
        return stride(from: index, to: scores.count, by: scoreCount).map { scores[$0] }
    }
}

extension Projection {
    /// The same for rows that hold nothing but the numbers at the positions.
    var compacted: Projection {
        Projection(
            source: source,
            positions: positions.indices.map { Int32($0) },
            means: means,
            scales: scales,
            components: components,
            variances: variances
        )
    }
}
