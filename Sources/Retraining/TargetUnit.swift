internal import NeuralNetwork

/// The unit of a regression's target: fitted in standard deviations, answered in its own.
///
/// Mean and deviation are folded into the last layer when the fit is done, so that the network on
/// disk answers in the data's unit and nobody else has to know.
struct TargetUnit {
    /// What the network is fitted to.
    let targets: Targets
    private let mean: Double
    private let deviation: Double

    /// Takes the mean and the deviation of a regression's targets; classes stay as they are.
    init(_ targets: Targets) {
        guard case .values(let values) = targets, !values.isEmpty else {
            self.targets = targets
            (mean, deviation) = (0, 1)
            return
        }
        let count = Double(values.count)
        let mean = values.reduce(0.0) { $0 + Double($1) } / count
        let squares = values.reduce(0.0) { sum, value in
            sum + (Double(value) - mean) * (Double(value) - mean)
        }
        let spread = (squares / count).squareRoot()
        // A constant target has no deviation; any will do.
        let deviation = spread > 0 && spread.isFinite ? spread : 1
        self.targets = .values(values.map { Float((Double($0) - mean) / deviation) })
        (self.mean, self.deviation) = (mean, deviation)
    }

    /// The fitted network with answers in the data's unit.
    ///
    /// - Throws: `NetworkError` when the unit is so large that a weight is no longer finite.
    func restored(_ network: MultilayerPerceptron) throws -> MultilayerPerceptron {
        guard network.head == .linear, let last = network.layers.last else { return network }
        let weights = last.weights.values.map { Float(Double($0) * deviation) }
        let scaled = DenseLayer(
            weights: Matrix(
                rows: last.weights.rows,
                columns: last.weights.columns,
                values: weights
            ),
            bias: last.bias.map { Float(Double($0) * deviation + mean) },
            activation: last.activation
        )
        return try MultilayerPerceptron(
            layers: network.layers.dropLast() + [scaled],
            head: network.head
        )
    }
}
