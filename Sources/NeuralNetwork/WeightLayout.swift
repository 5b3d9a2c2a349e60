/// How a layer's weights lie in a file; the tensor's name says which, and nothing is guessed.
package enum WeightLayout: String, Sendable, CaseIterable {
    /// `….weight`, one row an output: PyTorch's `nn.Linear`, and our own files.
    case pytorch
    /// `….kernel`, one row an input: Keras' `Dense`, and `inputs @ kernel` in NumPy.
    case keras

    /// The last part of the tensor's name.
    package var suffix: String {
        switch self {
        case .pytorch: "weight"
        case .keras: "kernel"
        }
    }

    /// What the two lengths of the tensor's shape are.
    package var axes: String {
        switch self {
        case .pytorch: "[outputs, inputs]"
        case .keras: "[inputs, outputs]"
        }
    }

    /// The weights as they lie in a file.
    func tensor(_ name: String, _ weights: Matrix) -> SafetensorsFile.Tensor {
        let laidOut = self == .pytorch ? weights.transposed : weights
        return SafetensorsFile.Tensor(
            name: name,
            shape: [laidOut.rows, laidOut.columns],
            values: laidOut.values
        )
    }

    /// The weights as a layer has them, one row an input.
    ///
    /// - Precondition: The tensor has two dimensions, which its values fill.
    func weights(_ tensor: SafetensorsFile.Tensor) -> Matrix {
        let laidOut = Matrix(
            rows: tensor.shape[0],
            columns: tensor.shape[1],
            values: tensor.values
        )
        return self == .pytorch ? laidOut.transposed : laidOut
    }
}
