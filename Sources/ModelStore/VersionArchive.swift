internal import Digest
internal import Files
package import FoundationEssentials

/// A version as one file: what `leeway models export --layout version` writes and
/// `leeway models import` reads.
package struct VersionArchive: Sendable {
    private let manifest: Manifest
    private let digest: String
    private let files: [String: [UInt8]]

    /// Reads a version that passes every check.
    ///
    /// - Parameters:
    ///   - version: The version.
    ///   - directory: Where it is.
    /// - Throws: ``StoreError``.
    package init(_ version: Int, in directory: ModelDirectory) throws(StoreError) {
        let digest = try directory.manifestDigest(of: version)
        let bundle = try ModelBundle.load(
            from: directory,
            version: version,
            manifestSHA256: digest
        )
        _ = try ActiveModel(bundle)
        var files: [String: [UInt8]] = [:]
        for name in [ModelBundle.manifestName] + bundle.manifest.files.keys {
            files[name] = try inStore { () throws(FileError) in
                try WholeFile.read(
                    "\(directory.folder(of: version))/\(name)",
                    bytesMax: ModelBundle.weightBytesMax
                )
            }
        }
        (manifest, self.digest, self.files) = (bundle.manifest, digest, files)
        try check(path: "version \(version)")
    }

    /// The tar file's bytes.
    ///
    /// - Throws: ``StoreError/malformed(path:reason:)``.
    package func encoded() throws(StoreError) -> [UInt8] {
        let names = files.keys.sorted()
        let entries = names.map { TarFile.Entry(name: $0, bytes: files[$0] ?? []) }
        do {
            return try TarFile(entries: entries).encoded(
                folder: "\(manifest.model)-\(manifest.version)",
                unixSeconds: Int(min(max(manifest.created.timeIntervalSince1970, 0), 1e12))
            )
        } catch {
            throw .malformed(path: "version \(manifest.version)", reason: "\(error)")
        }
    }

    /// Reads a tar file's bytes, and checks each file in it against the manifest.
    ///
    /// - Parameters:
    ///   - bytes: The tar file.
    ///   - path: Its name, for errors.
    /// - Throws: ``StoreError``.
    package init(decoding bytes: [UInt8], path: String) throws(StoreError) {
        let tar: TarFile
        do {
            tar = try TarFile(decoding: bytes)
        } catch {
            throw .malformed(path: path, reason: "\(error)")
        }
        files = Dictionary(uniqueKeysWithValues: tar.entries.map { ($0.name, $0.bytes) })
        guard let text = files[ModelBundle.manifestName] else {
            throw .malformed(path: path, reason: "\(ModelBundle.manifestName) is missing")
        }
        guard text.count <= ModelBundle.textBytesMax else {
            throw .malformed(path: path, reason: "its manifest is too large")
        }
        manifest = try StoreJSON.decode(Manifest.self, from: text, path: path)
        digest = try sha256(of: text, path: path)
        guard manifest.format == Manifest.currentFormat else {
            throw .malformed(path: path, reason: "format \(manifest.format) is not known here")
        }
        try check(path: path)
    }

    /// Each file is the one that the manifest names, and there is no other.
    private func check(path: String) throws(StoreError) {
        let named = Set(manifest.files.keys).union([ModelBundle.manifestName])
        for name in Set(files.keys).symmetricDifference(named).sorted() {
            let problem = named.contains(name) ? "is missing" : "is not in the manifest"
            throw .malformed(path: path, reason: "\(name) \(problem)")
        }
        for (name, facts) in manifest.files.sorted(by: { $0.key < $1.key }) {
            let found = try sha256(of: files[name] ?? [], path: "\(path): \(name)")
            guard found == facts.sha256 else {
                throw .digestMismatch(
                    path: "\(path): \(name)",
                    expected: facts.sha256,
                    found: found
                )
            }
        }
    }

    /// Puts the version into a store under the next free number; the current one stays current.
    ///
    /// The caller holds the lock of `lockForRetraining()`.
    ///
    /// - Parameters:
    ///   - directory: The store of the model that the version is of.
    ///   - actor: Who asks, for the journal.
    ///   - now: The time.
    /// - Returns: The version's number there.
    /// - Throws: ``StoreError``; nothing has changed then.
    package func add(
        to directory: ModelDirectory,
        actor: String,
        now: Date
    ) throws(StoreError) -> Int {
        guard manifest.model == directory.model else {
            throw .malformed(
                path: "manifest",
                reason: "it is a version of \(manifest.model), not of \(directory.model)"
            )
        }
        try directory.recover(now: now)
        let version = try directory.nextVersion()
        var renumbered = manifest
        renumbered.version = version
        var files = files
        do {
            files[ModelBundle.manifestName] = try StoreJSON.encode(renumbered, pretty: true)
        } catch {
            throw .malformed(path: "manifest", reason: "\(error)")
        }
        try directory.add(files, as: version, now: now)
        try directory.record(
            JournalEntry(
                time: now,
                event: .imported,
                version: version,
                previous: try? directory.current()?.version,
                actor: actor,
                reason: "was version \(manifest.version), manifest \(digest)",
                digest: try directory.manifestDigest(of: version)
            )
        )
        return version
    }
}

extension ModelDirectory {
    /// Writes a version beside the others, checks it there as a server would, and only then gives
    /// it its place.
    fileprivate func add(
        _ files: [String: [UInt8]],
        as version: Int,
        now: Date
    ) throws(StoreError) {
        let stamp = now.timeIntervalSince1970
        let place = "\(path)/import\(WholeFile.temporaryInfix)\(stamp)"
        let trial = ModelDirectory(state: place, model: model)
        defer { try? Folder.remove(place) }
        try inStore { () throws(FileError) in
            try Folder.make(trial.folder(of: version))
            for (name, bytes) in files.sorted(by: { $0.key < $1.key }) {
                try WholeFile.create("\(trial.folder(of: version))/\(name)", bytes)
            }
            try Folder.synchronise(trial.folder(of: version))
        }
        _ = try ActiveModel(
            ModelBundle.load(
                from: trial,
                version: version,
                manifestSHA256: trial.manifestDigest(of: version)
            )
        )
        try inStore { () throws(FileError) in
            try Folder.rename(trial.folder(of: version), to: folder(of: version))
            try Folder.synchronise("\(path)/versions")
        }
    }
}
