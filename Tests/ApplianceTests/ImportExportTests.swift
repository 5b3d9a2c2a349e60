import Appliance
import Files
import ModelStore
import ModelTestSupport
import NeuralNetwork
import TestSupport
import Testing

/// `leeway models import` and `export` as the command line runs them, on real files.
@Suite("Import and export") struct ImportExportTests {
    private let folder: Box
    private let settings: Settings

    private final class Box: Sendable {
        let directory: TemporaryDirectory
        init() throws { directory = try TemporaryDirectory() }
    }

    init() throws {
        folder = try Box()
        let path = folder.directory.path
        try WholeFile.create("\(path)/images", TinyData.images(90))
        try WholeFile.create("\(path)/labels", TinyData.labels(TinyData.classes(90)))
        let text = """
            state: \(path)/state
            models:
              - name: lines
                labels: [top, middle, bottom]
                input: {shape: [3, 3]}
                network: {hidden: []}
                data:
                  train: {features: ["file://\(path)/images"], labels: ["file://\(path)/labels"]}
            """
        settings = try SettingsFile.parse(text, file: "test.yaml", environment: [:])
    }

    private func path(_ name: String) -> String { "\(folder.directory.path)/\(name)" }

    private var store: ModelDirectory { ModelDirectory(state: settings.state, model: "lines") }

    private func exported(
        _ version: Int?,
        to name: String,
        layout: String = "pytorch",
        overwrites: Bool = false,
        json: Bool = false
    ) throws -> String {
        let target = try ExportTarget(path: path(name), layout: layout, overwrites: overwrites)
        let job = ModelsJob(settings: settings, model: nil, json: json)
        return try job.run(.export(version, to: target)).report
    }

    private func imported(_ name: String) async -> (report: String?, code: Int32) {
        await RetrainJob(
            settings: settings,
            model: nil,
            work: .importing(path(name)),
            output: .json
        ).run()
    }

    @Test("an export in either layout is the version's network, bit for bit")
    func exports() throws {
        try store.publishTiny(sharpness: 2)
        try store.publishTiny(sharpness: 3)
        let report = try exported(nil, to: "current.safetensors")
        #expect(report.contains("version 2 written") && report.contains("[outputs, inputs]"))
        let bytes = try WholeFile.read(path("current.safetensors"), bytesMax: 1 << 20)
        #expect(try bytes == store.bytes("model.safetensors", of: 2))
        let json = try exported(1, to: "first.safetensors", layout: "keras", json: true)
        #expect(json.contains("\"layout\":\"keras\"") && json.contains("\"version\":1"))
        let first = try ImportedWeights(
            safetensors: WholeFile.read(path("first.safetensors"), bytesMax: 1 << 20)
        )
        #expect(first.layers.map(\.tensor) == ["layers.0.kernel"])
        #expect(
            try first.network(activation: .relu, head: .softmax) == TinyModel.network(sharpness: 2)
        )
    }

    @Test("a file that is there is replaced only on wish, and a bad layout or version is refused")
    func exportRefusals() throws {
        #expect(throws: StoreError.self) { try exported(nil, to: "none.safetensors") }
        try store.publishTiny()
        #expect(throws: StoreError.self) { try exported(7, to: "none.safetensors") }
        #expect(throws: JobError.self) { try exported(1, to: "none.safetensors", layout: "tf") }
        #expect(!Folder.exists(path("none.safetensors")))
        try WholeFile.create(path("old"), [1])
        #expect(throws: JobError.self) { try exported(1, to: "old") }
        #expect(try WholeFile.read(path("old"), bytesMax: 10) == [1])
        _ = try exported(1, to: "old", overwrites: true)
        #expect(
            try WholeFile.read(path("old"), bytesMax: 1 << 20) == store.bytes("model.safetensors")
        )
        try store.overwrite("model.safetensors", [1, 2, 3])
        #expect(throws: StoreError.self) { try exported(1, to: "none.safetensors") }
        #expect(!Folder.exists(path("none.safetensors")))
    }

    @Test("an import prints the outcome of a retrain, and its codes are those of a retrain")
    func imports() async throws {
        let good = try TinyModel.network(sharpness: 4)
        try WholeFile.create(path("good"), good.encoded(layout: .keras))
        let (report, code) = await imported("good")
        #expect(code == 0)
        let text = try #require(report)
        #expect(text.contains("\"published\":true") && text.contains("\"version\":1"))
        #expect(try ActiveModel.current(of: store).bundle.network == good)
        // The gate.
        try WholeFile.create(path("bad"), TinyModel.network(sharpness: -4).encoded())
        let refused = await imported("bad")
        #expect(refused.code == 3)
        #expect(refused.report?.contains("\"result\":\"refused\"") == true)
        // A file that cannot be read, and a lock that is held.
        #expect(await imported("missing").code == 1)
        let lock = try await store.lockWhenFree()
        #expect(await imported("good").code == 4)
        extendLifetime(lock)
        #expect(try store.versions() == [1])
    }

    @Test("a retrain cannot pretend to be an import, nor name a model that is not there")
    func usage() async {
        for (model, work) in [
            (nil, RetrainJob.Work.retrain(trigger: "import")),
            ("others", .importing(path("good"))),
        ] {
            let job = RetrainJob(settings: settings, model: model, work: work, output: .json)
            #expect(await job.run().code == 2)
        }
    }
}
