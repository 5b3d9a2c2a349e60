import Files
import ModelStore
import ModelTestSupport
import NeuralNetwork
import Retraining
import TestSupport
import Testing

@Suite("Versions that are made again") struct ReproduceTests {
    private func weights(_ shop: Workshop, _ version: Int) throws -> [UInt8] {
        try shop.store.bytes("model.safetensors", of: version)
    }

    @Test("the same weights bit for bit, though the sources have gone on, and nothing changes")
    func reproduced() async throws {
        let shop = try Workshop()
        let plan = try shop.images()
        try await shop.run(plan)
        try shop.put("train-images", TinyData.images(90, seed: 4))
        try await shop.run(plan)
        for name in ["train-images", "train-labels", "test-images", "test-labels"] {
            try Folder.remove(shop.folder.path("data/\(name)"))
        }
        for version in 1...2 {
            let outcome = try await shop.reproduce(plan, version)
            #expect(outcome.result == .reproduced)
            #expect(outcome.version == version)
            #expect(!outcome.published)
            #expect(outcome.reason.contains(try digest(weights(shop, version))))
        }
        #expect(try shop.store.versions() == [1, 2])
        #expect(try shop.journal() == ["published 1 manual", "published 2 manual"])
        // With another number of threads, too.
        var threaded = plan
        threaded.threads = 2
        #expect(try await shop.reproduce(threaded, 1).result == .reproduced)
    }

    @Test("elsewhere, from the version's folder and the sources alone")
    func elsewhere() async throws {
        let shop = try Workshop()
        let plan = try shop.images()
        try await shop.run(plan)
        let other = try Workshop()
        try other.store.prepare()
        try ChildProcess.run(
            ["cp", "-r", shop.store.folder(of: 1), other.store.folder(of: 1)]
        )
        #expect(try await other.reproduce(plan, 1).result == .reproduced)
        // And trained there from the start: the same sources, settings and weights.
        let fresh = try Workshop()
        try await fresh.run(plan)
        #expect(try weights(fresh, 1) == weights(shop, 1))
        let manifests = try [shop, fresh].map {
            try ActiveModel.current(of: $0.store).bundle.manifest.data
        }
        #expect(manifests[0] == manifests[1])
    }

    @Test("a window with its parts in their order, and a table with early stopping")
    func kinds() async throws {
        let shop = try Workshop()
        var plan = try shop.images()
        plan.data.mode = .append
        plan.margin = 1
        for seed in 1...3 {
            try shop.put("train-images", TinyData.images(90, seed: 10 + seed))
            try await shop.run(plan)
        }
        for version in 1...3 {
            #expect(try await shop.reproduce(plan, version).result == .reproduced)
        }
        let table = try Workshop(model: "prices")
        var prices = Tables.plan(try table.put("rows.csv", Array(TinyData.csv(150).utf8)))
        prices.validation = 0.2
        prices.training.patience = 2
        try await table.run(prices)
        #expect(try await table.reproduce(prices, 1).result == .reproduced)
    }

    @Test("a warm start goes back to the version that it began with")
    func warmStart() async throws {
        let shop = try Workshop()
        var plan = try shop.images()
        plan.warmStart = true
        plan.margin = 1
        try await shop.run(plan)
        try await shop.run(plan)
        let manifest = try ActiveModel.current(of: shop.store).bundle.manifest
        #expect(manifest.data.startedFrom == 1)
        #expect(try await shop.reproduce(plan, 2).result == .reproduced)
        try Folder.remove(shop.store.folder(of: 1))
        #expect(await shop.reproductionFailure(plan, 2)?.contains("version 1") == true)
    }

    @Test("other settings are named, with what they were and what they are")
    func otherSettings() async throws {
        let shop = try Workshop()
        var plan = try shop.images()
        try await shop.run(plan)
        plan.hidden = [7, 5]
        plan.activation = .tanh
        let text = try #require(await shop.reproductionFailure(plan, 1))
        #expect(text.contains("hidden: [6] then, [7,5] now"))
        #expect(text.contains("activation: relu then, tanh now"))
        #expect(!text.contains("task"))
    }

    @Test("files that nobody has any more are named, and forged weights are seen")
    func impossible() async throws {
        let shop = try Workshop()
        var plan = try shop.images()
        plan.data.keepsSources = false
        try await shop.run(plan)
        #expect(!Folder.exists(shop.folder.path("state/downloads/lines-archive")))
        #expect(try await shop.reproduce(plan, 1).result == .reproduced)
        try shop.put("train-images", TinyData.images(90, seed: 9))
        let gone = try #require(await shop.reproductionFailure(plan, 1))
        #expect(gone.contains("train.features: nobody has a file with SHA-256 "))
        #expect(await shop.reproductionFailure(plan, 7)?.isEmpty == false)
    }
}

extension Workshop {
    /// Makes a version again.
    func reproduce(_ plan: RetrainingPlan, _ version: Int) async throws -> RetrainingOutcome {
        try await pipeline(plan).reproduce(version)
    }

    /// Why a version cannot be made again; nil when it can.
    func reproductionFailure(_ plan: RetrainingPlan, _ version: Int) async -> String? {
        do {
            _ = try await reproduce(plan, version)
            return nil
        } catch {
            return "\(error)"
        }
    }
}
