/// A network of fully connected layers; start reading the target here.
///
/// A value: a copy can be trained while the original serves. Prediction is in `Inference.swift`,
/// training in `Trainer.swift`, the file format in `SafetensorsFile.swift`.
package struct MultilayerPerceptron: Sendable, Equatable {
    /// The most inputs or outputs of a layer.
    package static let widthMax = 65_536
    /// The most layers.
    package static let layersMax = 64
    /// The most weights and biases together (1 GiB of them).
    package static let parametersMax = 1 << 28

    /// The layers, from the input to the logits; at least one.
    package internal(set) var layers: [DenseLayer]
    /// What the logits mean.
    package let head: Head
    /// What logits are divided by before they become probabilities; nil leaves them as they are.
    ///
    /// It is no weight: training, scores and weight files know nothing of it, and no class is
    /// decided by it.
    package var temperature: Temperature?

    /// Puts layers together.
    ///
    /// - Throws: ``NetworkError`` when they do not fit each other or the head, or hold a NaN.
    package init(layers: [DenseLayer], head: Head) throws(NetworkError) {
        guard let first = layers.first, let last = layers.last else {
            throw .layerCount(0, layersMax: Self.layersMax)
        }
        try Self.check(widths: [first.inputWidth] + layers.map(\.outputWidth), head: head)
        for index in layers.indices.dropFirst()
        where layers[index].inputWidth != layers[index - 1].outputWidth {
            throw .layersDoNotFit(
                layer: index,
                inputs: layers[index].inputWidth,
                given: layers[index - 1].outputWidth
            )
        }
        guard last.activation == .identity else { throw .lastActivation(last.activation) }
        for index in layers.indices where !layers[index].isFinite {
            throw .notFinite(layer: index)
        }
        self.layers = layers
        self.head = head
    }

    /// A network to be trained; the same seed makes the same weights.
    ///
    /// - Parameters:
    ///   - inputWidth: How many numbers describe a row.
    ///   - hidden: The width of each layer between input and output; may be empty.
    ///   - outputWidth: Classes for softmax, 1 for sigmoid, values for linear.
    ///   - activation: The function of every hidden layer.
    ///   - head: What the outputs mean.
    ///   - seed: Where the random weights start.
    /// - Throws: ``NetworkError`` when a width is out of range.
    package init(
        inputWidth: Int,
        hidden: [Int],
        outputWidth: Int,
        activation: Activation,
        head: Head,
        seed: UInt64
    ) throws(NetworkError) {
        let widths = [inputWidth] + hidden + [outputWidth]
        try Self.check(widths: widths, head: head)
        var random = RandomSource(seed: seed)
        layers = (0...hidden.count).map { index in
            DenseLayer(
                inputs: widths[index],
                outputs: widths[index + 1],
                activation: index < hidden.count ? activation : .identity,
                random: &random
            )
        }
        self.head = head
    }

    /// How many numbers describe a row.
    package var inputWidth: Int { layers[0].inputWidth }
    /// How many numbers come out for a row.
    package var outputWidth: Int { layers[layers.count - 1].outputWidth }
    /// The width of the last hidden layer; 0 when there is none.
    package var lastHiddenWidth: Int {
        layers.count > 1 ? layers[layers.count - 1].inputWidth : 0
    }
    /// Weights and biases together.
    package var parameterCount: Int {
        layers.reduce(0) { $0 + $1.inputWidth * $1.outputWidth + $1.outputWidth }
    }

    /// Whether no weight is NaN or infinite.
    var isFinite: Bool { layers.allSatisfy(\.isFinite) }

    /// The greatest number of inputs or outputs of any layer but the input.
    var widestOutput: Int { layers.reduce(0) { max($0, $1.outputWidth) } }

    /// Refuses shapes before anything is allocated for them.
    private static func check(widths: [Int], head: Head) throws(NetworkError) {
        let layerCount = widths.count - 1
        guard layerCount <= layersMax else { throw .layerCount(layerCount, layersMax: layersMax) }
        for (index, width) in widths.enumerated() where !(1...widthMax).contains(width) {
            throw .width(layer: max(index - 1, 0), found: width, widthMax: widthMax)
        }
        // Widths are at most 2^16 and layers at most 2^6, so that the sum stays below 2^39.
        let parameters = (0..<layerCount).reduce(0) { $0 + (widths[$1] + 1) * widths[$1 + 1] }
        guard parameters <= parametersMax else {
            throw .parameterCount(parametersMax: parametersMax)
        }
        let outputs = widths[layerCount]
        switch head {
        case .softmax where outputs < 2, .sigmoid where outputs != 1:
            throw .headWidth(head, outputs: outputs)
        default:
            break
        }
    }
}
