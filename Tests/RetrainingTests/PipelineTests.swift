import Drift
import Features
import Files
import FoundationEssentials
import ModelStore
import ModelTestSupport
import NeuralNetwork
import Retraining
import TestSupport
import Testing

/// The whole flow on real files, with networks that are fitted in a moment.
@Suite("Retraining pipeline") struct PipelineTests {
    @Test("a first run on images publishes version 1, which serves and knows its origin")
    func images() async throws {
        let shop = try Workshop()
        let plan = try shop.images()
        let outcome = try await shop.run(plan, .bootstrap)
        #expect(outcome.result == .published)
        #expect(outcome.published)
        #expect(outcome.version == 1)
        #expect(outcome.rows == RetrainingOutcome.Rows(train: 90, holdout: 30))
        #expect(outcome.evaluation?.accuracy == 1)
        #expect(outcome.champion == nil)
        #expect(outcome.training?.epochs == 6)
        #expect(Set(outcome.stages.keys) == Set(RetrainingStage.allCases.map(\.rawValue)))
        #expect(shop.stages == [.download, .validate, .train, .evaluate, .publish])
        let model = try ActiveModel.current(of: shop.store)
        let manifest = model.bundle.manifest
        #expect(manifest.labels == TinyData.labels)
        #expect(manifest.training.trigger == "bootstrap")
        #expect(manifest.training.scores == outcome.evaluation)
        #expect(manifest.created.timeIntervalSince1970 == Double(shop.clock.now))
        #expect(model.bundle.selfTest.rowCount == 30)
        #expect(model.bundle.reference.holdoutRows == 30)
        // The digests are of what was packed.
        #expect(
            manifest.data.sources == [
                "train.features": try digest(TinyData.images(90)),
                "train.labels": try digest(TinyData.labels(TinyData.classes(90))),
                "test.features": try digest(TinyData.images(30, seed: 2)),
                "test.labels": try digest(TinyData.labels(TinyData.classes(30))),
            ]
        )
        #expect(try shop.journal() == ["published 1 bootstrap"])
    }

    @Test("progress is told at each epoch's end")
    func progress() async throws {
        let shop = try Workshop()
        try await shop.run(try shop.images())
        let epochs = shop.events.all.compactMap { event -> Int? in
            guard case .progress(let now) = event, now.step == now.steps else { return nil }
            return now.epoch
        }
        #expect(epochs == [1, 2, 3, 4, 5, 6])
    }

    @Test("a manual retrain of the same data publishes again, with the same weights")
    func again() async throws {
        let shop = try Workshop()
        let plan = try shop.images()
        try await shop.run(plan)
        let outcome = try await shop.run(plan)
        #expect(outcome.version == 2)
        #expect(outcome.champion?.accuracy == outcome.evaluation?.accuracy)
        let weights = try (1...2).map { try shop.store.bytes("model.safetensors", of: $0) }
        #expect(weights[0] == weights[1])
        #expect(try shop.store.current()?.version == 2)
    }

    @Test("a scheduled retrain of the same data ends as unchanged, before any training")
    func unchanged() async throws {
        let shop = try Workshop()
        var plan = try shop.images()
        try await shop.run(plan)
        for trigger in [RetrainingTrigger.schedule, .drift] {
            let outcome = try await shop.run(plan, trigger)
            #expect(outcome.result == .unchanged)
            #expect(outcome.version == 1)
            #expect(!outcome.published)
            #expect(outcome.training == nil)
        }
        #expect(shop.stages.suffix(4) == [.download, .validate, .download, .validate])
        #expect(try shop.store.versions() == [1])
        #expect(try shop.journal() == ["published 1 manual"])
        // Other settings make another model of the same data.
        plan.hidden = [5]
        #expect(try await shop.run(plan, .schedule).version == 2)
        // So do other data.
        try shop.put("train-images", TinyData.images(90, seed: 4))
        #expect(try await shop.run(plan, .schedule).version == 3)
    }

    @Test("a candidate that is worse than the champion is refused, and the champion stays")
    func refused() async throws {
        let shop = try Workshop()
        let plan = try shop.images()
        try await shop.run(plan)
        // Every label names the wrong line.
        let shifted = TinyData.classes(90).map { ($0 + 1) % 3 }
        try shop.put("train-labels", TinyData.labels(shifted))
        let outcome = try await shop.run(plan, .schedule)
        #expect(outcome.result == .refused)
        #expect(!outcome.published)
        #expect(outcome.version == 1)
        #expect(outcome.champion?.accuracy == 1)
        #expect(try #require(outcome.evaluation?.accuracy) < 0.5)
        #expect(outcome.reason.contains("worse, by more than the margin"))
        #expect(try shop.store.versions() == [1])
        #expect(try shop.store.current()?.version == 1)
        #expect(try shop.journal() == ["published 1 manual", "refused 0 schedule"])
        let line = try #require(try shop.store.history().last)
        #expect(line.previous == 1)
        #expect(line.candidate == outcome.evaluation)
        #expect(line.champion == outcome.champion)
    }

    @Test("with a wide margin the worse candidate is published")
    func margin() async throws {
        let shop = try Workshop()
        var plan = try shop.images()
        try await shop.run(plan)
        try shop.put("train-labels", TinyData.labels(TinyData.classes(90).map { ($0 + 1) % 3 }))
        plan.margin = 1
        #expect(try await shop.run(plan).version == 2)
    }

    @Test("old versions are pruned after a publication")
    func pruned() async throws {
        let shop = try Workshop()
        var plan = try shop.images()
        plan.keep = 1
        for _ in 0..<4 { try await shop.run(plan) }
        #expect(try shop.store.versions() == [3, 4])
    }

    @Test("a champion that cannot be read is no champion, and the run mends the model")
    func damagedChampion() async throws {
        let shop = try Workshop()
        let plan = try shop.images()
        try await shop.run(plan)
        try shop.store.overwrite("model.safetensors", [1, 2, 3])
        let outcome = try await shop.run(plan, .schedule)
        #expect(outcome.version == 2)
        #expect(outcome.champion == nil)
        #expect(try ActiveModel.current(of: shop.store).version == 2)
    }

    @Test("what a killed run left half downloaded is swept, and other models' files are not")
    func swept() async throws {
        let shop = try Workshop()
        let plan = try shop.images()
        let downloads = shop.folder.path("state/downloads")
        try Folder.make(downloads)
        for name in ["lines-train.features.tmp-1", "others-train.features.tmp-1"] {
            try WholeFile.create("\(downloads)/\(name)", [1])
        }
        try await shop.run(plan)
        let left = try Folder.list(downloads).filter { $0.contains(WholeFile.temporaryInfix) }
        #expect(left == ["others-train.features.tmp-1"])
    }

    @Test("a run while another holds the lock changes nothing and says so")
    func locked() async throws {
        let shop = try Workshop()
        let plan = try shop.images()
        let lock = try await shop.store.lockWhenFree()
        #expect(await shop.code(plan) == "store_locked")
        #expect(shop.events.all.isEmpty)
        extendLifetime(lock)
    }

    @Test("a table of numbers and categories is fitted, published and scored by its error")
    func table() async throws {
        let shop = try Workshop(model: "prices")
        let url = try shop.put("rows.csv", TinyData.packed(Array(TinyData.csv(120).utf8)))
        let outcome = try await shop.run(Tables.plan(url))
        #expect(outcome.version == 1)
        #expect(outcome.rows.train + outcome.rows.holdout == 120)
        #expect(outcome.rows.holdout >= 20)
        #expect(outcome.evaluation?.accuracy == nil)
        #expect(try #require(outcome.evaluation?.meanAbsoluteError) < 20)
        let manifest = try ActiveModel.current(of: shop.store).bundle.manifest
        #expect(manifest.task == .regression)
        #expect(manifest.schema.table?.columns.map(\.name) == ["width", "colour"])
        #expect(Set(manifest.schema.table?.columns.last?.categories ?? []) == ["blue", "red"])
        let second = try await shop.run(Tables.plan(url))
        #expect(second.champion?.meanAbsoluteError == second.evaluation?.meanAbsoluteError)
        #expect(try await shop.run(Tables.plan(url), .schedule).result == .unchanged)
    }

    @Test("when a column's categories change, the champion cannot read the rows and is not asked")
    func otherCategories() async throws {
        let shop = try Workshop(model: "prices")
        let url = try shop.put("rows.csv", Array(TinyData.csv(120).utf8))
        try await shop.run(Tables.plan(url))
        let other = TinyData.csv(120).replacing("blue", with: "green")
        try shop.put("rows.csv", Array(other.utf8))
        let outcome = try await shop.run(Tables.plan(url))
        #expect(outcome.version == 2)
        #expect(outcome.champion == nil)
    }

    @Test("the same rows are fetched for a replay as for a retrain")
    func labelledRows() async throws {
        let shop = try Workshop()
        var plan = try shop.images()
        plan.test = nil
        let outcome = try await shop.run(plan)
        var parts: [Set<Int32>] = []
        for part in LabelledRows.Part.allCases {
            let rows = try await shop.rows(plan, part)
            #expect(rows.schema.rawWidth == 9)
            parts.append(Set(rows.rows))
        }
        #expect(parts.map(\.count) == [outcome.rows.train, outcome.rows.holdout])
        #expect(parts[0].isDisjoint(with: parts[1]))
    }
}

/// Plans for tables.
enum Tables {
    static func plan(_ urls: String...) -> RetrainingPlan {
        var plan = TinyData.plan(
            model: "prices",
            train: RetrainingPlan.Source(
                features: urls.map { RetrainingPlan.Mirror(url: $0, sha256: nil) },
                labels: []
            ),
            test: nil
        )
        plan.task = .regression
        plan.labels = []
        plan.input = .table(
            TableDeclaration(target: "price", task: .regression),
            delimiter: UInt8(ascii: ",")
        )
        plan.hidden = []
        plan.training.epochs = 10
        return plan
    }
}
