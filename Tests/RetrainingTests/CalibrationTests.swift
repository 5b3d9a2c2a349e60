import Features
import Files
import ModelStore
import ModelTestSupport
import NeuralNetwork
import Retraining
import TestSupport
import Testing

/// What the hold-out says of probabilities, and what is made of it.
@Suite("Calibration of a version") struct VersionCalibrationTests {
    /// Rows to fit whose labels are right, and a hold-out in which every fourth is not: a network
    /// that is as sure as it learned to be is too sure.
    private func plan(_ shop: Workshop) throws -> RetrainingPlan {
        var plan = try shop.images()
        let classes = TinyData.classes(160).enumerated().map { index, label in
            index % 4 == 0 ? (label + 1) % 3 : label
        }
        try shop.put("test-images", TinyData.images(160, seed: 2))
        try shop.put("test-labels", TinyData.labels(classes))
        plan.training.epochs = 12
        return plan
    }

    @Test("a temperature is fitted on the hold-out, kept, and applied wherever rows are scored")
    func published() async throws {
        let shop = try Workshop()
        let plan = try plan(shop)
        let outcome = try await shop.run(plan)
        let calibration = try #require(outcome.calibration)
        let (temperature, after) = (
            try #require(calibration.temperature), try #require(calibration.after)
        )
        #expect(temperature > 1.2 && calibration.rows == 160)
        #expect(after.logLoss < calibration.before.logLoss)
        #expect(after.expectedError < calibration.before.expectedError)
        // The gate's scores are those of the network alone.
        #expect(outcome.evaluation?.accuracy == 0.75)
        #expect(abs((outcome.evaluation?.loss ?? 0) - calibration.before.logLoss) < 1e-4)

        let bundle = try ActiveModel.current(of: shop.store).bundle
        #expect(bundle.manifest.calibration == calibration)
        #expect(bundle.network.temperature?.value == temperature)
        // The self-test, made before the bundle was written, is met bit for bit.
        let test = bundle.selfTest
        let answers = TinyModel.answers(bundle.network, bundle.manifest.schema, test.rows)
        #expect(answers == test.probabilities)
        var plain = bundle.network
        plain.temperature = nil
        #expect(TinyModel.answers(plain, bundle.manifest.schema, test.rows) != test.probabilities)
    }

    @Test("the drift reference is of the calibrated probabilities, which live rows have, too")
    func reference() async throws {
        var references: [Bool: [UInt8]] = [:]
        var weights: [Bool: [UInt8]] = [:]
        for calibrates in [true, false] {
            let shop = try Workshop()
            var plan = try plan(shop)
            plan.calibrates = calibrates
            let outcome = try await shop.run(plan)
            #expect((outcome.calibration?.temperature != nil) == calibrates)
            #expect((outcome.calibration?.after != nil) == calibrates)
            references[calibrates] = try shop.store.bytes(ModelBundle.referenceName)
            weights[calibrates] = try shop.store.bytes(ModelBundle.networkName)
        }
        let (areReferencesEqual, areWeightsEqual) = (
            references[true] == references[false], weights[true] == weights[false]
        )
        #expect(!areReferencesEqual && areWeightsEqual)
    }

    @Test("a hold-out of few rows gives figures and no temperature")
    func fewRows() async throws {
        let shop = try Workshop()
        let outcome = try await shop.run(try shop.images())
        let calibration = try #require(outcome.calibration)
        #expect(calibration.temperature == nil && calibration.after == nil)
        #expect(calibration.rows == 30 && calibration.before.logLoss > 0)
        #expect(try ActiveModel.current(of: shop.store).bundle.network.temperature == nil)
    }

    @Test("imported weights answer as they do elsewhere: without a temperature")
    func imported() async throws {
        let shop = try Workshop()
        let plan = try plan(shop)
        try await shop.run(plan)
        let network = try ActiveModel.current(of: shop.store).bundle.network
        let path = shop.folder.path("data/weights.safetensors")
        try WholeFile.create(path, network.encoded())
        var lenient = plan
        lenient.margin = 1
        let file = try WeightFile(path: path, plan: lenient)
        let outcome = try await shop.run(importing: file, lenient)
        #expect(outcome.version == 2)
        #expect(outcome.calibration?.temperature == nil)
        #expect(try ActiveModel.current(of: shop.store).bundle.network.temperature == nil)
    }

    @Test("a warm start begins with the champion's weights, and not with its temperature")
    func warmStart() async throws {
        let shop = try Workshop()
        var plan = try plan(shop)
        try await shop.run(plan)
        plan.warmStart = true
        plan.margin = 1
        plan.calibrates = false
        let outcome = try await shop.run(plan)
        #expect(outcome.training?.startedFrom == 1 && outcome.version == 2)
        #expect(try ActiveModel.current(of: shop.store).bundle.network.temperature == nil)
    }

    @Test("a regression has no calibration")
    func regression() async throws {
        let shop = try Workshop(model: "prices")
        try shop.put("rows.csv", Array(TinyData.csv(300).utf8))
        let source = RetrainingPlan.Source(features: shop.mirrors("rows.csv"), labels: [])
        var plan = TinyData.plan(model: "prices", train: source, test: nil)
        plan.task = .regression
        plan.labels = []
        plan.input = .table(TableDeclaration(target: "price", task: .regression), delimiter: 44)
        let outcome = try await shop.run(plan)
        #expect(outcome.calibration == nil)
        #expect(try ActiveModel.current(of: shop.store).bundle.manifest.calibration == nil)
    }
}
