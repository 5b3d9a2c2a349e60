/// The slopes of the loss by one layer's weights and bias.
package struct DenseGradient: Sendable, Equatable {
    /// One slope a weight, in the same place.
    package let weights: Matrix
    /// One slope a bias.
    package let bias: [Float]
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
    ///   - settings: Label smoothing and class weights are taken from them.
    ///   - threads: How many share the work; the result is the same.
    /// - Returns: The slopes, before any penalty on weights.
    /// - Throws: ``TrainingError`` when rows, targets and network do not fit.
    package func lossGradient(
        rows: Matrix,
        targets: Targets,
        settings: TrainingSettings = TrainingSettings(),
        threads: Int = 1
    ) throws(TrainingError) -> LossGradient {
        try targets.check(against: self, rowCount: rows.rows, width: rows.columns)
        let step = TrainingStep(
            self,
            batch: rows.rows,
            threads: threads,
            options: try settings.lossOptions(for: self),
            keepsSlopes: true
        )
        let indices = [Int32](0..<Int32(rows.rows))
        let loss = step.run(rows, nil, targets, indices.span, .none)
        return LossGradient(loss: loss.sum / Double(rows.rows), layers: step.gradients)
    }
}

extension TrainingSettings {
    /// What the loss of a network takes of the settings.
    ///
    /// - Throws: ``TrainingError/setting(name:range:)`` when there is not one weight a class.
    func lossOptions(for network: MultilayerPerceptron) throws(TrainingError) -> LossOptions {
        let classes =
            switch network.head {
            case .softmax: network.outputWidth
            case .sigmoid: 2
            case .linear: 0
            }
        guard classWeights.isEmpty || classWeights.count == classes else {
            let range =
                classes == 0 ? "none for a regression" : "one for each of \(classes) classes"
            throw .setting(name: "class_weights", range: range)
        }
        return LossOptions(
            smoothing: network.head == .linear ? 0 : labelSmoothing,
            classWeights: classWeights
        )
    }
}
