import Drift
import Features
import Files
import FoundationEssentials
import ModelStore
import ModelTestSupport
import Retraining
import TestSupport
import Testing

/// Data that nobody should learn from unseen: refused before training, with the rule and the rows.
@Suite("Checks before training") struct DataCheckTests {
    /// A plan for a table of `rows` rows, published once.
    private func published(_ shop: Workshop, _ text: String) async throws -> RetrainingPlan {
        var plan = Tables.plan(try shop.put("rows.csv", Array(text.utf8)))
        plan.margin = 1000
        #expect(try await shop.run(plan).version == 1)
        return plan
    }

    private func reason(_ shop: Workshop, _ plan: RetrainingPlan) async throws -> String {
        let outcome = try await shop.run(plan, .schedule)
        #expect(outcome.result == .refused)
        #expect(outcome.version == 1)
        #expect(outcome.training == nil)
        #expect(try shop.store.current()?.version == 1)
        #expect(try shop.journal() == ["published 1 manual", "refused 0 schedule"])
        #expect(try shop.store.history().last?.reason == outcome.reason)
        #expect(shop.stages.suffix(2) == [.download, .validate])
        return outcome.reason
    }

    @Test("far fewer rows than the last version had, and far more")
    func rowCount() async throws {
        let shop = try Workshop(model: "prices")
        let plan = try await published(shop, TinyData.csv(120))
        try shop.put("rows.csv", Array(TinyData.csv(58).utf8))
        let reason = try await reason(shop, plan)
        #expect(reason.contains("checks.rows_lost_max (0.5): 58 rows, the last version had"))
        // Somebody has looked, and says that it is right.
        let accepted = try await shop.run(plan, acceptingData: true)
        #expect(accepted.version == 2)
        #expect(accepted.warnings.contains { $0.hasPrefix("accepted: checks.rows_lost_max") })
        var wider = plan
        wider.data.checks.rowsLostMax = 0.9
        #expect(try await shop.run(wider).result == .published)
        wider.data.checks.rowsTimesMax = 2
        try shop.put("rows.csv", Array(TinyData.csv(500).utf8))
        let more = try await shop.run(wider, .schedule)
        #expect(more.reason.contains("checks.rows_times_max (2.0): 500 rows"))
    }

    @Test("values that are missing where they were not, with the first rows")
    func missing() async throws {
        let shop = try Workshop(model: "prices")
        let plan = try await published(shop, TinyData.csv(120))
        let lines = TinyData.csv(120).split(separator: "\n").enumerated().map { index, line in
            index % 2 == 0 && index > 0
                ? "," + line.split(separator: ",").dropFirst().joined(separator: ",") : String(line)
        }
        try shop.put("rows.csv", Array((lines.joined(separator: "\n") + "\n").utf8))
        let reason = try await reason(shop, plan)
        #expect(reason.contains("checks.missing_gained_max (0.3): column width: 0."))
        #expect(reason.contains("it was 0.0: rows "))
    }

    @Test("values outside of the range that the last version was taught")
    func ranges() async throws {
        let shop = try Workshop(model: "prices")
        let plan = try await published(shop, TinyData.csv(120))
        let lines = TinyData.csv(120).split(separator: "\n").enumerated().map { index, line in
            index == 0 ? String(line) : "9" + line
        }
        try shop.put("rows.csv", Array((lines.joined(separator: "\n") + "\n").utf8))
        let reason = try await reason(shop, plan)
        #expect(reason.contains("checks.out_of_range_max (0.5): column width:"))
        #expect(reason.contains("outside of 0.0 to "))
    }

    @Test("rows that repeat others, where the configuration limits that")
    func duplicates() async throws {
        let shop = try Workshop(model: "prices")
        var plan = try await published(shop, TinyData.csv(120))
        let rows =
            TinyData.csv(40).split(separator: "\n").dropFirst().joined(separator: "\n") + "\n"
        try shop.put("rows.csv", Array(("width,colour,price\n" + rows + rows + rows).utf8))
        plan.data.checks.duplicatesMax = 0.5
        let reason = try await reason(shop, plan)
        #expect(reason.contains("checks.duplicates_max (0.5): 0."))
        #expect(reason.contains("repeat an earlier one: rows "))
    }

    @Test("a hold-out whose rows are fitted, too")
    func leakage() async throws {
        let shop = try Workshop()
        let plan = try shop.images()
        try await shop.run(plan)
        // Twenty of the thirty are training rows.
        let own = TinyData.pixels(30, seed: 2)
        let leaked = Array(TinyData.pixels(90).prefix(180)) + own.dropFirst(180)
        try shop.put("test-images", TinyData.idx([30, 3, 3], leaked))
        let reason = try await reason(shop, plan)
        #expect(
            reason.contains(
                "checks.leakage_max (0.05): 0.6667 of the hold-out's rows are training rows, too, "
                    + "usual are 0.0: rows 0, 1, 2, 3, 4, …"
            )
        )
    }

    @Test("identical rows on both sides of a random split are no leak")
    func naturalTwins() async throws {
        let shop = try Workshop(model: "prices")
        let rows = (0..<120).map { "\($0 % 4),\($0 % 2 == 0 ? "red" : "blue"),\($0 % 4)\n" }
        let url = try shop.put("rows.csv", Array(("width,colour,price\n" + rows.joined()).utf8))
        #expect(try await shop.run(Tables.plan(url)).version == 1)
    }

    @Test("classes that are gone, and shares of classes that are others")
    func labels() async throws {
        let shop = try Workshop()
        let plan = try shop.images()
        try await shop.run(plan)
        let classes = TinyData.classes(90).map { $0 == 2 ? UInt8(1) : $0 }
        try shop.put("train-labels", TinyData.labels(classes))
        let reason = try await reason(shop, plan)
        #expect(
            reason.contains(
                "checks.class_rows_min (1.0): class bottom: 0 rows, the last version had 30"
            )
        )
        #expect(reason.contains("checks.label_shift_max (0.3): the classes' shares are 0.3333"))
    }

    @Test("labels of which three in ten are noise, though each class is as frequent as before")
    func poisoned() async throws {
        let shop = try Workshop()
        let plan = try images(shop, 600, seed: 1) { _, name in name }
        #expect(try await shop.run(plan).version == 1)
        let facts = try ActiveModel.current(of: shop.store).bundle.manifest.data.facts
        #expect(facts?.agreement == 1)
        #expect(facts?.classes == [200, 200, 200])
        // Fresh data, rightly labelled, are no reason to refuse.
        let fresh = try images(shop, 600, seed: 5) { _, name in name }
        #expect(try await shop.run(fresh, .schedule).version == 2)
        let poisoned = try images(shop, 600, seed: 6) { row, name in
            row % 10 < 3 ? (name + 1 + UInt8(row % 2)) % 3 : name
        }
        let outcome = try await shop.run(poisoned, .schedule)
        #expect(outcome.result == .refused)
        #expect(outcome.version == 2)
        #expect(outcome.reason.contains("checks.agreement_lost_max (0.15): the nearest neighbour"))
        #expect(try shop.store.current()?.version == 2)
    }

    private func images(
        _ shop: Workshop,
        _ count: Int,
        seed: Int,
        _ label: (Int, UInt8) -> UInt8
    ) throws -> RetrainingPlan {
        let plan = try shop.images()
        try shop.put("train-images", TinyData.images(count, seed: seed))
        let classes = TinyData.classes(count).enumerated().map { label($0.offset, $0.element) }
        try shop.put("train-labels", TinyData.labels(classes))
        return plan
    }

    @Test("inputs that went elsewhere, unless live traffic went there, too")
    func drift() async throws {
        let shop = try Workshop()
        var plan = try images(shop, 600, seed: 1) { _, name in name }
        plan.margin = 1000
        // The reference needs enough rows to say anything.
        try shop.put("test-images", TinyData.images(600, seed: 2))
        try shop.put("test-labels", TinyData.labels(TinyData.classes(600)))
        #expect(try await shop.run(plan).version == 1)
        let bright = TinyData.pixels(600, seed: 9).map { $0 / 2 + 120 }
        try shop.put("train-images", TinyData.idx([600, 3, 3], bright))
        let reason = try await reason(shop, plan)
        #expect(reason.contains("checks.drift_max (0.6): frame."))
        #expect(reason.contains("live traffic is not known"))
        // Live traffic that stayed where it was is a reason of its own.
        try watch(shop, TinyData.pixels(600, seed: 30))
        let stayed = try await shop.run(plan, .schedule)
        #expect(stayed.result == .refused)
        #expect(stayed.reason.contains("live traffic did not go there"))
        #expect(stayed.reason.contains("checks.live_drift_max (0.3): frame."))
        // Live traffic that went there as well is what a retrain is for.
        try watch(shop, TinyData.pixels(600, seed: 31).map { $0 / 2 + 120 })
        #expect(try await shop.run(plan, .schedule).result == .published)
        // After an alarm it is known that inputs have moved.
        let dark = TinyData.pixels(600, seed: 12).map { $0 / 8 }
        try shop.put("train-images", TinyData.idx([600, 3, 3], dark))
        #expect(try await shop.run(plan, .schedule).result == .refused)
        #expect(try await shop.run(plan, .drift).result == .published)
    }

    /// Saves the state of a drift monitor that has seen these images, as the server does.
    private func watch(_ shop: Workshop, _ pixels: [UInt8]) throws {
        let bundle = try ActiveModel.current(of: shop.store).bundle
        var monitor = DriftMonitor(profile: bundle.reference, settings: try DriftSettings())
        var binner = StreamBinner(profile: bundle.reference)
        var block = BlockCounts(profile: bundle.reference)
        let outputs: [Float] = [0.5, 0.3, 0.2]
        for start in stride(from: 0, to: pixels.count, by: 9) {
            let row = pixels[start..<start + 9].map { Float($0) }
            let scored = ScoredRows(raw: row.span, probabilities: outputs.span, rowCount: 1)
            let isCounted = binner.count(scored, in: &block)
            #expect(isCounted)
            if block.isFull {
                _ = monitor.fold(block)
                block.reset()
            }
        }
        let saved = Saved(digest: bundle.digest, state: monitor.state)
        try shop.store.writeDriftState(StoreJSON.encode(saved))
    }

    private struct Saved: Encodable {
        let digest: String
        let state: DriftState
    }
}
