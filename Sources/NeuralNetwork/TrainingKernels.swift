internal import CKernels

/// The loops of one training step: loss and optimiser, checked like those of `MatrixKernels.swift`.
extension Kernels {
    /// The summed loss of a batch and how many of its rows were right.
    static func loss(
        _ head: Head,
        rowCount: Int,
        width: Int,
        logits: Span<Float>,
        targets: BatchTargets
    ) -> BatchLoss {
        unsafe loss(head, rowCount, width, logits, targets, scale: 0, gradients: nil)
    }

    /// The same, and the slope of `scale × loss` by each logit.
    static func loss(
        _ head: Head,
        rowCount: Int,
        width: Int,
        logits: Span<Float>,
        targets: BatchTargets,
        scale: Float,
        gradients: inout MutableSpan<Float>
    ) -> BatchLoss {
        precondition(gradients.count >= rowCount * width)
        return unsafe gradients.withUnsafeMutableBufferPointer { gradients in
            unsafe loss(
                head,
                rowCount,
                width,
                logits,
                targets,
                scale: scale,
                gradients: gradients.baseAddress
            )
        }
    }

    /// One step of Adam on one tensor.
    static func adam(
        _ step: OptimizerStep,
        gradient: [Float],
        weights: inout [Float],
        first: inout [Float],
        second: inout [Float]
    ) {
        let count = gradient.count
        precondition(weights.count == count && first.count == count && second.count == count)
        unsafe leeway_adam(level, count, step.raw, gradient, &weights, &first, &second)
    }

    /// One step of gradient descent with momentum on one tensor.
    static func descend(
        _ step: OptimizerStep,
        gradient: [Float],
        weights: inout [Float],
        velocity: inout [Float]
    ) {
        let count = gradient.count
        precondition(weights.count == count && velocity.count == count)
        unsafe leeway_sgd(level, count, step.raw, gradient, &weights, &velocity)
    }

    /// Bounds: `gradients`, where given, holds at least `rowCount × width` numbers.
    private static func loss(
        _ head: Head,
        _ rowCount: Int,
        _ width: Int,
        _ logits: Span<Float>,
        _ targets: BatchTargets,
        scale: Float,
        gradients: UnsafeMutablePointer<Float>?
    ) -> BatchLoss {
        precondition(logits.count >= rowCount * width)
        targets.precheck(head, rowCount: rowCount, width: width)
        let classes = targets.classes
        let values = targets.values
        let loss = unsafe logits.withUnsafeBufferPointer { logits in
            guard let logits = logits.baseAddress else { return leeway_loss() }
            return switch head {
            case .softmax:
                unsafe leeway_softmax_loss(rowCount, width, logits, classes, scale, gradients)
            case .sigmoid:
                unsafe leeway_sigmoid_loss(rowCount, logits, values, scale, gradients)
            case .linear:
                unsafe leeway_squared_loss(rowCount, width, logits, values, scale, gradients)
            }
        }
        return BatchLoss(sum: loss.loss, correct: loss.correct)
    }
}

extension OptimizerStep {
    /// The same numbers for the C loops.
    fileprivate var raw: leeway_step {
        leeway_step(
            rate: rate,
            beta1: beta1,
            beta2: beta2,
            epsilon: epsilon,
            weight_decay: weightDecay
        )
    }
}
