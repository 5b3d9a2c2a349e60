internal import CKernels

/// The memory of a backward pass from a logit to the inputs; it grows and never shrinks.
struct SlopeMemory: ~Copyable, Sendable {
    /// The outputs of every layer, one layer after the other: rows × all outputs.
    var outputs = AlignedFloats(count: 0)
    /// The sums of the layers, in the same places; used where the slope asks for them.
    var sums = AlignedFloats(count: 0)
    /// How the logit feels the sums of a layer: rows × outputs.
    var deltas = AlignedFloats(count: 0)
    /// The same for the layer below; at the end the slopes by the inputs: rows × inputs.
    var below = AlignedFloats(count: 0)
    /// The deltas with rows and columns changed: outputs × padded rows.
    var transposed = AlignedFloats(count: 0)
    /// The slopes by some inputs of a layer: inputs × padded rows.
    var part = AlignedFloats(count: 0)

    /// Inputs of a layer whose slopes are made at a time.
    static let partInputs = 192

    /// Makes room for a number of rows.
    mutating func reserve(_ rows: Int, _ network: MultilayerPerceptron) {
        let all = network.layers.reduce(0) { $0 + $1.outputWidth }
        let widest = max(network.widestOutput, network.inputWidth)
        let columns = Int(leeway_padded(rows))
        outputs.grow(to: rows * all)
        if network.layers.contains(where: { $0.activation == .gelu }) { sums.grow(to: rows * all) }
        deltas.grow(to: rows * widest)
        below.grow(to: rows * widest)
        transposed.grow(to: network.widestOutput * columns)
        part.grow(to: Self.partInputs * columns)
    }
}

/// One pass of some rows through a network, and back from a logit to the inputs.
///
/// Bounds: ``SlopeMemory/reserve(_:_:)`` has made room for `rowCount` rows of the network, and the
/// caller has checked the rows that go in; every pointer is offset by whole rows and layers that
/// lie within.
@safe struct SlopePass {
    private let network: MultilayerPerceptron
    private let rowCount: Int
    private let outputs: UnsafeMutablePointer<Float>
    private let sums: UnsafeMutablePointer<Float>
    private var deltas: UnsafeMutablePointer<Float>
    private var below: UnsafeMutablePointer<Float>
    private let transposed: UnsafeMutablePointer<Float>
    private let part: UnsafeMutablePointer<Float>

    /// Takes memory that lives longer than the pass.
    init(_ network: MultilayerPerceptron, rowCount: Int, _ memory: inout SlopeMemory) {
        memory.reserve(rowCount, network)
        self.network = network
        self.rowCount = rowCount
        unsafe outputs = memory.outputs.pointer
        unsafe sums = memory.sums.pointer
        unsafe deltas = memory.deltas.pointer
        unsafe below = memory.below.pointer
        unsafe transposed = memory.transposed.pointer
        unsafe part = memory.part.pointer
    }

    /// Runs rows through the network and keeps what every layer gives.
    func forward(_ rows: Span<Float>) {
        precondition(rows.count >= rowCount * network.inputWidth)
        unsafe rows.withUnsafeBufferPointer { rows in
            guard var source = rows.baseAddress else { return }
            var place = 0
            for layer in network.layers {
                let keepsSums = layer.activation == .gelu
                let target = unsafe (keepsSums ? sums : outputs) + place
                let shape = leeway_layer(
                    rows: rowCount,
                    inputs: layer.inputWidth,
                    outputs: layer.outputWidth,
                    panel: PackedWeights.panelWidth,
                    row_stride: layer.inputWidth,
                    result_stride: layer.outputWidth,
                    first: 0,
                    last: layer.outputWidth,
                    function: keepsSums ? leeway_identity : layer.activation.function
                )
                unsafe layer.packed.lend { weights, bias in
                    unsafe leeway_forward(Kernels.level, shape, source, weights, bias, target)
                }
                if keepsSums { activate(layer, at: place) }
                unsafe source = UnsafePointer(outputs + place)
                place += rowCount * layer.outputWidth
            }
        }
    }

    private func activate(_ layer: DenseLayer, at place: Int) {
        let count = rowCount * layer.outputWidth
        unsafe (outputs + place).update(from: sums + place, count: count)
        let extent = extent(layer.outputWidth)
        unsafe leeway_activate(Kernels.level, layer.activation.function, extent, outputs + place)
    }

    /// One of the logits that ``forward(_:)`` gave.
    func logit(row: Int, output: Int) -> Float {
        precondition(row >= 0 && row < rowCount && output >= 0 && output < network.outputWidth)
        let first = place(of: network.layers.count - 1)
        return unsafe outputs[first + row * network.outputWidth + output]
    }

    /// Goes back from one logit of each of the first rows to the inputs.
    ///
    /// - Parameters:
    ///   - count: How many of the rows.
    ///   - output: Which logit.
    ///   - sign: What the slopes are multiplied with.
    ///   - body: Is lent the slopes by the inputs, `count × inputWidth`.
    mutating func backward(
        _ count: Int,
        output: Int,
        sign: Float,
        _ body: (Span<Float>) -> Void
    ) {
        let width = network.outputWidth
        precondition(count > 0 && count <= rowCount && output >= 0 && output < width)
        unsafe deltas.update(repeating: 0, count: count * width)
        for row in 0..<count { unsafe deltas[row * width + output] = sign }
        for index in network.layers.indices.reversed() { propagate(index, count) }
        body(unsafe Span(_unsafeStart: UnsafePointer(deltas), count: count * network.inputWidth))
    }

    /// From the deltas of a layer to those of the layer below, or to the slopes by the inputs.
    private mutating func propagate(_ index: Int, _ count: Int) {
        let layer = network.layers[index]
        let (inputs, width) = (layer.inputWidth, layer.outputWidth)
        let columns = Int(leeway_padded(count))
        unsafe leeway_transpose(count, width, deltas, width, transposed, columns)
        for first in stride(from: 0, to: inputs, by: SlopeMemory.partInputs) {
            let last = min(first + SlopeMemory.partInputs, inputs)
            let slice = leeway_slice(
                inputs: inputs,
                outputs: width,
                panel: PackedWeights.panelWidth,
                first: first,
                last: last,
                columns: columns
            )
            unsafe layer.packed.lend { weights, _ in
                unsafe leeway_input_gradient(Kernels.level, slice, weights, transposed, part)
            }
            unsafe leeway_transpose(last - first, count, part, columns, below + first, inputs)
        }
        if index > 0 {
            let previous = network.layers[index - 1]
            let place = place(of: index - 1)
            let tells = unsafe (previous.activation == .gelu ? sums : outputs) + place
            unsafe leeway_activate_backward(
                Kernels.level,
                previous.activation.function,
                leeway_extent(rows: count, columns: inputs, stride: inputs),
                tells,
                outputs + place,
                below
            )
        }
        unsafe swap(&deltas, &below)
    }

    /// Where a layer's outputs begin.
    private func place(of index: Int) -> Int {
        network.layers[..<index].reduce(0) { $0 + rowCount * $1.outputWidth }
    }

    private func extent(_ columns: Int) -> leeway_extent {
        leeway_extent(rows: rowCount, columns: columns, stride: columns)
    }
}
