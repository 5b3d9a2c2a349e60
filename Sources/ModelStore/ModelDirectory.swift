internal import Digest
package import Files
internal import Glibc

/// The folder of one model: immutable versions, one pointer to the current one, a journal.
///
///     models/<name>/versions/<n>/{manifest.json, model.safetensors, …}
///     models/<name>/current          "3 <sha256 of the manifest>\n", replaced by rename
///     models/<name>/journal.jsonl    who, why, digests, scores, decision
///     models/<name>/lock             held by the process that retrains
///
/// A version is written under a temporary name, flushed, and renamed; the pointer is replaced
/// only then. A crash at any point leaves the old version current or the new one, never none.
package struct ModelDirectory: Sendable {
    /// The model's name.
    package let model: String
    /// The folder.
    package let path: String

    /// Names the folder below a state directory; nothing is made yet.
    package init(state: String, model: String) {
        self.model = model
        path = "\(state)/models/\(model)"
    }

    /// The folder of a version.
    package func folder(of version: Int) -> String { "\(path)/versions/\(version)" }

    /// The pointer's file.
    package var pointerPath: String { "\(path)/current" }

    private var versionsPath: String { "\(path)/versions" }
    var journal: AppendOnlyFile { AppendOnlyFile("\(path)/journal.jsonl") }

    /// Makes the folders where they are missing.
    ///
    /// - Throws: ``StoreError/file(_:)``.
    package func prepare() throws(StoreError) {
        try inStore { () throws(FileError) in try Folder.make(versionsPath) }
    }

    /// The versions on disk, oldest first.
    ///
    /// - Throws: ``StoreError/file(_:)``.
    package func versions() throws(StoreError) -> [Int] {
        do {
            return try Folder.list(versionsPath).compactMap(Self.versionNumber).sorted()
        } catch {
            if error.isMissing { return [] }
            throw .file(error)
        }
    }

    /// A version's folder name is its decimal number and nothing else.
    private static func versionNumber(_ name: String) -> Int? {
        Int(name).flatMap { $0 > 0 && String($0) == name ? $0 : nil }
    }

    /// Which version the pointer names.
    ///
    /// - Returns: The pointer; nil when no version was ever published.
    /// - Throws: ``StoreError/malformed(path:reason:)`` when its content is not a pointer.
    package func current() throws(StoreError) -> Pointer? {
        let bytes: [UInt8]
        do {
            bytes = try WholeFile.read(pointerPath, bytesMax: 256)
        } catch {
            if error.isMissing { return nil }
            throw .file(error)
        }
        guard let pointer = Pointer(String(decoding: bytes, as: UTF8.self)) else {
            throw .malformed(path: pointerPath, reason: "expected a version number and a SHA-256")
        }
        return pointer
    }

    /// The pointer's content: a version, and the digest of its manifest.
    package struct Pointer: Sendable, Equatable {
        /// The version.
        package let version: Int
        /// The SHA-256 of the version's `manifest.json`, in hexadecimal.
        package let manifestSHA256: String

        /// Names a version.
        package init(version: Int, manifestSHA256: String) {
            self.version = version
            self.manifestSHA256 = manifestSHA256
        }

        /// Reads the file's text.
        package init?(_ text: String) {
            let words = text.split(whereSeparator: \.isWhitespace)
            guard words.count == 2, let version = Int(words[0]), version > 0,
                words[1].utf8.count == 64, words[1].allSatisfy(\.isHexDigit)
            else { return nil }
            self.version = version
            manifestSHA256 = String(words[1])
        }

        /// The file's text.
        package var text: String { "\(version) \(manifestSHA256)\n" }
    }

    /// Points to a version: from here on every follower of the store takes it.
    ///
    /// - Throws: ``StoreError``; the old pointer then stands.
    package func point(to version: Int) throws(StoreError) {
        let pointer = Pointer(version: version, manifestSHA256: try manifestDigest(of: version))
        try inStore { () throws(FileError) in
            try WholeFile.replace(pointerPath, Array(pointer.text.utf8))
        }
    }

    /// The SHA-256 of a version's manifest, in hexadecimal.
    ///
    /// - Throws: ``StoreError/missingVersion(model:version:)``.
    package func manifestDigest(of version: Int) throws(StoreError) -> String {
        try manifestBytes(of: version).digest
    }

    /// The bytes of a version's manifest, and their SHA-256 in hexadecimal.
    func manifestBytes(of version: Int) throws(StoreError) -> (bytes: [UInt8], digest: String) {
        let path = "\(folder(of: version))/\(ModelBundle.manifestName)"
        let bytes: [UInt8]
        do {
            bytes = try WholeFile.read(path, bytesMax: ModelBundle.textBytesMax)
        } catch {
            if error.isMissing { throw .missingVersion(model: model, version: version) }
            throw .file(error)
        }
        return (bytes, try sha256(of: bytes, path: path))
    }

    /// Takes the lock of the process that retrains.
    ///
    /// - Returns: The lock, held until it goes away.
    /// - Throws: ``StoreError/locked(model:)`` when another process holds it.
    package func lockForRetraining() throws(StoreError) -> OpenFile {
        try prepare()
        do {
            let file = try OpenFile("\(path)/lock", flags: O_RDWR | O_CREAT, mode: 0o644)
            try file.lock(waiting: false)
            return file
        } catch {
            if case .locked = error { throw .locked(model: model) }
            throw .file(error)
        }
    }

    /// Adds a line to the journal.
    ///
    /// - Throws: ``StoreError/file(_:)``.
    package func record(_ entry: JournalEntry) throws(StoreError) {
        let line: [UInt8]
        do {
            line = try StoreJSON.encode(entry)
        } catch {
            throw .malformed(path: journal.path, reason: "\(error)")
        }
        try inStore { () throws(FileError) in try journal.append(line) }
    }

    /// The newest entries of the journal, oldest first; lines of a later build that cannot be read
    /// are left out.
    ///
    /// - Parameter count: The most that are wanted.
    /// - Returns: The entries.
    /// - Throws: ``StoreError/file(_:)``.
    package func history(newest count: Int = .max) throws(StoreError) -> [JournalEntry] {
        var entries: [JournalEntry] = []
        try visitJournal { entry in
            if entries.count < count { entries.append(entry) }
            return entries.count < count
        }
        return entries.reversed()
    }

    /// The newest entry of the journal that is like this.
    ///
    /// - Parameter isWanted: Whether an entry is.
    /// - Returns: Nil when there is none.
    /// - Throws: ``StoreError/file(_:)``.
    package func lastEntry(
        where isWanted: (JournalEntry) -> Bool
    ) throws(StoreError) -> JournalEntry? {
        var found: JournalEntry?
        try visitJournal { entry in
            if isWanted(entry) { found = entry }
            return found == nil
        }
        return found
    }

    /// Visits the journal, the newest entry first, one in memory at a time.
    ///
    /// - Parameter visit: Takes an entry; false ends the visits.
    /// - Returns: The number of lines that were passed over, since they could not be read.
    /// - Throws: ``StoreError/file(_:)``.
    @discardableResult
    func visitJournal(_ visit: (JournalEntry) -> Bool) throws(StoreError) -> Int {
        var unreadable = 0
        try inStore { () throws(FileError) in
            try journal.visitNewestFirst { line in
                do {
                    let bytes = Array(line)
                    let path = journal.path
                    return visit(try StoreJSON.decode(JournalEntry.self, from: bytes, path: path))
                } catch {
                    unreadable += 1
                    return true
                }
            }
        }
        return unreadable
    }
}

extension ModelDirectory {
    private var retrainStatePath: String { "\(path)/retrain-state" }

    /// What the supervisor of retrains has kept; nil when there is nothing.
    package func readRetrainState() -> [UInt8]? {
        try? WholeFile.read(retrainStatePath, bytesMax: 1 << 20)
    }

    /// Keeps what the supervisor of retrains has to know after a restart.
    ///
    /// - Throws: ``StoreError/file(_:)``.
    package func writeRetrainState(_ bytes: [UInt8]) throws(StoreError) {
        try prepare()
        try inStore { () throws(FileError) in try WholeFile.replace(retrainStatePath, bytes) }
    }

    private var releaseEvidencePath: String { "\(path)/release-evidence" }

    /// The saved evidence of labels for or against a version; nil when there is none.
    package func readReleaseEvidence() -> [UInt8]? {
        try? WholeFile.read(releaseEvidencePath, bytesMax: 1 << 20)
    }

    /// Keeps the evidence of labels for or against a version.
    ///
    /// - Throws: ``StoreError/file(_:)``.
    package func writeReleaseEvidence(_ bytes: [UInt8]) throws(StoreError) {
        try inStore { () throws(FileError) in try WholeFile.replace(releaseEvidencePath, bytes) }
    }

    /// What is kept of the last version that was taken back, as JSON.
    package var withdrawalPath: String { "\(path)/withdrawn.json" }

    /// Keeps what spoke against a version that was taken back, in the place of the one before.
    ///
    /// - Throws: ``StoreError/file(_:)``.
    package func writeWithdrawal(_ bytes: [UInt8]) throws(StoreError) {
        try inStore { () throws(FileError) in try WholeFile.replace(withdrawalPath, bytes) }
    }

    private var driftStatePath: String { "\(path)/drift-state" }

    /// The saved state of the drift monitor; nil when there is none.
    package func readDriftState() -> [UInt8]? {
        try? WholeFile.read(driftStatePath, bytesMax: 16 << 20)
    }

    /// Keeps the state of the drift monitor.
    ///
    /// - Throws: ``StoreError/file(_:)``.
    package func writeDriftState(_ bytes: [UInt8]) throws(StoreError) {
        try inStore { () throws(FileError) in try WholeFile.replace(driftStatePath, bytes) }
    }
}
