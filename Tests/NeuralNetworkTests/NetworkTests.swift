import NeuralNetwork
import Testing

@Suite("Network") struct NetworkTests {
    private func network(
        _ inputs: Int,
        _ hidden: [Int],
        _ outputs: Int,
        _ head: Head = .softmax,
        _ activation: Activation = .relu,
        seed: UInt64 = 1
    ) throws(NetworkError) -> MultilayerPerceptron {
        try MultilayerPerceptron(
            inputWidth: inputs,
            hidden: hidden,
            outputWidth: outputs,
            activation: activation,
            head: head,
            seed: seed
        )
    }

    @Test("widths and the number of parameters follow from the layers")
    func shape() throws {
        let network = try network(784, [64], 10)
        #expect(network.inputWidth == 784 && network.outputWidth == 10)
        #expect(network.lastHiddenWidth == 64)
        #expect(network.parameterCount == 784 * 64 + 64 + 64 * 10 + 10)
        #expect(network.layers.map(\.activation) == [.relu, .identity])
    }

    @Test("the same seed makes the same weights, another seed others")
    func seeds() throws {
        #expect(try network(20, [9, 8], 3) == network(20, [9, 8], 3))
        #expect(try network(20, [9, 8], 3) != network(20, [9, 8], 3, seed: 2))
    }

    @Test(
        "weights start within the range of He or Glorot and fill it",
        arguments: Activation.allCases
    )
    func initialRange(activation: Activation) throws {
        let network = try network(100, [50], 10, .softmax, activation)
        let he = [.relu, .leakyReLU, .gelu].contains(activation)
        for (layer, fan) in [(0, he ? 100 : 150), (1, 60)] {
            let limit = (6 / Float(fan)).squareRoot()
            let values = network.layers[layer].weights.values
            let greatest = values.max() ?? 0, least = values.min() ?? 0
            #expect(greatest <= limit && least >= -limit)
            #expect(greatest > 0.95 * limit && least < -0.95 * limit)
            #expect(network.layers[layer].bias.allSatisfy { $0 == 0 })
        }
    }

    @Test("shapes that cannot be are refused before memory is taken")
    func badShapes() {
        let widthMax = MultilayerPerceptron.widthMax
        #expect(throws: NetworkError.width(layer: 0, found: 0, widthMax: widthMax)) {
            _ = try network(0, [], 2)
        }
        #expect(throws: NetworkError.width(layer: 0, found: -4, widthMax: widthMax)) {
            _ = try network(3, [-4], 2)
        }
        #expect(throws: NetworkError.width(layer: 1, found: .max, widthMax: widthMax)) {
            _ = try network(3, [4, .max], 2)
        }
        #expect(
            throws: NetworkError.parameterCount(parametersMax: MultilayerPerceptron.parametersMax)
        ) { _ = try network(widthMax, [widthMax], 2) }
        #expect(throws: NetworkError.layerCount(66, layersMax: 64)) {
            _ = try network(1, [Int](repeating: 1, count: 65), 2)
        }
        #expect(throws: NetworkError.headWidth(.softmax, outputs: 1)) { _ = try network(3, [], 1) }
        #expect(throws: NetworkError.headWidth(.sigmoid, outputs: 2)) {
            _ = try network(3, [], 2, .sigmoid)
        }
    }

    @Test("layers that do not fit each other are refused")
    func misfits() {
        func layer(_ rows: Int, _ columns: Int, _ activation: Activation = .identity) -> DenseLayer
        {
            DenseLayer(
                weights: Matrix(rows: rows, columns: columns),
                bias: [Float](repeating: 0, count: columns),
                activation: activation
            )
        }
        func refused(_ layers: [DenseLayer], _ error: NetworkError) {
            #expect(throws: error) { _ = try MultilayerPerceptron(layers: layers, head: .softmax) }
        }
        refused([], .layerCount(0, layersMax: 64))
        refused([layer(3, 4), layer(5, 2)], .layersDoNotFit(layer: 1, inputs: 5, given: 4))
        refused([layer(3, 4, .relu)], .lastActivation(.relu))
        for bad in [Float.nan, .infinity, -.infinity] {
            let weights = Matrix(rows: 1, columns: 2, values: [0, bad])
            let broken = DenseLayer(weights: weights, bias: [0, 0], activation: .identity)
            refused([layer(3, 1), broken], .notFinite(layer: 1))
            let bias = DenseLayer(
                weights: Matrix(rows: 3, columns: 2),
                bias: [bad, 0],
                activation: .identity
            )
            refused([bias], .notFinite(layer: 0))
        }
    }

    @Test("every error names what is wrong and has a code of its own")
    func errors() {
        let all: [NetworkError] = [
            .layerCount(0, layersMax: 64), .width(layer: 1, found: 0, widthMax: 9),
            .parameterCount(parametersMax: 5), .layersDoNotFit(layer: 1, inputs: 2, given: 3),
            .lastActivation(.relu), .headWidth(.softmax, outputs: 1), .notFinite(layer: 2),
            .unknownFormat, .metadata(key: "head", found: "x"), .missingTensor("a"),
            .unexpectedTensor("b"), .tensorShape("c", found: [1]), .file(.reservedName),
        ]
        #expect(Set(all.map(\.code)).count == all.count)
        for error in all { #expect("\(error)".contains(": ") && !"\(error)".contains(error.code)) }
        #expect("\(NetworkError.metadata(key: "head", found: nil))".contains("head is missing"))
        #expect("\(NetworkError.headWidth(.sigmoid, outputs: 2))".contains("exactly 1"))
    }
}

@Suite("Random source") struct RandomSourceTests {
    @Test("the generator is xoshiro256**, by its authors' reference output")
    func reference() {
        var random = RandomSource(state: (1, 2, 3, 4))
        let expected: [UInt64] = [
            11520, 0, 1_509_978_240, 1_215_971_899_390_074_240, 1_216_172_134_540_287_360,
            607_988_272_756_665_600,
        ]
        #expect(expected.map { _ in random.next() } == expected)
    }

    @Test("the seed is spread by SplitMix64, by its reference output")
    func seeding() {
        // SplitMix64 from 1234567, as published with the generator.
        let state: (UInt64, UInt64, UInt64, UInt64) = (
            6_457_827_717_110_365_317, 3_203_168_211_198_807_973, 9_817_491_932_198_370_423,
            4_593_380_528_125_082_431
        )
        var expected = RandomSource(state: state), found = RandomSource(seed: 1_234_567)
        for _ in 0..<10 { #expect(found.next() == expected.next()) }
    }

    @Test("streams of one seed differ")
    func streams() {
        var first = RandomSource(seed: 1), second = RandomSource(seed: 1, stream: 1)
        #expect((0..<10).allSatisfy { _ in first.next() != second.next() })
    }

    @Test("unit numbers and bounded numbers keep to their range and reach all of it")
    func ranges() {
        var random = RandomSource(seed: 5)
        let units = (0..<2000).map { _ in random.nextUnit() }
        #expect(units.allSatisfy { 0..<1 ~= $0 })
        #expect(abs(units.reduce(0, +) / 2000 - 0.5) < 0.03)
        var counts = [Int](repeating: 0, count: 6)
        for _ in 0..<6000 { counts[Int(random.next(below: 6))] += 1 }
        #expect(counts.allSatisfy { 850...1150 ~= $0 })
        #expect(random.next(below: 1) == 0)
    }

    @Test("a shuffle keeps all elements and is the same for the same seed")
    func shuffle() {
        var first = [Int32](0..<100), second = first
        var random = RandomSource(seed: 9)
        random.shuffle(&first)
        random = RandomSource(seed: 9)
        random.shuffle(&second)
        #expect(first == second && first != [Int32](0..<100) && first.sorted() == [Int32](0..<100))
        random.shuffle(&second)
        #expect(first != second)
        var none: [Int32] = []
        random.shuffle(&none)
        #expect(none.isEmpty)
    }
}
