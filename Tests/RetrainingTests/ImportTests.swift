import Files
import ModelStore
import ModelTestSupport
import NeuralNetwork
import Retraining
import TestSupport
import Testing

/// Weights from elsewhere on the whole way into the store.
@Suite("Imported weights") struct ImportTests {
    typealias Tensor = SafetensorsFile.Tensor

    /// A network of the plan's shape that says the brightest line is the class.
    private func good(sharpness: Float = 8) throws -> [Tensor] {
        var first = [Float](repeating: 0, count: 9 * 6)
        for pixel in 0..<9 { first[pixel * 6 + pixel / 3] = 1 }
        var last = [Float](repeating: 0, count: 6 * 3)
        for line in 0..<3 { last[line * 3 + line] = sharpness }
        return [
            Tensor(name: "dense/kernel", shape: [9, 6], values: first),
            Tensor(name: "dense_1/kernel", shape: [6, 3], values: last),
        ]
    }

    private func put(
        _ tensors: [Tensor],
        _ metadata: [String: String] = [:],
        in shop: Workshop
    ) throws -> String {
        let bytes = try SafetensorsFile(metadata: metadata, tensors: tensors).encoded()
        try shop.put("weights.safetensors", bytes)
        return shop.folder.path("data/weights.safetensors")
    }

    @Test("weights become version 1, which answers as they do and knows where they came from")
    func first() async throws {
        let shop = try Workshop()
        let plan = try shop.images()
        let path = try put(good(), in: shop)
        let outcome = try await shop.run(importing: WeightFile(path: path, plan: plan), plan)
        #expect(outcome.result == .published && outcome.version == 1)
        #expect(outcome.evaluation?.accuracy == 1)
        #expect(outcome.training == nil && outcome.champion == nil)
        #expect(outcome.rows == RetrainingOutcome.Rows(train: 0, holdout: 30))
        #expect(shop.stages == [.download, .validate, .evaluate, .publish])
        let model = try ActiveModel.current(of: shop.store)
        let tensors = try good()
        #expect(model.bundle.network.layers.map(\.weights.values) == tensors.map(\.values))
        #expect(model.bundle.network.layers.map(\.activation) == [.relu, .identity])
        #expect(model.bundle.manifest.training.trigger == "import")
        #expect(model.bundle.manifest.data.trainRows == 0)
        let bytes = try WholeFile.read(path, bytesMax: 1 << 20)
        #expect(try model.bundle.manifest.data.sources["weights"] == digest(bytes))
        #expect(model.bundle.manifest.data.sources.count == 5)
        #expect(try shop.journal() == ["published 1 import"])
    }

    @Test("worse weights are refused by the gate, and the champion stays")
    func refused() async throws {
        let shop = try Workshop()
        let plan = try shop.images()
        try await shop.run(plan)
        let path = try put(good(sharpness: -8), in: shop)
        let file = try WeightFile(path: path, plan: plan)
        let outcome = try await shop.run(importing: file, plan)
        #expect(outcome.result == .refused && outcome.version == 1)
        #expect(try shop.store.current()?.version == 1)
        #expect(try shop.journal() == ["published 1 manual", "refused 0 import"])
        var wide = plan
        wide.margin = 1
        #expect(try await shop.run(importing: file, wide).version == 2)
    }

    @Test("a scheduled retrain after an import trains, and has to stand up to the weights")
    func retrained() async throws {
        let shop = try Workshop()
        let plan = try shop.images()
        let path = try put(good(), in: shop)
        try await shop.run(importing: WeightFile(path: path, plan: plan), plan)
        let outcome = try await shop.run(plan, .schedule)
        #expect(outcome.result == .published && outcome.version == 2)
        #expect(outcome.champion?.accuracy == 1)
        #expect(try await shop.run(plan, .schedule).result == .unchanged)
    }

    @Test("an export of either layout imports as the same bytes", arguments: WeightLayout.allCases)
    func exported(layout: WeightLayout) async throws {
        let shop = try Workshop()
        let plan = try shop.images()
        try await shop.run(plan)
        let network = try ActiveModel.current(of: shop.store).bundle.network
        try shop.put("weights.safetensors", network.encoded(layout: layout))
        let path = shop.folder.path("data/weights.safetensors")
        let file = try WeightFile(path: path, plan: plan)
        #expect(try await shop.run(importing: file, plan).version == 2)
        let weights = try (1...2).map { try shop.store.bytes("model.safetensors", of: $0) }
        #expect(weights[0] == weights[1])
        // What the file says of itself stands against another configuration.
        var other = plan
        other.activation = .tanh
        #expect(refusal(path, other)?.contains("layers.0.activation = relu: expected tanh") == true)
        other = plan
        other.task = .regression
        #expect(refusal(path, other)?.contains("expected 1 by task: regression") == true)
    }

    @Test("weights of a table's network are checked against the columns of the data")
    func table() async throws {
        let shop = try Workshop(model: "prices")
        let plan = Tables.plan(try shop.put("rows.csv", Array(TinyData.csv(120).utf8)))
        // One number and two categories.
        let right = Tensor(name: "kernel", shape: [3, 1], values: [90, 0, 5])
        let path = try put([right], in: shop)
        let outcome = try await shop.run(importing: WeightFile(path: path, plan: plan), plan)
        #expect(outcome.version == 1)
        #expect(outcome.evaluation?.meanAbsoluteError != nil)
        let wrong = Tensor(name: "kernel", shape: [4, 1], values: [90, 0, 5, 0])
        let file = try WeightFile(path: try put([wrong], in: shop), plan: plan)
        let error = await #expect(throws: RetrainingError.self) {
            try await shop.run(importing: file, plan)
        }
        #expect(error?.description.contains("takes 4 inputs: expected 3, as input") == true)
        #expect(error?.code == "weights_tensor_shape")
        #expect(try shop.store.versions() == [1])
    }

    /// What is said of a file before anything is downloaded; nil when nothing is.
    private func refusal(_ path: String, _ plan: RetrainingPlan) -> String? {
        do {
            _ = try WeightFile(path: path, plan: plan)
            return nil
        } catch {
            return error.description
        }
    }

    @Test("weights that do not fit the configuration are told what would, before any download")
    func misfits() throws {
        let shop = try Workshop()
        let plan = try shop.images()
        let path = try put(good(), in: shop)
        #expect(refusal(path, plan) == nil)
        var other = plan
        other.hidden = [5]
        #expect(
            refusal(path, other)
                == "\(path): weights: dense/kernel [9, 6] (= [inputs, outputs]) gives 6 outputs: "
                + "expected 5 by network.hidden: [5]; these would be network.hidden: [6]"
        )
        other.hidden = [6, 6]
        #expect(
            refusal(path, other)?.contains("makes 3: these would be network.hidden: [6]") == true
        )
        other = plan
        other.labels.append("nowhere")
        #expect(refusal(path, other)?.contains("expected 4, one for each label") == true)
        other = plan
        other.input = .image(shape: [3, 4], scale: 255, strict: false)
        #expect(refusal(path, other)?.contains("takes 9 inputs: expected 12") == true)
        #expect(shop.stages.isEmpty)
    }

    @Test("a file that is missing, a folder, too long, cut or not finite is refused, and named")
    func unreadable() throws {
        let shop = try Workshop()
        let plan = try shop.images()
        let path = shop.folder.path("data/weights.safetensors")
        #expect(refusal(path, plan)?.contains("open \(path): No such file") == true)
        #expect(refusal(shop.folder.path("data"), plan)?.contains("Is a directory") == true)
        let file = try OpenFile(path, flags: 0o102, mode: 0o600)
        try file.truncate(to: (64 << 20) + 1)
        #expect(refusal(path, plan)?.contains("larger than the limit of 67108864 bytes") == true)
        try shop.put("weights.safetensors", [1, 2, 3])
        #expect(refusal(path, plan)?.contains("\(path): weights: the file ends within") == true)
        var tensors = try good()
        tensors[0] = Tensor(
            name: "dense/kernel",
            shape: [9, 6],
            values: .init(repeating: .nan, count: 54)
        )
        _ = try put(tensors, in: shop)
        #expect(refusal(path, plan)?.contains("dense/kernel has a number that is NaN") == true)
    }

    @Test("weights whose answers are not finite never go live")
    func overflowing() async throws {
        let shop = try Workshop()
        let plan = try shop.images()
        var tensors = try good()
        tensors[0] = Tensor(
            name: "dense/kernel",
            shape: [9, 6],
            values: .init(repeating: 3e38, count: 54)
        )
        let file = try WeightFile(path: try put(tensors, in: shop), plan: plan)
        let result = try? await shop.run(importing: file, plan).result
        #expect(result != .published)
        #expect(try shop.store.versions() == [])
    }

    @Test("an import while a retrain holds the lock changes nothing")
    func locked() async throws {
        let shop = try Workshop()
        let plan = try shop.images()
        let file = try WeightFile(path: try put(good(), in: shop), plan: plan)
        let lock = try await shop.store.lockWhenFree()
        await #expect(throws: StoreError.self) { try await shop.run(importing: file, plan) }
        #expect(shop.events.all.isEmpty)
        extendLifetime(lock)
    }
}
