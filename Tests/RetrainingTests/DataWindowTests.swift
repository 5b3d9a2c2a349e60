import Features
import Files
import FoundationEssentials
import ModelStore
import ModelTestSupport
import Retraining
import TestSupport
import Testing

@Suite("Windows of data") struct DataWindowTests {
    private func plan(_ shop: Workshop, windows: Int = 30) throws -> RetrainingPlan {
        var plan = try shop.images()
        plan.data.mode = .append
        plan.data.windowDownloads = windows
        plan.margin = 1
        return plan
    }

    /// The next download brings these.
    private func bring(_ shop: Workshop, seed: Int, count: Int = 90) throws {
        // The hold-out has seed 2, and must not leak.
        try shop.put("train-images", TinyData.packed(TinyData.images(count, seed: 10 + seed)))
        try shop.put("train-labels", TinyData.labels(TinyData.classes(count)))
    }

    private func sources(_ shop: Workshop) throws -> [String: String] {
        try ActiveModel.current(of: shop.store).bundle.manifest.data.sources
    }

    private func archived(_ shop: Workshop) throws -> Set<String> {
        Set(try Folder.list(shop.folder.path("state/downloads/lines-archive")))
    }

    @Test("the archive shares the room of the downloads, also after runs that found the same bytes")
    func room() async throws {
        let shop = try Workshop()
        let plan = try plan(shop)
        try bring(shop, seed: 1)
        let downloads = shop.folder.path("state/downloads")
        func isShared() throws -> Bool {
            let name = try digest(TinyData.images(90, seed: 11))
            let stamps = ["lines-train.features", "lines-archive/\(name)"].map {
                FileStamp("\(downloads)/\($0)")
            }
            return stamps[0] != nil && stamps[0] == stamps[1]
        }
        _ = try await shop.run(plan, .schedule)
        #expect(try isShared())
        // The same bytes in a new file, as a source that is written each night anew.
        try bring(shop, seed: 1)
        #expect(try await shop.run(plan, .schedule).result == .unchanged)
        #expect(try isShared())
        // Other bytes take their own room, and leave the archive's file as it was.
        let first = "\(downloads)/lines-archive/\(try digest(TinyData.images(90, seed: 11)))"
        let stamp = FileStamp(first)
        try bring(shop, seed: 2)
        _ = try await shop.run(plan, .schedule)
        #expect(FileStamp(first) == stamp && stamp != nil)
    }

    @Test("each download adds its rows, and those that are too old or too many slide out")
    func slides() async throws {
        let shop = try Workshop()
        var plan = try plan(shop, windows: 3)
        plan.keep = 1
        for seed in 1...5 {
            try bring(shop, seed: seed)
            let outcome = try await shop.run(plan, .schedule)
            #expect(outcome.rows.train == 90 * min(seed, 3))
            shop.clock.advance(86_400)
        }
        let wanted = try (3...5).map { try digest(TinyData.images(90, seed: 10 + $0)) }
        let listed = try sources(shop)
        #expect((1...3).map { listed["train.features.\($0)"] } == wanted)
        #expect(listed["train.labels.1"] == listed["train.labels.3"])
        // Kept are the files of the two versions that are left, and of the window.
        let labels = try digest(TinyData.labels(TinyData.classes(90)))
        let before = try digest(TinyData.images(90, seed: 12))
        let test = try [
            digest(TinyData.images(30, seed: 2)), digest(TinyData.labels(TinyData.classes(30))),
        ]
        #expect(try archived(shop) == Set(wanted + test + [before, labels, "index.json"]))
        plan.data.windowDays = 2
        try bring(shop, seed: 6)
        // Of the days before only the last is young enough.
        #expect(try await shop.run(plan, .schedule).rows.train == 270)
        shop.clock.advance(86_400 * 30)
        try bring(shop, seed: 7)
        #expect(try await shop.run(plan, .schedule).rows.train == 90)
    }

    @Test("the same download again adds nothing, packed or not, and ends as unchanged")
    func again() async throws {
        let shop = try Workshop()
        let plan = try plan(shop)
        try bring(shop, seed: 1)
        try await shop.run(plan)
        try bring(shop, seed: 2)
        #expect(try await shop.run(plan, .schedule).rows.train == 180)
        #expect(try await shop.run(plan, .schedule).result == .unchanged)
        // An older one comes again: it keeps its place.
        try shop.put("train-images", TinyData.images(90, seed: 11))
        #expect(try await shop.run(plan, .schedule).result == .unchanged)
        #expect(try await shop.run(plan).rows.train == 180)
    }

    @Test("what is refused is not in the window of the next run")
    func refused() async throws {
        let shop = try Workshop()
        let plan = try plan(shop)
        try bring(shop, seed: 1)
        try await shop.run(plan)
        try shop.put("train-images", TinyData.images(90, seed: 12))
        try shop.put("train-labels", TinyData.labels([UInt8](repeating: 1, count: 90)))
        var strict = plan
        strict.data.checks.labelShiftMax = 0.1
        #expect(try await shop.run(strict, .schedule).result == .refused)
        try bring(shop, seed: 3)
        #expect(try await shop.run(strict, .schedule).rows.train == 180)
    }

    @Test("no row ever moves between fitting and hold-out, however the window slides")
    func split() async throws {
        let shop = try Workshop()
        var plan = try plan(shop, windows: 2)
        plan.test = nil
        var sides: [RowOrigin: LabelledRows.Part] = [:]
        for seed in 1...4 {
            try bring(shop, seed: seed)
            try await shop.run(plan)
            for part in LabelledRows.Part.allCases {
                let rows = try await shop.rows(plan, part)
                for row in rows.rows {
                    let origin = rows.dataset.origin(of: Int(row))
                    #expect(sides.updateValue(part, forKey: origin) ?? part == part)
                }
            }
        }
        #expect(sides.count == 360)
        #expect(sides.values.contains(.train) && sides.values.contains(.holdout))
    }

    @Test("no row moves in a snapshot that grows, shrinks and is sorted anew")
    func snapshots() async throws {
        let shop = try Workshop(model: "prices")
        let lines = TinyData.csv(300).split(separator: "\n").map(String.init)
        var sides: [String: Set<LabelledRows.Part>] = [:]
        for rows in [
            lines[1..<150], lines[1..<200], lines[40..<200], lines[40..<200].sorted()[...],
        ] {
            let text = lines[0] + "\n" + rows.joined(separator: "\n") + "\n"
            let plan = Tables.plan(try shop.put("rows.csv", Array(text.utf8)))
            for part in LabelledRows.Part.allCases {
                let found = try await shop.rows(plan, part)
                for row in found.rows {
                    let number = found.dataset.origin(of: Int(row)).row
                    sides[rows[rows.startIndex + number], default: []].insert(part)
                }
            }
        }
        #expect(sides.count == 199)
        #expect(sides.values.allSatisfy { $0.count == 1 })
        #expect(Set(sides.values.flatMap { $0 }) == [.train, .holdout])
    }

    @Test("a list of downloads that cannot be read is an error, and a file that is gone, too")
    func damaged() async throws {
        let shop = try Workshop()
        let plan = try plan(shop)
        try bring(shop, seed: 1)
        try await shop.run(plan)
        try bring(shop, seed: 2)
        let index = shop.folder.path("state/downloads/lines-archive/index.json")
        let good = try WholeFile.read(index, bytesMax: 1 << 16)
        for text in ["", "[]", #"{"format": 2, "downloads": []}"#] {
            try WholeFile.replace(index, Array(text.utf8))
            #expect(await shop.code(plan) == "data_window_unreadable")
        }
        try WholeFile.replace(index, good)
        let first = try digest(TinyData.images(90, seed: 11))
        let file = shop.folder.path("state/downloads/lines-archive/\(first)")
        try WholeFile.replace(file, [1, 2, 3])
        #expect(await shop.code(plan) == "data_digest_mismatch")
        #expect(try shop.store.current()?.version == 1)
    }
}

@Suite("Rows from feedback") struct FeedbackRowsTests {
    private func folder(_ shop: Workshop) -> String { shop.folder.path("state/capture/lines") }

    private func capture(
        _ shop: Workshop,
        _ rows: [(raw: [Float], truth: Double)],
        at second: Double
    )
        throws
    {
        let schema = try ActiveModel.current(of: shop.store).bundle.manifest.schema
        let kept = CaptureFolder(
            state: shop.folder.path("state"),
            model: "lines",
            bytesMax: 1 << 20,
            secondsMax: 1e9
        )
        let files = CapturedFile.files(schema, labels: TinyData.labels, rows: rows)
        try kept.add(files, now: Date(timeIntervalSince1970: second))
    }

    private func rows(_ count: Int, seed: Int) -> [(raw: [Float], truth: Double)] {
        let pixels = TinyData.pixels(count, seed: seed)
        return (0..<count).map { (row: Int) -> (raw: [Float], truth: Double) in
            let start = row * 9
            return (pixels[start..<start + 9].map { Float($0) }, Double(row % 3))
        }
    }

    @Test("captured rows are fitted with the others, and their digests stand in the manifest")
    func images() async throws {
        let shop = try Workshop()
        var plan = try shop.images()
        plan.margin = 1
        try await shop.run(plan)
        try capture(shop, rows(30, seed: 7), at: 1000)
        try capture(shop, [(raw: [Float](repeating: 0.5, count: 9), truth: 1)], at: 2000)
        #expect(try await shop.run(plan, .schedule).result == .unchanged)
        plan.data.feedbackFolder = folder(shop)
        let outcome = try await shop.run(plan, .schedule)
        #expect(outcome.rows == RetrainingOutcome.Rows(train: 121, holdout: 30))
        let sources = try ActiveModel.current(of: shop.store).bundle.manifest.data.sources
        #expect(sources["feedback.features.1"] == (try digest(TinyData.images(30, seed: 7))))
        #expect(Set(sources.keys.filter { $0.hasPrefix("feedback.") }).count == 4)
        #expect(try await shop.run(plan, .schedule).result == .unchanged)
        // It can be made again though the server has removed what it captured.
        try Folder.remove(folder(shop))
        #expect(try await shop.reproduce(plan, 2).result == .reproduced)
    }

    @Test("captured files that cannot be used are told and left out")
    func unusable() async throws {
        let shop = try Workshop()
        var plan = try shop.images()
        plan.margin = 1
        try await shop.run(plan)
        plan.data.feedbackFolder = folder(shop)
        #expect(try await shop.run(plan, .schedule).result == .unchanged)
        try capture(shop, rows(12, seed: 7), at: 1000)
        try WholeFile.create(folder(shop) + "/2000-a.images-idx3", [1, 2])
        try WholeFile.create(folder(shop) + "/2000-a.labels-idx1", [1, 2])
        try WholeFile.create(folder(shop) + "/3000-b.images-idx3", [1, 2])
        try WholeFile.create(folder(shop) + "/notes.txt", [1, 2])
        let outcome = try await shop.run(plan, .schedule)
        #expect(outcome.rows.train == 102)
        #expect(outcome.warnings.contains { $0.contains("left out: ") })
    }

    @Test("rows of a table are taken, and those with other columns are left out")
    func table() async throws {
        let shop = try Workshop(model: "prices")
        let url = try shop.put("rows.csv", Array(TinyData.csv(120).utf8))
        var plan = Tables.plan(url)
        plan.margin = 1
        try await shop.run(plan)
        let captured = shop.folder.path("state/capture/prices")
        plan.data.feedbackFolder = captured
        try Folder.make(captured)
        try WholeFile.create(captured + "/1000-a.csv", Array(TinyData.csv(15).utf8))
        let first = try await shop.run(plan, .schedule)
        #expect(first.rows.train + first.rows.holdout == 135)
        try WholeFile.create(captured + "/2000-b.csv", Array("height,price\n1,2\n".utf8))
        let second = try await shop.run(plan)
        #expect(second.rows.train + second.rows.holdout == 120)
        #expect(second.warnings.contains { $0.contains("do not fit the columns") })
    }
}
