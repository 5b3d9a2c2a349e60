internal import Digest
package import Features
package import ModelStore
package import NeuralNetwork
package import Transfer

/// All that a retrain of one model needs to know; its shape-giving parts have a digest.
package struct RetrainingPlan: Sendable {
    /// The model's name.
    package var model: String
    /// What its outputs mean.
    package var task: ModelTask
    /// Class labels in the order of the class index; empty takes them from the data.
    package var labels: [String]
    /// What a valid input is.
    package var input: Input
    /// The widths of the hidden layers.
    package var hidden: [Int]
    /// The activation after each hidden layer.
    package var activation: Activation
    /// How the network is fitted.
    package var training: TrainingSettings
    /// Whether a classifier's probabilities are calibrated on the hold-out.
    package var calibrates: Bool
    /// The share of the training rows that early stopping is judged by; nil without it.
    package var validation: Double?
    /// Whether training begins with the champion's weights where they fit.
    package var warmStart: Bool
    /// Threads that share each step; nil for as many as the work is worth.
    package var threads: Int?
    /// How many threads can run at a time.
    package var cores: Int
    /// The rows that are fitted.
    package var train: Source
    /// The rows of the hold-out; nil takes a share of `train`.
    package var test: Source?
    /// Rows that never change and that the gate looks at, too; nil for none.
    package var golden: Source?
    /// The share of `train` that is held out when there is no `test`.
    package var holdout: Double
    /// How much worse than the champion a candidate may score.
    package var margin: Double
    /// What else a candidate has to show.
    package var gate: GateRules
    /// How a candidate that has shown it comes to the clients.
    package var release: Release
    /// Which versions stay on the disk.
    package var retention: Retention
    /// Largest file after decompression, in bytes.
    package var decompressedBytesMax: Int
    /// What is done with the data.
    package var data: DataPolicy
    /// A table's column with each row's time, which is no input: the drift reference then depends
    /// on the hour of the week; nil without one.
    package var seasonColumn: String?

    /// Versions kept besides the current one.
    package var keep: Int {
        get { retention.keep }
        set { retention.keep = newValue }
    }

    /// How a candidate comes to the clients.
    package enum Release: Sendable, Equatable {
        /// It is served at once.
        case immediate
        /// It begins in this stage, unless there is no version to stand beside.
        case staged(StagedRelease.Stage)
    }

    /// Images, or tables.
    package enum Input: Sendable {
        /// Images of a shape, in IDX files; pixels are divided by the scale.
        case image(shape: [Int], scale: Float, strict: Bool)
        /// Rows of CSV files.
        case table(TableDeclaration, delimiter: UInt8)
    }

    /// The files of one set of rows, each with its mirrors in order.
    package struct Source: Sendable {
        /// Images, or whole rows.
        package var features: [Mirror]
        /// Labels of images; empty for tables.
        package var labels: [Mirror]

        /// Names the files.
        package init(features: [Mirror], labels: [Mirror]) {
            self.features = features
            self.labels = labels
        }
    }

    /// One place where a file can be had.
    package struct Mirror: Sendable, Equatable {
        /// The URL.
        package var url: String
        /// SHA-256 of the decompressed bytes in hexadecimal; nil accepts any.
        package var sha256: String?
        /// What the place wants besides the URL.
        package var access: SourceAccess

        /// Names a place.
        package init(url: String, sha256: String?, access: SourceAccess = SourceAccess()) {
            self.url = url
            self.sha256 = sha256
            self.access = access
        }
    }

    /// Takes all parts.
    package init(
        model: String,
        task: ModelTask,
        labels: [String],
        input: Input,
        hidden: [Int],
        activation: Activation,
        training: TrainingSettings,
        calibrates: Bool = true,
        validation: Double? = nil,
        warmStart: Bool = false,
        threads: Int? = 1,
        cores: Int = 1,
        train: Source,
        test: Source?,
        golden: Source? = nil,
        holdout: Double,
        margin: Double,
        gate: GateRules = GateRules(),
        release: Release = .immediate,
        retention: Retention,
        decompressedBytesMax: Int,
        data: DataPolicy = DataPolicy(),
        seasonColumn: String? = nil
    ) {
        self.model = model
        self.task = task
        self.labels = labels
        self.input = input
        self.hidden = hidden
        self.activation = activation
        self.training = training
        self.calibrates = calibrates
        self.validation = validation
        self.warmStart = warmStart
        self.threads = threads
        self.cores = cores
        self.train = train
        self.test = test
        self.golden = golden
        self.holdout = holdout
        self.margin = margin
        self.gate = gate
        self.release = release
        self.retention = retention
        self.decompressedBytesMax = decompressedBytesMax
        self.data = data
        self.seasonColumn = seasonColumn
    }

    /// The SHA-256 of the settings that shape the model: with the same sources, the same digest
    /// gives the same model.
    package func settingsDigest() throws -> String {
        try SHA256Digest.of(StoreJSON.encode(Shape(self))).hex
    }

    /// The settings that shape the model by name, each as JSON, so that people can compare them.
    package func recipe() throws -> [String: String] {
        let bytes = try StoreJSON.encode(Shape(self))
        let values = try StoreJSON.decode([String: JSONText].self, from: bytes, path: "settings")
        return values.mapValues(\.text)
    }

    private struct Shape: Encodable {
        let task: ModelTask
        let labels: [String]
        let input: String
        let hidden: [Int]
        let activation: String
        let training: TrainingSettings
        let holdout: Double?
        let validation: Double?
        let warmStart: Bool?
        let calibration: String?
        let season: String?

        init(_ plan: RetrainingPlan) {
            task = plan.task
            labels = plan.labels
            input = "\(plan.input)"
            hidden = plan.hidden
            activation = plan.activation.rawValue
            training = plan.training
            holdout = plan.test == nil ? plan.holdout : nil
            validation = plan.validation
            warmStart = plan.warmStart ? true : nil
            calibration = plan.calibrates ? nil : "none"
            season = plan.seasonColumn
        }
    }
}

/// Any JSON value, kept as its text.
private struct JSONText: Decodable {
    let text: String

    init(from decoder: any Decoder) throws {
        if let list = try? [JSONText](from: decoder) {
            text = "[" + list.map(\.text).joined(separator: ",") + "]"
        } else if let object = try? [String: JSONText](from: decoder) {
            let members = object.sorted { $0.key < $1.key }.map { "\($0.key): \($0.value.text)" }
            text = "{" + members.joined(separator: ", ") + "}"
        } else {
            let container = try decoder.singleValueContainer()
            if let flag = try? container.decode(Bool.self) {
                text = "\(flag)"
            } else if let whole = try? container.decode(Int64.self) {
                text = "\(whole)"
            } else if let number = try? container.decode(Double.self) {
                text = "\(number)"
            } else if let word = try? container.decode(String.self) {
                text = word
            } else {
                text = "null"
            }
        }
    }
}
