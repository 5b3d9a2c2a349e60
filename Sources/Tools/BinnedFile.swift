internal import Compression
internal import Digest
internal import Drift
internal import Features
internal import Files
internal import ModelStore
internal import NeuralNetwork

/// A file of past inputs, as a model version would have seen it in service.
struct BinnedFile: Sendable {
    /// The file.
    let path: String
    /// How many rows it has.
    let rowCount: Int
    private let rows: UnlabelledRows
    private let bundle: ModelBundle

    /// No file is larger, in bytes, packed or unpacked.
    static let bytesMax = 4 << 30

    /// Reads a file: IDX images or a delimited table, by the version's schema; gzip is unpacked.
    ///
    /// - Throws: ``DriftFileError`` naming the file.
    init(path: String, bundle: ModelBundle, options: DelimitedOptions) throws {
        self.path = path
        self.bundle = bundle
        do {
            var bytes = try WholeFile.read(path, bytesMax: Self.bytesMax)
            if Gzip.isGzip(bytes.span) {
                bytes = try Gzip.decompress(bytes, outputBytesMax: Self.bytesMax)
            }
            rows = try UnlabelledRows(
                bytes,
                schema: bundle.manifest.schema,
                options: options,
                timeColumn: bundle.reference.seasons?.column
            )
        } catch {
            throw DriftFileError(path: path, problem: "\(error)")
        }
        rowCount = rows.rowCount
        guard rowCount > 0 else { throw DriftFileError(path: path, problem: "it has no rows") }
        guard rowCount <= BatchTest.rowsMax else {
            let problem = "\(rowCount) rows, at most \(BatchTest.rowsMax) can be looked at"
            throw DriftFileError(path: path, problem: problem)
        }
    }

    /// The hour of the week of each row; empty when the reference does not depend on it, or the file
    /// does not tell.
    var hours: [UInt8] { rows.hours }

    /// Scores all rows in their order and gives each row's bins, one a stream of the reference;
    /// 255 where a stream has none.
    func eachRow(_ body: (Span<UInt8>) -> Void) {
        let schema = bundle.manifest.schema
        let network = bundle.network
        var binner = StreamBinner(profile: bundle.reference)
        var bins = [UInt8](repeating: 0, count: binner.streamCount)
        var raw = [Float](repeating: 0, count: schema.rawWidth)
        var inputs = [Float](repeating: 0, count: schema.encodedWidth)
        var scratch = InferenceScratch(for: network, rowsMax: 1)
        for row in 0..<rowCount {
            var target = raw.mutableSpan
            rows.raw(row: row, into: &target)
            var encoded = inputs.mutableSpan
            schema.encode(raw: raw.span, into: &encoded)
            network.forward(rows: inputs.span, rowCount: 1, scratch: &scratch)
            var room = bins.mutableSpan
            let scored = ScoredRows(
                raw: raw.span,
                logits: scratch.logits,
                probabilities: scratch.probabilities,
                hidden: scratch.lastHidden,
                logitScale: network.temperature?.reciprocal ?? 1,
                rowCount: 1
            )
            guard binner.bins(scored, into: &room) else { continue }
            body(bins.span)
        }
    }

    /// How many rows fell into each bin of each stream.
    func counts() -> [[UInt64]] {
        var counts = bundle.reference.streams.map { [UInt64](repeating: 0, count: $0.binCount) }
        eachRow { bins in
            for stream in counts.indices where Int(bins[stream]) < counts[stream].count {
                counts[stream][Int(bins[stream])] += 1
            }
        }
        return counts
    }
}

/// A file of past inputs cannot be used.
package struct DriftFileError: Error, CustomStringConvertible, Sendable {
    /// The file.
    package let path: String
    /// What is wrong with it.
    package let problem: String

    /// Both.
    package var description: String { "\(path): \(problem)" }
}

/// A version of a model that past inputs are compared with.
package struct DriftSubject: Sendable {
    /// The version with its reference.
    let bundle: ModelBundle
    private let options: DelimitedOptions

    /// Loads a version; nil takes the current one.
    ///
    /// - Parameters:
    ///   - state: The state directory.
    ///   - model: The model's name.
    ///   - version: The version.
    ///   - delimiter: What separates the fields of a table's files.
    /// - Throws: `StoreError`.
    package init(state: String, model: String, version: Int?, delimiter: String) throws {
        let directory = ModelDirectory(state: state, model: model)
        guard let chosen = try version ?? directory.current()?.version else {
            throw StoreError.empty(model: model)
        }
        bundle = try ModelBundle.load(
            from: directory,
            version: chosen,
            manifestSHA256: directory.manifestDigest(of: chosen)
        )
        options = DelimitedOptions(delimiter: delimiter.utf8.first ?? UInt8(ascii: ","))
    }

    /// Tests a file.
    ///
    /// - Parameters:
    ///   - path: The file.
    ///   - level: The chance of calling a file drifted that is not.
    ///   - tolerance: How far a stream may move, in total variation, and be no drift.
    /// - Returns: The report.
    /// - Throws: ``DriftFileError``, `DriftError`.
    package func check(_ path: String, level: Double, tolerance: Double) throws -> DriftCheck {
        let settings = try BatchTest.Settings(level: level, tolerance: tolerance)
        return try DriftCheck(self, path: path, settings: settings)
    }

    /// Finds the tolerance that would have kept files silent.
    ///
    /// - Parameters:
    ///   - paths: The files, the oldest first.
    ///   - tolerance: The configured tolerance.
    ///   - rareTolerance: The configured one of tails and bad data.
    ///   - falseAlarmInterval: The configured interval, in rows.
    /// - Returns: The report.
    /// - Throws: ``DriftFileError``, `DriftError`.
    package func calibrate(
        _ paths: [String],
        tolerance: Double,
        rareTolerance: Double = 0.01,
        falseAlarmInterval: Double
    ) throws -> DriftCalibration {
        try DriftCalibration(
            self,
            paths: paths,
            settings: DriftSettings(
                tolerance: tolerance,
                falseAlarmInterval: falseAlarmInterval,
                rareTolerance: rareTolerance
            )
        )
    }

    /// Reads a file of inputs of this model.
    ///
    /// - Throws: ``DriftFileError``.
    func file(_ path: String) throws -> BinnedFile {
        try BinnedFile(path: path, bundle: bundle, options: options)
    }
}
