internal import CKernels

/// What a loss takes beside logits and targets.
struct LossOptions {
    /// The share of a class target that is spread evenly.
    var smoothing: Float = 0
    /// What a row counts by its class; empty for 1 each.
    var classWeights: [Float] = []
}

extension Kernels {
    /// The loss of each row of a batch, and how many of them were right.
    ///
    /// - Returns: The sum and the count; losses are summed in the order of the rows.
    static func loss(
        _ head: Head,
        rowCount: Int,
        width: Int,
        logits: Span<Float>,
        targets: BatchTargets,
        losses: inout [Double]
    ) -> BatchLoss {
        precondition(logits.count >= rowCount * width)
        targets.precheck(head, rowCount: rowCount, width: width)
        if losses.count < rowCount { losses = [Double](repeating: 0, count: rowCount) }
        let correct = unsafe logits.withUnsafeBufferPointer { logits in
            unsafe losses.withUnsafeMutableBufferPointer { losses in
                guard let logits = logits.baseAddress else { return 0 }
                return unsafe loss(
                    head,
                    0..<rowCount,
                    of: leeway_extent(rows: rowCount, columns: width, stride: width),
                    logits: logits,
                    targets: targets,
                    options: LossOptions(),
                    scale: 0,
                    losses: losses.baseAddress,
                    gradients: nil
                )
            }
        }
        return BatchLoss(sum: losses[..<rowCount].reduce(0, +), correct: correct)
    }

    /// The same for a range of rows, and the slopes by their logits where they are wanted.
    ///
    /// Bounds: logits and gradients have the extent's rows, `losses` one number a row, and the
    /// targets reach to the end of the range, which ``BatchTargets/precheck(_:rowCount:width:)``
    /// has seen to. All begin with the first row of the range but the targets.
    static func loss(
        _ head: Head,
        _ rows: Range<Int>,
        of extent: leeway_extent,
        logits: UnsafePointer<Float>,
        targets: BatchTargets,
        options: LossOptions,
        scale: Float,
        losses: UnsafeMutablePointer<Double>?,
        gradients: UnsafeMutablePointer<Float>?
    ) -> Int {
        guard let losses = unsafe losses, !rows.isEmpty else { return 0 }
        return unsafe options.classWeights.withUnsafeBufferPointer { weights in
            let first = rows.lowerBound
            let setting = unsafe leeway_loss(
                scale: scale,
                smoothing: options.smoothing,
                weights: weights.isEmpty ? nil : weights.baseAddress
            )
            guard head != .softmax else {
                return unsafe targets.classes.withUnsafeBufferPointer { classes in
                    guard let classes = classes.baseAddress else { return 0 }
                    return Int(
                        unsafe leeway_softmax_loss(
                            level,
                            setting,
                            extent,
                            logits,
                            classes + first,
                            losses,
                            gradients
                        )
                    )
                }
            }
            return unsafe targets.values.withUnsafeBufferPointer { values in
                guard let values = values.baseAddress else { return 0 }
                let loss = unsafe head == .sigmoid ? leeway_sigmoid_loss : leeway_squared_loss
                let start = unsafe values + first * extent.columns
                return Int(unsafe loss(setting, extent, logits, start, losses, gradients))
            }
        }
    }
}
