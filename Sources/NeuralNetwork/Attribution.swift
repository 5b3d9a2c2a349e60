/// How an answer is shared out among the inputs that led to it.
package enum AttributionMethod: String, Sendable, CaseIterable {
    /// The slope of the logit by each input, at the row itself.
    case gradient
    /// Integrated gradients (Sundararajan, Taly and Yan 2017): the mean slope on the straight way
    /// from the baseline to the row, times the distance. The shares add up to what the logit
    /// differs by.
    case integratedGradients = "integrated_gradients"
}

/// The memory that attributions need, and the last result; one belongs to one thread.
///
/// It grows to the largest network and number of steps it has seen; then nothing is allocated.
package struct AttributionScratch: ~Copyable, Sendable {
    private var memory = SlopeMemory()
    private var points = AlignedFloats(count: 0)
    private var results = AlignedFloats(count: 0)
    private var resultCount = 0

    /// How far the shares' sum is from the difference of the logits, at the most of all rows;
    /// 0 for ``AttributionMethod/gradient``, which makes no such promise.
    package private(set) var completenessError: Float = 0

    /// Empty; the first use makes it grow.
    package init() {}

    /// One number an input of each row, `rowCount × inputWidth`.
    package var attributions: Span<Float> {
        @_lifetime(borrow self)
        get { results.span.extracting(0..<resultCount) }
    }

    /// Lends the scratch to a closure, which may look at its span and must not keep it.
    package func read<Result, Failure: Error>(
        _ body: (borrowing AttributionScratch) throws(Failure) -> Result
    ) throws(Failure) -> Result {
        try body(self)
    }

    /// Points at which slopes are taken on the way from the baseline to a row.
    package static let steps = 64

    fileprivate mutating func run(
        _ network: MultilayerPerceptron,
        _ rows: Span<Float>,
        _ targets: Span<Int32>,
        _ method: AttributionMethod
    ) {
        let width = network.inputWidth
        resultCount = targets.count * width
        results.grow(to: resultCount)
        completenessError = 0
        for row in targets.indices {
            let values = rows.extracting(row * width..<(row + 1) * width)
            let target = Target(network, Int(targets[row]))
            switch method {
            case .gradient:
                slopes(network, values, target, at: row * width)
            case .integratedGradients:
                let error = integrate(network, values, target, at: row * width)
                // A NaN is the greatest error of all.
                if !(error <= completenessError) { completenessError = error }
            }
        }
    }

    /// The slopes at a row.
    private mutating func slopes(
        _ network: MultilayerPerceptron,
        _ row: Span<Float>,
        _ target: Target,
        at start: Int
    ) {
        var pass = SlopePass(network, rowCount: 1, &memory)
        pass.forward(row)
        pass.backward(1, output: target.output, sign: target.sign) { slopes in
            var results = results.mutableSpan
            for index in slopes.indices { results[start + index] = slopes[index] }
        }
    }

    /// The mean slope at the middles of as many equal parts of the way, times the distance.
    ///
    /// - Returns: How far the shares' sum is from the difference of the logits.
    private mutating func integrate(
        _ network: MultilayerPerceptron,
        _ row: Span<Float>,
        _ target: Target,
        at start: Int
    ) -> Float {
        let (steps, width) = (Self.steps, row.count)
        // Behind the steps are the row and the baseline, for the difference of their logits.
        points.grow(to: (steps + 2) * width)
        var places = points.mutableSpan
        for step in 0..<steps {
            let share = (Float(step) + 0.5) / Float(steps)
            for index in 0..<width { places[step * width + index] = share * row[index] }
        }
        for index in 0..<width {
            places[steps * width + index] = row[index]
            places[(steps + 1) * width + index] = 0
        }
        var pass = SlopePass(network, rowCount: steps + 2, &memory)
        pass.forward(points.span)
        let difference =
            target.sign
            * (pass.logit(row: steps, output: target.output)
                - pass.logit(row: steps + 1, output: target.output))
        var sum: Double = 0
        pass.backward(steps, output: target.output, sign: target.sign) { slopes in
            var results = results.mutableSpan
            for index in 0..<width {
                var mean: Float = 0
                for step in 0..<steps { mean += slopes[step * width + index] }
                let share = mean / Float(steps) * row[index]
                results[start + index] = share
                sum += Double(share)
            }
        }
        return abs(Float(sum - Double(difference)))
    }

    /// The logit that is shared out: that of a class, where one logit decides between two with the
    /// sign turned for the first.
    private struct Target {
        let output: Int
        let sign: Float

        init(_ network: MultilayerPerceptron, _ chosen: Int) {
            precondition(chosen >= 0 && chosen < max(2, network.outputWidth))
            let isNo = network.head == .sigmoid && chosen == 0
            output = network.head == .sigmoid ? 0 : chosen
            sign = isNo ? -1 : 1
        }
    }
}

extension MultilayerPerceptron {
    /// Shares each row's logit out among its inputs; the result is then in the scratch.
    ///
    /// The baseline is 0 for every input: what scaling makes of the mean where inputs are
    /// standardised, black in an image, no category at all. Integrated gradients take the slopes
    /// at ``AttributionScratch/steps`` points; ``AttributionScratch/completenessError`` says how
    /// well that was enough.
    ///
    /// - Precondition: `rows` holds `targets.count × inputWidth` numbers, and every target is one
    ///   of the network's classes (0 for a value).
    package func attribute(
        rows: Span<Float>,
        targets: Span<Int32>,
        method: AttributionMethod,
        scratch: inout AttributionScratch
    ) {
        precondition(rows.count == targets.count * inputWidth)
        scratch.run(self, rows, targets, method)
    }
}
