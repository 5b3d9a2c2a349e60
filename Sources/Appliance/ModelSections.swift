internal import Retraining
internal import Serving

/// How one entry of `models` is read.
extension ModelSettings {
    init(_ section: inout SettingsSection) {
        name = section.string("name", required: true, doc: "name in URLs, labels and the store")
        isDefault = section.flag(
            "default",
            default: false,
            doc: "answers when a request names no model; the only model does so anyway"
        )
        task = section.choice(
            "task",
            default: Task.classification,
            doc: "classification, binary or regression"
        )
        labels = section.texts(
            "labels",
            doc: "class labels in the order of the class index; empty takes them from the data"
        )
        var part = section.section("input", doc: "what a valid input is")
        input = InputSettings(&part)
        part = section.section("network", doc: "the hidden layers")
        network = NetworkSettings(&part)
        part = section.section("training", doc: "how the model is fitted")
        training = TrainingChoices(&part)
        part = section.section("data", doc: "where the rows come from")
        data = DataSettings(&part)
        part = section.section("retrain", doc: "when a retrain starts, and what lets it in")
        retrain = RetrainSettings(&part)
        release = section.choice(
            "release",
            default: Release.immediate,
            doc: "a candidate that passes the gate is served at once, or staged"
        )
        part = section.section("gate", doc: "what a candidate has to show before it is served")
        gate = GateRules(&part)
        part = section.section(
            "staged",
            doc: "how a candidate comes to the clients with release: staged"
        )
        staged = StagingSettings(&part)
        var watching = section.section("drift", doc: "how live inputs are watched")
        drift = DriftChoices(&watching)
        part = section.section("feedback", doc: "labels that come after the predictions")
        feedback = FeedbackSettings(&part)
        part = section.section("capture", doc: "labelled rows that are kept for a retraining")
        capture = CaptureSettings(&part)
        part = section.section("batching", doc: "who computes predictions: event loops or batcher")
        batching = BatchingChoices(&part)
        check(section)
        checkSeason(watching)
        section.finish()
    }

    private func check(_ section: SettingsSection) {
        let allowed = name.utf8.allSatisfy {
            ($0 | 0x20 >= 0x61 && $0 | 0x20 <= 0x7A) || ($0 >= 0x30 && $0 <= 0x39)
                || $0 == 0x2D || $0 == 0x5F || $0 == 0x2E
        }
        if section.isPresent && (!allowed || name.utf8.count > 64 || name.hasPrefix(".")) {
            section.report(
                "expected at most 64 letters, digits, '-', '_' or '.', not starting with '.'",
                key: "name"
            )
        }
        if task == .binary && !labels.isEmpty && labels.count != 2 {
            section.report("a binary task has two labels, found \(labels.count)", key: "labels")
        }
        if task == .regression && !labels.isEmpty {
            section.report("a regression has no labels", key: "labels")
        }
        if capture.enabled && !feedback.enabled {
            section.report("needs feedback.enabled", key: "capture")
        }
        if data.policy.usesFeedback && !capture.enabled {
            section.report("data.feedback needs capture.enabled", key: "data")
        }
        if Set(labels).count != labels.count {
            section.report("a label stands twice", key: "labels")
        }
        if section.isPresent && input.kind == .image && data.format == .csv {
            section.report("images come as idx files", key: "data")
        }
        if section.isPresent && input.kind == .table && data.format == .idx {
            section.report("tables come as csv files: set data.format: csv", key: "data")
        }
    }

    /// What `drift.season_column` cannot be; reported at its own place.
    private func checkSeason(_ section: SettingsSection) {
        guard let column = drift.seasonColumn else { return }
        func report(_ problem: String) { section.report(problem, key: "season_column") }
        if input.kind == .image {
            report("images have no column with their rows' time: only a table can have a season")
        } else if column == input.target {
            report("\(column) is the target (input.target): name a column with the rows' time")
        } else if input.columns.contains(where: { $0.name == column }) {
            report("\(column) is an input (input.columns): the rows' time cannot be one")
        }
    }
}

extension InputSettings {
    init(_ section: inout SettingsSection) {
        kind = section.choice("kind", default: Kind.image, doc: "image or table")
        shape = section.integers(
            "shape",
            default: [28, 28],
            in: 1...1_000_000,
            doc: "rows and columns of an image"
        )
        scale = section.number(
            "scale",
            default: 255,
            in: 1e-6...1e9,
            doc: "divisor that brings pixels to 0…1"
        )
        target = section.string("target", doc: "column to predict, of a table")
        strict = section.flag(
            "strict",
            default: false,
            doc: "refuse out-of-range numbers, missing values and unseen categories"
        )
        columns = section.sections(
            "columns",
            doc: "columns of a table; none infers them from the first download",
            documenting: !section.isPresent
        ).map { column in
            var column = column
            return ColumnSettings(&column)
        }
        let pixels = shape.reduce(1) { product, side in
            let (next, overflow) = product.multipliedReportingOverflow(by: side)
            return overflow ? Int.max : next
        }
        if kind == .image && (shape.isEmpty || pixels > 1_000_000) {
            section.report("expected sides whose product is in 1…1000000", key: "shape")
        }
        if kind == .table && target.isEmpty {
            section.report("is required for a table", key: "target")
        }
        if section.isPresent && Set(columns.map(\.name)).count != columns.count {
            section.report("a column stands twice", key: "columns")
        }
        section.finish()
    }
}

extension ColumnSettings {
    init(_ section: inout SettingsSection) {
        name = section.string(
            "name",
            required: section.isPresent,
            doc: "the column's name in the header and in requests"
        )
        type = section.choice("type", default: ColumnType.numeric, doc: "numeric or categorical")
        values = section.texts("values", doc: "categories; empty takes them from the training data")
        scaling = section.choice(
            "scaling",
            default: Scaling.standardise,
            doc: "of numbers: standardise, min_max or none"
        )
        missing = section.choice(
            "missing",
            default: Missing.mean,
            doc: "what a missing number becomes: mean (with an indicator), zero or refuse"
        )
        section.finish()
    }
}

extension NetworkSettings {
    init(_ section: inout SettingsSection) {
        hidden = section.integers(
            "hidden",
            default: [64],
            in: 1...100_000,
            doc: "widths of the hidden layers"
        )
        activation = section.choice(
            "activation",
            default: Activation.relu,
            doc: "identity, relu, leaky_relu, tanh, sigmoid or gelu"
        )
        if hidden.count > 64 {
            section.report("expected at most 64 layers, found \(hidden.count)", key: "hidden")
        }
        section.finish()
    }
}

extension DriftChoices {
    init(_ section: inout SettingsSection) {
        enabled = section.flag("enabled", default: true, doc: "whether live inputs are watched")
        tolerance = section.number(
            "tolerance",
            default: 0.05,
            in: 0...0.9,
            doc: "total-variation distance from the reference that is harmless, 0…1"
        )
        falseAlarmInterval = section.integer(
            "false_alarm_interval",
            default: 1_000_000,
            in: 100...1_000_000_000_000,
            doc: "watched rows between two false alarms, in the mean, at least"
        )
        errorTolerance = section.number(
            "error_tolerance",
            default: 0.02,
            in: 0...1,
            doc: "how much the share of wrong answers may rise above the hold-out's bound, 0…1"
        )
        rareTolerance = section.number(
            "rare_tolerance",
            default: 0.01,
            in: 0...0.9,
            doc: "the same for tails and bad data, where little is much; at most tolerance"
        )
        sampleEvery = section.integer(
            "sample_every",
            default: 1,
            in: 1...1_000_000,
            doc: "one request of so many is looked at, and one row of it"
        )
        rowsPerSecond = section.integer(
            "rows_per_second",
            default: 4000,
            in: 0...1_000_000,
            doc: "of more requests on one event loop about so many are looked at; 0 is no limit"
        )
        clientRowsPerSecond = section.integer(
            "client_rows_per_second",
            default: 0,
            in: 0...1_000_000,
            doc: "rows of one client address that are looked at, on one event loop; 0 is no limit"
        )
        seasonColumn = section.optionalString(
            "season_column",
            doc: "table column with each row's time, no input: reference by hour of the week (UTC)"
        ).flatMap { $0.isEmpty ? nil : $0 }
        section.finish()
    }
}

extension FeedbackSettings {
    init(_ section: inout SettingsSection) {
        enabled = section.flag(
            "enabled",
            default: true,
            doc: "recent predictions are remembered, so that POST /feedback finds them"
        )
        memoryBytesMax = section.integer(
            "memory_bytes_max",
            default: 8 << 20,
            in: 4096...(1 << 34),
            doc: "bytes of the remembered rows, shared out among the event loops"
        )
        section.finish()
    }
}

extension CaptureSettings {
    init(_ section: inout SettingsSection) {
        enabled = section.flag(
            "enabled",
            default: false,
            doc: "rows whose label came are written to capture/ in the state directory, mode 0600"
        )
        bytesMax = section.integer(
            "bytes_max",
            default: 256 << 20,
            in: 1024...(1 << 40),
            doc: "bytes of all files; the oldest go first"
        )
        days = section.integer(
            "days",
            default: 30,
            in: 1...3650,
            doc: "days after which a file is removed"
        )
        section.finish()
    }
}
