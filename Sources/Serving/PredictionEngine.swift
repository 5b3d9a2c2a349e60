internal import Features
internal import ModelStore
internal import NeuralNetwork

/// The memory of the forward pass, kept from request to request.
struct PredictionEngine: ~Copyable {
    private var inputs: [Float] = []
    private(set) var scratch: InferenceScratch

    init(_ network: MultilayerPerceptron) {
        scratch = InferenceScratch(for: network, rowsMax: 1)
    }

    /// Encodes the rows and runs them through the network; the answers are in the scratch.
    mutating func compute(_ raw: Span<Float>, rowCount: Int, _ bundle: borrowing ModelBundle) {
        let count = rowCount * bundle.manifest.schema.encodedWidth
        if inputs.count < count {
            inputs.append(contentsOf: repeatElement(0, count: count - inputs.count))
        }
        var target = inputs.mutableSpan
        bundle.manifest.schema.encode(raw: raw, into: &target)
        Self.run(bundle.network, inputs, count, rowCount, &scratch)
    }

    /// Takes what the batcher computed.
    mutating func take(_ answer: BatchAnswer) {
        scratch.take(
            logits: answer.logits,
            probabilities: answer.probabilities,
            rowCount: answer.rowCount
        )
    }

    /// Apart from `self`, so that the compiler sees that inputs and scratch do not overlap.
    private static func run(
        _ network: MultilayerPerceptron,
        _ inputs: [Float],
        _ count: Int,
        _ rowCount: Int,
        _ scratch: inout InferenceScratch
    ) {
        network.forward(
            rows: inputs.span.extracting(0..<count),
            rowCount: rowCount,
            scratch: &scratch
        )
    }
}
