import NeuralNetwork
import Testing

@Suite("Stopping and going on") struct TrainingSessionTests {
    private let wrongWay: (Matrix, Targets) = {
        // The validation rows have the classes of other rows: learning makes it worse in the end.
        let (rows, _) = someClasses(40, 6, 3)
        return (rows, .classes((0..<40).map { Int32(($0 * 5 + 1) % 3) }))
    }()

    @Test("training ends when the validation loss stops to fall, with the best epoch's weights")
    func earlyStopping() throws {
        let (rows, targets) = someClasses(60, 6, 3)
        var settings = TrainingSettings(epochs: 200, batch: 10, learningRate: 0.02)
        settings.patience = 4
        let validation = Trainer.Validation(rows: wrongWay.0, targets: wrongWay.1)
        let session = try TrainingSession(
            try someNetwork([6, 20, 3]),
            settings: settings,
            rows: rows,
            targets: targets,
            validation: validation
        )
        var losses: [Double] = []
        var goesOn = true
        while goesOn {
            goesOn = try session.runEpoch()
            losses.append(
                try session.current.evaluate(rows: wrongWay.0, targets: wrongWay.1).loss
            )
        }
        let best = try #require(losses.min())
        let epoch = try #require(losses.firstIndex(of: best)) + 1
        let report = session.report
        #expect(report.reason == .validationLoss && losses.count == epoch + 4)
        #expect(report.bestEpoch == epoch && report.validationLoss == best)
        let kept = try session.best.evaluate(rows: wrongWay.0, targets: wrongWay.1)
        #expect(kept.loss == best && session.best != session.current)

        var network = try someNetwork([6, 20, 3])
        let again = try Trainer(settings: settings)
            .train(&network, rows: rows, targets: targets, validation: validation)
        #expect(network == session.best && again == report)
    }

    @Test("patience without validation rows is refused")
    func noValidation() throws {
        let (rows, targets) = someClasses(20, 6, 3)
        var settings = TrainingSettings()
        settings.patience = 2
        var network = try someNetwork([6, 3])
        let error = #expect(throws: TrainingError.self) {
            _ = try Trainer(settings: settings).train(&network, rows: rows, targets: targets)
        }
        #expect(error?.code == "training_setting" && "\(error as Any)".contains("early_stopping"))
    }

    @Test("a run that is looked at between its epochs ends as one that is not")
    func pauses() throws {
        let (rows, targets) = someClasses(50, 6, 3)
        var settings = TrainingSettings(epochs: 5, batch: 8)
        settings.dropout = 0.2
        settings.schedule = .cosine
        var network = try someNetwork([6, 12, 3])
        let report = try Trainer(settings: settings)
            .train(&network, rows: rows, targets: targets)
        let session = try TrainingSession(
            try someNetwork([6, 12, 3]),
            settings: settings,
            rows: rows,
            targets: targets
        )
        var seen: [MultilayerPerceptron] = []
        while try session.runEpoch() { seen.append(session.current) }
        #expect(session.current == network && session.report == report && seen.count == 4)
        #expect(try session.runEpoch() == false && session.current == network)
    }

    @Test("a run goes on from the weights of an earlier one")
    func warmStart() throws {
        let (rows, targets) = someClasses(200, 6, 3)
        let trainer = try Trainer(
            settings: TrainingSettings(epochs: 15, batch: 10, learningRate: 0.01)
        )
        var network = try someNetwork([6, 12, 3])
        let first = try trainer.train(&network, rows: rows, targets: targets)
        let before = network
        var losses: [Double] = []
        _ = try trainer.train(&network, rows: rows, targets: targets) {
            if $0.step == $0.steps { losses.append($0.loss) }
            return .continue
        }
        #expect(network != before)
        // It does not begin anew: its first epoch is about as good as the last one before.
        #expect((losses.first ?? .infinity) < first.loss * 1.1)
        #expect((losses.last ?? .infinity) < first.loss)
    }

    @Test("threads are as many as the work is worth, and never more than the cores")
    func usefulThreads() throws {
        func threads(_ hidden: [Int], batch: Int, cores: Int) throws -> Int {
            let network = try MultilayerPerceptron(
                inputWidth: 784,
                hidden: hidden,
                outputWidth: 10,
                activation: .relu,
                head: .softmax,
                seed: 1
            )
            return Trainer.usefulThreads(for: network, batch: batch, cores: cores)
        }
        #expect(try threads([64], batch: 32, cores: 64) == 2)
        #expect(try threads([64], batch: 32, cores: 1) == 1)
        #expect(try threads([4], batch: 32, cores: 8) == 1)
        #expect(try threads([512, 512], batch: 32, cores: 8) == 8)
        #expect(try threads([512, 512], batch: 1, cores: 8) == 1)
        #expect(try threads([512, 512], batch: 32, cores: 1_000) <= ComputeTeam.membersMax)
    }

    @Test("weights of classes must be one a class")
    func classWeights() throws {
        let (rows, targets) = someClasses(20, 6, 3)
        for weights in [[1, 1], [1, 1, 1, 1]] as [[Float]] {
            var settings = TrainingSettings()
            settings.classWeights = weights
            var network = try someNetwork([6, 3])
            #expect(
                throws: TrainingError.setting(
                    name: "class_weights",
                    range: "one for each of 3 classes"
                )
            ) { _ = try Trainer(settings: settings).train(&network, rows: rows, targets: targets) }
        }
    }
}
