import Drift
import Features
import ModelStore
import ModelTestSupport
import NeuralNetwork
import Retraining
import TestSupport
import Testing

@Suite("A reference by the hour of the week") struct SeasonalRetrainingTests {
    /// Rows of two weeks; by night widths are small, by day they are large.
    private func csv(hasTime: Bool = true, badLine: Int? = nil) -> String {
        var text = "\(hasTime ? "sold," : "")width,colour,price\n"
        // Drawn, since hours with a pattern of their own would be told apart, and rightly.
        var random: UInt64 = 1
        for row in 0..<8064 {
            random = random &* 6_364_136_223_846_793_005 &+ 1_442_695_040_888_963_407
            let drawn = Int(random >> 33)
            let hour = row / 24
            let isNight = hour % 24 < 12
            let width = drawn % 10 + (isNight ? 0 : 40)
            let day = hour / 24 + 2
            let time = "2026-11-\(padded(day))T\(padded(hour % 24)):\(padded(row % 24 * 2)):00Z"
            if hasTime { text += row == badLine ? "noon," : "\(time)," }
            text += "\(width),\(drawn / 10 % 3 == 0 ? "red" : "blue"),\(width * 2)\n"
        }
        return text
    }

    private func padded(_ number: Int) -> String { number < 10 ? "0\(number)" : "\(number)" }

    private func plan(_ url: String, season: String? = "sold") -> RetrainingPlan {
        var plan = Tables.plan(url)
        plan.seasonColumn = season
        plan.training.epochs = 1
        plan.holdout = 0.5
        return plan
    }

    @Test("the hours of the data are in the version's reference, and the time is no input")
    func published() async throws {
        let shop = try Workshop(model: "prices")
        let url = try shop.put("rows.csv", Array(csv().utf8))
        #expect(try await shop.run(plan(url)).version == 1)
        let bundle = try ActiveModel.current(of: shop.store).bundle
        #expect(bundle.manifest.schema.table?.columns.map(\.name) == ["width", "colour"])
        let reference = bundle.reference
        let seasons = try #require(reference.seasons)
        #expect(seasons.column == "sold")
        // So few rows an hour may be divided further by chance, but never across the change.
        let nights = Set(
            seasons.groupOfHour.indices.filter { $0 % 24 < 12 }.map { seasons.groupOfHour[$0] }
        )
        let days = Set(
            seasons.groupOfHour.indices.filter { $0 % 24 >= 12 }.map { seasons.groupOfHour[$0] }
        )
        #expect(seasons.groupOfHour.count == 168 && nights.isDisjoint(with: days))
        #expect(nights.union(days) == Set((0..<seasons.groups.count).map { UInt8($0) }))
        #expect(seasons.groups.reduce(0) { $0 + $1.holdoutRows } == reference.holdoutRows)
        let names = reference.streams.map(\.name)
        let width = try #require(names.firstIndex(of: "column.width"))
        #expect(seasons.isSeasonal[width])
    }

    @Test("the column is part of the settings: without it nothing is unchanged")
    func settings() async throws {
        let shop = try Workshop(model: "prices")
        let url = try shop.put("rows.csv", Array(csv().utf8))
        let (with, without) = try (
            plan(url).settingsDigest(), plan(url, season: nil).settingsDigest()
        )
        #expect(with != without)
        #expect(try plan(url, season: nil).recipe()["season"] == nil)
        #expect(try plan(url).recipe()["season"] == "sold")
    }

    @Test("a row without a readable time, and data without the column, end the run")
    func wrong() async throws {
        let shop = try Workshop(model: "prices")
        for text in [csv(badLine: 1200), csv(hasTime: false)] {
            let url = try shop.put("rows.csv", Array(text.utf8))
            do {
                try await shop.run(plan(url))
                Issue.record("a run of such data must not end well")
            } catch let error as RetrainingError {
                #expect(error.code == "data_invalid_csv")
                #expect("\(error)".contains("\"sold\""))
                let isBadRow = text.contains("noon")
                #expect("\(error)".contains("line 1202") == isBadRow)
            }
        }
    }
}
