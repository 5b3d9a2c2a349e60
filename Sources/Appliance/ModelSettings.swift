package import Retraining
package import Serving
package import Transfer

/// One model: what it learns, from which data, and when it is made anew.
package struct ModelSettings: Sendable, Equatable {
    /// The name in URLs, labels and the store: letters, digits, `-`, `_` and `.`.
    package var name: String
    /// Whether it answers when a request names no model.
    package var isDefault: Bool
    /// What its outputs mean.
    package var task: Task
    /// Class labels in the order of the class index; empty takes them from the data.
    package var labels: [String]
    /// What a valid input is.
    package var input: InputSettings
    /// The hidden layers.
    package var network: NetworkSettings
    /// How it is fitted.
    package var training: TrainingChoices
    /// Where the rows come from.
    package var data: DataSettings
    /// When a retrain starts, and what lets its result in.
    package var retrain: RetrainSettings
    /// What a candidate has to show before it is served.
    package var gate: GateRules
    /// How a candidate that has shown it goes live.
    package var release: Release
    /// How a staged release goes on.
    package var staged: StagingSettings
    /// How live inputs are watched.
    package var drift: DriftChoices
    /// How labels find the rows that were predicted.
    package var feedback: FeedbackSettings
    /// Which labelled rows are kept.
    package var capture: CaptureSettings
    /// Who computes predictions, and how long requests may wait for it.
    package var batching: BatchingChoices

    /// How a candidate that passed the gates goes live.
    package enum Release: String, CaseIterable, Sendable {
        /// At once.
        case immediate
        /// By a shadow and a canary.
        case staged
    }

    /// What a model's outputs mean.
    package enum Task: String, CaseIterable, Sendable {
        /// One of several classes.
        case classification
        /// One of two classes by a single logit.
        case binary
        /// A number.
        case regression
    }
}

/// What a valid input is.
package struct InputSettings: Sendable, Equatable {
    /// Images or tables.
    package var kind: Kind
    /// The shape of an image, such as `[28, 28]`.
    package var shape: [Int]
    /// The divisor that brings pixels to 0…1.
    package var scale: Double
    /// The column to predict (tables).
    package var target: String
    /// Declared columns; empty infers them from the first download (tables).
    package var columns: [ColumnSettings]
    /// Whether out-of-range numbers and unseen categories are refused rather than scored.
    package var strict: Bool

    /// Images or tables.
    package enum Kind: String, CaseIterable, Sendable {
        case image, table
    }
}

/// One declared column of a table.
package struct ColumnSettings: Sendable, Equatable {
    /// The column's name in the header and in requests.
    package var name: String
    /// Numbers or categories.
    package var type: ColumnType
    /// The categories; empty takes them from the training data.
    package var values: [String]
    /// How numbers are scaled.
    package var scaling: Scaling
    /// What a missing value becomes.
    package var missing: Missing

    /// Numbers or categories.
    package enum ColumnType: String, CaseIterable, Sendable {
        case numeric, categorical
    }

    /// How numbers are scaled before the first layer.
    package enum Scaling: String, CaseIterable, Sendable {
        /// Zero mean, unit standard deviation over the training rows.
        case standardise
        /// 0…1 over the training rows.
        case minMax = "min_max"
        /// As they are.
        case none
    }

    /// What a missing value becomes.
    package enum Missing: String, CaseIterable, Sendable {
        /// The mean of the training rows, with an indicator input beside it.
        case mean
        /// Zero after scaling.
        case zero
        /// An error.
        case refuse
    }
}

/// The hidden layers.
package struct NetworkSettings: Sendable, Equatable {
    /// Their widths, input side first.
    package var hidden: [Int]
    /// The activation after each of them.
    package var activation: Activation

    /// An activation by its usual name.
    package enum Activation: String, CaseIterable, Sendable {
        case identity, relu, leakyReLU = "leaky_relu", tanh, sigmoid, gelu
    }
}

/// How a model is fitted.
package struct TrainingChoices: Sendable, Equatable {
    /// Passes over the training rows.
    package var epochs: Int
    /// Rows a step.
    package var batch: Int
    /// The optimiser.
    package var optimizer: Optimizer
    /// Step size.
    package var learningRate: Double
    /// How the step size changes.
    package var schedule: Schedule
    /// Epochs over which the step size rises from nothing.
    package var warmUpEpochs: Double
    /// Epochs between two falls of the step size.
    package var stepEpochs: Int
    /// What each fall multiplies the step size with.
    package var stepFactor: Double
    /// The share of the step size that the cosine leaves at the end.
    package var rateFloor: Double
    /// Momentum of `sgd`.
    package var momentum: Double
    /// Decay of the weights of `adamw`, times the step size.
    package var weightDecay: Double
    /// L2 penalty on the weights.
    package var l2: Double
    /// The share of hidden outputs that a step drops.
    package var dropout: Double
    /// The share of a class target that is spread evenly.
    package var labelSmoothing: Double
    /// What a row counts by its class; empty for 1 each.
    package var classWeights: [Double]
    /// The greatest norm of all slopes together.
    package var clipNorm: Double?
    /// Seed of initialisation, shuffling and dropping.
    package var seed: Int
    /// Training ends when an epoch's mean loss falls below this.
    package var lossBelow: Double?
    /// Epochs without a better validation loss after which training ends; 0 runs all.
    package var earlyStopping: Int
    /// The share of the training rows that is kept for validation with early stopping.
    package var validation: Double
    /// Whether training begins with the champion's weights where they fit.
    package var warmStart: Bool
    /// How probabilities are calibrated on the hold-out.
    package var calibration: Calibration
    /// Threads that share each step; 0 is what the work is worth, at most one a core (beside a
    /// server, one less).
    package var threads: Int

    /// The optimiser.
    package enum Optimizer: String, CaseIterable, Sendable {
        /// Adam with Keras' defaults.
        case adam
        /// Adam with decoupled weight decay.
        case adamW = "adamw"
        /// Stochastic gradient descent with momentum.
        case sgd
    }

    /// How the step size changes over a run.
    package enum Schedule: String, CaseIterable, Sendable {
        case constant, step, cosine
    }

    /// How probabilities are calibrated on the hold-out.
    package enum Calibration: String, CaseIterable, Sendable {
        /// Logits are divided by a fitted number, where that helps.
        case temperature
        /// Not at all.
        case none
    }
}

/// Where the rows come from.
package struct DataSettings: Sendable, Equatable {
    /// The form of the files.
    package var format: Format
    /// The files that are fitted.
    package var train: SourceSettings
    /// The files of the hold-out; nil takes a share of `train`.
    package var test: SourceSettings?
    /// Files of rows that never change, which the gate looks at; nil for none.
    package var golden: SourceSettings?
    /// The share of `train` that is held out when there is no `test`.
    package var holdout: Double
    /// The character between the fields of a CSV file.
    package var delimiter: String
    /// What is done with the rows besides reading them.
    package var policy: DataPolicySettings

    /// The form of the files.
    package enum Format: String, CaseIterable, Sendable {
        case idx, csv
    }
}

/// The mirrors of one set of files, in the order in which they are tried.
package struct SourceSettings: Sendable, Equatable {
    /// Images (IDX), or whole rows (CSV).
    package var features: [MirrorSettings]
    /// Labels (IDX); empty for CSV.
    package var labels: [MirrorSettings]
}

/// One place where a file can be had.
package struct MirrorSettings: Sendable, Equatable {
    /// A `file://` or `https://` URL.
    package var url: String
    /// SHA-256 of the decompressed bytes, in lower-case hexadecimal; nil accepts any content.
    package var sha256: String?
    /// What the place wants besides the URL.
    package var access: SourceAccess
}

/// When a retrain starts, and what lets its result in.
package struct RetrainSettings: Sendable, Equatable {
    /// A cron expression, or an interval such as `6h`; nil for never.
    package var schedule: String?
    /// Most seconds of random delay added to each scheduled start.
    package var jitterSecondsMax: Int
    /// Whether a drift alarm starts one.
    package var onDrift: Bool
    /// Seconds between two retrains started by drift or feedback.
    package var driftCooldownSeconds: Int
    /// How much worse than the champion a candidate may score, in the score's unit.
    package var margin: Double
    /// Seconds after which a run is ended.
    package var secondsMax: Int
    /// Versions kept on disk besides the current one.
    package var keep: Int
    /// What bounds the runs.
    package var run: RunSettings
}

/// How live inputs are watched.
package struct DriftChoices: Sendable, Equatable {
    /// Whether they are.
    package var enabled: Bool
    /// Total-variation distance from the reference that is harmless.
    package var tolerance: Double
    /// Scored rows between two false alarms, in the mean, at least.
    package var falseAlarmInterval: Int
    /// How much the share of wrong answers may rise above what the hold-out allows.
    package var errorTolerance: Double
    /// The distance that is harmless for tails and bad data.
    package var rareTolerance: Double
    /// One request of so many is looked at.
    package var sampleEvery: Int
    /// Of more requests about so many are looked at in a second, on one event loop; 0 for no limit.
    package var rowsPerSecond: Int
    /// Rows of one client that are looked at in a second; 0 for no limit.
    package var clientRowsPerSecond: Int
    /// A table's column with each row's time: the reference then depends on the hour of the week;
    /// nil for none.
    package var seasonColumn: String?
}

/// How labels find the rows that were predicted.
package struct FeedbackSettings: Sendable, Equatable {
    /// Whether rows are remembered.
    package var enabled: Bool
    /// Bytes that the remembered rows may take, on all event loops together.
    package var memoryBytesMax: Int
}

/// Which labelled rows are kept on disk.
package struct CaptureSettings: Sendable, Equatable {
    /// Whether any are.
    package var enabled: Bool
    /// Bytes of all files.
    package var bytesMax: Int
    /// Days for which a file is kept.
    package var days: Int
}
