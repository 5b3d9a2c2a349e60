internal import Digest
internal import Features
internal import Files
internal import ModelStore
internal import NeuralNetwork

/// Weights that were fitted elsewhere, to be judged and published like those of a retrain.
package struct WeightFile: Sendable {
    let path: String
    let weights: ImportedWeights
    let digest: String

    /// The key of the file's digest among the sources of a version.
    static let role = "weights"

    /// Reads a file, and checks all that can be said before the data is there.
    ///
    /// - Parameters:
    ///   - path: A safetensors file.
    ///   - plan: The model that the weights are meant for.
    /// - Throws: ``RetrainingError/weights(reason:code:)``.
    package init(path: String, plan: RetrainingPlan) throws(RetrainingError) {
        self.path = path
        do {
            let bytes = try WholeFile.read(path, bytesMax: Self.bytesMax(plan))
            digest = try SHA256Digest.of(bytes).hex
            weights = try ImportedWeights(safetensors: bytes)
        } catch let error as WeightImportError {
            throw .weights(reason: "\(path): \(error)", code: error.code)
        } catch let error as FileError {
            throw .weights(reason: error.description, code: error.code)
        } catch {
            throw .weights(reason: "\(path): \(error)", code: "unreadable")
        }
        if let misfit = WeightFit(plan, inputs: plan.pixels, labels: plan.labels).misfit(weights) {
            throw .weights(reason: "\(path): \(misfit.reason)", code: misfit.code)
        }
    }

    /// What the configured network needs with eight bytes a number, and never less than 64 MiB,
    /// so that weights of another shape are told what they should be.
    private static func bytesMax(_ plan: RetrainingPlan) -> Int {
        let inputs = plan.pixels ?? MultilayerPerceptron.widthMax
        let outputs = max(plan.labels.count, 1 << 10)
        var (numbers, width) = (0, min(inputs, MultilayerPerceptron.widthMax))
        // Widths are at most 2^16 and layers at most 2^7, so that nothing overflows.
        for next in plan.hidden.prefix(MultilayerPerceptron.layersMax) + [outputs] {
            let next = min(next, MultilayerPerceptron.widthMax)
            (numbers, width) = (numbers + (width + 1) * next, next)
        }
        let header = SafetensorsFile.headerBytesMax + 8
        return max(64 << 20, header + 8 * min(numbers, MultilayerPerceptron.parametersMax))
    }
}

extension RetrainingPlan {
    /// Inputs of an image network; nil for tables, whose inputs depend on the data.
    fileprivate var pixels: Int? {
        guard case .image(let shape, _, _) = input else { return nil }
        return shape.reduce(1) { product, side in
            let (next, overflow) = product.multipliedReportingOverflow(by: side)
            return overflow ? Int.max : next
        }
    }
}

/// The step that stands in the train step's place: puts imported weights into a network of the
/// configured shape, or says where they differ.
struct ImportStep {
    let plan: RetrainingPlan

    func run(_ file: WeightFile, _ data: TrainingData) throws(RetrainingError) -> Candidate {
        let fit = WeightFit(plan, inputs: data.schema.encodedWidth, labels: data.labels)
        if let misfit = fit.misfit(file.weights) {
            throw .weights(reason: "\(file.path): \(misfit.reason)", code: misfit.code)
        }
        do throws(NetworkError) {
            let network = try file.weights.network(
                activation: plan.activation,
                head: plan.task.head
            )
            return Candidate(network: network, training: nil)
        } catch {
            throw .weights(reason: "\(file.path): \(error)", code: error.code)
        }
    }
}

/// Compares weights with what the configuration and the data make of the network: what is served
/// and what the next retrain fits must have one shape.
private struct WeightFit {
    let plan: RetrainingPlan
    /// Inputs; nil when only the data can tell.
    let inputs: Int?
    /// Outputs; nil when only the data can tell.
    let outputs: Int?

    struct Misfit {
        let reason: String
        let code: String
    }

    init(_ plan: RetrainingPlan, inputs: Int?, labels: [String]) {
        self.plan = plan
        self.inputs = inputs
        outputs = plan.task == .classification ? (labels.isEmpty ? nil : labels.count) : 1
    }

    func misfit(_ weights: ImportedWeights) -> Misfit? {
        layerCount(weights) ?? widths(weights) ?? statements(weights)
    }

    private func layerCount(_ weights: ImportedWeights) -> Misfit? {
        let found = weights.layers
        guard found.count != plan.hidden.count + 1 else { return nil }
        let names = found.map(\.tensor).joined(separator: ", ")
        let hidden = found.dropLast().map(\.outputs)
        return Misfit(
            reason: "weights: \(found.count) layers (\(names)): network.hidden: \(plan.hidden) "
                + "makes \(plan.hidden.count + 1): these would be network.hidden: \(hidden)",
            code: "weights_layer_count"
        )
    }

    private func widths(_ weights: ImportedWeights) -> Misfit? {
        if let inputs, let first = weights.layers.first, first.inputs != inputs {
            return misfit(first, "takes \(first.inputs) inputs", "\(inputs), as input makes them")
        }
        for (layer, width) in zip(weights.layers, plan.hidden) where layer.outputs != width {
            let hidden = weights.layers.dropLast().map(\.outputs)
            let expected =
                "\(width) by network.hidden: \(plan.hidden); "
                + "these would be network.hidden: \(hidden)"
            return misfit(layer, "gives \(layer.outputs) outputs", expected)
        }
        if let outputs, let last = weights.layers.last, last.outputs != outputs {
            let expected =
                plan.task == .classification
                ? "\(outputs), one for each label"
                : "\(outputs) by task: \(plan.task.rawValue)"
            return misfit(last, "gives \(last.outputs) outputs", expected)
        }
        return nil
    }

    private func misfit(
        _ layer: ImportedWeights.Layer,
        _ found: String,
        _ expected: String
    ) -> Misfit {
        Misfit(
            reason: "weights: \(layer.tensor) \(layer.shape) (= \(layer.layout.axes)) \(found): "
                + "expected \(expected)",
            code: "weights_tensor_shape"
        )
    }

    /// An exported file says what it computes; it must not be taken for something else.
    private func statements(_ weights: ImportedWeights) -> Misfit? {
        if let head = weights.statedHead, head != plan.task.head.rawValue {
            return stated("head", head, "task: \(plan.task.rawValue)", plan.task.head.rawValue)
        }
        for index in weights.layers.indices {
            let isLast = index == weights.layers.count - 1
            let expected = isLast ? .identity : plan.activation
            guard let found = weights.statedActivation(layer: index), found != expected.rawValue
            else { continue }
            let place = isLast ? "the last layer" : "network.activation"
            return stated("layers.\(index).activation", found, place, expected.rawValue)
        }
        return nil
    }

    private func stated(_ key: String, _ found: String, _ place: String, _ expected: String)
        -> Misfit
    {
        Misfit(
            reason: "weights: the file's metadata says \(key) = \(found): expected \(expected) "
                + "by \(place)",
            code: "weights_metadata"
        )
    }
}
