import NeuralNetwork
import Testing

@Suite("Weights of a network") struct NetworkWeightsTests {
    @Test("a network comes back from its file as it was", arguments: GradientTests.cases)
    func roundTrip(activation: Activation, head: Head) throws {
        let network = try someNetwork([5, 4, 3, head == .sigmoid ? 1 : 2], activation, head)
        let bytes = try network.encoded()
        let read = try MultilayerPerceptron(safetensors: bytes)
        #expect(read == network)
        #expect(try read.encoded() == bytes)
    }

    @Test("weights lie in the file as PyTorch's linear layer has them: outputs, then inputs")
    func layout() throws {
        let weights = Matrix(rows: 3, columns: 2, values: [1, 2, 3, 4, 5, 6])
        let layer = DenseLayer(weights: weights, bias: [7, 8], activation: .identity)
        let network = try MultilayerPerceptron(layers: [layer], head: .softmax)
        let file = try SafetensorsFile(decoding: network.encoded())
        #expect(file["layers.0.weight"]?.shape == [2, 3])
        #expect(file["layers.0.weight"]?.values == [1, 3, 5, 2, 4, 6])
        #expect(file["layers.0.bias"]?.shape == [2] && file["layers.0.bias"]?.values == [7, 8])
        #expect(
            file.metadata
                == ["format": "leeway-mlp", "head": "softmax", "layers.0.activation": "identity"]
        )
    }

    @Test("a file of another maker is read when activation and head are given")
    func otherMaker() throws {
        let network = try someNetwork([4, 3, 2], .tanh, .linear)
        var file = try SafetensorsFile(decoding: network.encoded())
        file.metadata = ["format": "pt"]
        #expect(throws: NetworkError.unknownFormat) { _ = try MultilayerPerceptron(file) }
        #expect(throws: NetworkError.unknownFormat) {
            _ = try MultilayerPerceptron(file, activation: .tanh)
        }
        #expect(try MultilayerPerceptron(file, activation: .tanh, head: .linear) == network)
    }

    /// Applies a change to a good file and expects this refusal.
    private func refused(_ error: NetworkError, _ change: (inout SafetensorsFile) -> Void) throws {
        var file = try SafetensorsFile(decoding: someNetwork([4, 3, 2]).encoded())
        change(&file)
        #expect(throws: error) { _ = try MultilayerPerceptron(file) }
        let bytes = try file.encoded()
        #expect(throws: error) { _ = try MultilayerPerceptron(safetensors: bytes) }
    }

    @Test("a file that does not hold a whole network is refused, and says why")
    func damaged() throws {
        typealias Tensor = SafetensorsFile.Tensor
        try refused(.missingTensor("layers.0.weight")) { $0.tensors = [] }
        try refused(.missingTensor("layers.1.bias")) { $0.tensors.removeLast() }
        try refused(.unexpectedTensor("extra")) {
            $0.tensors.append(Tensor(name: "extra", shape: [1], values: [0]))
        }
        try refused(.metadata(key: "head", found: nil)) { $0.metadata["head"] = nil }
        try refused(.metadata(key: "head", found: "softmin")) { $0.metadata["head"] = "softmin" }
        try refused(.metadata(key: "layers.0.activation", found: nil)) {
            $0.metadata["layers.0.activation"] = nil
        }
        try refused(.lastActivation(.relu)) { $0.metadata["layers.1.activation"] = "relu" }
        try refused(.headWidth(.sigmoid, outputs: 2)) { $0.metadata["head"] = "sigmoid" }
        try refused(.tensorShape("layers.0.weight", found: [12])) {
            $0.tensors[0] = Tensor(name: "layers.0.weight", shape: [12], values: noise(12, seed: 1))
        }
        try refused(.tensorShape("layers.0.bias", found: [4])) {
            $0.tensors[1] = Tensor(name: "layers.0.bias", shape: [4], values: noise(4, seed: 1))
        }
        try refused(.layersDoNotFit(layer: 1, inputs: 2, given: 3)) {
            $0.tensors[2] = Tensor(name: "layers.1.weight", shape: [2, 2], values: [1, 2, 3, 4])
        }
        try refused(.notFinite(layer: 1)) {
            $0.tensors[3] = Tensor(name: "layers.1.bias", shape: [2], values: [.nan, 0])
        }
        let widthMax = MultilayerPerceptron.widthMax
        try refused(.width(layer: 0, found: 0, widthMax: widthMax)) {
            $0.tensors[0] = Tensor(name: "layers.0.weight", shape: [3, 0], values: [])
        }
    }

    @Test("a file cut at any byte is refused")
    func cut() throws {
        let bytes = try someNetwork([4, 3, 2]).encoded()
        for count in bytes.indices {
            #expect(throws: NetworkError.self, "\(count) bytes") {
                _ = try MultilayerPerceptron(safetensors: Array(bytes.prefix(count)))
            }
        }
    }

    @Test("a file with any byte changed is refused or read as what it then says")
    func flipped() throws {
        let bytes = try someNetwork([4, 3, 2]).encoded()
        for index in bytes.indices {
            for mask: UInt8 in [1, 0x80, 0xFF] {
                var changed = bytes
                changed[index] ^= mask
                guard let read = try? MultilayerPerceptron(safetensors: changed) else { continue }
                #expect(try read.encoded() != bytes, "byte \(index)")
            }
        }
    }
}
