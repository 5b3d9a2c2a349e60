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
        optimizer = section.choice("optimizer", default: Optimizer.adam, doc: "adam or sgd")
        learningRate = section.number(
            "learning_rate",
            default: 0.001,
            in: 1e-9...100,
            doc: "step size"
        )
        momentum = section.number("momentum", default: 0, in: 0...0.9999, doc: "momentum of sgd")
        l2 = section.number("l2", default: 0, in: 0...10, doc: "L2 penalty on the weights")
        seed = section.integer(
            "seed",
            default: 1,
            in: 0...Int.max,
            doc: "seed of initialisation and shuffling"
        )
        lossBelow = section.optionalNumber(
            "loss_below",
            in: 0...1e9,
            doc: "training ends when an epoch's mean loss falls below this"
        )
        section.finish()
    }
}

extension DataSettings {
    init(_ section: inout SettingsSection) {
        format = section.choice("format", default: Format.idx, doc: "idx or csv, plain or .gz")
        _ = section.choice(
            "mode",
            default: Mode.snapshot,
            doc: "snapshot: the source is the whole current data"
        )
        train = SourceSettings(&section, "train", format, doc: "files that are fitted")
        let test = SourceSettings(&section, "test", format, doc: "files of the hold-out")
        self.test = test.features.isEmpty ? nil : test
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

    /// How a download relates to the ones before.
    enum Mode: String, CaseIterable {
        case snapshot
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

extension SettingsSection {
    /// A list whose items are URLs or `{url, sha256}`; a single URL counts as a list of one.
    fileprivate mutating func mirrors(_ key: String, doc: String) -> [MirrorSettings] {
        guard hasSections(key) else {
            return texts(key, doc: doc).map { url in
                check(url: url, sha256: nil, key: key)
                return MirrorSettings(url: url, sha256: nil)
            }
        }
        return sections(key, doc: doc).map { item in
            var item = item
            if let url = item.plainText {
                check(url: url, sha256: nil, key: key)
                return MirrorSettings(url: url, sha256: nil)
            }
            let url = item.string("url", required: true, doc: "where the file can be had")
            let sha256 = item.optionalString("sha256", doc: "SHA-256 of the decompressed bytes")
            item.finish()
            check(url: url, sha256: sha256, key: key)
            return MirrorSettings(url: url, sha256: sha256?.lowercased())
        }
    }

    private func check(url: String, sha256: String?, key: String) {
        if !url.hasPrefix("file:///") && !(url.hasPrefix("https://") && url.utf8.count > 8) {
            report("expected a file:// or https:// URL, found \(url)", key: key)
        }
        if let sha256, sha256.utf8.count != 64 || !sha256.allSatisfy(\.isHexDigit) {
            report("expected 64 hexadecimal digits, found \(sha256)", key: key)
        }
    }
}

extension RetrainSettings {
    init(_ section: inout SettingsSection) {
        schedule = section.optionalString(
            "schedule",
            doc: "cron expression in UTC (0 3 * * *) or interval (30m, 6h, 1d); empty for never"
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
            doc: "seconds between two retrains started by drift"
        )
        margin = section.number(
            "margin",
            default: 0.005,
            in: 0...1,
            doc: "how much worse than the champion a candidate may score"
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
        section.finish()
    }
}
