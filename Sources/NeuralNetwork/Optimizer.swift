/// The numbers of one step, equal for all weights.
struct OptimizerStep {
    let rate: Float
    let beta1: Float
    let beta2: Float
    let epsilon: Float
    let weightDecay: Float
}

/// What an optimiser remembers of one tensor.
private struct Moments {
    /// Adam's mean of the gradients; the velocity of gradient descent.
    var first: [Float]
    /// Adam's mean of their squares; empty for gradient descent.
    var second: [Float]

    init(count: Int, _ optimizer: TrainingSettings.Optimizer) {
        first = [Float](repeating: 0, count: count)
        second = [Float](repeating: 0, count: optimizer == .adam ? count : 0)
    }

    /// Moves one tensor by one step.
    mutating func apply(
        _ optimizer: TrainingSettings.Optimizer,
        _ step: OptimizerStep,
        _ gradient: [Float],
        to weights: inout [Float]
    ) {
        switch optimizer {
        case .adam:
            Kernels.adam(
                step,
                gradient: gradient,
                weights: &weights,
                first: &first,
                second: &second
            )
        case .sgd:
            Kernels.descend(step, gradient: gradient, weights: &weights, velocity: &first)
        }
    }
}

/// Turns gradients into new weights.
struct Optimizer {
    private let settings: TrainingSettings
    private var weightMoments: [Moments]
    private var biasMoments: [Moments]
    // β₁ᵗ and β₂ᵗ, in double precision: 0.999ᵗ must be right over millions of steps.
    private var power1 = 1.0
    private var power2 = 1.0

    private static let beta1: Double = 0.9
    private static let beta2: Double = 0.999
    private static let epsilon: Float = 1e-7

    init(_ settings: TrainingSettings, for network: MultilayerPerceptron) {
        self.settings = settings
        weightMoments = network.layers.map {
            Moments(count: $0.weights.values.count, settings.optimizer)
        }
        biasMoments = network.layers.map { Moments(count: $0.bias.count, settings.optimizer) }
    }

    /// Moves every weight by one step.
    mutating func step(_ network: inout MultilayerPerceptron, _ gradients: [DenseGradient]) {
        let (forWeights, forBiases) = nextStep()
        for index in gradients.indices {
            weightMoments[index].apply(
                settings.optimizer,
                forWeights,
                gradients[index].weights.values,
                to: &network.layers[index].weights.values
            )
            biasMoments[index].apply(
                settings.optimizer,
                forBiases,
                gradients[index].bias,
                to: &network.layers[index].bias
            )
        }
    }

    private mutating func nextStep() -> (weights: OptimizerStep, biases: OptimizerStep) {
        var rate = Double(settings.learningRate)
        if settings.optimizer == .adam {
            power1 *= Self.beta1
            power2 *= Self.beta2
            rate *= (1 - power2).squareRoot() / (1 - power1)
        }
        func step(weightDecay: Float) -> OptimizerStep {
            OptimizerStep(
                rate: Float(rate),
                beta1: settings.optimizer == .adam ? Float(Self.beta1) : settings.momentum,
                beta2: Float(Self.beta2),
                epsilon: Self.epsilon,
                weightDecay: weightDecay
            )
        }
        return (step(weightDecay: settings.l2), step(weightDecay: 0))
    }
}
