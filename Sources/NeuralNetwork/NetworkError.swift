/// Why layers or a weight file do not make a network.
package enum NetworkError: Error, Equatable, Sendable, CustomStringConvertible {
    /// There is no layer, or there are more than the limit.
    case layerCount(Int, layersMax: Int)
    /// A width is not in 1...``MultilayerPerceptron/widthMax``.
    case width(layer: Int, found: Int, widthMax: Int)
    /// The network would have more weights than the limit.
    case parameterCount(parametersMax: Int)
    /// A layer takes another number of inputs than the layer before it gives.
    case layersDoNotFit(layer: Int, inputs: Int, given: Int)
    /// The last layer has an activation other than the identity.
    case lastActivation(Activation)
    /// The head cannot have this many outputs.
    case headWidth(Head, outputs: Int)
    /// A layer has a weight that is NaN or infinite.
    case notFinite(layer: Int)
    /// The file is not one of ours, and activation and head were not given.
    case unknownFormat
    /// A metadata entry is missing or has a value that is not known.
    case metadata(key: String, found: String?)
    /// A tensor that the network needs is not in the file.
    case missingTensor(String)
    /// The file has a tensor that the network has no place for.
    case unexpectedTensor(String)
    /// A tensor has a shape that does not fit.
    case tensorShape(String, found: [Int])
    /// The file itself is damaged.
    case file(SafetensorsError)

    /// A stable word for labels and JSON.
    package var code: String {
        switch self {
        case .layerCount: "network_layer_count"
        case .width: "network_width"
        case .parameterCount: "network_too_large"
        case .layersDoNotFit: "network_layers_do_not_fit"
        case .lastActivation: "network_last_activation"
        case .headWidth: "network_head_width"
        case .notFinite: "weights_not_finite"
        case .unknownFormat: "weights_unknown_format"
        case .metadata: "weights_metadata"
        case .missingTensor: "weights_missing_tensor"
        case .unexpectedTensor: "weights_unexpected_tensor"
        case .tensorShape: "weights_tensor_shape"
        case .file(let error): error.code
        }
    }

    /// What does not fit, why, and what would.
    package var description: String {
        switch self {
        case .layerCount(let count, let layersMax):
            "network: \(count) layers: give 1 to \(layersMax)"
        case .width(let layer, let found, let widthMax):
            "network: layer \(layer) has a width of \(found): give 1 to \(widthMax)"
        case .parameterCount(let parametersMax):
            "network: more than \(parametersMax) weights: choose smaller layers"
        case .layersDoNotFit(let layer, let inputs, let given):
            "network: layer \(layer) takes \(inputs) inputs, but the layer before gives \(given)"
        case .lastActivation(let activation):
            "network: the last layer has the activation \(activation.rawValue): "
                + "it must be identity, because the head gives the outputs their meaning"
        case .headWidth(.softmax, let outputs):
            "network: the softmax head has \(outputs) outputs: it needs at least 2 classes"
        case .headWidth(let head, let outputs):
            "network: the \(head.rawValue) head has \(outputs) outputs: it needs exactly 1"
        case .notFinite(let layer):
            "network: layer \(layer) has a weight that is NaN or infinite: train it again"
        case .missingTensor, .unexpectedTensor, .tensorShape, .metadata, .unknownFormat, .file:
            fileDescription
        }
    }

    private var fileDescription: String {
        switch self {
        case .unknownFormat:
            "weights: the metadata has no format=\(MultilayerPerceptron.format): "
                + "say which activation and head the network has"
        case .metadata(let key, .some(let found)):
            "weights: the metadata entry \(key) has the unknown value \"\(found)\""
        case .metadata(let key, .none):
            "weights: the metadata entry \(key) is missing"
        case .missingTensor(let name):
            "weights: the tensor \(name) is missing"
        case .unexpectedTensor(let name):
            "weights: the tensor \(name) has no place in a network of layers.<i>.weight and .bias"
        case .tensorShape(let name, let found):
            "weights: the tensor \(name) has the shape \(found), which does not fit: "
                + "a weight is [outputs, inputs], a bias [outputs]"
        case .file(let error):
            "\(error)"
        default:
            code
        }
    }
}
