internal import CKernels

/// A layer under training: its weights, what the optimiser remembers, and the numbers of one step.
///
/// All memory is allocated once, for the largest batch. Rows of a batch are ``width`` numbers
/// apart: the outputs rounded up to whole vectors, with zeros behind them that nobody changes.
final class TrainingLayer {
    let inputs: Int
    let outputs: Int
    let width: Int
    let activation: Activation
    /// The columns of a panel of the weights.
    let panelWidth: Int
    let parameters: Parameters
    private let outputMemory: AlignedFloats
    private let sumMemory: AlignedFloats?
    private let passedMemory: AlignedFloats?
    private let deltaMemory: AlignedFloats

    /// Weights in panels and biases, the slopes by them, and the optimiser's moments of both.
    struct Parameters: ~Copyable {
        let weights: AlignedFloats
        let bias: AlignedFloats
        let weightFirst: AlignedFloats
        let weightSecond: AlignedFloats
        let biasFirst: AlignedFloats
        let biasSecond: AlignedFloats
        /// The slopes by the weights; empty where they are used block by block.
        let slopes: AlignedFloats
        let biasSlopes: AlignedFloats
    }

    init(
        _ layer: DenseLayer,
        batch: Int,
        isHidden: Bool,
        dropout: Bool,
        moments: Int,
        keepsSlopes: Bool,
        members: Int
    ) {
        inputs = layer.inputWidth
        outputs = layer.outputWidth
        width = leeway_padded(layer.outputWidth)
        activation = layer.activation
        panelWidth = Self.panelWidth(outputs: layer.outputWidth, members: members)
        let count = inputs * width
        parameters = Parameters(
            weights: AlignedFloats(count: count),
            bias: AlignedFloats(count: width),
            weightFirst: AlignedFloats(count: moments > 0 ? count : 0),
            weightSecond: AlignedFloats(count: moments > 1 ? count : 0),
            biasFirst: AlignedFloats(count: width),
            biasSecond: AlignedFloats(count: width),
            slopes: AlignedFloats(count: keepsSlopes ? count : 0),
            biasSlopes: AlignedFloats(count: width)
        )
        outputMemory = AlignedFloats(count: batch * width)
        deltaMemory = AlignedFloats(count: batch * width)
        // Only GELU's slope needs the sums themselves.
        sumMemory = layer.activation == .gelu ? AlignedFloats(count: batch * width) : nil
        passedMemory = isHidden && dropout ? AlignedFloats(count: batch * width) : nil
        let (matrix, bias) = (layer.weights, layer.bias)
        unsafe leeway_pack(
            inputs,
            outputs,
            panelWidth,
            matrix.values,
            parameters.weights.pointer
        )
        unsafe parameters.bias.pointer.update(from: bias, count: outputs)
    }

    /// Panels that the members can own some of each: what lies side by side in memory would be
    /// drawn from core to core.
    private static func panelWidth(outputs: Int, members: Int) -> Int {
        let widest = PackedWeights.panelWidth
        guard members > 1, outputs < 2 * widest * members else { return widest }
        let unit = Int(leeway_panel_unit)
        return min(max((outputs / members) / unit * unit, unit), widest)
    }

    /// How many panels the weights are in.
    var panelCount: Int { (outputs + panelWidth - 1) / panelWidth }

    /// One panel: its first column, how wide it is, and where its weights begin.
    func panel(_ index: Int) -> (column: Int, width: Int, start: Int) {
        let column = index * panelWidth
        return (column, min(width - column, panelWidth), column * inputs)
    }

    /// The slopes by the weights are summed up in chunks of so many.
    static let chunk = 8192
    /// How many chunks there are.
    var chunkCount: Int { (inputs * width + Self.chunk - 1) / Self.chunk }

    /// The layer as it is now.
    var layer: DenseLayer {
        DenseLayer(
            weights: unsafe matrix(parameters.weights.pointer),
            bias: parameters.bias.prefix(outputs),
            activation: activation
        )
    }

    /// The slopes as they are now, where they are kept.
    var gradient: DenseGradient {
        DenseGradient(
            weights: unsafe matrix(parameters.slopes.pointer),
            bias: parameters.biasSlopes.prefix(outputs)
        )
    }

    private func matrix(_ panels: UnsafeMutablePointer<Float>) -> Matrix {
        var matrix = Matrix(rows: inputs, columns: outputs)
        unsafe leeway_unpack(inputs, outputs, panelWidth, panels, &matrix.values)
        return matrix
    }

    // Each of these has batch × width numbers.

    /// f(sums), before anything is dropped.
    @unsafe var output: UnsafeMutablePointer<Float> { unsafe outputMemory.pointer }
    /// The sums, or what tells as much of the slope: the outputs.
    @unsafe var sums: UnsafeMutablePointer<Float> {
        switch sumMemory {
        case .some(let memory): unsafe memory.pointer
        case .none: unsafe outputMemory.pointer
        }
    }
    /// What the next layer is given.
    @unsafe var passed: UnsafeMutablePointer<Float> {
        switch passedMemory {
        case .some(let memory): unsafe memory.pointer
        case .none: unsafe outputMemory.pointer
        }
    }
    /// How the loss feels the sums.
    @unsafe var deltas: UnsafeMutablePointer<Float> { unsafe deltaMemory.pointer }

    /// Whether the outputs are kept apart from the sums, and from what is passed on.
    var keepsSums: Bool { sumMemory != nil }
    /// Whether a step drops some of the outputs.
    var drops: Bool { passedMemory != nil }
}
