import Drift
import Features
import FoundationEssentials
import ModelStore
import ModelTestSupport
import NeuralNetwork
import Testing

/// Parts that are sound by themselves but do not belong together.
@Suite("Parts that do not fit") struct ForgeryTests {
    private func change(
        _ store: ModelDirectory,
        _ change: (inout Manifest) throws -> Void
    ) throws {
        var manifest = try Manifest.read(from: store, version: 1)
        try change(&manifest)
        try store.overwrite(ModelBundle.manifestName, StoreJSON.encode(manifest, pretty: true))
    }

    private func message(_ store: ModelDirectory) -> String {
        do {
            _ = try store.active()
            return "none"
        } catch {
            return "\(error.code): \(error)"
        }
    }

    @Test("another model's version, another number and another format are refused")
    func wrongManifest() throws {
        let bench = try Bench(versions: 1)
        let store = bench.store
        try change(store) { $0.model = "others" }
        #expect(message(store).contains("bundle_malformed"))
        #expect(message(store).contains("belongs to others version 1"))
        try store.overwrite(ModelBundle.manifestName, Array("{}".utf8))
        #expect(message(store).contains("bundle_malformed"))
    }

    @Test("a manifest of a later build says so")
    func format() throws {
        let bench = try Bench(versions: 1)
        try change(bench.store) { $0.format = 2 }
        #expect(message(bench.store).contains("format 2 is not 1"))
    }

    @Test("a temperature that no version can have is refused; the figures alone are fine")
    func temperature() throws {
        let figures = CalibrationFigures(logLoss: 1, expectedError: 0.1, brier: 0.5)
        for value: Float? in [0, -1, 1e-9, 1e9, nil] {
            let bench = try Bench(versions: 1)
            try change(bench.store) {
                $0.calibration = Manifest.Calibration(
                    temperature: value,
                    rows: 100,
                    before: figures,
                    after: nil
                )
            }
            let found = message(bench.store)
            #expect(value == nil ? found == "none" : found.contains("calibration.temperature"))
        }
        // Another temperature than the one of the self-test is found by it.
        let bench = try Bench(versions: 1)
        try change(bench.store) {
            $0.calibration = Manifest.Calibration(
                temperature: 3,
                rows: 100,
                before: figures,
                after: figures
            )
        }
        #expect(message(bench.store).contains("self_test"))
    }

    @Test("a manifest that does not list a file is refused")
    func notListed() throws {
        for name in fileNames.dropFirst() {
            let bench = try Bench(versions: 1)
            try change(bench.store) { $0.files[name] = nil }
            #expect(message(bench.store).contains("\(name) is not listed"))
        }
    }

    @Test("another number of labels, another task or a wider image does not fit the network")
    func shapes() throws {
        let bench = try Bench(versions: 1)
        let store = bench.store
        try change(store) { $0.labels.append("fourth") }
        #expect(message(store).contains("3 outputs, the task needs 4"))
        try change(store) { $0.labels.removeLast() }
        #expect(message(store) == "none")
        try change(store) { $0.task = .regression }
        #expect(message(store).contains("3 outputs, the task needs 1"))
        try change(store) {
            $0.task = .classification
            $0.schema = try FeatureSchema(
                .image(ImageLayout(shape: [4, 4], scaling: .constant(divisor: 255)))
            )
        }
        #expect(message(store).contains("takes 9 inputs, the schema makes 16"))
    }

    @Test("a head that means something else does not fit the task")
    func head() throws {
        let bench = try Bench(versions: 1)
        let network = try MultilayerPerceptron(
            layers: TinyModel.network().layers,
            head: .linear
        )
        try bench.store.forge(ModelBundle.networkName, network.encoded())
        #expect(message(bench.store).contains("the network's head is linear"))
    }

    @Test("weights that answer otherwise fail the self-test, and the row is named")
    func selfTest() throws {
        let bench = try Bench(versions: 1)
        let store = bench.store
        try store.forge(ModelBundle.networkName, TinyModel.network(sharpness: 1.5).encoded())
        #expect(message(store).hasPrefix("self_test_failed: model lines version 1: self-test row"))
        try store.forge(ModelBundle.networkName, TinyModel.network(sharpness: 2.0001).encoded())
        #expect(message(store) == "none", "kernels may differ in the last bits")
    }

    @Test("a self-test that expects NaN fails")
    func selfTestNaN() throws {
        let bench = try Bench(versions: 1)
        var test = try TinyModel.draft().selfTest
        test.probabilities[5] = .nan
        try bench.store.forge(
            ModelBundle.selfTestName,
            Self.encoded(test.rows, test.probabilities, 4)
        )
        #expect(message(bench.store).contains("self-test row 1 "))
    }

    @Test("a self-test of another width is refused")
    func selfTestWidth() throws {
        let bench = try Bench(versions: 1)
        let bytes = try Self.encoded([1, 2, 3, 4], [1, 0], 2)
        try bench.store.forge(ModelBundle.selfTestName, bytes)
        #expect(message(bench.store).contains("do not have the schema's width"))
    }

    // The product of rows and width overflowed, which ended the process.
    @Test("a self-test that claims 2^62 rows of no width is refused")
    func selfTestOverflow() throws {
        let bench = try Bench(versions: 1)
        let bytes = try SafetensorsFile(
            tensors: [
                SafetensorsFile.Tensor(name: "rows", shape: [1 << 62, 0], values: []),
                SafetensorsFile.Tensor(name: "probabilities", shape: [1 << 62, 0], values: []),
            ]
        ).encoded()
        try bench.store.forge(ModelBundle.selfTestName, bytes)
        #expect(message(bench.store).contains("bundle_malformed"))
    }

    @Test("a self-test without rows tests nothing and is refused")
    func selfTestEmpty() throws {
        let bench = try Bench(versions: 1)
        let bytes = try SafetensorsFile(
            tensors: [
                SafetensorsFile.Tensor(name: "rows", shape: [0, 9], values: []),
                SafetensorsFile.Tensor(name: "probabilities", shape: [0, 3], values: []),
            ]
        ).encoded()
        try bench.store.forge(ModelBundle.selfTestName, bytes)
        #expect(message(bench.store).contains("bundle_malformed"))
    }

    @Test("weights with an empty, a huge or a missing layer are refused")
    func layers() throws {
        for shape in [[0, 1 << 62], [0, 9], [1, 0], [3]] {
            let bench = try Bench(versions: 1)
            let count = shape.contains(0) ? 0 : 3
            let file = SafetensorsFile(
                metadata: [
                    "format": "leeway-mlp", "head": "softmax", "layers.0.activation": "identity",
                ],
                tensors: [
                    SafetensorsFile.Tensor(
                        name: "layers.0.weight",
                        shape: shape,
                        values: [Float](repeating: 1, count: count)
                    ),
                    SafetensorsFile.Tensor(
                        name: "layers.0.bias",
                        shape: [shape[0]],
                        values: [Float](repeating: 1, count: shape[0])
                    ),
                ]
            )
            try bench.store.forge(ModelBundle.networkName, file.encoded())
            #expect(message(bench.store).hasPrefix("bundle_malformed"), "\(shape)")
        }
    }

    // Such a version was served, and its inputs were never watched.
    @Test("a reference profile of other rows is refused")
    func reference() throws {
        let bench = try Bench(versions: 1)
        let profile = try TinyModel.draft().reference
        for (raw, outputs) in [(16, 3), (9, 4)] {
            let other = try ReferenceProfile(
                holdoutRows: profile.holdoutRows,
                rawWidth: raw,
                outputWidth: outputs,
                frame: nil,
                failureProbability: profile.failureProbability,
                columnsUnwatched: 0,
                streams: profile.streams.filter { $0.kind == .prediction }
            )
            try bench.store.forge(ModelBundle.referenceName, StoreJSON.encode(other))
            #expect(message(bench.store).contains("bundle_malformed"), "\(raw) \(outputs)")
        }
    }

    private static func encoded(_ rows: [Float], _ answers: [Float], _ count: Int) throws
        -> [UInt8]
    {
        try SafetensorsFile(
            tensors: [
                SafetensorsFile.Tensor(
                    name: "rows",
                    shape: [count, rows.count / count],
                    values: rows
                ),
                SafetensorsFile.Tensor(
                    name: "probabilities",
                    shape: [count, answers.count / count],
                    values: answers
                ),
            ]
        ).encoded()
    }
}
