internal import CKernels

/// The numbers of the next step of an optimiser, equal for all weights.
struct Optimizer {
    private let settings: TrainingSettings
    private let stepsPerEpoch: Int
    private var stepsTaken = 0
    // β₁ᵗ and β₂ᵗ, in double precision: 0.999ᵗ must be right over millions of steps.
    private var power1 = 1.0
    private var power2 = 1.0

    private static let beta1 = 0.9
    private static let beta2 = 0.999
    private static let epsilon: Float = 1e-7

    init(_ settings: TrainingSettings, stepsPerEpoch: Int) {
        self.settings = settings
        self.stepsPerEpoch = stepsPerEpoch
    }

    /// Whether a second moment is kept for every weight.
    var hasSecondMoments: Bool { settings.optimizer != .sgd }

    /// Goes on to the next step.
    ///
    /// - Returns: The step for weights, which are penalised, and for biases, which are not.
    mutating func next() -> (weights: leeway_step, biases: leeway_step) {
        let rate = settings.rate(
            step: stepsTaken,
            stepsPerEpoch: stepsPerEpoch
        )
        stepsTaken += 1
        var corrected = rate
        if hasSecondMoments {
            power1 *= Self.beta1
            power2 *= Self.beta2
            corrected *= (1 - power2).squareRoot() / (1 - power1)
        }
        var step = leeway_step(
            rate: Float(corrected),
            beta1: hasSecondMoments ? Float(Self.beta1) : settings.momentum,
            beta2: Float(Self.beta2),
            epsilon: Self.epsilon,
            l2: 0,
            decay: 0,
            scale: 1
        )
        let biases = step
        step.l2 = settings.l2
        if settings.optimizer == .adamW { step.decay = Float(rate) * settings.weightDecay }
        return (step, biases)
    }
}

extension TrainingSettings {
    /// The step size before any correction, for a step counted from 0 over the whole run.
    ///
    /// It rises evenly over the warm-up. What follows is constant; or falls by the factor every so
    /// many epochs; or follows half a cosine down to the floor (Loshchilov and Hutter 2017,
    /// without restarts).
    func rate(step: Int, stepsPerEpoch: Int) -> Double {
        let full = Double(learningRate)
        let warmUp = warmUpEpochs * Double(stepsPerEpoch)
        if Double(step) < warmUp { return full * (Double(step) + 1) / (warmUp + 1) }
        switch schedule {
        case .constant:
            return full
        case .step:
            let falls = step / stepsPerEpoch / stepEpochs
            return full * power(Double(stepFactor), falls)
        case .cosine:
            let total = Double(epochs * stepsPerEpoch)
            let done = (Double(step) - warmUp) / max(total - warmUp, 1)
            let share = (1 + cosine(Double.pi * min(done, 1))) / 2
            return full * (Double(rateFloor) + (1 - Double(rateFloor)) * share)
        }
    }

    /// A whole power, by repeated multiplication: the same on every machine.
    private func power(_ base: Double, _ exponent: Int) -> Double {
        (0..<min(exponent, 1000)).reduce(1) { result, _ in result * base }
    }

    /// The cosine of an angle from 0 to π, by its series around π/2: the same on every machine.
    private func cosine(_ angle: Double) -> Double {
        let x = Double.pi / 2 - angle
        var term = x
        var sum = x
        for k in 1...12 {
            term *= -x * x / Double(2 * k * (2 * k + 1))
            sum += term
        }
        return sum
    }
}
