internal import Retraining

/// How the sections of a model that concern its training are read.
extension TrainingChoices {
    init(_ section: inout SettingsSection) {
        epochs = section.integer(
            "epochs",
            default: 5,
            in: 1...100_000,
            doc: "passes over the training rows"
        )
        batch = section.integer("batch", default: 32, in: 1...65_536, doc: "rows a step")
        optimizer = section.choice(
            "optimizer",
            default: Optimizer.adam,
            doc: "adam, adamw or sgd"
        )
        learningRate = section.number(
            "learning_rate",
            default: 0.001,
            in: 1e-9...100,
            doc: "step size"
        )
        (schedule, warmUpEpochs, stepEpochs, stepFactor, rateFloor) = Self.stepSizes(&section)
        momentum = section.number("momentum", default: 0, in: 0...0.9999, doc: "momentum of sgd")
        weightDecay = section.number(
            "weight_decay",
            default: 0.01,
            in: 0...100,
            doc: "decay of the weights of adamw, times the step size"
        )
        l2 = section.number("l2", default: 0, in: 0...10, doc: "L2 penalty on the weights")
        (dropout, labelSmoothing, classWeights, clipNorm) = Self.regularisation(&section)
        seed = section.integer(
            "seed",
            default: 1,
            in: 0...Int.max,
            doc: "seed of initialisation, shuffling and dropping"
        )
        (lossBelow, earlyStopping, validation, calibration) = Self.ending(&section)
        warmStart = section.flag(
            "warm_start",
            default: false,
            doc: "begin with the champion's weights where they fit"
        )
        threads = section.integer(
            "threads",
            default: 0,
            in: 0...64,
            doc: "threads that share each step; 0 is what the work is worth, at most one a core"
                + " (beside a server, one less)"
        )
        section.finish()
    }

    private static func stepSizes(_ section: inout SettingsSection) -> (
        schedule: Schedule, warmUpEpochs: Double, stepEpochs: Int, stepFactor: Double,
        rateFloor: Double
    ) {
        (
            section.choice(
                "schedule",
                default: Schedule.constant,
                doc: "how the step size changes: constant, step or cosine"
            ),
            section.number(
                "warm_up_epochs",
                default: 0,
                in: 0...100_000,
                doc: "epochs over which the step size rises from nothing; may be broken"
            ),
            section.integer(
                "step_epochs",
                default: 10,
                in: 1...100_000,
                doc: "schedule step: epochs between two falls of the step size"
            ),
            section.number(
                "step_factor",
                default: 0.1,
                in: 1e-6...1,
                doc: "schedule step: what each fall multiplies the step size with"
            ),
            section.number(
                "rate_floor",
                default: 0,
                in: 0...1,
                doc: "schedule cosine: share of the step size that is left at the end"
            )
        )
    }

    private static func regularisation(_ section: inout SettingsSection) -> (
        dropout: Double, labelSmoothing: Double, classWeights: [Double], clipNorm: Double?
    ) {
        (
            section.number(
                "dropout",
                default: 0,
                in: 0...0.99,
                doc: "share of each hidden layer's outputs that a step drops"
            ),
            section.number(
                "label_smoothing",
                default: 0,
                in: 0...0.99,
                doc: "share of a class target that is spread evenly over the classes"
            ),
            section.numbers(
                "class_weights",
                in: 0...1e6,
                doc: "what a row's loss counts by its class, one number a class; empty is 1 each"
            ),
            section.optionalNumber(
                "clip_norm",
                in: 1e-9...1e9,
                doc: "greatest norm of all slopes together; longer ones are shortened"
            )
        )
    }

    private static func ending(_ section: inout SettingsSection) -> (
        lossBelow: Double?, earlyStopping: Int, validation: Double, calibration: Calibration
    ) {
        (
            section.optionalNumber(
                "loss_below",
                in: 0...1e9,
                doc: "training ends when an epoch's mean loss falls below this"
            ),
            section.integer(
                "early_stopping",
                default: 0,
                in: 0...100_000,
                doc: "epochs without a better validation loss that end training; 0 runs all epochs"
            ),
            section.number(
                "validation",
                default: 0.1,
                in: 0.01...0.5,
                doc: "share of the training rows that early stopping is judged by"
            ),
            section.choice(
                "calibration",
                default: Calibration.temperature,
                doc: "how probabilities are calibrated on the hold-out: temperature or none"
            )
        )
    }
}

extension DataSettings {
    init(_ section: inout SettingsSection) {
        format = section.choice("format", default: Format.idx, doc: "idx or csv, plain or .gz")
        policy = DataPolicySettings(&section)
        train = SourceSettings(&section, "train", format, doc: "files that are fitted")
        let test = SourceSettings(&section, "test", format, doc: "files of the hold-out")
        self.test = test.features.isEmpty ? nil : test
        let golden = SourceSettings(
            &section,
            "golden",
            format,
            doc: "files of rows that never change, for the gate; empty for none"
        )
        self.golden = golden.features.isEmpty ? nil : golden
        holdout = section.number(
            "holdout",
            default: 0.2,
            in: 0.01...0.9,
            doc: "share of train that is held out when there is no test"
        )
        delimiter = section.string(
            "delimiter",
            default: ",",
            doc: "character between the fields of a csv file"
        )
        if delimiter.utf8.count != 1 || delimiter == "\"" {
            section.report("expected one ASCII character other than a quote", key: "delimiter")
        }
        if section.isPresent && train.features.isEmpty {
            section.report("is required: at least one URL", key: "train")
        }
        section.finish()
    }
}

extension SourceSettings {
    /// Reads `{features: […], labels: […]}`, or for CSV also a plain list of mirrors.
    fileprivate init(
        _ section: inout SettingsSection,
        _ key: String,
        _ format: DataSettings.Format,
        doc: String
    ) {
        if section.isPlain(key) {
            features = section.mirrors(key, doc: doc)
            labels = []
        } else {
            var part = section.section(key, doc: doc)
            features = part.mirrors(
                "features",
                doc: "mirrors of the images, or of the csv rows: URLs or {url, sha256}"
            )
            labels = part.mirrors("labels", doc: "mirrors of the labels (idx)")
            part.finish()
        }
        if format == .idx && !features.isEmpty && labels.isEmpty {
            section.report("idx features need labels beside them", key: key)
        }
    }
}

extension RetrainSettings {
    init(_ section: inout SettingsSection) {
        schedule = section.optionalString(
            "schedule",
            doc: "cron expression (0 3 * * *) or interval (30m, 6h, 1d); empty for never"
        )
        if let schedule {
            do {
                _ = try RetrainingSchedule(schedule)
            } catch {
                section.report(error.reason, key: "schedule")
            }
        }
        jitterSecondsMax = section.integer(
            "jitter_seconds_max",
            default: 0,
            in: 0...86_400,
            doc: "most seconds of random delay added to a scheduled start"
        )
        onDrift = section.flag("on_drift", default: false, doc: "a drift alarm starts a retrain")
        driftCooldownSeconds = section.integer(
            "drift_cooldown_seconds",
            default: 3600,
            in: 0...31_536_000,
            doc: "seconds between two retrains started by drift or feedback"
        )
        margin = section.number(
            "margin",
            default: 0.01,
            in: 0...1,
            doc: "how much worse than the champion a candidate may score; of errors, a share"
        )
        secondsMax = section.integer(
            "seconds_max",
            default: 21_600,
            in: 1...604_800,
            doc: "seconds after which a run is ended"
        )
        keep = section.integer(
            "keep",
            default: 10,
            in: 1...10_000,
            doc: "versions kept on disk besides the current one"
        )
        run = RunSettings(&section)
        section.finish()
    }
}
