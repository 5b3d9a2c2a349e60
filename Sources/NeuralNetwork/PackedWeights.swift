internal import CKernels

/// A layer's weights and biases as the products read them: in panels of 64 columns.
///
/// They are packed once, when a layer is made, and never change afterwards; copies of a layer
/// share them. `kernels.h` has the layout.
final class PackedWeights: Sendable {
    let inputWidth: Int
    let outputWidth: Int
    private let panels: AlignedFloats
    private let padded: AlignedFloats

    /// Packs a matrix of one row an input, and a bias of one number an output.
    init(_ weights: Matrix, bias: [Float]) {
        inputWidth = weights.rows
        outputWidth = weights.columns
        panels = AlignedFloats(count: weights.rows * leeway_padded(weights.columns))
        var padded = AlignedFloats(count: leeway_padded(weights.columns))
        var target = padded.mutableSpan
        for index in bias.indices { target[index] = bias[index] }
        self.padded = padded
        // Bounds: `Matrix` holds rows × columns numbers, the panels rows × padded columns.
        unsafe leeway_pack(
            weights.rows,
            weights.columns,
            Self.panelWidth,
            weights.values,
            panels.pointer
        )
    }

    /// The columns of a panel.
    static let panelWidth = Int(leeway_panel_width)

    /// The weights as a matrix: one row an input, one column an output.
    var matrix: Matrix {
        var matrix = Matrix(rows: inputWidth, columns: outputWidth)
        unsafe leeway_unpack(
            inputWidth,
            outputWidth,
            Self.panelWidth,
            panels.pointer,
            &matrix.values
        )
        return matrix
    }

    /// One number an output.
    var bias: [Float] { padded.prefix(outputWidth) }

    /// Whether no weight is NaN or infinite.
    var isFinite: Bool { panels.isFinite && padded.isFinite }

    /// Lends the numbers for the length of a call: inputs × padded outputs, and padded outputs.
    func lend<Result>(
        _ body: (_ panels: UnsafePointer<Float>, _ bias: UnsafePointer<Float>) -> Result
    ) -> Result {
        unsafe body(panels.pointer, padded.pointer)
    }
}

extension PackedWeights: Equatable {
    static func == (left: PackedWeights, right: PackedWeights) -> Bool {
        left === right
            || left.inputWidth == right.inputWidth && left.outputWidth == right.outputWidth
                && left.panels.equals(right.panels) && left.padded.equals(right.padded)
    }
}
