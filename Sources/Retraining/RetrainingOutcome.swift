package import ModelStore
package import Transfer

/// Why a retrain was started.
package enum RetrainingTrigger: String, Codable, CaseIterable, Sendable {
    /// The store was empty.
    case bootstrap
    /// The schedule.
    case schedule
    /// A drift alarm.
    case drift
    /// Labels that came later say that answers have become worse.
    case feedback
    /// A person, or something that acts for one.
    case manual
    /// A person brings weights that were fitted elsewhere.
    case `import`

    /// Whether a run ends as `unchanged` when the data and the settings are those of the
    /// current version; a manual one always trains.
    package var endsWhenUnchanged: Bool { isAutomatic }
}

/// How a retrain ended: what `leeway retrain --json` prints.
package struct RetrainingOutcome: Codable, Sendable, Equatable {
    /// The model's name.
    package var model: String
    /// The version that was written, else the one that is current; nil when there is none.
    package var version: Int?
    /// Whether a new version went live.
    package var published: Bool
    /// How it ended.
    package var result: Result
    /// Why, in words.
    package var reason: String
    /// Rows that were fitted and held out.
    package var rows: Rows
    /// How the candidate was fitted; nil when none was, or it was fitted elsewhere.
    package var training: Training?
    /// The candidate's scores on the hold-out; nil when there was none.
    package var evaluation: Scores?
    /// The champion's scores on the same rows; nil when there was none.
    package var champion: Scores?
    /// How the candidate's probabilities are calibrated; nil for a regression.
    package var calibration: Manifest.Calibration?
    /// How the candidate fared at each gate; nil when there was none.
    package var gates: [GateResult]?
    /// Seconds of each stage of the run.
    package var stages: [String: Double]
    /// What was odd about the data, but no reason to refuse it.
    package var warnings: [String]

    /// How a run ended.
    package enum Result: String, Codable, CaseIterable, Sendable {
        /// A new version went live.
        case published
        /// The gate refused the candidate.
        case refused
        /// Data and settings were those of the current version.
        case unchanged
        /// A new version was written and is a candidate; the current one stays for now.
        case staged
        /// A new version was written and nothing more, since another one is pinned.
        case held
        /// A version was made again, to the same weights; nothing was published.
        case reproduced
    }

    /// Counts of rows.
    package struct Rows: Codable, Sendable, Equatable {
        /// Rows that are fitted.
        package var train: Int
        /// Rows of the hold-out.
        package var holdout: Int

        /// Takes note of the counts.
        package init(train: Int, holdout: Int) {
            self.train = train
            self.holdout = holdout
        }
    }

    /// How the candidate was fitted.
    package struct Training: Codable, Sendable, Equatable {
        /// Wall-clock seconds.
        package var seconds: Double
        /// Passes over the training rows.
        package var epochs: Int
        /// Mean loss of the last epoch.
        package var loss: Double
        /// Why it ended: the epochs were over, or what else the settings allow.
        package var reason: String?
        /// With early stopping the epoch whose weights were taken.
        package var bestEpoch: Int?
        /// That epoch's validation loss.
        package var validationLoss: Double?
        /// The version whose weights it began with; nil for random ones.
        package var startedFrom: Int?

        /// Takes note of a fit.
        package init(
            seconds: Double,
            epochs: Int,
            loss: Double,
            reason: String? = nil,
            bestEpoch: Int? = nil,
            validationLoss: Double? = nil,
            startedFrom: Int? = nil
        ) {
            self.seconds = seconds
            self.epochs = epochs
            self.loss = loss
            self.reason = reason
            self.bestEpoch = bestEpoch
            self.validationLoss = validationLoss
            self.startedFrom = startedFrom
        }

        private enum CodingKeys: String, CodingKey {
            case seconds, epochs, loss, reason
            case bestEpoch = "best_epoch"
            case validationLoss = "validation_loss"
            case startedFrom = "started_from"
        }
    }
}

/// What a run tells while it goes on: one JSON object a line on the child's standard output.
package enum RetrainingEvent: Codable, Sendable, Equatable {
    /// A stage has begun.
    case stage(RetrainingStage)
    /// A mirror was asked for a file.
    case download(DownloadAttempt)
    /// A transfer goes on.
    case transfer(Fetching)
    /// Fitting goes on.
    case progress(Progress)
    /// The run has ended.
    case outcome(RetrainingOutcome)
    /// The run has failed.
    case failure(code: String, stage: RetrainingStage?, message: String)

    /// How far a transfer is.
    package struct Fetching: Codable, Sendable, Equatable {
        /// What the file is for, such as `train.features`.
        package var source: String
        /// The bytes that are there.
        package var bytes: Int
        /// The bytes of the whole file, when the server says.
        package var bytesExpected: Int?
        /// Bytes a second.
        package var bytesPerSecond: Double?
        /// Seconds until the end at this rate.
        package var secondsLeft: Double?

        init(_ source: String, _ progress: DownloadProgress) {
            self.source = source
            bytes = progress.bytes
            bytesExpected = progress.bytesExpected
            bytesPerSecond = progress.bytesPerSecond
            secondsLeft = progress.secondsLeft
        }
    }

    /// How far fitting is.
    package struct Progress: Codable, Sendable, Equatable {
        /// The epoch, from 1.
        package var epoch: Int
        /// Epochs in all.
        package var epochs: Int
        /// The step within the epoch, from 1.
        package var step: Int
        /// Steps an epoch.
        package var steps: Int
        /// Mean loss of the epoch so far.
        package var loss: Double
        /// Share of right classes in the epoch so far; nil for a regression.
        package var accuracy: Double?
        /// Rows fitted a second.
        package var rowsPerSecond: Double
        /// Seconds until the last epoch ends, at this pace.
        package var secondsLeft: Double?
        /// The least validation loss of the epochs so far; nil without a validation.
        package var validationLoss: Double?

        /// Takes note of a step.
        package init(
            epoch: Int,
            epochs: Int,
            step: Int,
            steps: Int,
            loss: Double,
            accuracy: Double?,
            rowsPerSecond: Double,
            secondsLeft: Double? = nil,
            validationLoss: Double? = nil
        ) {
            self.epoch = epoch
            self.epochs = epochs
            self.step = step
            self.steps = steps
            self.loss = loss
            self.accuracy = accuracy
            self.rowsPerSecond = rowsPerSecond
            self.secondsLeft = secondsLeft
            self.validationLoss = validationLoss
        }
    }
}

/// The six steps of the retraining flow, in order.
package enum RetrainingStage: String, Codable, CaseIterable, Sendable {
    case download, validate, train, evaluate, publish
}
