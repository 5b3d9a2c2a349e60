internal import ModelStore
internal import NeuralNetwork

/// The network's answers to the rows of one request, as every encoder reads them.
///
/// It borrows; whether a request was computed alone or beside others makes no difference to it.
struct AnswerRows: ~Escapable {
    /// What the network's head gives, `rowCount × width`: a probability for each class, or the
    /// one of yes, or a value.
    let outputs: Span<Float>
    /// The last layer's sums, of the same extents.
    let logits: Span<Float>
    /// How many rows there are, at least one.
    let rowCount: Int
    /// How many outputs a row has.
    let width: Int
    /// What the outputs mean.
    let task: ModelTask
    /// What led to the answers, where that was asked for.
    let explanation: Explanation?

    @_lifetime(copy outputs, copy logits)
    init(
        outputs: Span<Float>,
        logits: Span<Float>,
        rowCount: Int,
        task: ModelTask,
        explanation: Explanation? = nil
    ) {
        self.outputs = outputs
        self.logits = logits
        self.rowCount = rowCount
        self.task = task
        self.explanation = explanation
        width = outputs.count / max(1, rowCount)
    }

    /// The outputs of one row.
    @_lifetime(copy self)
    func outputs(row: Int) -> Span<Float> { outputs.extracting(row * width..<(row + 1) * width) }

    /// How many classes there are; 0 for a regression.
    var classCount: Int {
        switch task {
        case .classification: width
        case .binary: 2
        case .regression: 0
        }
    }

    /// A class's probability.
    func probability(row: Int, of index: Int) -> Float {
        guard task == .binary else { return outputs[row * width + index] }
        return index == 1 ? outputs[row] : 1 - outputs[row]
    }

    /// The class with the greatest sum, the first of equals; with one sum 1 for yes, 0 for no.
    func predictedClass(row: Int) -> Int {
        let first = row * width
        guard width > 1 else { return logits[first] >= 0 ? 1 : 0 }
        var best = first
        for index in first..<first + width where logits[index] > logits[best] { best = index }
        return best - first
    }
}
