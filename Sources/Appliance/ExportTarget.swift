internal import Compression
internal import Files
internal import ModelStore
internal import NeuralNetwork

/// Where `leeway models export` writes the weights of a version, and how.
package struct ExportTarget: Sendable {
    private let path: String
    /// Nil for the whole version.
    private let layout: WeightLayout?
    private let overwrites: Bool

    /// Names the file.
    ///
    /// - Parameters:
    ///   - path: The file; its folder must be there.
    ///   - layout: `pytorch` for weights `[outputs, inputs]`, `keras` for kernels
    ///     `[inputs, outputs]`, `version` for the whole version as a tar file.
    ///   - overwrites: Whether a file that is there is replaced.
    /// - Throws: ``JobError/unknownLayout(_:)``, ``JobError/archiveName(_:)``.
    package init(path: String, layout: String, overwrites: Bool) throws(JobError) {
        let weights = WeightLayout(rawValue: layout)
        guard weights != nil || layout == Self.versionLayout else { throw .unknownLayout(layout) }
        guard weights != nil || VersionSource.isArchive(path) else { throw .archiveName(path) }
        self.path = path
        self.layout = weights
        self.overwrites = overwrites
    }

    private static let versionLayout = "version"

    private struct Report: Encodable {
        let model: String
        let version: Int
        let file: String
        let layout: String
        let bytes: Int
    }

    /// Checks a version as a server does, and writes its weights whole or not at all.
    func write(_ version: Int, _ directory: ModelDirectory, json: Bool) throws -> String {
        let bytes = try bytes(version, directory)
        do throws(FileError) {
            try overwrites ? WholeFile.replace(path, bytes) : WholeFile.add(path, bytes)
        } catch {
            throw error.isPresent ? JobError.fileExists(path) : error
        }
        let report = Report(
            model: directory.model,
            version: version,
            file: path,
            layout: layout?.rawValue ?? Self.versionLayout,
            bytes: bytes.count
        )
        if json { return String(decoding: try StoreJSON.encode(report), as: UTF8.self) }
        let form = layout.map { "<layer>.\($0.suffix) \($0.axes)" } ?? "one tar file"
        return "model \(report.model): version \(version) written to \(path) as \(form)"
    }

    private func bytes(_ version: Int, _ directory: ModelDirectory) throws -> [UInt8] {
        guard let layout else {
            let bytes = try VersionArchive(version, in: directory).encoded()
            return VersionSource.isCompressed(path) ? try Gzip.compress(bytes) : bytes
        }
        let bundle = try ModelBundle.load(
            from: directory,
            version: version,
            manifestSHA256: directory.manifestDigest(of: version)
        )
        return try bundle.network.encoded(layout: layout)
    }
}
