internal import Features
internal import ModelStore
internal import NeuralNetwork
internal import Retraining
internal import Serving

/// How the words of the configuration become what the parts work with.
extension ModelSettings {
    /// The plan of a retrain.
    ///
    /// - Parameters:
    ///   - settings: The whole configuration.
    ///   - cores: How many threads of it may run at a time.
    /// - Returns: What the retraining flow needs to know.
    func plan(_ settings: Settings, cores: Int = ProcessorCount.usable) -> RetrainingPlan {
        RetrainingPlan(
            model: name,
            task: modelTask,
            labels: labels,
            input: planInput,
            hidden: network.hidden,
            activation: planActivation,
            training: trainingSettings,
            calibrates: training.calibration == .temperature,
            validation: training.earlyStopping > 0 ? training.validation : nil,
            warmStart: training.warmStart,
            threads: training.threads > 0 ? training.threads : nil,
            cores: cores,
            train: data.train.source,
            test: data.test?.source,
            golden: data.golden?.source,
            holdout: data.holdout,
            margin: retrain.margin,
            gate: gate,
            release: planRelease,
            retention: retrain.retention,
            decompressedBytesMax: settings.downloads.decompressedBytesMax,
            data: data.policy.policy(captureFolder: "\(settings.state)/capture/\(name)"),
            seasonColumn: drift.seasonColumn
        )
    }

    /// The words of the configuration are the engine's.
    private var planActivation: NeuralNetwork.Activation {
        NeuralNetwork.Activation(rawValue: network.activation.rawValue) ?? .relu
    }

    private var planRelease: RetrainingPlan.Release {
        switch release {
        case .immediate: .immediate
        case .staged: .staged(staged.shadowRows > 0 ? .shadow : .canary)
        }
    }

    private var modelTask: ModelTask {
        switch task {
        case .classification: .classification
        case .binary: .binary
        case .regression: .regression
        }
    }

    private var trainingSettings: TrainingSettings {
        var settings = TrainingSettings(
            epochs: training.epochs,
            batch: training.batch,
            optimizer: TrainingSettings.Optimizer(rawValue: training.optimizer.rawValue) ?? .adam,
            learningRate: Float(training.learningRate),
            momentum: Float(training.momentum),
            seed: UInt64(training.seed),
            lossBelow: training.lossBelow.map { Float($0) },
            l2: Float(training.l2)
        )
        settings.schedule =
            TrainingSettings.Schedule(rawValue: training.schedule.rawValue) ?? .constant
        settings.warmUpEpochs = training.warmUpEpochs
        settings.stepEpochs = training.stepEpochs
        settings.stepFactor = Float(training.stepFactor)
        settings.rateFloor = Float(training.rateFloor)
        settings.weightDecay = Float(training.weightDecay)
        settings.dropout = Float(training.dropout)
        settings.labelSmoothing = Float(training.labelSmoothing)
        settings.classWeights = training.classWeights.map { Float($0) }
        settings.clipNorm = training.clipNorm.map { Float($0) }
        settings.patience = training.earlyStopping > 0 ? training.earlyStopping : nil
        return settings
    }

    private var planInput: RetrainingPlan.Input {
        switch input.kind {
        case .image:
            .image(shape: input.shape, scale: Float(input.scale), strict: input.strict)
        case .table:
            .table(
                TableDeclaration(
                    target: input.target,
                    task: targetTask,
                    columns: input.columns.isEmpty ? nil : input.columns.map(\.declaration),
                    labels: labels.isEmpty ? nil : labels,
                    strict: input.strict
                ),
                delimiter: data.delimiter.utf8.first ?? UInt8(ascii: ",")
            )
        }
    }

    private var targetTask: TargetTask {
        switch task {
        case .classification: .classification
        case .binary: .binary
        case .regression: .regression
        }
    }
}

extension ColumnSettings {
    fileprivate var declaration: ColumnDeclaration {
        ColumnDeclaration(
            name: name,
            type: type == .numeric ? .numeric : .categorical,
            categories: values.isEmpty ? nil : values,
            scaling: type == .numeric ? scalingMethod : nil,
            missing: missingPolicy
        )
    }

    private var scalingMethod: ScalingMethod {
        switch scaling {
        case .standardise: .standardise
        case .minMax: .minMax
        case .none: .none
        }
    }

    private var missingPolicy: MissingPolicy {
        switch missing {
        case .mean: .mean
        case .zero: .zero
        case .refuse: .refuse
        }
    }
}

extension SourceSettings {
    fileprivate var source: RetrainingPlan.Source {
        func mirrors(_ mirrors: [MirrorSettings]) -> [RetrainingPlan.Mirror] {
            mirrors.map(\.mirror)
        }
        return RetrainingPlan.Source(features: mirrors(features), labels: mirrors(labels))
    }
}
