/// A fully connected layer: `outputs = activation(inputs · weights + bias)`.
package struct DenseLayer: Sendable, Equatable {
    /// The weights as the products read them; copies of the layer share them.
    let packed: PackedWeights
    /// What is applied to each sum.
    package let activation: Activation

    /// Takes trained weights.
    ///
    /// - Precondition: There is one bias for each column of the weights.
    package init(weights: Matrix, bias: [Float], activation: Activation) {
        precondition(bias.count == weights.columns)
        self.init(PackedWeights(weights, bias: bias), activation)
    }

    init(_ packed: PackedWeights, _ activation: Activation) {
        self.packed = packed
        self.activation = activation
    }

    /// A layer to be trained: uniform random weights, no bias.
    ///
    /// The range is ±√(6 / inputs) (He et al. 2015) before the ReLU family and GELU, and
    /// ±√(6 / (inputs + outputs)) (Glorot and Bengio 2010) otherwise.
    init(inputs: Int, outputs: Int, activation: Activation, random: inout RandomSource) {
        let fan = Float(activation.startsByHe ? inputs : inputs + outputs)
        let limit = (6 / fan).squareRoot()
        var weights = Matrix(rows: inputs, columns: outputs)
        for index in weights.values.indices {
            weights.values[index] = (2 * random.nextUnit() - 1) * limit
        }
        self.init(
            weights: weights,
            bias: [Float](repeating: 0, count: outputs),
            activation: activation
        )
    }

    /// One row an input, one column an output; unpacked at every call.
    package var weights: Matrix { packed.matrix }
    /// One number an output.
    package var bias: [Float] { packed.bias }
    /// How many numbers go in for a row.
    package var inputWidth: Int { packed.inputWidth }
    /// How many numbers come out for a row.
    package var outputWidth: Int { packed.outputWidth }

    /// Whether no weight is NaN or infinite.
    var isFinite: Bool { packed.isFinite }
}
