internal import CKernels

/// The instruction sets that the arithmetic is built for, chosen when the program starts.
package enum InstructionSet: String, Sendable {
    /// What every machine of the architecture has: SSE2 or NEON.
    case portable
    /// x86-64-v3: AVX2 with fused multiply-add.
    case avx2
    /// x86-64-v4: AVX-512.
    case avx512

    /// The one in use on this machine; weights trained on another one may differ in last bits.
    package static let current =
        switch Kernels.level {
        case leeway_level_avx512: InstructionSet.avx512
        case leeway_level_avx2: InstructionSet.avx2
        default: InstructionSet.portable
        }
}

/// The C loops behind spans: the only unsafe code of this target.
///
/// Each function checks that every span holds at least as many numbers as the loop touches, and
/// hands out pointers only for the length of the call. A C loop with a row count of 0 touches
/// nothing.
enum Kernels {
    /// The best instruction set of this machine.
    static let level = leeway_kernels_level()

    /// `sums = inputs · weights + bias`, for a number of rows.
    static func dense(
        _ inputs: Span<Float>,
        rowCount: Int,
        layer: DenseLayer,
        sums: inout MutableSpan<Float>
    ) {
        let product = product(rowCount, layer.outputWidth, layer.inputWidth)
        precondition(inputs.count >= rowCount * layer.inputWidth)
        precondition(sums.count >= rowCount * layer.outputWidth)
        unsafe with(inputs, layer.weights.values.span, &sums) { inputs, weights, sums in
            unsafe layer.bias.span.withUnsafeBufferPointer { bias in
                guard let bias = bias.baseAddress else { return }
                unsafe leeway_fill_rows(product.rows, product.columns, bias, sums)
            }
            unsafe leeway_gemm_nn(level, product, inputs, weights, sums, 1)
        }
    }

    /// `gradient = inputsᵀ · deltas`: what a layer's weights should change by.
    static func weightGradient(
        inputs: Span<Float>,
        deltas: Span<Float>,
        rowCount: Int,
        gradient: inout Matrix
    ) {
        let product = leeway_product(
            rows: gradient.rows,
            columns: gradient.columns,
            depth: rowCount,
            left_stride: gradient.rows,
            right_stride: gradient.columns,
            result_stride: gradient.columns
        )
        precondition(inputs.count >= rowCount * gradient.rows)
        precondition(deltas.count >= rowCount * gradient.columns)
        var values = gradient.values.mutableSpan
        unsafe with(inputs, deltas, &values) { inputs, deltas, values in
            unsafe leeway_gemm_tn(level, product, inputs, deltas, values, 0)
        }
    }

    /// `gradient = the column sums of deltas`: what a layer's bias should change by.
    static func biasGradient(
        deltas: Span<Float>,
        rowCount: Int,
        gradient: inout MutableSpan<Float>
    ) {
        let columns = gradient.count
        precondition(deltas.count >= rowCount * columns)
        unsafe with(deltas, &gradient) { deltas, gradient in
            unsafe leeway_column_sums(level, rowCount, columns, deltas, gradient)
        }
    }

    /// `result = deltas · weightsᵀ`: how the loss feels the layer's inputs.
    static func inputGradient(
        deltas: Span<Float>,
        rowCount: Int,
        layer: DenseLayer,
        result: inout MutableSpan<Float>
    ) {
        var product = product(rowCount, layer.inputWidth, layer.outputWidth)
        product.right_stride = layer.outputWidth
        precondition(deltas.count >= rowCount * layer.outputWidth)
        precondition(result.count >= rowCount * layer.inputWidth)
        unsafe with(deltas, layer.weights.values.span, &result) { deltas, weights, result in
            unsafe leeway_gemm_nt(level, product, deltas, weights, result, 0)
        }
    }

    /// Applies an activation to the first `count` numbers.
    static func activateInPlace(
        _ activation: Activation,
        count: Int,
        _ values: inout MutableSpan<Float>
    ) {
        guard activation != .identity else { return }
        precondition(values.count >= count)
        unsafe values.withUnsafeMutableBufferPointer { values in
            guard let values = values.baseAddress else { return }
            unsafe leeway_activate(activation.function, count, values, values)
        }
    }

    /// `outputs = activation(sums)` for the first `count` numbers.
    static func activate(
        _ activation: Activation,
        count: Int,
        _ sums: Span<Float>,
        _ outputs: inout MutableSpan<Float>
    ) {
        precondition(sums.count >= count && outputs.count >= count)
        unsafe with(sums, &outputs) { sums, outputs in
            unsafe leeway_activate(activation.function, count, sums, outputs)
        }
    }

    /// `deltas *= activation'(sums)` for the first `count` numbers.
    static func activateBackward(
        _ activation: Activation,
        count: Int,
        sums: Span<Float>,
        outputs: Span<Float>,
        _ deltas: inout MutableSpan<Float>
    ) {
        precondition(sums.count >= count && outputs.count >= count && deltas.count >= count)
        unsafe with(sums, outputs, &deltas) { sums, outputs, deltas in
            unsafe leeway_activate_backward(activation.function, count, sums, outputs, deltas)
        }
    }

    /// Turns logits into what the head means by them.
    static func interpret(
        _ head: Head,
        rowCount: Int,
        width: Int,
        _ logits: Span<Float>,
        _ results: inout MutableSpan<Float>
    ) {
        let count = rowCount * width
        precondition(logits.count >= count && results.count >= count)
        unsafe with(logits, &results) { logits, results in
            switch head {
            case .softmax: unsafe leeway_softmax(rowCount, width, logits, results)
            case .sigmoid: unsafe leeway_activate(leeway_sigmoid, count, logits, results)
            case .linear: unsafe leeway_activate(leeway_identity, count, logits, results)
            }
        }
    }

    /// The product of a `rows × depth` and a `depth × columns` matrix without gaps.
    private static func product(_ rows: Int, _ columns: Int, _ depth: Int) -> leeway_product {
        leeway_product(
            rows: rows,
            columns: columns,
            depth: depth,
            left_stride: depth,
            right_stride: columns,
            result_stride: columns
        )
    }

    static func with(
        _ first: Span<Float>,
        _ result: inout MutableSpan<Float>,
        _ body: (UnsafePointer<Float>, UnsafeMutablePointer<Float>) -> Void
    ) {
        unsafe first.withUnsafeBufferPointer { first in
            unsafe result.withUnsafeMutableBufferPointer { result in
                guard let first = first.baseAddress,
                    let result = result.baseAddress
                else { return }
                unsafe body(first, result)
            }
        }
    }

    static func with(
        _ first: Span<Float>,
        _ second: Span<Float>,
        _ result: inout MutableSpan<Float>,
        _ body: (UnsafePointer<Float>, UnsafePointer<Float>, UnsafeMutablePointer<Float>) -> Void
    ) {
        unsafe second.withUnsafeBufferPointer { second in
            guard let second = second.baseAddress else { return }
            unsafe with(first, &result) { first, result in
                unsafe body(first, second, result)
            }
        }
    }
}

extension Activation {
    /// The C library's number for it.
    fileprivate var function: leeway_function {
        switch self {
        case .identity: leeway_identity
        case .relu: leeway_relu
        case .leakyReLU: leeway_leaky_relu
        case .tanh: leeway_tanh
        case .sigmoid: leeway_sigmoid
        case .gelu: leeway_gelu
        }
    }
}
