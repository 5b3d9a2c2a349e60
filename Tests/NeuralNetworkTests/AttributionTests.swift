import NeuralNetwork
import Testing

@Suite("Attribution") struct AttributionTests {
    private func attributions(
        _ network: MultilayerPerceptron,
        _ rows: [Float],
        _ targets: [Int32],
        _ method: AttributionMethod
    ) -> (values: [Float], error: Float) {
        var scratch = AttributionScratch()
        network.attribute(
            rows: rows.span,
            targets: targets.span,
            method: method,
            scratch: &scratch
        )
        return (copied(scratch.attributions), scratch.completenessError)
    }

    @Test("gradients are the central differences of the logit", arguments: GradientTests.cases)
    func gradients(activation: Activation, head: Head) throws {
        let outputs = head == .sigmoid ? 1 : 4
        let network = try someNetwork([9, 20, 11, outputs], activation, head)
        let reference = ReferenceNetwork(network)
        let rows = noise(3 * 9, seed: 2)
        let targets: [Int32] = head == .sigmoid ? [0, 1, 1] : [3, 0, 2]
        let found = attributions(network, rows, targets, .gradient)
        #expect(found.error == 0 && found.values.count == 27)
        for row in 0..<3 {
            let output = head == .sigmoid ? 0 : Int(targets[row])
            let sign = head == .sigmoid && targets[row] == 0 ? -1.0 : 1
            for index in 0..<9 {
                var moved = rows[row * 9..<row * 9 + 9].map(Double.init)
                let step = 1e-5
                moved[index] += step
                let above = reference.logits(moved)[output]
                moved[index] -= 2 * step
                let slope = sign * (above - reference.logits(moved)[output]) / (2 * step)
                #expect(agree(found.values[row * 9 + index], slope, within: 1e-4))
            }
        }
    }

    @Test("integrated gradients add up to the logit's distance from the baseline's")
    func completeness() throws {
        for (activation, tolerance) in [
            (Activation.tanh, 1e-3), (.gelu, 1e-3), (.sigmoid, 1e-3), (.identity, 1e-4),
            // Their slopes jump, so that a sum over 64 points is as exact as the points are dense.
            (.relu, 2e-2), (.leakyReLU, 2e-2),
        ] {
            let network = try someNetwork([30, 40, 21, 5], activation)
            let reference = ReferenceNetwork(network)
            let rows = noise(4 * 30, seed: 3)
            let baseline = reference.logits([Double](repeating: 0, count: 30))
            let found = attributions(network, rows, [0, 1, 4, 4], .integratedGradients)
            #expect(found.values.contains { $0 != 0 })
            for (row, target) in [0, 1, 4, 4].enumerated() {
                let logits = reference.logits(rows[row * 30..<row * 30 + 30].map(Double.init))
                let sum = found.values[row * 30..<row * 30 + 30].reduce(0) { $0 + Double($1) }
                let error = abs(sum - (logits[target] - baseline[target]))
                let size = max(1, abs(logits[target] - baseline[target]))
                #expect(error <= tolerance * size, "\(activation)")
                // What is told of the error is the error.
                #expect(error <= Double(found.error) + 1e-3)
            }
        }
    }

    @Test("an input at the baseline has no share, and a linear network's are its products")
    func sensitivity() throws {
        let layer = DenseLayer(
            weights: Matrix(rows: 3, columns: 2, values: [1, 2, 3, 4, 5, 6]),
            bias: [7, 8],
            activation: .identity
        )
        let network = try MultilayerPerceptron(layers: [layer], head: .softmax)
        let found = attributions(network, [2, 0, -1], [1], .integratedGradients)
        #expect(found.values.count == 3)
        for (value, expected) in zip(found.values, [4.0, 0, -6]) { #expect(agree(value, expected)) }
        #expect(attributions(network, [2, 0, -1], [0], .gradient).values == [1, 3, 5])
    }

    @Test("shares of a batch are those of each row alone, and wide layers are no exception")
    func batches() throws {
        let network = try someNetwork([401, 70, 3], .relu)
        let rows = noise(3 * 401, seed: 9)
        for method in AttributionMethod.allCases {
            let together = attributions(network, rows, [0, 1, 2], method).values
            for row in 0..<3 {
                let one = Array(rows[row * 401..<(row + 1) * 401])
                let alone = attributions(network, one, [Int32(row)], method).values
                #expect(alone == Array(together[row * 401..<(row + 1) * 401]))
            }
        }
    }

    @Test("one scratch serves networks of any shape, in any order")
    func scratchIsReused() throws {
        var scratch = AttributionScratch()
        for widths in [[4, 3, 2], [60, 50, 40, 9], [3, 2], [60, 7, 2], [4, 3, 2]] {
            let network = try someNetwork(widths, .gelu)
            let row = noise(widths[0], seed: 4)
            for method in AttributionMethod.allCases {
                network.attribute(
                    rows: row.span,
                    targets: [1].span,
                    method: method,
                    scratch: &scratch
                )
                let fresh = attributions(network, row, [1], method)
                #expect(scratch.read { copied($0.attributions) } == fresh.values)
                #expect(scratch.completenessError == fresh.error)
            }
        }
    }

    @Test("once it has grown, the scratch keeps its memory")
    func memoryIsKept() throws {
        let network = try someNetwork([20, 30, 25, 10])
        let rows = noise(20 * 8, seed: 1)
        let targets = [Int32](repeating: 3, count: 8)
        var scratch = AttributionScratch()
        func address(_ scratch: borrowing AttributionScratch) -> Int {
            let span = scratch.attributions
            return unsafe span.withUnsafeBufferPointer { Int(bitPattern: $0.baseAddress) }
        }
        network.attribute(
            rows: rows.span,
            targets: targets.span,
            method: .integratedGradients,
            scratch: &scratch
        )
        let first = address(scratch)
        for count in [1, 8, 3] {
            let (part, some) = (Array(rows.prefix(count * 20)), Array(targets.prefix(count)))
            network.attribute(
                rows: part.span,
                targets: some.span,
                method: .gradient,
                scratch: &scratch
            )
            #expect(address(scratch) == first && scratch.attributions.count == count * 20)
        }
    }
}
