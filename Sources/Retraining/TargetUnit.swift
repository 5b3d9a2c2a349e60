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

    /// Other targets of the same kind in the unit of the fit.
    func standardised(_ targets: Targets) -> Targets {
        guard case .values(let values) = targets else { return targets }
        return .values(values.map { Float((Double($0) - mean) / deviation) })
    }

    /// A network with answers in the data's unit, as the fit takes it; nil when that is so small
    /// that a weight is no longer finite.
    func standardised(_ network: MultilayerPerceptron) -> MultilayerPerceptron? {
        try? Self.scaled(network, by: 1 / deviation, adding: -mean / deviation)
    }

    /// The fitted network with answers in the data's unit.
    ///
    /// - Throws: `NetworkError` when the unit is so large that a weight is no longer finite.
    func restored(_ network: MultilayerPerceptron) throws -> MultilayerPerceptron {
        try Self.scaled(network, by: deviation, adding: mean)
    }

    private static func scaled(
        _ network: MultilayerPerceptron,
        by factor: Double,
        adding offset: Double
    ) throws -> MultilayerPerceptron {
        guard network.head == .linear, let last = network.layers.last else { return network }
        let weights = last.weights.values.map { Float(Double($0) * factor) }
        let scaled = DenseLayer(
            weights: Matrix(
                rows: last.weights.rows,
                columns: last.weights.columns,
                values: weights
            ),
            bias: last.bias.map { Float(Double($0) * factor + offset) },
            activation: last.activation
        )
        return try MultilayerPerceptron(
            layers: network.layers.dropLast() + [scaled],
            head: network.head
        )
    }
}
