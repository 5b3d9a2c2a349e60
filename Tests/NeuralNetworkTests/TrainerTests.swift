import FoundationEssentials
import NeuralNetwork
import Testing

@Suite("Trainer") struct TrainerTests {
    /// Two inputs, and whether their signs differ: no straight line separates that.
    private func exclusiveOr(_ count: Int) -> (rows: Matrix, classes: [Int32]) {
        let values = noise(count * 2, seed: 12)
        let rows = Matrix(rows: count, columns: 2, values: values)
        return (rows, (0..<count).map { (rows[$0, 0] > 0) != (rows[$0, 1] > 0) ? 1 : 0 })
    }

    private func network(
        _ head: Head = .softmax,
        outputs: Int = 2,
        _ activation: Activation = .relu
    ) throws -> MultilayerPerceptron {
        try MultilayerPerceptron(
            inputWidth: 2,
            hidden: [16],
            outputWidth: outputs,
            activation: activation,
            head: head,
            seed: 3
        )
    }

    @Test(
        "learns what no straight line can separate",
        arguments: TrainingSettings.Optimizer.allCases
    )
    func learnsClasses(optimizer: TrainingSettings.Optimizer) throws {
        let (rows, classes) = exclusiveOr(400)
        var network = try network()
        let settings = TrainingSettings(
            epochs: 30,
            batch: 16,
            optimizer: optimizer,
            learningRate: optimizer == .sgd ? 0.05 : 0.02
        )
        let report = try Trainer(settings: settings)
            .train(&network, rows: rows, targets: .classes(classes))
        #expect(report.reason == .completed && report.epochs == 30 && report.steps == 30 * 25)
        let evaluation = try network.evaluate(rows: rows, targets: .classes(classes))
        #expect((evaluation.accuracy ?? 0) > 0.97, "\(evaluation)")
        #expect((report.accuracy ?? 0) > 0.95 && report.loss < 0.2)
    }

    @Test("learns yes or no by one logit")
    func learnsBinary() throws {
        let (rows, classes) = exclusiveOr(400)
        let targets = Targets.binary(classes.map(Float.init))
        var network = try network(.sigmoid, outputs: 1, .tanh)
        let settings = TrainingSettings(epochs: 40, batch: 16, learningRate: 0.02)
        _ = try Trainer(settings: settings).train(&network, rows: rows, targets: targets)
        let evaluation = try network.evaluate(rows: rows, targets: targets)
        #expect((evaluation.accuracy ?? 0) > 0.97)
    }

    @Test("learns values")
    func learnsValues() throws {
        let (rows, _) = exclusiveOr(300)
        let targets = Targets.values(
            (0..<300).flatMap { [rows[$0, 0] * rows[$0, 1], rows[$0, 0]] }
        )
        var network = try network(.linear, outputs: 2, .gelu)
        let settings = TrainingSettings(epochs: 40, batch: 10, learningRate: 0.01)
        let report = try Trainer(settings: settings)
            .train(&network, rows: rows, targets: targets)
        #expect(report.accuracy == nil && report.loss < 0.002)
    }

    @Test("the same seed gives the same weights bit for bit, another seed others")
    func reproducible() throws {
        let (rows, classes) = exclusiveOr(70)
        func trained(_ seed: UInt64) throws -> [UInt8] {
            var network = try network()
            _ = try Trainer(settings: TrainingSettings(epochs: 3, seed: seed))
                .train(&network, rows: rows, targets: .classes(classes))
            return try network.encoded()
        }
        #expect(try trained(7) == trained(7))
        #expect(try trained(7) != trained(8))
    }

    @Test("one step of Adam from known gradients moves every weight by the learning rate")
    func firstStep() throws {
        // After the bias correction the first step is rate * g / (|g| + ε).
        let (rows, classes) = exclusiveOr(8)
        let before = try network()
        let gradient = try before.lossGradient(rows: rows, targets: .classes(classes))
        var after = before
        _ = try Trainer(settings: TrainingSettings(epochs: 1, batch: 8, learningRate: 0.01))
            .train(&after, rows: rows, targets: .classes(classes))
        for layer in before.layers.indices {
            for index in before.layers[layer].weights.values.indices {
                let slope = gradient.layers[layer].weights.values[index]
                let moved =
                    after.layers[layer].weights.values[index]
                    - before.layers[layer].weights.values[index]
                if abs(slope) > 1e-4 { #expect(abs(moved + (slope > 0 ? 0.01 : -0.01)) < 1e-4) }
                if slope == 0 { #expect(moved == 0) }
            }
        }
    }

    @Test("progress names every step, and each row is seen once an epoch")
    func progress() throws {
        let (rows, classes) = exclusiveOr(25)
        var network = try network()
        var events: [TrainingProgress] = []
        let watched = WatchedRows(rows: rows)
        _ = try Trainer(settings: TrainingSettings(epochs: 2, batch: 10))
            .train(&network, rows: watched, targets: .classes(classes)) { event in
                events.append(event)
                return .continue
            }
        #expect(events.map(\.step) == [1, 2, 3, 1, 2, 3])
        #expect(events.map(\.epoch) == [1, 1, 1, 2, 2, 2])
        #expect(events.map(\.rowsDone) == [10, 20, 25, 35, 45, 50])
        #expect(events.allSatisfy { $0.steps == 3 && $0.epochs == 2 && $0.loss > 0 })
        #expect(events.allSatisfy { 0...1 ~= ($0.accuracy ?? -1) })
        let seen = watched.seen.value
        #expect(seen.map(\.count) == [10, 10, 5, 10, 10, 5])
        let first = seen[0..<3].flatMap(\.self), second = seen[3..<6].flatMap(\.self)
        #expect(first.sorted() == [Int32](0..<25) && second.sorted() == [Int32](0..<25))
        #expect(first != second)
    }

    @Test("the observer ends the run and the weights so far are kept")
    func stop() throws {
        let (rows, classes) = exclusiveOr(40)
        let before = try network()
        var network = before
        let trainer = try Trainer(settings: TrainingSettings(epochs: 3, batch: 10))
        let report = try trainer.train(&network, rows: rows, targets: .classes(classes)) {
            $0.epoch == 2 && $0.step == 3 ? .stop : .continue
        }
        #expect(report.reason == .stopped && report.epochs == 1 && report.steps == 7)
        #expect(network != before)
        network = before
        let whole = try trainer.train(&network, rows: rows, targets: .classes(classes)) {
            $0.step == $0.steps ? .stop : .continue
        }
        #expect(whole.epochs == 1 && whole.steps == 4)
    }

    @Test("training ends after the epoch whose loss is below the threshold")
    func lossBelow() throws {
        let (rows, classes) = exclusiveOr(200)
        var network = try network()
        var settings = TrainingSettings(epochs: 200, batch: 20, learningRate: 0.02)
        settings.lossBelow = 0.3
        var losses: [Double] = []
        let report = try Trainer(settings: settings)
            .train(&network, rows: rows, targets: .classes(classes)) {
                if $0.step == $0.steps { losses.append($0.loss) }
                return .continue
            }
        #expect(report.reason == .lossBelow && report.epochs == losses.count)
        #expect(report.loss < 0.3 && report.loss == losses.last)
        #expect(losses.dropLast().allSatisfy { $0 >= 0.3 } && losses.count > 1)
    }

    @Test("a run that diverges throws and leaves the network as it was")
    func diverges() throws {
        let rows = Matrix(rows: 10, columns: 2, values: noise(20, seed: 1).map { $0 * 1e18 })
        let before = try network(.linear, outputs: 1)
        var network = before
        let settings = TrainingSettings(epochs: 50, batch: 5, optimizer: .sgd, learningRate: 100)
        let error = #expect(throws: TrainingError.self) {
            try Trainer(settings: settings)
                .train(&network, rows: rows, targets: .values(noise(10, seed: 2)))
        }
        #expect(error?.code == "training_diverged")
        #expect(network == before)
    }

    @Test("a NaN among the inputs is noticed at once")
    func notANumber() throws {
        var (rows, classes) = exclusiveOr(30)
        rows[7, 1] = .nan
        let before = try network()
        var network = before
        let error = #expect(throws: TrainingError.self) {
            try Trainer(settings: TrainingSettings(batch: 10))
                .train(&network, rows: rows, targets: .classes(classes))
        }
        #expect(error?.code == "training_diverged" && network == before)
    }

    @Test("weights that overflow in the very last step are noticed, too")
    func lastStep() throws {
        let rows = Matrix(rows: 1, columns: 2, values: [1e19, 1e19])
        let before = try network(.linear, outputs: 1)
        var network = before
        let settings = TrainingSettings(epochs: 1, batch: 1, optimizer: .sgd, learningRate: 100)
        #expect(throws: TrainingError.diverged(epoch: 1, step: 1)) {
            try Trainer(settings: settings).train(&network, rows: rows, targets: .values([0]))
        }
        #expect(throws: TrainingError.diverged(epoch: 1, step: 1)) {
            try Trainer(settings: settings)
                .train(&network, rows: rows, targets: .values([0])) { _ in .stop }
        }
        #expect(network == before)
    }

    @Test("the penalty on weights makes them smaller but does not touch the biases' rule")
    func penalty() throws {
        let (rows, classes) = exclusiveOr(100)
        func size(_ l2: Float) throws -> Float {
            var network = try network()
            var settings = TrainingSettings(epochs: 20, batch: 20, learningRate: 0.01)
            settings.l2 = l2
            _ = try Trainer(settings: settings)
                .train(&network, rows: rows, targets: .classes(classes))
            return network.layers.reduce(0) { $0 + $1.weights.values.reduce(0) { $0 + $1 * $1 } }
        }
        #expect(try size(0.1) < 0.5 * size(0))
    }
}

@Suite("Training data and settings") struct TrainingInputTests {
    private func refused(
        _ head: Head,
        outputs: Int,
        rows: Int = 2,
        width: Int = 3,
        _ targets: Targets,
        _ error: TrainingError
    ) throws {
        let before = try someNetwork([3, outputs], .relu, head)
        var network = before
        let matrix = Matrix(rows: rows, columns: width)
        #expect(throws: error) {
            try Trainer(settings: TrainingSettings())
                .train(&network, rows: matrix, targets: targets)
        }
        #expect(throws: error) { _ = try before.evaluate(rows: matrix, targets: targets) }
        #expect(network == before)
    }

    @Test("rows and targets that do not fit the network are refused")
    func misfits() throws {
        try refused(.softmax, outputs: 4, rows: 0, .classes([]), .noRows)
        try refused(
            .softmax,
            outputs: 4,
            width: 5,
            .classes([0, 0]),
            .rowWidth(found: 5, expected: 3)
        )
        try refused(.softmax, outputs: 4, .classes([0]), .targetCount(found: 1, expected: 2))
        try refused(
            .softmax,
            outputs: 4,
            .classes([0, 4]),
            .classOutOfRange(row: 1, found: 4, classes: 4)
        )
        try refused(
            .softmax,
            outputs: 4,
            .classes([-1, 0]),
            .classOutOfRange(row: 0, found: -1, classes: 4)
        )
        try refused(.softmax, outputs: 4, .values([0, 1]), .targetsDoNotFitHead(.softmax))
        try refused(.sigmoid, outputs: 1, .classes([0, 1]), .targetsDoNotFitHead(.sigmoid))
        try refused(.sigmoid, outputs: 1, .binary([0]), .targetCount(found: 1, expected: 2))
        try refused(.sigmoid, outputs: 1, .binary([0, 1.5]), .targetOutOfRange(row: 1))
        try refused(.sigmoid, outputs: 1, .binary([.nan, 1]), .targetOutOfRange(row: 0))
        try refused(.linear, outputs: 2, .values([0, 1]), .targetCount(found: 2, expected: 4))
        try refused(.linear, outputs: 2, .values([0, 1, 2, .infinity]), .targetOutOfRange(row: 1))
    }

    @Test("settings out of range are refused by name")
    func settings() throws {
        func refused(_ name: String, _ change: (inout TrainingSettings) -> Void) {
            var settings = TrainingSettings()
            change(&settings)
            let error = #expect(throws: TrainingError.self) { try Trainer(settings: settings) }
            guard case .setting(name, _) = error else {
                Issue.record("\(name): \(String(describing: error))")
                return
            }
        }
        refused("epochs") { $0.epochs = 0 }
        refused("epochs") { $0.epochs = .max }
        refused("batch") { $0.batch = -1 }
        refused("learning_rate") { $0.learningRate = 0 }
        refused("learning_rate") { $0.learningRate = .nan }
        refused("learning_rate") { $0.learningRate = .infinity }
        refused("momentum") { $0.momentum = 1 }
        refused("l2") { $0.l2 = -0.1 }
        refused("loss_below") { $0.lossBelow = .nan }
        refused("loss_below") { $0.lossBelow = 0 }
        refused("warm_up_epochs") { $0.warmUpEpochs = -1 }
        refused("warm_up_epochs") { $0.warmUpEpochs = .nan }
        refused("step_epochs") { $0.stepEpochs = 0 }
        refused("step_factor") { $0.stepFactor = 0 }
        refused("rate_floor") { $0.rateFloor = 1.5 }
        refused("weight_decay") { $0.weightDecay = -1 }
        refused("dropout") { $0.dropout = 1 }
        refused("dropout") { $0.dropout = .nan }
        refused("label_smoothing") { $0.labelSmoothing = 1 }
        refused("class_weights") { $0.classWeights = [1, -1] }
        refused("class_weights") { $0.classWeights = [1, .infinity] }
        refused("clip_norm") { $0.clipNorm = 0 }
        refused("early_stopping") { $0.patience = 0 }
        try TrainingSettings().check()
    }

    @Test("settings are read by the configuration's keys, and what is missing keeps its default")
    func coding() throws {
        let text = #"{"epochs": 7, "optimizer": "sgd", "learning_rate": 0.5, "loss_below": 0.25}"#
        let read = try JSONDecoder().decode(TrainingSettings.self, from: Data(text.utf8))
        var expected = TrainingSettings(epochs: 7, optimizer: .sgd, learningRate: 0.5)
        expected.lossBelow = 0.25
        #expect(read == expected)
        expected.schedule = .cosine
        expected.warmUpEpochs = 1.5
        expected.stepEpochs = 3
        expected.stepFactor = 0.25
        expected.rateFloor = 0.125
        expected.weightDecay = 0.5
        expected.dropout = 0.25
        expected.labelSmoothing = 0.125
        expected.classWeights = [1, 2]
        expected.clipNorm = 3
        expected.patience = 4
        let again = try JSONDecoder()
            .decode(TrainingSettings.self, from: JSONEncoder().encode(expected))
        #expect(again == expected)
        #expect(throws: (any Error).self) {
            _ = try JSONDecoder()
                .decode(TrainingSettings.self, from: Data(#"{"optimizer": "magic"}"#.utf8))
        }
    }

    @Test("every error names what is wrong and has a code of its own")
    func errors() {
        let all: [TrainingError] = [
            .setting(name: "epochs", range: "1 to 9"), .noRows, .tooManyRows(9),
            .rowWidth(found: 1, expected: 2), .targetCount(found: 1, expected: 2),
            .targetsDoNotFitHead(.linear), .classOutOfRange(row: 1, found: 2, classes: 2),
            .targetOutOfRange(row: 4), .diverged(epoch: 1, step: 2),
        ]
        #expect(Set(all.map(\.code)).count == all.count)
        for error in all { #expect("\(error)".hasPrefix("training: ")) }
        #expect("\(TrainingError.diverged(epoch: 3, step: 45))".contains("epoch 3, step 45"))
    }
}
