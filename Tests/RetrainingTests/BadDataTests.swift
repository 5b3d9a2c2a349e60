import Features
import Files
import ModelStore
import ModelTestSupport
import NeuralNetwork
import Retraining
import TestSupport
import Testing

/// Whatever the data are: an error that says what is wrong, and the served version still stands.
@Suite("Bad data", .serialized) struct BadDataTests {
    struct Case: Sendable, CustomTestStringConvertible {
        let what: String
        let file: String
        let bytes: [UInt8]?
        let code: String
        var testDescription: String { what }
    }

    private static func gz(_ bytes: [UInt8]) -> [UInt8] { (try? TinyData.packed(bytes)) ?? [] }

    static let imageCases: [Case] = {
        let (pictures, names) = (TinyData.images(90), TinyData.labels(TinyData.classes(90)))
        let packed = gz(pictures)
        func images(_ what: String, _ bytes: [UInt8]?, _ code: String) -> Case {
            Case(what: what, file: "train-images", bytes: bytes, code: code)
        }
        func labels(_ what: String, _ bytes: [UInt8], _ code: String) -> Case {
            Case(what: what, file: "train-labels", bytes: bytes, code: code)
        }
        let truncated = "data_compressed_data_truncated"
        return [
            images("no file", nil, "download_source_unreadable"),
            images("an empty file", [], "data_invalid_idx"),
            images("a cut gzip file", Array(packed.dropLast(9)), truncated),
            images("only gzip's head", Array(packed.prefix(10)), truncated),
            images(
                "a gzip file with a flipped byte",
                packed.enumerated().map { $0 == 60 ? $1 ^ 0x55 : $1 },
                "data_compressed_data_corrupt"
            ),
            images("text", Array("hello, this is no image".utf8), "data_invalid_idx"),
            images(
                "more images claimed",
                TinyData.idx([91, 3, 3], TinyData.pixels(90)),
                "data_invalid_idx"
            ),
            images(
                "fewer images claimed",
                TinyData.idx([89, 3, 3], TinyData.pixels(90)),
                "data_invalid_idx"
            ),
            images(
                "sizes whose product overflows",
                TinyData.idx([0xFFFF_FFFF, 0xFFFF_FFFF, 0xFFFF_FFFF], []),
                "data_invalid_idx"
            ),
            images("a cut head", Array(pictures.prefix(7)), "data_invalid_idx"),
            images(
                "other images",
                TinyData.idx([90, 1, 9], TinyData.pixels(90)),
                "data_invalid_data"
            ),
            images("no images", TinyData.idx([0, 3, 3], []), "data_invalid_data"),
            images(
                "a gzip bomb",
                gz([UInt8](repeating: 0, count: 2 << 20)),
                "data_decompressed_data_too_large"
            ),
            images(
                "more than may be read",
                [UInt8](repeating: 0, count: 2 << 20),
                "data_file_too_large"
            ),
            labels("fewer labels", TinyData.labels(TinyData.classes(89)), "data_invalid_data"),
            labels(
                "a label that is no class",
                TinyData.labels([3] + TinyData.classes(90).dropFirst()),
                "data_invalid_data"
            ),
            labels(
                "one class only",
                TinyData.labels([UInt8](repeating: 1, count: 90)),
                "data_single_class"
            ),
            labels("images for labels", pictures, "data_invalid_data"),
            labels("labels with bytes after them", names + [0], "data_invalid_idx"),
        ]
    }()

    @Test("bad images have an error of their own, and nothing changes", arguments: imageCases)
    func images(bad: Case) async throws {
        let shop = try Workshop()
        let plan = try shop.images()
        try await shop.run(plan)
        if let bytes = bad.bytes {
            try shop.put(bad.file, bytes)
        } else {
            try Folder.remove(shop.folder.path("data/\(bad.file)"))
        }
        #expect(await shop.code(plan) == bad.code)
        #expect(try shop.journal() == ["published 1 manual"])
        #expect(try ActiveModel.current(of: shop.store).version == 1)
        // And when the data are good again, so is the next run.
        #expect(try await shop.run(try shop.images()).version == 2)
    }

    static let tableCases: [(String, String, String)] = [
        ("", "data_invalid_csv", "an empty file"),
        ("width,colour,price\n", "data_no_rows", "a head without rows"),
        (TinyData.csv(60) + "1,red\n", "data_invalid_csv", "a row that is too short"),
        (TinyData.csv(60) + "1,red,2,3\n", "data_invalid_csv", "a row that is too long"),
        (TinyData.csv(60) + "1,\"red,2\n", "data_invalid_csv", "a quote that does not end"),
        (TinyData.csv(60).replacing("price", with: "cost"), "data_invalid_csv", "no target"),
        (
            TinyData.csv(60).replacing("colour", with: "width"), "data_invalid_csv",
            "two columns of a name"
        ),
        (TinyData.csv(12), "data_too_few_rows", "too few rows"),
        (TinyData.csv(60) + "1,red,abc\n", "data_invalid_csv", "a target that is no number"),
    ]

    @Test("bad tables have an error of their own, and nothing changes", arguments: tableCases)
    func tables(text: String, code: String, what: String) async throws {
        let shop = try Workshop(model: "prices")
        let url = try shop.put("rows.csv", Array(text.utf8))
        #expect(await shop.code(Tables.plan(url)) == code, "\(what)")
        #expect(try shop.store.versions() == [])
        #expect(try shop.journal() == [])
    }

    @Test("an error names the file's role, and a ragged row its line")
    func words() async throws {
        let shop = try Workshop(model: "prices")
        let url = try shop.put("rows.csv", Array((TinyData.csv(60) + "1,red\n").utf8))
        await #expect {
            try await shop.run(Tables.plan(url))
        } throws: { error in
            "\(error)".contains("train: ") && "\(error)".contains("line 62")
        }
    }

    @Test("too few rows to hold out are told with both numbers")
    func tooFew() async throws {
        let shop = try Workshop()
        var plan = try shop.images()
        plan.test = nil
        plan.holdout = 0.01
        #expect(await shop.code(plan) == "data_too_few_rows")
    }

    @Test("training that leaves the finite numbers is an error, and nothing changes")
    func diverged() async throws {
        let shop = try Workshop(model: "prices")
        let url = try shop.put("rows.csv", Array(TinyData.csv(120).utf8))
        var plan = Tables.plan(url)
        plan.training.optimizer = .sgd
        plan.training.learningRate = 100
        #expect(await shop.code(plan) == "training_failed")
        #expect(try shop.store.versions() == [])
    }
}
