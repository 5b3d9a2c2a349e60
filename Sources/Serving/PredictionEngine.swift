internal import Features
internal import ModelStore
internal import NeuralNetwork

/// The memory of the forward pass, kept from request to request.
struct PredictionEngine: ~Copyable {
    private let schema: FeatureSchema
    private let network: MultilayerPerceptron
    private var inputs: [Float] = []
    private(set) var scratch: InferenceScratch

    init(_ bundle: ModelBundle) {
        schema = bundle.manifest.schema
        network = bundle.network
        scratch = InferenceScratch(for: network, rowsMax: 1)
    }

    /// Encodes the rows and runs them through the network; the answers are in the scratch.
    mutating func compute(_ raw: Span<Float>, rowCount: Int) {
        let count = rowCount * schema.encodedWidth
        if inputs.count < count {
            inputs.append(contentsOf: repeatElement(0, count: count - inputs.count))
        }
        Self.encode(raw, schema, into: &inputs)
        Self.run(network, inputs, count, rowCount, &scratch)
    }

    /// Takes what the batcher computed.
    mutating func take(_ answer: BatchAnswer) {
        scratch.take(
            logits: answer.logits,
            probabilities: answer.probabilities,
            rowCount: answer.rowCount
        )
    }

    // Apart from `self`, so that the compiler sees that nothing overlaps.

    private static func encode(
        _ raw: Span<Float>,
        _ schema: FeatureSchema,
        into inputs: inout [Float]
    ) {
        var target = inputs.mutableSpan
        schema.encode(raw: raw, into: &target)
    }

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
