import Features
import Files
import FoundationEssentials
import ModelStore
import ModelTestSupport
import NeuralNetwork
import Retraining
import TestSupport
import Testing

/// Candidates whose weights are written by hand, so that each gate can be met alone.
@Suite("Gates") struct GateTests {
    /// How strongly each line speaks for each class, `[line][class]`.
    typealias Voices = [[Float]]

    private static let good: Voices = [[8, 0, 0], [0, 8, 0], [0, 0, 8]]

    /// Weights of the plan's shape: the hidden layer sums up the lines.
    private func weights(
        _ voices: Voices,
        _ bias: [Float],
        _ shop: Workshop,
        _ plan: RetrainingPlan
    ) throws -> WeightFile {
        var first = [Float](repeating: 0, count: 9 * 6)
        for pixel in 0..<9 { first[pixel * 6 + pixel / 3] = 1 }
        let last = voices.joined() + [Float](repeating: 0, count: 9)
        let bytes = try SafetensorsFile(
            metadata: [:],
            tensors: [
                SafetensorsFile.Tensor(name: "dense/kernel", shape: [9, 6], values: first),
                SafetensorsFile.Tensor(
                    name: "dense_1/kernel",
                    shape: [6, 3],
                    values: Array(last)
                ),
                SafetensorsFile.Tensor(name: "dense_1/bias", shape: [3], values: bias),
            ]
        ).encoded()
        try shop.put("weights.safetensors", bytes)
        return try WeightFile(path: shop.folder.path("data/weights.safetensors"), plan: plan)
    }

    private func bring(
        _ voices: Voices,
        bias: [Float] = [0, 0, 0],
        _ shop: Workshop,
        _ plan: RetrainingPlan
    ) async throws -> RetrainingOutcome {
        try await shop.run(importing: weights(voices, bias, shop, plan), plan)
    }

    /// A shop whose champion makes no mistake on 300 rows.
    private func shop() async throws -> (Workshop, RetrainingPlan) {
        let shop = try Workshop()
        var plan = try shop.images()
        try shop.put("test-images", TinyData.images(300, seed: 2))
        try shop.put("test-labels", TinyData.labels(TinyData.classes(300)))
        plan.margin = 0.01
        #expect(try await bring(Self.good, shop, plan).result == .published)
        return (shop, plan)
    }

    private func failed(_ outcome: RetrainingOutcome) -> [GateResult.Gate] {
        (outcome.gates ?? []).filter { !$0.passed }.map(\.gate)
    }

    @Test("the same weights pass every gate, and the numbers of each are told")
    func same() async throws {
        let (shop, plan) = try await shop()
        let outcome = try await bring(Self.good, shop, plan)
        #expect(outcome.result == .published)
        #expect(
            outcome.gates?.map(\.gate) == [
                .loss, .holdout, .level, .classes, .calibration, .selfTest,
            ]
        )
        let gate = try #require(outcome.gates?.first { $0.gate == .holdout })
        #expect(gate.reason == "accuracy 1.0, champion 1.0: not worse")
        #expect(gate.limit == -0.01)
    }

    @Test("what is within the margin by chance only is refused, with the rows that would do")
    func undecided() async throws {
        let (shop, base) = try await shop()
        var plan = base
        func black(_ count: Int) throws {
            var pixels = TinyData.pixels(300, seed: 2)
            for index in 0..<count * 9 { pixels[index] = 0 }
            try shop.put("test-images", TinyData.idx([300, 3, 3], pixels))
            var classes = TinyData.classes(300)
            for row in 0..<count { classes[row] = 0 }
            try shop.put("test-labels", TinyData.labels(classes))
        }
        // Of a black image the champion says 0, this candidate 1.
        let lean: [Float] = [0, 0.01, 0]
        try black(1)
        let one = try await bring(Self.good, bias: lean, shop, plan)
        #expect(failed(one) == [.holdout])
        #expect(one.reason.contains("not shown to be within the margin of 0.01: 300 rows allow"))
        #expect(one.reason.contains("such rows would be enough"))
        try black(4)
        let four = try await bring(Self.good, bias: lean, shop, plan)
        #expect(four.reason.contains("worse, by more than the margin of 0.01"))
        // For the margin of a thousandth 300 rows can never show anything: the bare scores decide.
        plan.margin = 0.001
        #expect(try await bring(Self.good, bias: lean, shop, plan).result == .refused)
        try black(0)
        #expect(try await bring(Self.good, bias: lean, shop, plan).result == .published)
        // With a confidence of one half they always do.
        try black(1)
        (plan.margin, plan.gate.confidence) = (0.01, 0.5)
        let bare = try await bring(Self.good, shop, plan)
        #expect(bare.result == .published)
    }

    @Test("a class that is answered much worse is refused although the whole is not")
    func classFall() async throws {
        let (shop, base) = try await shop()
        var plan = base
        plan.margin = 0.4
        plan.gate.brierMargin = 2
        let outcome = try await bring([[8, 0, 0], [0, 8, 0], [0, 8, 0]], shop, plan)
        #expect(outcome.result == .refused)
        #expect(failed(outcome) == [.classes])
        #expect(outcome.reason.contains("class bottom: 0.0 right of 100 rows, champion 1.0"))
        plan.margin = 1
        #expect(try await bring([[8, 0, 0], [0, 8, 0], [0, 8, 0]], shop, plan).version == 2)
        plan.gate.classRecallMin = 0.5
        let floor = try await bring([[8, 0, 0], [0, 8, 0], [0, 8, 0]], shop, plan)
        #expect(failed(floor) == [.classes])
        #expect(floor.reason.contains("less than 0.5"))
    }

    @Test("labels that do not fit their rows are refused by the accuracy that the champion had")
    func poisoned() async throws {
        let (shop, plan) = try await shop()
        var classes = TinyData.classes(300)
        for row in classes.indices where row % 10 < 3 { classes[row] = (classes[row] + 1) % 3 }
        try shop.put("test-labels", TinyData.labels(classes))
        let outcome = try await bring(Self.good, shop, plan)
        #expect(outcome.result == .refused)
        #expect(failed(outcome) == [.level])
        #expect(outcome.reason.contains("a fall of more than 0.1: are the labels right?"))
        #expect(try shop.store.current()?.version == 1)
    }

    @Test("answers that are far less sure are refused although they are as right")
    func calibration() async throws {
        let (shop, base) = try await shop()
        var plan = base
        let faint = Self.good.map { $0.map { $0 / 40 } }
        let outcome = try await bring(faint, shop, plan)
        #expect(failed(outcome) == [.calibration])
        #expect(outcome.reason.contains("Brier score"))
        plan.gate.brierMargin = 2
        plan.gate.calibrationErrorMax = 0.2
        let error = try await bring(faint, shop, plan)
        #expect(failed(error) == [.calibration])
        #expect(error.reason.contains("expected calibration error"))
        plan.gate.calibrationErrorMax = 0.9
        #expect(try await bring(faint, shop, plan).version == 2)
    }

    @Test("a golden set stands against a candidate that only the fresh hold-out speaks for")
    func golden() async throws {
        let (shop, base) = try await shop()
        var plan = base
        try shop.put("golden-images", TinyData.images(300, seed: 9))
        try shop.put("golden-labels", TinyData.labels(TinyData.classes(300)))
        plan.golden = RetrainingPlan.Source(
            features: shop.mirrors("golden-images"),
            labels: shop.mirrors("golden-labels")
        )
        // Fresh data by which every line means the next class.
        let turned = TinyData.labels(TinyData.classes(300).map { ($0 + 1) % 3 })
        try shop.put("test-labels", turned)
        let outcome = try await bring([[0, 8, 0], [0, 0, 8], [8, 0, 0]], shop, plan)
        #expect(outcome.result == .refused)
        #expect(outcome.evaluation?.accuracy == 1 && outcome.champion?.accuracy == 0)
        #expect(failed(outcome) == [.golden, .calibration])
        #expect(outcome.reason.contains("golden set: accuracy 0.0, champion 1.0"))
        try shop.put("test-labels", TinyData.labels(TinyData.classes(300)))
        let second = try await bring(Self.good, shop, plan)
        #expect(second.version == 2)
        let sources = try ActiveModel.current(of: shop.store).bundle.manifest.data.sources
        #expect(sources["golden.features"] != nil && sources["golden.labels"] != nil)
    }

    @Test("weights that are too large, and rows that take too long, are refused")
    func cost() async throws {
        let (shop, base) = try await shop()
        var plan = base
        plan.gate.weightBytesMax = 100
        #expect(failed(try await bring(Self.good, shop, plan)) == [.size])
        plan.gate = GateRules()
        // The shop's clock stands still, so that a row takes no time at all.
        plan.gate.rowMicrosecondsMax = 0
        let outcome = try await bring(Self.good, shop, plan)
        #expect(outcome.gates?.contains { $0.gate == .latency && $0.passed } == true)
    }

    @Test("a value of a column is judged apart")
    func slices() async throws {
        let shop = try Workshop(model: "choice")
        func rows(_ count: Int, turned: String?) -> [UInt8] {
            var text = "width,colour,wide\n"
            for row in 0..<count {
                let (width, colour) = ((row * 37) % 101, row % 3 == 0 ? "red" : "blue")
                let isWide = (width > 50) != (colour == turned)
                text += "\(width),\(colour),\(isWide ? "yes" : "no")\n"
            }
            return Array(text.utf8)
        }
        var plan = Tables.plan(try shop.put("train.csv", rows(600, turned: nil)))
        plan.model = "choice"
        plan.task = .binary
        plan.labels = ["no", "yes"]
        plan.input = .table(
            TableDeclaration(target: "wide", task: .binary, labels: ["no", "yes"]),
            delimiter: UInt8(ascii: ",")
        )
        plan.hidden = [8]
        plan.training.epochs = 20
        try shop.put("test.csv", rows(600, turned: nil))
        plan.test = RetrainingPlan.Source(features: shop.mirrors("test.csv"), labels: [])
        plan.gate.slices = ["colour", "no such column"]
        let first = try await shop.run(plan)
        #expect(first.result == .published)
        // Half of the red rows of the hold-out is lost, which is a sixth of all.
        try shop.put("train.csv", rows(600, turned: "red"))
        plan.margin = 0.5
        plan.gate.classMargin = 0.5
        plan.gate.brierMargin = 2
        let outcome = try await shop.run(plan)
        #expect(outcome.result == .refused)
        #expect(failed(outcome).contains(.slices))
        #expect(outcome.reason.contains("colour red"))
    }

    @Test("the report is kept with the version as JSON and as a page, listed by digest")
    func report() async throws {
        let shop = try Workshop()
        let plan = try shop.images()
        try await shop.run(plan)
        try await shop.run(plan)
        let manifest = try ActiveModel.current(of: shop.store).bundle.manifest
        let page = try shop.store.bytes(ModelBundle.pageName, of: 2)
        #expect(try manifest.files[ModelBundle.pageName]?.sha256 == digest(page))
        let text = String(decoding: page, as: UTF8.self)
        for part in [
            "<h2>Gates</h2>", "<h2>Training</h2>", "<h2>Reliability</h2>", "<h2>By class</h2>",
            "<h2>Confusion of the candidate</h2>", "<h2>Confusion of the champion</h2>",
            "<polyline", "accuracy 1.0, champion 1.0: not worse",
        ] {
            #expect(text.contains(part), "\(part)")
        }
        // It fetches nothing and runs nothing.
        for word in ["<script", "http://", "https://", "src=", "url("] {
            #expect(!text.contains(word), "\(word)")
        }
        let report = try StoreJSON.decode(
            Report.self,
            from: shop.store.bytes(ModelBundle.reportName, of: 2),
            path: "report.json"
        )
        #expect(report.curve.count == 6)
        #expect(report.groups.first?.rows.map(\.name) == TinyData.labels)
        #expect(report.reliability.candidate.count == 15)
        #expect(report.championEvaluation?.accuracy == 1)
        #expect(report.outcome.gates?.isEmpty == false)
        // A page that was changed is found out.
        try shop.store.overwrite(ModelBundle.pageName, of: 2, page + [0x20])
        #expect(throws: StoreError.self) { try shop.store.active(2) }
    }

    private struct Report: Decodable {
        struct Point: Decodable { let loss: Double }
        struct Groups: Decodable {
            struct Row: Decodable { let name: String }
            let rows: [Row]
        }
        struct Reliability: Decodable { let candidate: [ReliabilityBin] }
        let outcome: RetrainingOutcome
        let curve: [Point]
        let groups: [Groups]
        let reliability: Reliability
        let championEvaluation: Evaluation?

        enum CodingKeys: String, CodingKey {
            case outcome, curve, groups, reliability
            case championEvaluation = "champion_evaluation"
        }
    }

    @Test("names in a report cannot become part of its page")
    func escaped() async throws {
        let shop = try Workshop()
        var plan = try shop.images()
        plan.labels = ["<b>top</b>", "\"mid\" & dle", "bottom"]
        try await shop.run(plan)
        let page = String(
            decoding: try shop.store.bytes(ModelBundle.pageName),
            as: UTF8.self
        )
        #expect(!page.contains("<b>top"))
        #expect(page.contains("&lt;b&gt;top&lt;/b&gt;"))
        #expect(page.contains("&quot;mid&quot; &amp; dle"))
    }

    @Test("the report of a refused candidate is left beside the versions")
    func refusal() async throws {
        let (shop, plan) = try await shop()
        let outcome = try await bring([[0, 8, 0], [0, 0, 8], [8, 0, 0]], shop, plan)
        #expect(outcome.result == .refused)
        let page = try WholeFile.read(shop.store.refusalPagePath, bytesMax: 1 << 20)
        #expect(String(decoding: page, as: UTF8.self).contains("lines: refused"))
        let report = try WholeFile.read(shop.store.refusalReportPath, bytesMax: 1 << 20)
        #expect(String(decoding: report, as: UTF8.self).contains("worse, by more than the margin"))
        #expect(try shop.store.versions() == [1])
    }
}
