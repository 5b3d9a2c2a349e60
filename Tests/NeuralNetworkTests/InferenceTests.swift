import NeuralNetwork
import Testing

@Suite("Inference") struct InferenceTests {
    @Test("logits and probabilities equal the plain network", arguments: GradientTests.cases)
    func equalsReference(activation: Activation, head: Head) throws {
        let outputs = head == .sigmoid ? 1 : 4
        let network = try someNetwork([9, 20, 11, outputs], activation, head)
        let reference = ReferenceNetwork(network)
        let rows = noise(5 * 9, seed: 2)
        var scratch = InferenceScratch()
        network.forward(rows: rows.span, rowCount: 5, scratch: &scratch)
        #expect(scratch.rowCount == 5 && scratch.outputWidth == outputs)
        let logits = copied(scratch.logits), results = copied(scratch.probabilities)
        #expect(logits.count == 5 * outputs && results.count == 5 * outputs)
        for row in 0..<5 {
            let expected = reference.logits(rows[row * 9..<row * 9 + 9].map(Double.init))
            let meant = reference.probabilities(expected)
            for column in 0..<outputs {
                #expect(agree(logits[row * outputs + column], expected[column]))
                #expect(agree(results[row * outputs + column], meant[column]))
            }
        }
    }

    @Test("a row has the same bits alone, in a batch and in any place", arguments: [1, 10, 65])
    func batchInvariance(outputs: Int) throws {
        let head = outputs == 1 ? Head.sigmoid : .softmax
        let network = try someNetwork([50, 33, 18, outputs], .gelu, head)
        let rows = noise(37 * 50, seed: 5)
        var scratch = InferenceScratch()
        network.forward(rows: rows.span, rowCount: 37, scratch: &scratch)
        let together = copied(scratch.probabilities), hidden = copied(scratch.lastHidden)
        for row in 0..<37 {
            let one = Array(rows[row * 50..<row * 50 + 50])
            network.forward(rows: one.span, rowCount: 1, scratch: &scratch)
            #expect(
                copied(scratch.probabilities)
                    == Array(together[row * outputs..<(row + 1) * outputs])
            )
            #expect(copied(scratch.lastHidden) == Array(hidden[row * 18..<row * 18 + 18]))
        }
    }

    @Test("the last hidden layer's outputs are those that the logits are made of")
    func lastHidden() throws {
        let network = try someNetwork([6, 5, 4, 3], .tanh, .linear)
        let rows = noise(12, seed: 5)
        var scratch = InferenceScratch()
        network.forward(rows: rows.span, rowCount: 2, scratch: &scratch)
        let hidden = copied(scratch.lastHidden)
        #expect(hidden.count == 2 * network.lastHiddenWidth && network.lastHiddenWidth == 4)
        let last = try MultilayerPerceptron(layers: [network.layers[2]], head: .linear)
        let logits = copied(scratch.logits)
        last.forward(rows: hidden.span, rowCount: 2, scratch: &scratch)
        #expect(copied(scratch.logits) == logits)
        #expect(copied(scratch.lastHidden).isEmpty && last.lastHiddenWidth == 0)
    }

    @Test("a NaN in one row stays in that row")
    func notANumber() throws {
        let network = try someNetwork([4, 8, 3])
        var rows = noise(5 * 4, seed: 1)
        var scratch = InferenceScratch()
        network.forward(rows: rows.span, rowCount: 5, scratch: &scratch)
        let clean = copied(scratch.probabilities)
        rows[2 * 4] = .nan
        network.forward(rows: rows.span, rowCount: 5, scratch: &scratch)
        let dirty = copied(scratch.probabilities)
        for index in clean.indices {
            let inRow = index / 3 == 2
            #expect(inRow ? dirty[index].isNaN : dirty[index] == clean[index])
        }
    }

    @Test("the scratch keeps its memory from one prediction to the next")
    func memoryIsKept() throws {
        let network = try someNetwork([20, 30, 25, 10])
        let rows = noise(20 * 20, seed: 1)
        var scratch = InferenceScratch(for: network, rowsMax: 20)
        func addresses(_ scratch: borrowing InferenceScratch) -> Set<Int> {
            var all: Set<Int> = []
            for span in [copiedAddress(scratch.logits), copiedAddress(scratch.probabilities)] {
                all.insert(span)
            }
            all.insert(copiedAddress(scratch.lastHidden))
            return all
        }
        network.forward(rows: rows.span, rowCount: 20, scratch: &scratch)
        let first = addresses(scratch)
        for count in [1, 20, 7, 1] {
            let part = Array(rows.prefix(count * 20))
            // An even number of runs puts the two hidden buffers back in their places.
            for _ in 0..<2 { network.forward(rows: part.span, rowCount: count, scratch: &scratch) }
            #expect(addresses(scratch) == first)
        }
    }

    private func copiedAddress(_ span: Span<Float>) -> Int {
        unsafe span.withUnsafeBufferPointer { Int(bitPattern: $0.baseAddress) }
    }

    /// As an event loop holds them: both in a class, one beside the other.
    private final class Loop {
        private var network: MultilayerPerceptron
        private var scratch = InferenceScratch()

        init(_ network: MultilayerPerceptron) { self.network = network }

        func swap(_ network: MultilayerPerceptron) { self.network = network }

        func predict(_ row: [Float]) -> (sum: Float, first: Float, predicted: Int) {
            network.forward(rows: row.span, rowCount: 1, scratch: &scratch)
            return scratch.read { outputs in
                let probabilities = outputs.probabilities
                var sum: Float = 0
                for index in probabilities.indices { sum += probabilities[index] }
                return (sum, outputs.logits[0], outputs.predictedClass(row: 0))
            }
        }
    }

    @Test("a class can hold network and scratch, and swap the network")
    func heldByClass() throws {
        let row = noise(4, seed: 3)
        let loop = Loop(try someNetwork([4, 6, 3], seed: 1))
        let before = loop.predict(row)
        loop.swap(try someNetwork([4, 9, 5], seed: 2))
        let after = loop.predict(row)
        #expect(abs(before.sum - 1) < 1e-6 && abs(after.sum - 1) < 1e-6)
        #expect(before.first != after.first && after.predicted < 5)
    }

    @Test("one scratch serves networks of different shapes one after the other")
    func manyNetworks() throws {
        var scratch = InferenceScratch()
        for widths in [[4, 3, 2], [7, 50, 40, 9], [3, 2], [5, 6, 1]] {
            let network = try someNetwork(widths, .relu, .linear)
            let reference = ReferenceNetwork(network)
            let row = noise(widths[0], seed: 4)
            network.forward(rows: row.span, rowCount: 1, scratch: &scratch)
            let expected = reference.logits(row.map(Double.init))
            #expect(scratch.logits.count == expected.count)
            for index in expected.indices { #expect(agree(scratch.logits[index], expected[index])) }
        }
    }

    @Test("probabilities stay finite for logits that overflow the exponential")
    func extremeLogits() throws {
        func probabilities(_ logits: [Float], _ head: Head) throws -> [Float] {
            var weights = Matrix(rows: logits.count, columns: logits.count)
            for index in logits.indices { weights[index, index] = 1 }
            let bias = [Float](repeating: 0, count: logits.count)
            let layer = DenseLayer(weights: weights, bias: bias, activation: .identity)
            let network = try MultilayerPerceptron(layers: [layer], head: head)
            var scratch = InferenceScratch()
            network.forward(rows: logits.span, rowCount: 1, scratch: &scratch)
            return copied(scratch.probabilities)
        }
        #expect(try probabilities([0, 1000, -1000], .softmax) == [0, 1, 0])
        #expect(try probabilities([-1e30, -1e30], .softmax) == [0.5, 0.5])
        #expect(try probabilities([1e30], .sigmoid) == [1])
        #expect(try probabilities([-1e30], .sigmoid) == [0])
    }

    @Test("rows of bytes give the bits of their scaled numbers", arguments: [1, 3, 61, 130])
    func bytes(rowCount: Int) throws {
        let network = try someNetwork([300, 70, 10])
        let bytes = noise(rowCount * 300, seed: 4).map { UInt8(($0 + 1) * 127) }
        let scaling = ByteScaling(offset: 3, factor: 1 / 255, limit: 0.9)
        let numbers = bytes.map { min(max((Float($0) - 3) * (1 / 255), -0.9), 0.9) }
        var scratch = InferenceScratch()
        network.forward(rows: numbers.span, rowCount: rowCount, scratch: &scratch)
        let expected = copied(scratch.logits)
        network.forward(
            bytes: bytes.span,
            scaling: scaling,
            rowCount: rowCount,
            scratch: &scratch
        )
        #expect(copied(scratch.logits) == expected && expected.count == rowCount * 10)
    }

    @Test("threads give the bits of one", arguments: [1, 7, 300])
    func threads(rowCount: Int) throws {
        // Large enough that a team takes part in all but the last layer.
        let network = try someNetwork([700, 3000, 10], .gelu)
        let rows = noise(rowCount * 700, seed: 3)
        var scratch = InferenceScratch()
        network.forward(rows: rows.span, rowCount: rowCount, scratch: &scratch)
        let expected = copied(scratch.logits)
        for threads in [2, 3] {
            var team = InferenceScratch(for: network, rowsMax: rowCount, threads: threads)
            for _ in 0..<3 {
                network.forward(rows: rows.span, rowCount: rowCount, scratch: &team)
                #expect(copied(team.logits) == expected)
            }
        }
    }

    @Test("a large layer, taken in slices for some rows, gives the bits of one row alone")
    func slices() throws {
        // More than 2²⁰ weights, and a depth that leaves a remainder in every slice.
        let network = try someNetwork([1_101, 1_000, 10])
        let rows = noise(65 * 1_101, seed: 8)
        var scratch = InferenceScratch()
        var alone: [Float] = []
        for row in 0..<65 {
            let one = Array(rows[row * 1_101..<(row + 1) * 1_101])
            network.forward(rows: one.span, rowCount: 1, scratch: &scratch)
            alone += copied(scratch.logits)
        }
        for count in [6, 7, 13, 32, 64, 65] {
            let some = Array(rows.prefix(count * 1_101))
            network.forward(rows: some.span, rowCount: count, scratch: &scratch)
            #expect(copied(scratch.logits) == Array(alone.prefix(count * 10)))
        }
        let expected = ReferenceNetwork(network).logits(rows.prefix(1_101).map(Double.init))
        for column in 0..<10 { #expect(agree(alone[column], expected[column], within: 1e-3)) }
    }

    @Test("no rows give no outputs")
    func noRows() throws {
        let network = try someNetwork([4, 3, 2])
        var scratch = InferenceScratch()
        let none: [Float] = []
        network.forward(rows: none.span, rowCount: 0, scratch: &scratch)
        #expect(scratch.logits.isEmpty && scratch.probabilities.isEmpty && scratch.rowCount == 0)
    }

    @Test("the predicted class is the first of the greatest logits")
    func predictedClass() throws {
        let identity = Matrix(rows: 3, columns: 3, values: [1, 0, 0, 0, 1, 0, 0, 0, 1])
        let layer = DenseLayer(weights: identity, bias: [0, 0, 0], activation: .identity)
        let network = try MultilayerPerceptron(layers: [layer], head: .softmax)
        var scratch = InferenceScratch()
        let rows: [Float] = [1, 2, 3, 5, 5, 1, -1, -1, -1]
        network.forward(rows: rows.span, rowCount: 3, scratch: &scratch)
        #expect((0..<3).map { scratch.predictedClass(row: $0) } == [2, 0, 0])

        let one = DenseLayer(
            weights: Matrix(rows: 1, columns: 1, values: [1]),
            bias: [0],
            activation: .identity
        )
        let binary = try MultilayerPerceptron(layers: [one], head: .sigmoid)
        let logits: [Float] = [-0.5, 0, 2]
        binary.forward(rows: logits.span, rowCount: 3, scratch: &scratch)
        #expect((0..<3).map { scratch.predictedClass(row: $0) } == [0, 1, 1])
    }
}
