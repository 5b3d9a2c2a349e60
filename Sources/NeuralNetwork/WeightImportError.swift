/// Why the tensors of another maker's file are not the layers of a network.
package enum WeightImportError: Error, Equatable, Sendable, CustomStringConvertible {
    /// A tensor as an error tells it.
    package struct Tensor: Equatable, Sendable, CustomStringConvertible {
        /// Its name in the file.
        package let name: String
        /// Its shape in the file.
        package let shape: [Int]
        /// What the lengths of the shape should be.
        package let axes: String

        /// Takes note of a tensor.
        package init(name: String, shape: [Int], axes: String) {
            self.name = name
            self.shape = shape
            self.axes = axes
        }

        /// The name, the shape, and what its lengths are.
        package var description: String { "\(name) \(shape) (= \(axes))" }
    }

    /// The file has no tensor that is a layer's weights.
    case noWeights
    /// There are more layers than the limit.
    case tooManyLayers(Int, layersMax: Int)
    /// A tensor is neither weights nor a bias.
    case unexpectedTensor(String)
    /// Two tensors are the same part of one layer.
    case twice(String, String)
    /// A bias has no weights beside it.
    case biasAlone(String)
    /// Weights do not have two dimensions within the limits.
    case weightShape(Tensor)
    /// A bias does not have one number an output.
    case biasShape(String, found: [Int], outputs: Int)
    /// A tensor has a number that is NaN, infinite or beyond the range of F32.
    case notFinite(String)
    /// A layer takes another number of inputs than the layer before it gives.
    case layersDoNotFit(Tensor, before: Tensor)
    /// Nothing tells which of two layers comes first.
    case orderUnknown(String, String)
    /// The file itself is damaged.
    case file(SafetensorsError)

    /// A stable word for labels and JSON.
    package var code: String {
        switch self {
        case .noWeights: "weights_missing_tensor"
        case .tooManyLayers: "weights_layer_count"
        case .unexpectedTensor: "weights_unexpected_tensor"
        case .twice: "weights_duplicate_name"
        case .biasAlone: "weights_missing_tensor"
        case .weightShape, .biasShape: "weights_tensor_shape"
        case .notFinite: "weights_not_finite"
        case .layersDoNotFit: "weights_layers_do_not_fit"
        case .orderUnknown: "weights_order_unknown"
        case .file(let error): error.code
        }
    }

    /// What does not fit, why, and what would.
    package var description: String {
        switch self {
        case .noWeights:
            "weights: no tensor is a layer's weights: expected \(Self.names)"
        case .tooManyLayers(let count, let layersMax):
            "weights: \(count) layers: at most \(layersMax) are taken"
        case .unexpectedTensor(let name):
            "weights: the tensor \(name) is no part of a dense layer: expected \(Self.names)"
        case .twice(let one, let other):
            "weights: \(one) and \(other) are the same part of one layer: keep one of them"
        case .biasAlone(let name):
            "weights: the tensor \(name) has no .weight and no .kernel beside it"
        case .weightShape(let tensor):
            "weights: the tensor \(tensor.name) has the shape \(tensor.shape): expected "
                + "\(tensor.axes), each 1 to \(MultilayerPerceptron.widthMax)"
        case .biasShape(let name, let found, let outputs):
            "weights: the tensor \(name) has the shape \(found): expected [\(outputs)], "
                + "one number for each output of its layer"
        case .notFinite(let name):
            "weights: the tensor \(name) has a number that is NaN, infinite or too large for F32"
        case .layersDoNotFit(let tensor, let before):
            "weights: \(tensor) cannot follow \(before): a layer takes as many inputs as the one "
                + "before it gives outputs; layers are in the order of their names, "
                + "numbers by their value"
        case .orderUnknown(let one, let other):
            "weights: \(one) and \(other) have the same shape, and their names do not say which "
                + "comes first: number the layers, such as layers.0, layers.1"
        case .file(let error):
            error.description
        }
    }

    private static let names =
        "<layer>.weight [outputs, inputs] or <layer>.kernel [inputs, outputs], and <layer>.bias"
}
