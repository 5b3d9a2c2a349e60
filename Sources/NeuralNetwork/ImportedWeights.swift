// Weights that were fitted elsewhere, as a safetensors file:
//
//   <layer>.weight   [outputs, inputs]   PyTorch's nn.Linear: fc1.weight, 0.weight, layers.0.weight
//   <layer>.kernel   [inputs, outputs]   Keras' Dense and NumPy: dense/kernel, dense_1/kernel:0
//   <layer>.bias     [outputs]           zeros when it is missing
//
// A slash parts a name as a dot does, and :0 at its end means nothing. The order of the layers is
// that of their names, numbers by their value: 2 before 10, dense before dense_1.

/// Layers out of a file of another maker: read, put in order, and checked against each other.
package struct ImportedWeights: Sendable {
    /// One layer, before it is known what activation follows it.
    package struct Layer: Sendable {
        /// What its weights are called in the file.
        package let tensor: String
        /// Their shape in the file.
        package let shape: [Int]
        /// What the two lengths of the shape are.
        package let layout: WeightLayout
        let weights: Matrix
        let bias: [Float]

        /// How many numbers go in for a row.
        package var inputs: Int { weights.rows }
        /// How many numbers come out for a row.
        package var outputs: Int { weights.columns }
    }

    /// The layers from the input to the outputs; at least one.
    package let layers: [Layer]
    private let metadata: [String: String]

    /// Takes the layers out of a file.
    ///
    /// - Throws: ``WeightImportError``.
    package init(_ file: SafetensorsFile) throws(WeightImportError) {
        let named = try LayerTensors.all(of: file)
        guard !named.isEmpty else { throw .noWeights }
        guard named.count <= MultilayerPerceptron.layersMax else {
            throw .tooManyLayers(named.count, layersMax: MultilayerPerceptron.layersMax)
        }
        var layers: [Layer] = []
        for tensors in named {
            let layer = try tensors.layer()
            if let before = layers.last, before.outputs != layer.inputs {
                throw .layersDoNotFit(layer.described, before: before.described)
            }
            layers.append(layer)
        }
        try Self.checkOrder(named)
        self.layers = layers
        metadata = file.metadata
    }

    /// Takes the layers out of the bytes of a file.
    ///
    /// - Throws: ``WeightImportError``.
    package init(safetensors bytes: [UInt8]) throws(WeightImportError) {
        let file: SafetensorsFile
        do throws(SafetensorsError) {
            file = try SafetensorsFile(decoding: bytes)
        } catch {
            throw .file(error)
        }
        try self.init(file)
    }

    /// Puts the layers together.
    ///
    /// - Parameters:
    ///   - activation: The function after every layer but the last.
    ///   - head: What the outputs mean.
    /// - Returns: The network.
    /// - Throws: ``NetworkError`` when it would be too large, or the head cannot have its width.
    package func network(
        activation: Activation,
        head: Head
    ) throws(NetworkError) -> MultilayerPerceptron {
        let last = layers.count - 1
        return try MultilayerPerceptron(
            layers: layers.enumerated().map { index, layer in
                DenseLayer(
                    weights: layer.weights,
                    bias: layer.bias,
                    activation: index < last ? activation : .identity
                )
            },
            head: head
        )
    }

    /// What a file of ours says of its head; nil for files of others.
    package var statedHead: String? { isOurs ? metadata["head"] : nil }

    /// What a file of ours says of the activation after a layer.
    ///
    /// - Parameter layer: The layer, from 0.
    /// - Returns: The metadata's word; nil where it says nothing.
    package func statedActivation(layer: Int) -> String? {
        isOurs ? metadata["layers.\(layer).activation"] : nil
    }

    private var isOurs: Bool { metadata["format"] == MultilayerPerceptron.format }

    /// Refuses layers of one shape whose names differ in more than numbers: nothing else in the
    /// file would tell that they stand in the wrong order.
    private static func checkOrder(_ named: [LayerTensors]) throws(WeightImportError) {
        for (index, one) in named.enumerated() {
            for other in named[..<index]
            where one.weight.shape == other.weight.shape
                && one.name.withoutNumbers != other.name.withoutNumbers
            {
                throw .orderUnknown(other.weight.name, one.weight.name)
            }
        }
    }
}

extension ImportedWeights.Layer {
    /// The tensor with its shape, for an error.
    var described: WeightImportError.Tensor {
        WeightImportError.Tensor(name: tensor, shape: shape, axes: layout.axes)
    }
}

/// The tensors of one layer, as the file has them.
private struct LayerTensors {
    let name: LayerName
    let layout: WeightLayout
    let weight: SafetensorsFile.Tensor
    let bias: SafetensorsFile.Tensor?

    /// The layers of a file, in the order of their names.
    static func all(of file: SafetensorsFile) throws(WeightImportError) -> [LayerTensors] {
        var weights: [String: (WeightLayout, SafetensorsFile.Tensor)] = [:]
        var biases: [String: SafetensorsFile.Tensor] = [:]
        for tensor in file.tensors {
            let (layer, part) = LayerName.parts(of: tensor.name)
            if part == "bias" {
                if let other = biases[layer] { throw .twice(other.name, tensor.name) }
                biases[layer] = tensor
                continue
            }
            guard let layout = WeightLayout.allCases.first(where: { $0.suffix == part }) else {
                throw .unexpectedTensor(tensor.name)
            }
            if let (_, other) = weights[layer] { throw .twice(other.name, tensor.name) }
            weights[layer] = (layout, tensor)
        }
        let orphan = file.tensors.first { tensor in
            let (layer, part) = LayerName.parts(of: tensor.name)
            return part == "bias" && weights[layer] == nil
        }
        if let orphan { throw .biasAlone(orphan.name) }
        return weights.map { layer, found in
            LayerTensors(
                name: LayerName(layer),
                layout: found.0,
                weight: found.1,
                bias: biases[layer]
            )
        }.sorted { $0.name < $1.name }
    }

    func layer() throws(WeightImportError) -> ImportedWeights.Layer {
        let widths = 1...MultilayerPerceptron.widthMax
        guard weight.shape.count == 2, weight.shape.allSatisfy(widths.contains),
            weight.values.count == weight.shape[0] * weight.shape[1]
        else {
            throw .weightShape(
                WeightImportError.Tensor(
                    name: weight.name,
                    shape: weight.shape,
                    axes: layout.axes
                )
            )
        }
        let weights = layout.weights(weight)
        if let bias, bias.shape != [weights.columns] || bias.values.count != weights.columns {
            throw .biasShape(bias.name, found: bias.shape, outputs: weights.columns)
        }
        for tensor in [weight, bias].compactMap(\.self)
        where !tensor.values.allSatisfy(\.isFinite) {
            throw .notFinite(tensor.name)
        }
        return ImportedWeights.Layer(
            tensor: weight.name,
            shape: weight.shape,
            layout: layout,
            weights: weights,
            bias: bias?.values ?? [Float](repeating: 0, count: weights.columns)
        )
    }
}
