/// A fully connected layer: `outputs = activation(inputs · weights + bias)`.
package struct DenseLayer: Sendable, Equatable {
    /// One row an input, one column an output.
    package internal(set) var weights: Matrix
    /// One number an output.
    package internal(set) var bias: [Float]
    /// What is applied to each sum.
    package let activation: Activation

    /// Takes trained weights.
    ///
    /// - Precondition: There is one bias for each column of the weights.
    package init(weights: Matrix, bias: [Float], activation: Activation) {
        precondition(bias.count == weights.columns)
        self.weights = weights
        self.bias = bias
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

    /// How many numbers go in for a row.
    package var inputWidth: Int { weights.rows }
    /// How many numbers come out for a row.
    package var outputWidth: Int { weights.columns }

    /// Whether no weight is NaN or infinite.
    var isFinite: Bool {
        weights.values.allSatisfy(\.isFinite) && bias.allSatisfy(\.isFinite)
    }
}
