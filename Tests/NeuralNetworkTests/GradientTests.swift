import NeuralNetwork
import Testing

@Suite("Gradients") struct GradientTests {
    /// One case for every activation before every head.
    static let cases = Activation.allCases.flatMap { activation in
        Head.allCases.map { (activation, $0) }
    }

    private func targets(_ head: Head, rows: Int, outputs: Int) -> Targets {
        switch head {
        case .softmax: .classes((0..<rows).map { Int32($0 % outputs) })
        case .sigmoid: .binary((0..<rows).map { [0, 1, 0.25][$0 % 3] })
        case .linear: .values(noise(rows * outputs, seed: 77))
        }
    }

    @Test("every slope equals the central difference of the loss", arguments: cases)
    func centralDifferences(activation: Activation, head: Head) throws {
        let outputs = head == .sigmoid ? 1 : 3
        let network = try someNetwork([5, 7, 6, outputs], activation, head, seed: 3)
        let rowCount = 6
        let rows = Matrix(rows: rowCount, columns: 5, values: noise(rowCount * 5, seed: 4))
        let targets = targets(head, rows: rowCount, outputs: outputs)
        let found = try network.lossGradient(rows: rows, targets: targets)

        let plainRows = (0..<rowCount).map { row in (0..<5).map { Double(rows[row, $0]) } }
        var reference = ReferenceNetwork(network)
        #expect(agree(Float(found.loss), reference.loss(plainRows, targets)))
        let width = 1e-6
        func slope(_ path: WritableKeyPath<ReferenceNetwork, Double>) -> Double {
            let value = reference[keyPath: path]
            reference[keyPath: path] = value + width
            let above = reference.loss(plainRows, targets)
            reference[keyPath: path] = value - width
            let below = reference.loss(plainRows, targets)
            reference[keyPath: path] = value
            return (above - below) / (2 * width)
        }
        for (layer, gradient) in found.layers.enumerated() {
            for index in gradient.weights.values.indices {
                let expected = slope(\.weights[layer][index])
                #expect(agree(gradient.weights.values[index], expected), "weight \(layer) \(index)")
            }
            for index in gradient.bias.indices {
                let expected = slope(\.biases[layer][index])
                #expect(agree(gradient.bias[index], expected), "bias \(layer) \(index)")
            }
        }
    }

    @Test("a network without hidden layers has gradients, too")
    func noHiddenLayer() throws {
        let network = try someNetwork([4, 2])
        let rows = Matrix(rows: 1, columns: 4, values: [1, 2, 3, 4])
        let gradient = try network.lossGradient(rows: rows, targets: .classes([1]))
        // Cross-entropy: each slope is input times (probability - truth), so columns cancel out.
        for input in 0..<4 {
            let values = gradient.layers[0].weights
            #expect(abs(values[input, 0] + values[input, 1]) < 1e-6 && values[input, 1] < 0)
        }
    }

    @Test("rows that do not fit are refused")
    func misfit() throws {
        let network = try someNetwork([4, 2])
        #expect(throws: TrainingError.rowWidth(found: 3, expected: 4)) {
            _ = try network.lossGradient(
                rows: Matrix(rows: 1, columns: 3),
                targets: .classes([1])
            )
        }
    }
}
