/// Takes from a scored row the one number that each stream looks at.
///
/// The builder of the reference and the binner of live rows both read through this, so that the
/// two cannot disagree.
struct StreamReader: Sendable {
    let rawWidth: Int
    let outputWidth: Int
    private let sources: [StreamSource]
    private let frame: FrameReader?

    init(sources: [StreamSource], rawWidth: Int, outputWidth: Int, frame: FrameGeometry?) {
        self.sources = sources
        self.rawWidth = rawWidth
        self.outputWidth = outputWidth
        self.frame = frame.map { FrameReader($0) }
    }

    /// Writes one value a stream into `values`, which has room for them.
    ///
    /// - Returns: false, and nothing is written, when a width is not the announced one.
    func read(
        raw: Span<Float>,
        outputs: Span<Float>,
        into values: inout MutableSpan<Float>
    ) -> Bool {
        guard raw.count == rawWidth, outputs.count == outputWidth,
            values.count >= sources.count
        else { return false }
        let answer = AnswerSummary(outputs)
        let picture = frame?.summary(of: raw) ?? FrameSummary()
        for index in sources.indices {
            values[index] =
                switch sources[index] {
                case .predictedClass: Float(answer.predicted)
                case .confidence: answer.greatest
                case .margin: answer.greatest - answer.second
                case .probability, .value: outputs[0]
                case .frame(let statistic): picture[statistic]
                case .column(let column): raw[column]
                }
        }
        return true
    }
}

/// The greatest and the second greatest output of a row; of equals the first is taken.
private struct AnswerSummary {
    var predicted = 0
    var greatest = -Float.infinity
    var second = -Float.infinity

    init(_ outputs: Span<Float>) {
        // A single output is the probability of the second class.
        guard outputs.count > 1 else {
            predicted = outputs[0] >= 0.5 ? 1 : 0
            greatest = max(outputs[0], 1 - outputs[0])
            second = 1 - greatest
            return
        }
        for index in outputs.indices {
            let output = outputs[index]
            if output > greatest {
                second = greatest
                greatest = output
                predicted = index
            } else if output > second {
                second = output
            }
        }
    }
}
