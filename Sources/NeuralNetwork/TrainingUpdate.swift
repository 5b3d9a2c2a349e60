internal import CKernels

/// The last part of a step: the slopes by the weights, and the weights' move.
///
/// Bounds: every block lies within the weights of its layer.
extension TrainingStep {
    /// A block of a layer's weights: some inputs of one panel, without gaps in memory.
    private struct Block {
        let inputs: Range<Int>
        /// The first output, and how many with those that fill up the panel.
        let column: Int
        let width: Int
        /// The first weight.
        let start: Int

        var extent: leeway_extent {
            leeway_extent(rows: inputs.count, columns: width, stride: width)
        }
    }

    /// Makes the slopes of this member's weights and moves them.
    func update(_ count: Int, _ member: Int, _ move: Move, _ clipNorm: Float?) {
        guard clipNorm != nil || move.keepsSlopes else {
            for index in layers.indices {
                eachBlock(of: layers[index], member) { block in
                    let slopes = unsafe desk(member).weights.pointer
                    unsafe makeSlopes(index, block, count, desk(member), slopes)
                    unsafe apply(move, layers[index], block, slopes, scale: 1)
                }
            }
            if member == 0 { moveBiases(count, move, scale: 1) }
            return
        }
        keepSlopes(count, member)
        guard let clipNorm else { return }
        meet()
        sumSquares(member)
        meet()
        let scale = shortening(to: clipNorm)
        for layer in layers {
            eachWholeBlock(of: layer, member) { block in
                let slopes = unsafe layer.parameters.slopes.pointer + block.start
                unsafe apply(move, layer, block, slopes, scale: scale)
            }
        }
        if member == 0 { moveBiases(nil, move, scale: scale) }
    }

    /// Makes the slopes and leaves them where all can see them.
    private func keepSlopes(_ count: Int, _ member: Int) {
        for index in layers.indices {
            let layer = layers[index]
            eachWholeBlock(of: layer, member) { block in
                let slopes = unsafe layer.parameters.slopes.pointer + block.start
                unsafe makeSlopes(index, block, count, desk(member), slopes)
            }
            if member == 0 { makeBiasSlopes(index, count) }
        }
    }

    /// The squares of this member's chunks of the slopes.
    private func sumSquares(_ member: Int) {
        var first = 0
        for layer in layers {
            for chunk in share(of: layer.chunkCount, member: member) {
                let start = chunk * TrainingLayer.chunk
                let count = min(TrainingLayer.chunk, layer.inputs * layer.width - start)
                unsafe squares[first + chunk] = unsafe leeway_sum_of_squares(
                    Kernels.level,
                    count,
                    layer.parameters.slopes.pointer + start
                )
            }
            first += layer.chunkCount
        }
    }

    /// What all slopes are multiplied with so that their norm is at most this.
    private func shortening(to norm: Float) -> Float {
        var sum = unsafe squares.reduce(0, +)
        for layer in layers {
            sum += unsafe leeway_sum_of_squares(
                Kernels.level,
                layer.width,
                layer.parameters.biasSlopes.pointer
            )
        }
        let length = sum.squareRoot()
        return length > Double(norm) ? Float(Double(norm) / length) : 1
    }

    private func makeSlopes(
        _ index: Int,
        _ block: Block,
        _ count: Int,
        _ desk: Desk,
        _ target: UnsafeMutablePointer<Float>
    ) {
        let (source, stride) = unsafe given(index, desk)
        let layer = layers[index]
        unsafe leeway_weight_gradient(
            Kernels.level,
            count,
            block.inputs.count,
            block.width,
            source + block.inputs.lowerBound,
            stride,
            layer.deltas + block.column,
            layer.width,
            target
        )
    }

    private func makeBiasSlopes(_ index: Int, _ count: Int) {
        let layer = layers[index]
        unsafe leeway_column_sums(
            Kernels.level,
            count,
            layer.width,
            layer.width,
            layer.deltas,
            layer.parameters.biasSlopes.pointer
        )
    }

    /// Makes the biases' slopes, unless they are there, and moves them.
    private func moveBiases(_ count: Int?, _ move: Move, scale: Float) {
        for index in layers.indices {
            if let count { makeBiasSlopes(index, count) }
            let layer = layers[index]
            let extent = leeway_extent(rows: 1, columns: layer.width, stride: layer.width)
            unsafe move.apply(
                move.biases(scale),
                extent,
                layer.parameters.biasSlopes.pointer,
                layer.parameters.bias.pointer,
                layer.parameters.biasFirst.pointer,
                layer.parameters.biasSecond.pointer
            )
        }
    }

    private func apply(
        _ move: Move,
        _ layer: TrainingLayer,
        _ block: Block,
        _ slopes: UnsafeMutablePointer<Float>,
        scale: Float
    ) {
        unsafe move.apply(
            move.weights(scale),
            block.extent,
            slopes,
            layer.parameters.weights.pointer + block.start,
            layer.parameters.weightFirst.pointer + block.start,
            layer.parameters.weightSecond.pointer + block.start
        )
    }

    // MARK: - Who owns what

    /// The blocks of a layer that are a member's.
    private func eachBlock(of layer: TrainingLayer, _ member: Int, _ body: (Block) -> Void) {
        guard sharesOutputs(of: layer) else {
            return eachWholeBlock(of: layer, member, body)
        }
        let outputs = share(of: layer, member)
        let aPanel = blocksOfPanel(layer)
        let first = outputs.lowerBound / layer.panelWidth
        let last = (outputs.upperBound + layer.panelWidth - 1) / layer.panelWidth
        blocks(first * aPanel..<last * aPanel, of: layer, body)
    }

    /// The same share of the blocks in the order of memory, whoever reads them.
    private func eachWholeBlock(
        of layer: TrainingLayer,
        _ member: Int,
        _ body: (Block) -> Void
    ) {
        let count = blocksOfPanel(layer) * layer.panelCount
        blocks(share(of: count, member: member), of: layer, body)
    }

    private func blocksOfPanel(_ layer: TrainingLayer) -> Int {
        (layer.inputs + Desk.block - 1) / Desk.block
    }

    private func blocks(_ numbers: Range<Int>, of layer: TrainingLayer, _ body: (Block) -> Void) {
        let aPanel = blocksOfPanel(layer)
        for number in numbers {
            let panel = layer.panel(number / aPanel)
            let first = number % aPanel * Desk.block
            body(
                Block(
                    inputs: first..<min(first + Desk.block, layer.inputs),
                    column: panel.column,
                    width: panel.width,
                    start: panel.start + first * panel.width
                )
            )
        }
    }
}

extension TrainingStep.Move {
    /// Whether the slopes are all that is wanted.
    fileprivate var keepsSlopes: Bool { if case .none = self { true } else { false } }

    fileprivate func weights(_ scale: Float) -> leeway_step {
        switch self {
        case .none: leeway_step()
        case .adam(let step, _), .descend(let step, _): step.scaled(scale)
        }
    }

    fileprivate func biases(_ scale: Float) -> leeway_step {
        switch self {
        case .none: leeway_step()
        case .adam(_, let step), .descend(_, let step): step.scaled(scale)
        }
    }

    /// Bounds: slopes without gaps, the others as the extent says; descent has no second moments.
    fileprivate func apply(
        _ step: leeway_step,
        _ extent: leeway_extent,
        _ slopes: UnsafeMutablePointer<Float>,
        _ weights: UnsafeMutablePointer<Float>,
        _ first: UnsafeMutablePointer<Float>,
        _ second: UnsafeMutablePointer<Float>
    ) {
        switch self {
        case .none: break
        case .adam:
            unsafe leeway_adam(Kernels.level, extent, step, slopes, weights, first, second)
        case .descend:
            unsafe leeway_sgd(Kernels.level, extent, step, slopes, weights, first)
        }
    }
}

extension leeway_step {
    fileprivate func scaled(_ scale: Float) -> leeway_step {
        var copy = self
        copy.scale = scale
        return copy
    }
}
