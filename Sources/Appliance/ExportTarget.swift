internal import Files
internal import ModelStore
internal import NeuralNetwork

/// Where `leeway models export` writes the weights of a version, and how.
package struct ExportTarget: Sendable {
    private let path: String
    private let layout: WeightLayout
    private let overwrites: Bool

    /// Names the file.
    ///
    /// - Parameters:
    ///   - path: The file; its folder must be there.
    ///   - layout: `pytorch` for weights `[outputs, inputs]`, `keras` for kernels
    ///     `[inputs, outputs]`.
    ///   - overwrites: Whether a file that is there is replaced.
    /// - Throws: ``JobError/unknownLayout(_:)``.
    package init(path: String, layout: String, overwrites: Bool) throws(JobError) {
        guard let layout = WeightLayout(rawValue: layout) else { throw .unknownLayout(layout) }
        self.path = path
        self.layout = layout
        self.overwrites = overwrites
    }

    private struct Report: Encodable {
        let model: String
        let version: Int
        let file: String
        let layout: String
        let bytes: Int
    }

    /// Checks a version as a server does, and writes its weights whole or not at all.
    func write(_ version: Int, _ directory: ModelDirectory, json: Bool) throws -> String {
        let bundle = try ModelBundle.load(
            from: directory,
            version: version,
            manifestSHA256: directory.manifestDigest(of: version)
        )
        let bytes = try bundle.network.encoded(layout: layout)
        do throws(FileError) {
            try overwrites ? WholeFile.replace(path, bytes) : WholeFile.add(path, bytes)
        } catch {
            throw error.isPresent ? JobError.fileExists(path) : error
        }
        let report = Report(
            model: directory.model,
            version: version,
            file: path,
            layout: layout.rawValue,
            bytes: bytes.count
        )
        if json { return String(decoding: try StoreJSON.encode(report), as: UTF8.self) }
        return "model \(report.model): version \(version) written to \(path) as "
            + "<layer>.\(layout.suffix) \(layout.axes)"
    }
}
