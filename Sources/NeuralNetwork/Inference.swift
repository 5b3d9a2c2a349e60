/// The memory that predictions need, kept from one to the next.
///
/// One belongs to one thread (event loop). It grows to the largest batch it has seen and then no
/// prediction allocates anything. It fits every network: after a swap it is simply used again.
package struct InferenceScratch: ~Copyable, Sendable {
    private var hiddenValues: [Float] = []
    private var spareValues: [Float] = []
    private var logitValues: [Float] = []
    private var probabilityValues: [Float] = []
    private var hiddenCount = 0
    private var outputCount = 0

    /// How many rows the last prediction had.
    package private(set) var rowCount = 0
    /// How many logits each of its rows has.
    package private(set) var outputWidth = 0

    /// Empty; the first prediction makes it grow.
    package init() {}

    /// Big enough for a network and a number of rows.
    package init(for network: MultilayerPerceptron, rowsMax: Int) {
        reserve(rowsMax, network)
    }

    /// The last layer's sums, `rowCount × outputWidth`.
    package var logits: Span<Float> {
        @_lifetime(borrow self)
        get { logitValues.span.extracting(0..<outputCount) }
    }

    /// What the logits mean, `rowCount × outputWidth`.
    ///
    /// For softmax each class's probability; for sigmoid the probability of yes; for linear the
    /// values.
    package var probabilities: Span<Float> {
        @_lifetime(borrow self)
        get { probabilityValues.span.extracting(0..<outputCount) }
    }

    /// The last hidden layer's outputs, `rowCount × lastHiddenWidth`; empty without hidden layers.
    package var lastHidden: Span<Float> {
        @_lifetime(borrow self)
        get { hiddenValues.span.extracting(0..<hiddenCount) }
    }

    /// Lends the scratch to a closure, which may look at its spans and must not keep them.
    ///
    /// A class that owns a scratch needs this: the compiler lets no span of a class's property
    /// live longer than the access to the property.
    package func read<Result, Failure: Error>(
        _ body: (borrowing InferenceScratch) throws(Failure) -> Result
    ) throws(Failure) -> Result {
        try body(self)
    }

    /// The class with the greatest logit, the first of equals; with one logit 1 for yes, 0 for no.
    package func predictedClass(row: Int) -> Int {
        precondition(row >= 0 && row < rowCount)
        let first = row * outputWidth
        guard outputWidth > 1 else { return logitValues[first] >= 0 ? 1 : 0 }
        var best = first
        for index in first..<first + outputWidth where logitValues[index] > logitValues[best] {
            best = index
        }
        return best - first
    }

    /// Runs the rows through the network.
    fileprivate mutating func run(
        _ network: MultilayerPerceptron,
        _ rows: Span<Float>,
        rowCount: Int
    ) {
        reserve(rowCount, network)
        self.rowCount = rowCount
        outputWidth = network.outputWidth
        outputCount = rowCount * outputWidth
        hiddenCount = rowCount * network.lastHiddenWidth
        for index in 0..<network.layers.count - 1 {
            if index == 0 {
                Self.pass(rows, network.layers[index], rowCount, &hiddenValues)
            } else {
                Self.pass(hiddenValues, network.layers[index], rowCount, &spareValues)
                swap(&hiddenValues, &spareValues)
            }
        }
        let last = network.layers.count - 1
        if last == 0 {
            Self.pass(rows, network.layers[last], rowCount, &logitValues)
        } else {
            Self.pass(hiddenValues, network.layers[last], rowCount, &logitValues)
        }
        Self.interpret(network, logitValues, rowCount, &probabilityValues)
    }

    /// A layer after another one.
    ///
    /// The array is shared for the length of the call only, so that nothing is copied.
    private static func pass(
        _ inputs: [Float],
        _ layer: DenseLayer,
        _ rowCount: Int,
        _ outputs: inout [Float]
    ) {
        pass(inputs.span, layer, rowCount, &outputs)
    }

    /// A layer.
    private static func pass(
        _ inputs: Span<Float>,
        _ layer: DenseLayer,
        _ rowCount: Int,
        _ outputs: inout [Float]
    ) {
        var outputs = outputs.mutableSpan
        Kernels.dense(inputs, rowCount: rowCount, layer: layer, sums: &outputs)
        Kernels.activateInPlace(
            layer.activation,
            count: rowCount * layer.outputWidth,
            &outputs
        )
    }

    private static func interpret(
        _ network: MultilayerPerceptron,
        _ logits: [Float],
        _ rowCount: Int,
        _ probabilities: inout [Float]
    ) {
        var probabilities = probabilities.mutableSpan
        Kernels.interpret(
            network.head,
            rowCount: rowCount,
            width: network.outputWidth,
            logits.span,
            &probabilities
        )
    }

    /// Grows, never shrinks.
    private mutating func reserve(_ rowCount: Int, _ network: MultilayerPerceptron) {
        Self.grow(&logitValues, to: rowCount * network.outputWidth)
        Self.grow(&probabilityValues, to: rowCount * network.outputWidth)
        guard network.layers.count > 1 else { return }
        Self.grow(&hiddenValues, to: rowCount * network.widestOutput)
        Self.grow(&spareValues, to: rowCount * network.widestOutput)
    }

    private static func grow(_ values: inout [Float], to count: Int) {
        if values.count < count { values = [Float](repeating: 0, count: count) }
    }
}

extension MultilayerPerceptron {
    /// Predicts: logits, probabilities and the last hidden layer are then in the scratch.
    ///
    /// A row gives the same bits alone and in a batch. Nothing is allocated once the scratch has
    /// seen a batch of this size. A NaN among a row's inputs gives NaN for that row only.
    ///
    /// - Precondition: `rows` holds `rowCount × inputWidth` numbers.
    package func forward(
        rows: Span<Float>,
        rowCount: Int,
        scratch: inout InferenceScratch
    ) {
        precondition(rowCount >= 0 && rows.count == rowCount * inputWidth)
        scratch.run(self, rows, rowCount: rowCount)
    }
}
