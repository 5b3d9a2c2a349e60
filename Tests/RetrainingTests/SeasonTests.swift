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
        for row in 0..<2016 {
            let hour = row / 6
            let isNight = hour % 24 < 12
            let width = row % 10 + (isNight ? 0 : 40)
            let day = hour / 24 + 2
            let time = "2026-11-\(padded(day))T\(padded(hour % 24)):\(row % 6)0:00Z"
            if hasTime { text += row == badLine ? "noon," : "\(time)," }
            text += "\(width),\(row % 3 == 0 ? "red" : "blue"),\(width * 2)\n"
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
        #expect(seasons.groups.count == 2)
        #expect(seasons.groupOfHour == (0..<168).map { $0 % 24 < 12 ? 0 : 1 })
        #expect(seasons.groups.reduce(0) { $0 + $1.holdoutRows } == reference.holdoutRows)
        let names = reference.streams.map(\.name)
        let width = try #require(names.firstIndex(of: "column.width"))
        let colour = try #require(names.firstIndex(of: "column.colour"))
        #expect(seasons.isSeasonal[width] && !seasons.isSeasonal[colour])
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
                #expect(error.code == "invalid_csv")
                #expect("\(error)".contains("\"sold\""))
                let isBadRow = text.contains("noon")
                #expect("\(error)".contains("line 1202") == isBadRow)
            }
        }
    }
}
