package import Features
package import FoundationEssentials
package import NeuralNetwork

/// What a model's outputs mean.
package enum ModelTask: String, Codable, Sendable {
    /// One of several classes, by softmax.
    case classification
    /// One of two classes, by a single logit.
    case binary
    /// A number.
    case regression
}

/// `manifest.json`: what a version is, where it came from, and the digest of each of its files.
package struct Manifest: Codable, Sendable, Equatable {
    /// The layout of a version's folder; this build reads 1.
    package var format: Int
    /// The model's name.
    package var model: String
    /// The version, from 1.
    package var version: Int
    /// When it was made.
    package var created: Date
    /// What its outputs mean.
    package var task: ModelTask
    /// Class labels in the order of the class index; empty for a regression.
    package var labels: [String]
    /// What a valid input is, with the scaling fitted on the training rows.
    package var schema: FeatureSchema
    /// Where its rows came from.
    package var data: Provenance
    /// How it was fitted, and how it scored.
    package var training: TrainingSummary
    /// How well its probabilities agree with the truth, and what makes them; nil for a regression
    /// and for versions of builds that did not calibrate.
    package var calibration: Calibration?
    /// Each other file of the folder: its length and SHA-256.
    package var files: [String: FileFacts]

    /// The layout that this build writes and reads.
    package static let currentFormat = 1

    /// The length and digest of a file.
    package struct FileFacts: Codable, Sendable, Equatable {
        /// Bytes.
        package var bytes: Int
        /// SHA-256 in lower-case hexadecimal.
        package var sha256: String
    }

    /// Where the rows came from.
    package struct Provenance: Codable, Sendable, Equatable {
        /// The SHA-256 of each decompressed source file, by its role (`train.features`, …), and of
        /// the file that weights were imported from (`weights`).
        package var sources: [String: String]
        /// The SHA-256 of the settings that shape the model.
        package var settings: String
        /// Rows that were fitted.
        package var trainRows: Int
        /// Rows of the hold-out.
        package var holdoutRows: Int
        /// The fitted rows in numbers, which the next run compares its own with; nil in versions
        /// of builds that did not.
        package var facts: DataFacts?
        /// The settings by name, for people; ``settings`` decides.
        package var recipe: [String: String]?
        /// The version whose weights the fit began with; nil for random ones.
        package var startedFrom: Int?
        /// The instruction set that the weights were computed with.
        package var kernels: String?

        /// Takes note of the sources.
        package init(sources: [String: String], settings: String, trainRows: Int, holdoutRows: Int)
        {
            self.sources = sources
            self.settings = settings
            self.trainRows = trainRows
            self.holdoutRows = holdoutRows
        }

        private enum CodingKeys: String, CodingKey {
            case sources, settings, trainRows, holdoutRows, facts, recipe, kernels
            case startedFrom = "started_from"
        }

        /// Whether the other came from the same data by the same settings.
        package func isSameOrigin(as other: Provenance) -> Bool {
            sources == other.sources && settings == other.settings
        }
    }

    /// How a version was fitted, and how it scored.
    package struct TrainingSummary: Codable, Sendable, Equatable {
        /// Why the run was started: `manual`, `schedule`, `drift`, `bootstrap`,
        /// `import`.
        package var trigger: String
        /// Wall-clock seconds of fitting.
        package var seconds: Double
        /// Passes over the training rows.
        package var epochs: Int
        /// The seed.
        package var seed: UInt64
        /// The scores on the hold-out.
        package var scores: Scores

        /// Takes note of a run.
        package init(trigger: String, seconds: Double, epochs: Int, seed: UInt64, scores: Scores) {
            self.trigger = trigger
            self.seconds = seconds
            self.epochs = epochs
            self.seed = seed
            self.scores = scores
        }
    }

    /// The temperature of a version, and its figures on the hold-out.
    package struct Calibration: Codable, Sendable, Equatable {
        /// What logits are divided by before they become probabilities; nil where they are not.
        package var temperature: Float?
        /// Rows of the hold-out that were looked at.
        package var rows: Int
        /// The figures without a temperature.
        package var before: CalibrationFigures
        /// The figures with one, on rows that it was not fitted to; nil where none was fitted.
        package var after: CalibrationFigures?

        /// Takes note of a calibration.
        package init(
            temperature: Float?,
            rows: Int,
            before: CalibrationFigures,
            after: CalibrationFigures?
        ) {
            self.temperature = temperature
            self.rows = rows
            self.before = before
            self.after = after
        }
    }

    enum CodingKeys: String, CodingKey {
        case format, model, version, created, task, labels, schema, data, training, calibration
        case files
    }
}

extension Manifest {
    /// Reads a version's manifest; the version's other files are not looked at.
    ///
    /// - Parameters:
    ///   - directory: The model's folder.
    ///   - version: The version.
    /// - Returns: The manifest.
    /// - Throws: ``StoreError``.
    package static func read(from directory: ModelDirectory, version: Int) throws(StoreError)
        -> Manifest
    {
        try readWithDigest(from: directory, version: version).manifest
    }

    static func readWithDigest(from directory: ModelDirectory, version: Int) throws(StoreError)
        -> (manifest: Manifest, digest: String)
    {
        let path = "\(directory.folder(of: version))/\(ModelBundle.manifestName)"
        let (bytes, digest) = try directory.manifestBytes(of: version)
        let manifest = try StoreJSON.decode(Manifest.self, from: bytes, path: path)
        guard manifest.format == currentFormat else {
            throw .malformed(
                path: path,
                reason: "format \(manifest.format) is not \(currentFormat), which this build reads"
            )
        }
        guard manifest.model == directory.model, manifest.version == version else {
            throw .malformed(
                path: path,
                reason: "it belongs to \(manifest.model) version \(manifest.version)"
            )
        }
        return (manifest, digest)
    }
}

/// How well a network answers a set of rows that it was not fitted to.
package struct Scores: Codable, Sendable, Equatable {
    /// Rows scored.
    package var rows: Int
    /// Mean loss a row.
    package var loss: Double
    /// Share of rows whose class is right; nil for a regression.
    package var accuracy: Double?
    /// Mean absolute error; nil for a classification.
    package var meanAbsoluteError: Double?

    /// Takes note of scores.
    package init(rows: Int, loss: Double, accuracy: Double?, meanAbsoluteError: Double?) {
        self.rows = rows
        self.loss = loss
        self.accuracy = accuracy
        self.meanAbsoluteError = meanAbsoluteError
    }

    enum CodingKeys: String, CodingKey {
        case rows, loss, accuracy
        case meanAbsoluteError = "mean_absolute_error"
    }
}

/// JSON as the store writes it: sorted keys, so that equal values are equal bytes.
package enum StoreJSON {
    /// Writes a value, indented for people when `pretty`.
    ///
    /// - Throws: What the value's own encoding throws.
    package static func encode(_ value: some Encodable, pretty: Bool = false) throws -> [UInt8] {
        let encoder = JSONEncoder()
        encoder.dateEncodingStrategy = .iso8601
        encoder.keyEncodingStrategy = .useDefaultKeys
        encoder.outputFormatting =
            pretty
            ? [.sortedKeys, .prettyPrinted, .withoutEscapingSlashes]
            : [.sortedKeys, .withoutEscapingSlashes]
        return Array(try encoder.encode(value))
    }

    /// Reads a value.
    ///
    /// - Parameters:
    ///   - type: What to read.
    ///   - bytes: JSON.
    ///   - path: The file's name for the error.
    /// - Returns: The value.
    /// - Throws: ``StoreError/malformed(path:reason:)``.
    package static func decode<Value: Decodable>(
        _ type: Value.Type,
        from bytes: [UInt8],
        path: String
    ) throws(StoreError) -> Value {
        let decoder = JSONDecoder()
        decoder.dateDecodingStrategy = .iso8601
        do {
            return try decoder.decode(type, from: Data(bytes))
        } catch {
            throw .malformed(path: path, reason: "not as written by leeway: \(error)")
        }
    }
}
