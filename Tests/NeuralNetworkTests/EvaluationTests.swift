import Glibc
import NeuralNetwork
import Testing

@Suite("Evaluation") struct EvaluationTests {
    /// Passes its inputs through: the logits are the row.
    private func passThrough(_ width: Int, _ head: Head) throws -> MultilayerPerceptron {
        var weights = Matrix(rows: width, columns: width)
        for index in 0..<width { weights[index, index] = 1 }
        let layer = DenseLayer(
            weights: weights,
            bias: [Float](repeating: 0, count: width),
            activation: .identity
        )
        return try MultilayerPerceptron(layers: [layer], head: head)
    }

    @Test("accuracy, loss and confusion of classes equal those counted by hand")
    func classes() throws {
        let network = try passThrough(3, .softmax)
        let rows = Matrix(rows: 4, columns: 3, values: [5, 0, 0, 0, 5, 0, 0, 5, 0, 0, 0, 5])
        let found = try network.evaluate(rows: rows, targets: .classes([0, 1, 2, 2]), batch: 3)
        #expect(found.rowCount == 4 && found.accuracy == 0.75)
        let matrix = try #require(found.confusion)
        #expect(matrix.counts == [1, 0, 0, 0, 1, 0, 0, 1, 1] && matrix.classes == 3)
        #expect(matrix[truth: 2, predicted: 1] == 1)
        let sum = exp(5.0) + 2
        let expected = (-3 * log(exp(5.0) / sum) - log(1 / sum)) / 4
        #expect(abs(found.loss - expected) < 1e-6)
        #expect(found.meanAbsoluteError == nil && found.meanSquaredError == nil)
    }

    @Test("yes and no are counted at one half")
    func binary() throws {
        let network = try passThrough(1, .sigmoid)
        let rows = Matrix(rows: 4, columns: 1, values: [2, -2, 2, -2])
        let found = try network.evaluate(rows: rows, targets: .binary([1, 0, 0, 0]))
        #expect(found.accuracy == 0.75)
        #expect(found.confusion?.counts == [2, 1, 0, 1])
        let right = log(1 + exp(-2.0)), wrong = log(1 + exp(2.0))
        #expect(abs(found.loss - (3 * right + wrong) / 4) < 1e-6)
    }

    @Test("errors of values are averaged over rows and columns")
    func values() throws {
        let network = try passThrough(2, .linear)
        let rows = Matrix(rows: 2, columns: 2, values: [1, 2, 3, 4])
        let found = try network.evaluate(rows: rows, targets: .values([1, 0, 3, 5]))
        #expect(found.meanAbsoluteError == 0.75 && found.meanSquaredError == 1.25)
        #expect(found.loss == 1.25 && found.accuracy == nil && found.confusion == nil)
    }

    @Test("the size of a batch changes nothing, and the observer sees every row in order")
    func batches() throws {
        let network = try someNetwork([6, 9, 4])
        let rows = Matrix(rows: 23, columns: 6, values: noise(23 * 6, seed: 3))
        let targets = Targets.classes((0..<23).map { Int32($0 % 4) })
        let whole = try network.evaluate(rows: rows, targets: targets, batch: 1000)
        var scratch = InferenceScratch()
        network.forward(rows: rows.values.span, rowCount: 23, scratch: &scratch)
        for batch in [-3, 1, 7, 23] {
            var seen: [Int] = []
            var probabilities: [Float] = []
            let found = try network.evaluate(rows: rows, targets: targets, batch: batch) {
                range,
                outputs in
                seen.append(contentsOf: range)
                probabilities.append(contentsOf: copied(outputs.probabilities))
            }
            #expect(seen == Array(0..<23) && probabilities == copied(scratch.probabilities))
            #expect(found.accuracy == whole.accuracy && found.confusion == whole.confusion)
            #expect(abs(found.loss - whole.loss) < 1e-9)
        }
    }
}
