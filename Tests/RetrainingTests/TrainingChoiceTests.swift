import Features
import FoundationEssentials
import ModelStore
import ModelTestSupport
import NeuralNetwork
import Retraining
import TestSupport
import Testing

/// What the training section of a configuration changes of a run.
@Suite("Choices of training") struct TrainingChoiceTests {
    @Test("early stopping keeps rows for validation, ends the run, and tells of its best epoch")
    func earlyStopping() async throws {
        let shop = try Workshop()
        var plan = try shop.images()
        // Labels that no image explains: what is learned of them does not carry over.
        let classes = (0..<90).map { UInt8(($0 * 7 + $0 / 5) % 3) }
        try shop.put("train-labels", TinyData.labels(classes))
        plan.training.epochs = 500
        plan.training.learningRate = 0.05
        plan.training.patience = 3
        plan.validation = 0.3
        let outcome = try await shop.run(plan)
        let training = try #require(outcome.training)
        let best = try #require(training.bestEpoch)
        #expect(training.reason == "validation_loss" && training.epochs == best + 3)
        #expect((training.validationLoss ?? 0) > 0.5)
        let told = shop.events.all.compactMap { event -> RetrainingEvent.Progress? in
            if case .progress(let now) = event { now } else { nil }
        }
        #expect(told.first?.validationLoss == nil)
        #expect(told.last?.validationLoss == training.validationLoss)
        #expect(told.allSatisfy { ($0.secondsLeft ?? -1) >= 0 })
        // The same rows are kept in the next run: the same weights come out.
        try await shop.run(plan)
        let weights = try (1...2).map { try shop.store.bytes("model.safetensors", of: $0) }
        #expect(weights[0] == weights[1])
    }

    @Test("rows too few to be divided are refused by name")
    func tooFew() async throws {
        let shop = try Workshop()
        var plan = try shop.images()
        plan.training.patience = 3
        plan.validation = 1e-9
        let error = await #expect(throws: RetrainingError.self) { try await shop.run(plan) }
        #expect("\(error as Any)".contains("early_stopping"))
    }

    @Test("a warm start begins with the champion's weights where they fit, and says so")
    func warmStart() async throws {
        let shop = try Workshop()
        var plan = try shop.images()
        plan.warmStart = true
        let first = try await shop.run(plan)
        #expect(first.training?.startedFrom == nil)
        let second = try await shop.run(plan)
        #expect(second.training?.startedFrom == 1)
        let (a, b) = (try #require(first.training), try #require(second.training))
        #expect(b.loss < a.loss)
        plan.hidden = [7]
        #expect(try await shop.run(plan).training?.startedFrom == nil)
    }

    @Test("any number of threads gives the same version")
    func threads() async throws {
        let shop = try Workshop()
        var plan = try shop.images()
        plan.hidden = [96]
        for threads in [1, 2, 4] {
            plan.threads = threads
            try await shop.run(plan)
        }
        let weights = try (1...3).map { try shop.store.bytes("model.safetensors", of: $0) }
        #expect(weights[0] == weights[1] && weights[1] == weights[2])
        let settings = try (1...3).map {
            try Manifest.read(from: shop.store, version: $0).data.settings
        }
        #expect(Set(settings).count == 1)
    }

    @Test("weights of classes that are not one a class are refused by name")
    func classWeights() async throws {
        let shop = try Workshop()
        var plan = try shop.images()
        plan.training.classWeights = [1]
        let error = await #expect(throws: RetrainingError.self) { try await shop.run(plan) }
        #expect("\(error as Any)".contains("class_weights"))
    }

    /// Rows of bytes as the schema makes inputs of them.
    private struct SchemaRows: TrainingRows {
        let schema: FeatureSchema
        let dataset: Dataset
        let compact: CompactRows?
        var rowCount: Int { dataset.rowCount }
        var width: Int { schema.encodedWidth }

        func gather(_ indices: Span<Int32>, into target: inout MutableSpan<Float>) {
            schema.encode(dataset, rows: indices, into: &target)
        }
    }

    @Test(
        "the trainer scales bytes with the bits of the schema that scales requests",
        arguments: [
            Scaling.constant(divisor: 255), .constant(divisor: 1e-11),
            .standardise(mean: 31.5, deviation: 77.25), .minMax(lower: 3, upper: 250),
        ]
    )
    func scaling(scaling: Scaling) throws {
        let schema = try FeatureSchema(.image(ImageLayout(shape: [16, 16], scaling: scaling)))
        let bytes = (0..<256).map { UInt8($0) } + (0..<256).map { UInt8(255 - $0) }
        let dataset = try Dataset(
            values: .bytes(bytes, offset: 0),
            labels: .classes([0, 1]),
            rowWidth: 256,
            source: SourceIdentity(digest: [1])
        )
        func trained(_ compact: CompactRows?) throws -> MultilayerPerceptron {
            var network = try MultilayerPerceptron(
                inputWidth: 256,
                hidden: [],
                outputWidth: 2,
                activation: .relu,
                head: .softmax,
                seed: 1
            )
            let settings = TrainingSettings(
                epochs: 1,
                batch: 1,
                optimizer: .sgd,
                learningRate: 1e-9,
                momentum: 0
            )
            _ = try Trainer(settings: settings).train(
                &network,
                rows: SchemaRows(schema: schema, dataset: dataset, compact: compact),
                targets: .classes([0, 1])
            )
            return network
        }
        let compact = CompactRows(
            bytes: bytes,
            offset: 0,
            width: 256,
            numbers: nil,
            scaling: ByteScaling(scaling)
        )
        #expect(try trained(compact) == trained(nil))
    }
}
