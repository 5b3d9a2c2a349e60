/// How a network learns; the keys are those of the configuration's `training` section.
package struct TrainingSettings: Sendable, Equatable {
    /// The rule that turns gradients into new weights.
    package enum Optimizer: String, Sendable, Codable, CaseIterable {
        /// Adam (Kingma and Ba 2015) with Keras' constants: β₁ 0.9, β₂ 0.999, ε 1e-7.
        case adam
        /// Adam with decoupled weight decay (Loshchilov and Hutter 2019).
        case adamW = "adamw"
        /// Stochastic gradient descent with momentum.
        case sgd
    }

    /// How the step size changes over a run.
    package enum Schedule: String, Sendable, Codable, CaseIterable {
        /// It stays.
        case constant
        /// It falls by a factor every so many epochs.
        case step
        /// It falls along half a cosine.
        case cosine
    }

    /// How often every row is seen; 1...100,000.
    package var epochs = 5
    /// Rows in one step; 1...65,536.
    package var batch = 32
    /// The rule for new weights.
    package var optimizer = Optimizer.adam
    /// The step size; above 0, at most 100.
    package var learningRate: Float = 0.001
    /// How the step size changes.
    package var schedule = Schedule.constant
    /// Epochs over which the step size rises from nothing; 0...100,000, may be broken.
    package var warmUpEpochs = 0.0
    /// For ``Schedule/step``: epochs between two falls; at least 1.
    package var stepEpochs = 10
    /// For ``Schedule/step``: what each fall multiplies the step size with; above 0, at most 1.
    package var stepFactor: Float = 0.1
    /// For ``Schedule/cosine``: the share of the step size that is left at the end; 0...1.
    package var rateFloor: Float = 0
    /// For ``Optimizer/sgd``: how much of the last step goes on; 0 up to but not including 1.
    package var momentum: Float = 0.9
    /// For ``Optimizer/adamW``: the decay of the weights, times the step size; 0...100.
    package var weightDecay: Float = 0.01
    /// λ of a penalty λ/2 · Σw² on the weights (not the biases); not part of the reported loss.
    package var l2: Float = 0
    /// The share of each hidden layer's outputs that a step drops; 0...0.99.
    ///
    /// As in Srivastava and others (2014), in the inverted form.
    package var dropout: Float = 0
    /// The share of a class target that is spread evenly over the classes; 0...0.99.
    ///
    /// As in Szegedy and others (2016).
    package var labelSmoothing: Float = 0
    /// What the loss of a row counts by its class; empty for 1 each.
    ///
    /// For yes or no: no, yes. The mean is over the rows, not over the weights, as in Keras.
    package var classWeights: [Float] = []
    /// The greatest norm of all slopes together; longer ones are shortened to it.
    ///
    /// As in Pascanu and others (2013).
    package var clipNorm: Float?
    /// Training ends after an epoch whose mean loss is below this.
    package var lossBelow: Float?
    /// Epochs without a better validation loss after which training ends; nil runs all epochs.
    ///
    /// The weights of the best epoch are the result.
    package var patience: Int?
    /// Where the order of the rows and the dropping start.
    package var seed: UInt64 = 1

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

    /// Refuses what cannot work.
    ///
    /// - Throws: ``TrainingError/setting(name:range:)``.
    package func check() throws(TrainingError) {
        func demand(_ name: String, _ holds: Bool, _ range: String) throws(TrainingError) {
            if !holds { throw .setting(name: name, range: range) }
        }
        try demand("epochs", 1...100_000 ~= epochs, "1 to 100000")
        try demand("batch", 1...65_536 ~= batch, "1 to 65536")
        try demand(
            "learning_rate",
            learningRate > 0 && learningRate <= 100,
            "a number above 0 and at most 100"
        )
        try demand("warm_up_epochs", 0...100_000 ~= warmUpEpochs, "a number from 0 to 100000")
        try demand("step_epochs", 1...100_000 ~= stepEpochs, "1 to 100000")
        try demand("step_factor", stepFactor > 0 && stepFactor <= 1, "above 0 and at most 1")
        try demand("rate_floor", 0...1 ~= rateFloor, "a number from 0 to 1")
        try demand("momentum", momentum >= 0 && momentum < 1, "a number from 0 to below 1")
        try demand("weight_decay", 0...100 ~= weightDecay, "a number from 0 to 100")
        try demand("l2", 0...100 ~= l2, "a number from 0 to 100")
        try demand("dropout", dropout >= 0 && dropout <= 0.99, "a number from 0 to 0.99")
        try demand(
            "label_smoothing",
            labelSmoothing >= 0 && labelSmoothing <= 0.99,
            "a number from 0 to 0.99"
        )
        try demand(
            "class_weights",
            classWeights.allSatisfy { $0 >= 0 && $0 <= 1e6 },
            "numbers from 0 to 1000000, one a class"
        )
        if let clipNorm {
            try demand("clip_norm", clipNorm > 0 && clipNorm.isFinite, "a number above 0")
        }
        if let lossBelow {
            try demand("loss_below", lossBelow > 0 && lossBelow.isFinite, "a number above 0")
        }
        if let patience { try demand("early_stopping", 1...100_000 ~= patience, "1 to 100000") }
    }
}

// The coded form has the configuration's keys, and no key that keeps its default: settings of an
// earlier release have the bytes, and so the digest, that they had.
extension TrainingSettings: Codable {
    private enum CodingKeys: String, CodingKey {
        case epochs, batch, optimizer, momentum, seed, l2, schedule, dropout
        case learningRate = "learning_rate"
        case warmUpEpochs = "warm_up_epochs"
        case stepEpochs = "step_epochs"
        case stepFactor = "step_factor"
        case rateFloor = "rate_floor"
        case weightDecay = "weight_decay"
        case labelSmoothing = "label_smoothing"
        case classWeights = "class_weights"
        case clipNorm = "clip_norm"
        case lossBelow = "loss_below"
        case patience = "early_stopping"
    }

    /// Reads the settings; a key that is not there keeps its default.
    package init(from decoder: any Decoder) throws {
        self.init()
        let values = try decoder.container(keyedBy: CodingKeys.self)
        func read<Value: Decodable>(_ key: CodingKeys, _ value: inout Value) throws {
            value = try values.decodeIfPresent(Value.self, forKey: key) ?? value
        }
        try read(.epochs, &epochs)
        try read(.batch, &batch)
        try read(.optimizer, &optimizer)
        try read(.learningRate, &learningRate)
        try read(.schedule, &schedule)
        try read(.warmUpEpochs, &warmUpEpochs)
        try read(.stepEpochs, &stepEpochs)
        try read(.stepFactor, &stepFactor)
        try read(.rateFloor, &rateFloor)
        try read(.momentum, &momentum)
        try read(.weightDecay, &weightDecay)
        try read(.l2, &l2)
        try read(.dropout, &dropout)
        try read(.labelSmoothing, &labelSmoothing)
        try read(.classWeights, &classWeights)
        try read(.seed, &seed)
        clipNorm = try values.decodeIfPresent(Float.self, forKey: .clipNorm)
        lossBelow = try values.decodeIfPresent(Float.self, forKey: .lossBelow)
        patience = try values.decodeIfPresent(Int.self, forKey: .patience)
    }

    /// Writes the settings.
    package func encode(to encoder: any Encoder) throws {
        var values = encoder.container(keyedBy: CodingKeys.self)
        let usual = TrainingSettings()
        func write<Value: Encodable & Equatable>(
            _ key: CodingKeys,
            _ path: KeyPath<TrainingSettings, Value>
        ) throws {
            guard self[keyPath: path] != usual[keyPath: path] else { return }
            try values.encode(self[keyPath: path], forKey: key)
        }
        try values.encode(epochs, forKey: .epochs)
        try values.encode(batch, forKey: .batch)
        try values.encode(optimizer, forKey: .optimizer)
        try values.encode(learningRate, forKey: .learningRate)
        try values.encode(momentum, forKey: .momentum)
        try values.encode(seed, forKey: .seed)
        try values.encode(l2, forKey: .l2)
        try values.encodeIfPresent(lossBelow, forKey: .lossBelow)
        try write(.schedule, \.schedule)
        try write(.warmUpEpochs, \.warmUpEpochs)
        try write(.stepEpochs, \.stepEpochs)
        try write(.stepFactor, \.stepFactor)
        try write(.rateFloor, \.rateFloor)
        try write(.weightDecay, \.weightDecay)
        try write(.dropout, \.dropout)
        try write(.labelSmoothing, \.labelSmoothing)
        try write(.classWeights, \.classWeights)
        try write(.clipNorm, \.clipNorm)
        try write(.patience, \.patience)
    }
}
