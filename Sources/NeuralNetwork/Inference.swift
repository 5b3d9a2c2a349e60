/// The memory that predictions need, kept from one to the next.
///
/// One belongs to one thread (event loop). It grows to the largest batch it has seen and then no
/// prediction allocates anything. It fits every network: after a swap it is simply used again.
package struct InferenceScratch: ~Copyable, Sendable {
    private var hiddenValues = AlignedFloats(count: 0)
    private var spareValues = AlignedFloats(count: 0)
    private var logitValues = AlignedFloats(count: 0)
    private var probabilityValues = AlignedFloats(count: 0)
    /// The logits divided by the temperature, where there is one.
    private var cooledValues = AlignedFloats(count: 0)
    private var hiddenCount = 0
    private var outputCount = 0
    private let team: ComputeTeam

    /// How many rows the last prediction had.
    package private(set) var rowCount = 0
    /// How many logits each of its rows has.
    package private(set) var outputWidth = 0

    /// Empty; the first prediction makes it grow.
    ///
    /// - Parameter threads: Threads that share the work of a layer where it is worth it; the
    ///   caller's is one of them. The results are the same for any number.
    package init(threads: Int = 1) {
        team = ComputeTeam(members: threads)
    }

    /// Big enough for a network and a number of rows.
    package init(for network: MultilayerPerceptron, rowsMax: Int, threads: Int = 1) {
        self.init(threads: threads)
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
    /// values. A network with a ``MultilayerPerceptron/temperature`` gives calibrated ones.
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
        let logits = logits
        let first = row * outputWidth
        guard outputWidth > 1 else { return logits[first] >= 0 ? 1 : 0 }
        var best = first
        for index in first..<first + outputWidth where logits[index] > logits[best] {
            best = index
        }
        return best - first
    }

    /// Takes the results that another scratch computed, to be read as if they were its own.
    ///
    /// The last hidden layer's outputs are not among them: ``lastHidden`` is empty then.
    ///
    /// - Precondition: Both hold the same whole number of rows.
    package mutating func take(logits: [Float], probabilities: [Float], rowCount: Int) {
        precondition(logits.count == probabilities.count && rowCount > 0)
        precondition(logits.count % rowCount == 0)
        self.rowCount = rowCount
        outputWidth = logits.count / rowCount
        outputCount = logits.count
        hiddenCount = 0
        Self.copy(logits, to: &logitValues)
        Self.copy(probabilities, to: &probabilityValues)
    }

    private static func copy(_ values: [Float], to target: inout AlignedFloats) {
        target.grow(to: values.count)
        var span = target.mutableSpan
        for index in values.indices { span[index] = values[index] }
    }

    /// Runs rows of numbers through the network.
    fileprivate mutating func run(
        _ network: MultilayerPerceptron,
        _ rows: Span<Float>,
        rowCount: Int
    ) {
        begin(network, rowCount)
        let first = network.layers[0]
        if network.layers.count == 1 {
            Self.pass(rows, rowCount, first, &logitValues, team)
        } else {
            Self.pass(rows, rowCount, first, &hiddenValues, team)
        }
        finish(network)
    }

    /// Runs rows of bytes through the network.
    fileprivate mutating func run(
        _ network: MultilayerPerceptron,
        _ bytes: Span<UInt8>,
        _ scaling: ByteScaling,
        rowCount: Int
    ) {
        begin(network, rowCount)
        let first = network.layers[0]
        if network.layers.count == 1 {
            Self.pass(bytes, scaling, rowCount, first, &logitValues, team)
        } else {
            Self.pass(bytes, scaling, rowCount, first, &hiddenValues, team)
        }
        finish(network)
    }

    private mutating func begin(_ network: MultilayerPerceptron, _ rowCount: Int) {
        reserve(rowCount, network)
        self.rowCount = rowCount
        outputWidth = network.outputWidth
        outputCount = rowCount * outputWidth
        hiddenCount = rowCount * network.lastHiddenWidth
    }

    /// The layers after the first one, and the head.
    private mutating func finish(_ network: MultilayerPerceptron) {
        let last = network.layers.count - 1
        for index in 1..<max(last, 1) {
            Self.pass(hiddenValues, rowCount, network.layers[index], &spareValues, team)
            swap(&hiddenValues, &spareValues)
        }
        if last > 0 {
            Self.pass(hiddenValues, rowCount, network.layers[last], &logitValues, team)
        }
        if let temperature = network.temperature {
            Self.cool(logitValues, outputCount, temperature, &cooledValues)
            Self.interpret(network, cooledValues, rowCount, &probabilityValues)
        } else {
            Self.interpret(network, logitValues, rowCount, &probabilityValues)
        }
    }

    // What follows is apart from `self`, so that the compiler sees that nothing overlaps.

    private static func pass(
        _ inputs: borrowing AlignedFloats,
        _ rowCount: Int,
        _ layer: DenseLayer,
        _ outputs: inout AlignedFloats,
        _ team: borrowing ComputeTeam
    ) {
        pass(inputs.span, rowCount, layer, &outputs, team)
    }

    private static func pass(
        _ rows: Span<Float>,
        _ rowCount: Int,
        _ layer: DenseLayer,
        _ outputs: inout AlignedFloats,
        _ team: borrowing ComputeTeam
    ) {
        var results = outputs.mutableSpan
        Kernels.forward(rows, rowCount: rowCount, layer: layer, results: &results, team: team)
    }

    private static func pass(
        _ bytes: Span<UInt8>,
        _ scaling: ByteScaling,
        _ rowCount: Int,
        _ layer: DenseLayer,
        _ outputs: inout AlignedFloats,
        _ team: borrowing ComputeTeam
    ) {
        var results = outputs.mutableSpan
        Kernels.forward(
            bytes: bytes,
            scaling: scaling,
            rowCount: rowCount,
            layer: layer,
            results: &results,
            team: team
        )
    }

    private static func cool(
        _ logits: borrowing AlignedFloats,
        _ count: Int,
        _ temperature: Temperature,
        _ cooled: inout AlignedFloats
    ) {
        cooled.grow(to: count)
        let source = logits.span
        var target = cooled.mutableSpan
        for index in 0..<count { target[index] = source[index] * temperature.reciprocal }
    }

    private static func interpret(
        _ network: MultilayerPerceptron,
        _ logits: borrowing AlignedFloats,
        _ rowCount: Int,
        _ probabilities: inout AlignedFloats
    ) {
        var results = probabilities.mutableSpan
        Kernels.interpret(
            network.head,
            rowCount: rowCount,
            width: network.outputWidth,
            logits.span,
            &results
        )
    }

    /// Grows, never shrinks.
    private mutating func reserve(_ rowCount: Int, _ network: MultilayerPerceptron) {
        logitValues.grow(to: rowCount * network.outputWidth)
        probabilityValues.grow(to: rowCount * network.outputWidth)
        guard network.layers.count > 1 else { return }
        hiddenValues.grow(to: rowCount * network.widestOutput)
        spareValues.grow(to: rowCount * network.widestOutput)
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

    /// The same for rows of bytes, which are scaled inside the first layer.
    ///
    /// The results have the bits that the scaled numbers would give.
    ///
    /// - Precondition: `bytes` holds `rowCount × inputWidth` bytes.
    package func forward(
        bytes: Span<UInt8>,
        scaling: ByteScaling,
        rowCount: Int,
        scratch: inout InferenceScratch
    ) {
        precondition(rowCount >= 0 && bytes.count == rowCount * inputWidth)
        scratch.run(self, bytes, scaling, rowCount: rowCount)
    }
}
