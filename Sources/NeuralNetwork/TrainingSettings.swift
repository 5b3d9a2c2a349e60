/// How a network learns; the keys are those of the configuration's `training` section.
package struct TrainingSettings: Sendable, Equatable, Codable {
    /// The rule that turns gradients into new weights.
    package enum Optimizer: String, Sendable, Codable, CaseIterable {
        /// Adam (Kingma and Ba 2015) with Keras' constants: β₁ 0.9, β₂ 0.999, ε 1e-7.
        case adam
        /// Stochastic gradient descent with momentum.
        case sgd
    }

    /// How often every row is seen; 1...100,000.
    package var epochs: Int
    /// Rows in one step; 1...65,536.
    package var batch: Int
    /// The rule for new weights.
    package var optimizer: Optimizer
    /// The step size; above 0, at most 100.
    package var learningRate: Float
    /// For ``Optimizer/sgd``: how much of the last step goes on; 0 up to but not including 1.
    package var momentum: Float
    /// Where the order of the rows starts.
    package var seed: UInt64
    /// Training ends after an epoch whose mean loss is below this.
    package var lossBelow: Float?
    /// λ of a penalty λ/2 · Σw² on the weights (not the biases); not part of the reported loss.
    package var l2: Float

    /// The defaults are Keras'.
    package init(
        epochs: Int = 5,
        batch: Int = 32,
        optimizer: Optimizer = .adam,
        learningRate: Float = 0.001,
        momentum: Float = 0.9,
        seed: UInt64 = 1,
        lossBelow: Float? = nil,
        l2: Float = 0
    ) {
        self.epochs = epochs
        self.batch = batch
        self.optimizer = optimizer
        self.learningRate = learningRate
        self.momentum = momentum
        self.seed = seed
        self.lossBelow = lossBelow
        self.l2 = l2
    }

    private enum CodingKeys: String, CodingKey {
        case epochs, batch, optimizer, momentum, seed, l2
        case learningRate = "learning_rate"
        case lossBelow = "loss_below"
    }

    /// Reads the settings; a key that is not there keeps its default.
    package init(from decoder: any Decoder) throws {
        self.init()
        let values = try decoder.container(keyedBy: CodingKeys.self)
        epochs = try values.decodeIfPresent(Int.self, forKey: .epochs) ?? epochs
        batch = try values.decodeIfPresent(Int.self, forKey: .batch) ?? batch
        optimizer = try values.decodeIfPresent(Optimizer.self, forKey: .optimizer) ?? optimizer
        learningRate = try values.decodeIfPresent(Float.self, forKey: .learningRate) ?? learningRate
        momentum = try values.decodeIfPresent(Float.self, forKey: .momentum) ?? momentum
        seed = try values.decodeIfPresent(UInt64.self, forKey: .seed) ?? seed
        lossBelow = try values.decodeIfPresent(Float.self, forKey: .lossBelow)
        l2 = try values.decodeIfPresent(Float.self, forKey: .l2) ?? l2
    }

    /// Refuses what cannot work.
    ///
    /// - Throws: ``TrainingError/setting(name:range:)``.
    package func check() throws(TrainingError) {
        guard 1...100_000 ~= epochs else { throw .setting(name: "epochs", range: "1 to 100000") }
        guard 1...65_536 ~= batch else { throw .setting(name: "batch", range: "1 to 65536") }
        guard learningRate > 0 && learningRate <= 100 else {
            throw .setting(name: "learning_rate", range: "a number above 0 and at most 100")
        }
        guard momentum >= 0 && momentum < 1 else {
            throw .setting(name: "momentum", range: "a number from 0 to below 1")
        }
        guard l2 >= 0 && l2 <= 100 else {
            throw .setting(name: "l2", range: "a number from 0 to 100")
        }
        if let lossBelow, !(lossBelow > 0 && lossBelow.isFinite) {
            throw .setting(name: "loss_below", range: "a number above 0")
        }
    }
}
