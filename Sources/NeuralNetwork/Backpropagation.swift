/// The slopes of the loss by one layer's weights and bias.
package struct DenseGradient: Sendable, Equatable {
    /// One slope a weight, in the same place.
    package internal(set) var weights: Matrix
    /// One slope a bias.
    package internal(set) var bias: [Float]
}

/// The slopes of the mean loss of some rows by every weight of a network.
package struct LossGradient: Sendable, Equatable {
    /// The mean loss of the rows.
    package let loss: Double
    /// The slopes, layer by layer.
    package let layers: [DenseGradient]
}

extension MultilayerPerceptron {
    /// The loss of some rows and its slope by every weight: what one training step follows.
    ///
    /// - Parameters:
    ///   - rows: What goes in.
    ///   - targets: What should come out.
    /// - Returns: The slopes, before any penalty on weights.
    /// - Throws: ``TrainingError`` when rows, targets and network do not fit.
    package func lossGradient(
        rows: Matrix,
        targets: Targets
    ) throws(TrainingError) -> LossGradient {
        try targets.check(against: self, rowCount: rows.rows, width: rows.columns)
        var pass = TrainingPass(self, batch: rows.rows)
        let indices = [Int32](0..<Int32(rows.rows))
        let loss = pass.run(self, rows: rows, targets: targets, indices.span)
        return LossGradient(loss: loss.sum / Double(rows.rows), layers: pass.gradients)
    }
}

/// The memory and the arithmetic of one step: forward, loss, backward.
///
/// Everything is allocated once for the largest batch; a last, shorter one uses the front.
struct TrainingPass {
    /// What a layer made of the batch, and how the loss feels it.
    private struct LayerPass {
        var sums: [Float]
        var outputs: [Float]
        var deltas: [Float]
    }

    private var inputs: [Float]
    private var passes: [LayerPass]
    private var batchTargets = BatchTargets()
    /// The slopes of the mean loss of the last batch.
    private(set) var gradients: [DenseGradient]

    init(_ network: MultilayerPerceptron, batch: Int) {
        inputs = [Float](repeating: 0, count: batch * network.inputWidth)
        passes = network.layers.map { layer in
            let zeros = [Float](repeating: 0, count: batch * layer.outputWidth)
            return LayerPass(sums: zeros, outputs: zeros, deltas: zeros)
        }
        gradients = network.layers.map { layer in
            DenseGradient(
                weights: Matrix(rows: layer.inputWidth, columns: layer.outputWidth),
                bias: [Float](repeating: 0, count: layer.outputWidth)
            )
        }
    }

    /// Runs the rows with these indices, at most a batch, and leaves their ``gradients``.
    mutating func run(
        _ network: MultilayerPerceptron,
        rows: some TrainingRows,
        targets: Targets,
        _ indices: Span<Int32>
    ) -> BatchLoss {
        let count = indices.count
        inputs.resize(to: count * network.inputWidth)
        var target = inputs.mutableSpan
        rows.gather(indices, into: &target)
        batchTargets.gather(targets, indices, width: network.outputWidth)
        forward(network, count)
        let loss = loss(network, count)
        for index in network.layers.indices.reversed() { backward(network, index, count) }
        return loss
    }

    /// What goes into a layer.
    ///
    /// The copy shares the memory, and must be gone before that is written again.
    private func inputs(of layer: Int) -> [Float] {
        layer == 0 ? inputs : passes[layer - 1].outputs
    }

    private mutating func forward(_ network: MultilayerPerceptron, _ count: Int) {
        for (index, layer) in network.layers.enumerated() {
            let inputs = inputs(of: index)
            var sums = passes[index].sums.mutableSpan
            Kernels.dense(inputs.span, rowCount: count, layer: layer, sums: &sums)
            guard index < network.layers.count - 1 else { return }
            let given = passes[index].sums
            var outputs = passes[index].outputs.mutableSpan
            Kernels.activate(
                layer.activation,
                count: count * layer.outputWidth,
                given.span,
                &outputs
            )
        }
    }

    private mutating func loss(_ network: MultilayerPerceptron, _ count: Int) -> BatchLoss {
        let last = passes.count - 1
        let logits = passes[last].sums
        var deltas = passes[last].deltas.mutableSpan
        return Kernels.loss(
            network.head,
            rowCount: count,
            width: network.outputWidth,
            logits: logits.span,
            targets: batchTargets,
            scale: 1 / Float(count),
            gradients: &deltas
        )
    }

    /// From a layer's deltas to its gradient and to the deltas of the layer before.
    private mutating func backward(_ network: MultilayerPerceptron, _ index: Int, _ count: Int) {
        let deltas = passes[index].deltas
        Kernels.weightGradient(
            inputs: inputs(of: index).span,
            deltas: deltas.span,
            rowCount: count,
            gradient: &gradients[index].weights
        )
        var bias = gradients[index].bias.mutableSpan
        Kernels.biasGradient(deltas: deltas.span, rowCount: count, gradient: &bias)
        guard index > 0 else { return }
        let before = network.layers[index - 1]
        let sums = passes[index - 1].sums
        let outputs = passes[index - 1].outputs
        var result = passes[index - 1].deltas.mutableSpan
        Kernels.inputGradient(
            deltas: deltas.span,
            rowCount: count,
            layer: network.layers[index],
            result: &result
        )
        Kernels.activateBackward(
            before.activation,
            count: count * before.outputWidth,
            sums: sums.span,
            outputs: outputs.span,
            &result
        )
    }
}
