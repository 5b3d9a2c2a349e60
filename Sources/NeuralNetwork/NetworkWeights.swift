// A network as a safetensors file:
//
//   layers.<i>.weight   [outputs, inputs], as PyTorch's nn.Linear has it
//   layers.<i>.bias     [outputs]
//   metadata            format = leeway-mlp
//                       head = softmax | sigmoid | linear
//                       layers.<i>.activation = identity | relu | leaky_relu | tanh | sigmoid | gelu
//
// A file of another maker has the same tensors; what its metadata does not say is given beside it.
// An export for Keras has layers.<i>.kernel [inputs, outputs] instead of the weight. Foreign names
// and layouts are read in `ImportedWeights.swift`.

extension MultilayerPerceptron {
    /// What the metadata entry `format` of our own files says.
    package static let format = "leeway-mlp"

    /// The network as the bytes of a safetensors file; equal networks give equal bytes.
    ///
    /// - Parameter layout: How the weights lie; the store's own files are `pytorch`.
    /// - Returns: The bytes.
    /// - Throws: ``SafetensorsError``; for a network within its limits never.
    package func encoded(
        layout: WeightLayout = .pytorch
    ) throws(SafetensorsError) -> [UInt8] {
        var metadata = ["format": Self.format, "head": head.rawValue]
        var tensors: [SafetensorsFile.Tensor] = []
        for (index, layer) in layers.enumerated() {
            let names = TensorNames(layer: index)
            metadata[names.activation] = layer.activation.rawValue
            tensors.append(layout.tensor(names.weights(in: layout), layer.weights))
            tensors.append(
                SafetensorsFile.Tensor(
                    name: names.bias,
                    shape: [layer.outputWidth],
                    values: layer.bias
                )
            )
        }
        return try SafetensorsFile(metadata: metadata, tensors: tensors).encoded()
    }

    /// Reads a network from the bytes of a safetensors file.
    ///
    /// - Parameters:
    ///   - bytes: The whole file.
    ///   - activation: Of the hidden layers, for a file that is not one of ours.
    ///   - head: What the outputs mean, for a file that is not one of ours.
    /// - Throws: ``NetworkError``.
    package init(
        safetensors bytes: [UInt8],
        activation: Activation? = nil,
        head: Head? = nil
    ) throws(NetworkError) {
        let file: SafetensorsFile
        do throws(SafetensorsError) {
            file = try SafetensorsFile(decoding: bytes)
        } catch {
            throw .file(error)
        }
        try self.init(file, activation: activation, head: head)
    }

    /// Reads a network from a file that is already taken apart.
    ///
    /// - Throws: ``NetworkError``.
    package init(
        _ file: SafetensorsFile,
        activation: Activation? = nil,
        head: Head? = nil
    ) throws(NetworkError) {
        let count = Self.layerCount(of: file)
        guard 1...Self.layersMax ~= count else {
            if count > 0 { throw .layerCount(count, layersMax: Self.layersMax) }
            throw .missingTensor(TensorNames(layer: 0).weight)
        }
        let description = try LayerDescription(file, count, activation, head)
        var layers: [DenseLayer] = []
        for index in 0..<count {
            layers.append(try Self.layer(index, of: file, description.activations[index]))
        }
        let known = TensorNames.all(layers: count)
        for tensor in file.tensors where !known.contains(tensor.name) {
            throw .unexpectedTensor(tensor.name)
        }
        try self.init(layers: layers, head: description.head)
    }

    private static func layerCount(of file: SafetensorsFile) -> Int {
        let names = Set(file.tensors.map(\.name))
        var count = 0
        while names.contains(TensorNames(layer: count).weight) { count += 1 }
        return count
    }

    private static func layer(
        _ index: Int,
        of file: SafetensorsFile,
        _ activation: Activation
    ) throws(NetworkError) -> DenseLayer {
        let names = TensorNames(layer: index)
        guard let weight = file[names.weight] else { throw .missingTensor(names.weight) }
        guard let bias = file[names.bias] else { throw .missingTensor(names.bias) }
        guard weight.shape.count == 2, SafetensorsFile.count(weight.shape) == weight.values.count
        else { throw .tensorShape(names.weight, found: weight.shape) }
        guard bias.shape == [weight.shape[0]], bias.values.count == weight.shape[0] else {
            throw .tensorShape(names.bias, found: bias.shape)
        }
        let matrix = Matrix(rows: weight.shape[0], columns: weight.shape[1], values: weight.values)
        return DenseLayer(weights: matrix.transposed, bias: bias.values, activation: activation)
    }
}

/// What the tensors and the metadata entry of a layer are called.
private struct TensorNames {
    let weight: String
    let bias: String
    let activation: String
    private let prefix: String

    init(layer: Int) {
        prefix = "layers.\(layer)"
        weight = "\(prefix).weight"
        bias = "\(prefix).bias"
        activation = "\(prefix).activation"
    }

    func weights(in layout: WeightLayout) -> String { "\(prefix).\(layout.suffix)" }

    static func all(layers: Int) -> Set<String> {
        Set((0..<layers).flatMap { [Self(layer: $0).weight, Self(layer: $0).bias] })
    }
}

/// What a network is beside its numbers: from our metadata, or given by the caller.
private struct LayerDescription {
    let head: Head
    let activations: [Activation]

    init(
        _ file: SafetensorsFile,
        _ layers: Int,
        _ activation: Activation?,
        _ head: Head?
    ) throws(NetworkError) {
        guard file.metadata["format"] == MultilayerPerceptron.format else {
            guard let activation, let head else { throw .unknownFormat }
            self.head = head
            let hidden = [Activation](repeating: activation, count: layers - 1)
            activations = hidden + [.identity]
            return
        }
        self.head = try Self.value("head", file)
        var activations: [Activation] = []
        for index in 0..<layers {
            activations.append(try Self.value(TensorNames(layer: index).activation, file))
        }
        self.activations = activations
    }

    private static func value<Value: RawRepresentable<String>>(
        _ key: String,
        _ file: SafetensorsFile
    ) throws(NetworkError) -> Value {
        let found = file.metadata[key]
        guard let value = found.flatMap(Value.init(rawValue:)) else {
            throw .metadata(key: key, found: found)
        }
        return value
    }
}
