import NeuralNetwork
import Testing

@Suite("Weights of other makers") struct ImportedWeightsTests {
    typealias Tensor = SafetensorsFile.Tensor

    private func file(_ tensors: [Tensor], _ metadata: [String: String] = [:]) -> SafetensorsFile {
        SafetensorsFile(metadata: metadata, tensors: tensors)
    }

    private func tensor(_ name: String, _ shape: [Int], _ values: [Float]? = nil) -> Tensor {
        let count = shape.reduce(1, *)
        return Tensor(name: name, shape: shape, values: values ?? noise(count, seed: 1))
    }

    /// The names of the layers in the order in which they are taken.
    private func order(_ names: [String]) throws -> [String] {
        try ImportedWeights(file(names.map { tensor($0, [1, 1]) })).layers.map(\.tensor)
    }

    @Test("a weight is [outputs, inputs], a kernel [inputs, outputs]: both give the same layer")
    func layouts() throws {
        let bias = tensor("a.bias", [2], [7, 8])
        let expected = DenseLayer(
            weights: Matrix(rows: 3, columns: 2, values: [1, 2, 3, 4, 5, 6]),
            bias: [7, 8],
            activation: .identity
        )
        for weights in [
            tensor("a.weight", [2, 3], [1, 3, 5, 2, 4, 6]),
            tensor("a.kernel", [3, 2], [1, 2, 3, 4, 5, 6]),
        ] {
            let read = try ImportedWeights(safetensors: file([weights, bias]).encoded())
            let network = try read.network(activation: .relu, head: .softmax)
            #expect(network.layers == [expected])
        }
    }

    @Test("a square matrix is transposed as its name says, whatever its shape would allow")
    func square() throws {
        let values: [Float] = [1, 2, 3, 4]
        let weight = try ImportedWeights(file([tensor("0.weight", [2, 2], values)]))
        let kernel = try ImportedWeights(file([tensor("0.kernel", [2, 2], values)]))
        let networks = try [weight, kernel].map {
            try $0.network(activation: .relu, head: .softmax).layers[0].weights.values
        }
        #expect(networks == [[1, 3, 2, 4], [1, 2, 3, 4]])
    }

    @Test(
        "layers are in the order of their names, numbers by their value",
        arguments: [
            ["0.weight", "2.weight", "10.weight"],
            ["layers.0.weight", "layers.1.weight", "layers.2.weight", "layers.10.weight"],
            ["fc1.weight", "fc2.weight", "fc10.weight"],
            ["dense/kernel:0", "dense_1/kernel:0", "dense_2/kernel:0", "dense_10/kernel:0"],
            ["sequential/dense_9/kernel", "sequential/dense_10/kernel"],
            ["net.007.weight", "net.8.weight", "net.99999999999999999999999.weight"],
            ["block_1.dense.kernel", "block_1.dense_1.kernel", "block_2.dense.kernel"],
            ["weight"],
        ]
    )
    func naturalOrder(names: [String]) throws {
        #expect(try order(names) == names)
        #expect(try order(names.reversed()) == names)
        #expect(try order(names.sorted()) == names)
    }

    @Test("only the last layer is without the activation; a missing bias is zeros")
    func network() throws {
        let read = try ImportedWeights(
            file([
                tensor("net.4.weight", [2, 3]), tensor("net.0.weight", [4, 5]),
                tensor("net.2.weight", [3, 4]), tensor("net.2.bias", [3], [1, 2, 3]),
            ])
        )
        let network = try read.network(activation: .gelu, head: .softmax)
        #expect(network.layers.map(\.activation) == [.gelu, .gelu, .identity])
        #expect(network.layers.map(\.bias) == [[0, 0, 0, 0], [1, 2, 3], [0, 0]])
        #expect(network.inputWidth == 5 && network.outputWidth == 2)
        #expect(throws: NetworkError.headWidth(.sigmoid, outputs: 2)) {
            try read.network(activation: .gelu, head: .sigmoid)
        }
    }

    @Test("an export of either layout comes back bit for bit", arguments: WeightLayout.allCases)
    func roundTrip(layout: WeightLayout) throws {
        // Eleven layers, so that the order of their numbers matters.
        let network = try someNetwork([5, 4, 4, 4, 4, 4, 4, 4, 4, 4, 3, 2], .tanh, .softmax)
        let bytes = try network.encoded(layout: layout)
        let read = try ImportedWeights(safetensors: bytes)
        #expect(read.layers.map(\.layout).allSatisfy { $0 == layout })
        #expect(try read.network(activation: .tanh, head: .softmax) == network)
        #expect(read.statedHead == "softmax")
        #expect(read.statedActivation(layer: 0) == "tanh")
        #expect(read.statedActivation(layer: 10) == "identity")
    }

    @Test("metadata of another maker says nothing of activations")
    func foreignMetadata() throws {
        let metadata = ["format": "pt", "head": "softmax", "layers.0.activation": "relu"]
        let read = try ImportedWeights(file([tensor("0.weight", [2, 2])], metadata))
        #expect(read.statedHead == nil && read.statedActivation(layer: 0) == nil)
    }

    private func refused(_ error: WeightImportError, _ tensors: [Tensor]) {
        #expect(throws: error) { try ImportedWeights(file(tensors)) }
    }

    @Test("what is no chain of dense layers is refused, and says which tensors")
    func refusals() {
        refused(.noWeights, [])
        refused(.unexpectedTensor("0.running_mean"), [tensor("0.running_mean", [2])])
        refused(.unexpectedTensor("extra"), [tensor("0.weight", [2, 2]), tensor("extra", [1])])
        refused(.biasAlone("1.bias"), [tensor("0.weight", [2, 2]), tensor("1.bias", [2])])
        refused(
            .twice("a.weight", "a.kernel"),
            [tensor("a.weight", [2, 3]), tensor("a.kernel", [3, 2])]
        )
        refused(
            .twice("a/kernel", "a.kernel:0"),
            [tensor("a/kernel", [2, 2]), tensor("a.kernel:0", [2, 2])]
        )
        refused(.twice("a.bias", "a/bias"), [tensor("a.bias", [2]), tensor("a/bias", [2])])
        let layers = (0...64).map { tensor("\($0).weight", [1, 1]) }
        refused(.tooManyLayers(65, layersMax: 64), layers)
        refused(
            .biasShape("0.bias", found: [2], outputs: 3),
            [tensor("0.weight", [3, 2]), tensor("0.bias", [2])]
        )
        for value in [Float.nan, .infinity, -.infinity] {
            refused(.notFinite("0.weight"), [tensor("0.weight", [2, 1], [0, value])])
            refused(
                .notFinite("0.bias"),
                [tensor("0.weight", [2, 1]), tensor("0.bias", [2], [value, 0])]
            )
        }
    }

    @Test("weights of another number of dimensions or a width of 0 are refused")
    func shapes() {
        for shape in [[6], [1, 2, 3], [0, 2], [2, 0], [], [1, 65_537]] {
            let error = WeightImportError.Tensor(
                name: "0.weight",
                shape: shape,
                axes: "[outputs, inputs]"
            )
            refused(.weightShape(error), [tensor("0.weight", shape)])
        }
    }

    @Test("layers that do not fit each other are told with both shapes")
    func chain() {
        let tensors = [tensor("fc1.weight", [64, 784]), tensor("fc2.weight", [10, 128])]
        let error = #expect(throws: WeightImportError.self) {
            try ImportedWeights(file(tensors))
        }
        #expect(error?.code == "weights_layers_do_not_fit")
        let words = error?.description ?? ""
        #expect(words.contains("fc2.weight [10, 128] (= [outputs, inputs]) cannot follow"))
        #expect(words.contains("fc1.weight [64, 784] (= [outputs, inputs])"))
    }

    @Test("two layers of one shape whose names do not order them are refused")
    func orderUnknown() throws {
        let first = tensor("input.weight", [4, 9])
        let last = tensor("output.weight", [2, 4])
        refused(
            .orderUnknown("middle.weight", "more.weight"),
            [first, tensor("middle.weight", [4, 4]), tensor("more.weight", [4, 4]), last]
        )
        // One square layer can stand in one place only.
        let names = try ImportedWeights(file([last, first, tensor("middle.weight", [4, 4])]))
        #expect(names.layers.map(\.tensor) == ["input.weight", "middle.weight", "output.weight"])
    }

    @Test("a file cut at any byte is refused")
    func cut() throws {
        let bytes = try someNetwork([4, 3, 2]).encoded(layout: .keras)
        for count in bytes.indices {
            #expect(throws: WeightImportError.self, "\(count) bytes") {
                try ImportedWeights(safetensors: Array(bytes.prefix(count)))
            }
        }
    }

    @Test("a file with any byte changed is refused or read as what it then says")
    func flipped() throws {
        let bytes = try someNetwork([4, 3, 2]).encoded(layout: .keras)
        let good = try ImportedWeights(safetensors: bytes)
        let network = try good.network(activation: .relu, head: .softmax)
        for index in bytes.indices {
            for mask: UInt8 in [1, 0x80, 0xFF] {
                var changed = bytes
                changed[index] ^= mask
                guard let read = try? ImportedWeights(safetensors: changed),
                    let other = try? read.network(activation: .relu, head: .softmax)
                else { continue }
                // A digit of a name or a letter of the metadata says nothing of the weights.
                let data = bytes.count - 4 * network.parameterCount
                #expect(index < data || other != network, "byte \(index)")
            }
        }
    }
}
