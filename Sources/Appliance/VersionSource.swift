internal import Compression
internal import Files
internal import FoundationEssentials
internal import ModelStore

/// A whole version in one file, as `leeway models export --layout version` writes it.
package struct VersionSource: Sendable {
    private let path: String
    private let bytes: [UInt8]

    /// Reads a file where it is a tar file, packed or not; nil where it is something else.
    ///
    /// - Parameter path: The file.
    /// - Throws: `FileError`, `CompressionError`.
    package init?(_ path: String) throws {
        self.path = path
        guard Self.isArchive(path) else { return nil }
        let raw = try WholeFile.read(path, bytesMax: ModelBundle.weightBytesMax)
        bytes =
            Gzip.isGzip(raw.span)
            ? try Gzip.decompress(raw, outputBytesMax: ModelBundle.weightBytesMax) : raw
    }

    /// Whether a name asks for compression.
    static func isCompressed(_ path: String) -> Bool {
        path.hasSuffix(".gz") || path.hasSuffix(".tgz")
    }

    /// Whether a name is that of a tar file.
    static func isArchive(_ path: String) -> Bool {
        path.hasSuffix(".tar") || isCompressed(path)
    }

    private struct Report: Encodable {
        let model: String
        let version: Int
        let current: Bool
    }

    /// Adds the version to a store, and makes it current where that is wanted.
    func add(to directory: ModelDirectory, promotes: Bool, json: Bool) throws -> String {
        let archive = try VersionArchive(decoding: bytes, path: path)
        let lock = try directory.lockForRetraining()
        defer { extendLifetime(lock) }
        let actor = ProcessEnvironment.userName()
        let version = try archive.add(to: directory, actor: actor, now: ModelsJob.now)
        if promotes {
            try directory.promote(
                version,
                actor: actor,
                reason: "imported from \(path)",
                now: ModelsJob.now
            )
        }
        let report = Report(model: directory.model, version: version, current: promotes)
        if json { return String(decoding: try StoreJSON.encode(report), as: UTF8.self) }
        return "model \(directory.model): imported as version \(version)"
            + (promotes ? ", which is current" : ": leeway models promote makes it current")
    }
}
