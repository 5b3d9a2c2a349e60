internal import Files
internal import FoundationEssentials
internal import Glibc

/// How a candidate comes to the clients step by step, and how a version is pinned.
///
/// Whatever changes the pointer, the stage or the pin holds the release lock for a moment. A line of
/// the journal decides; files that a crash left behind it are brought into line by
/// ``recover(now:)`` and ``settleRelease()``.
extension ModelDirectory {
    /// The file that names the candidate and its stage.
    package var stagedPath: String { "\(path)/staged" }
    /// The file that names the pinned version.
    package var pinnedPath: String { "\(path)/pinned" }

    /// Does something while no other process changes pointer, stage or pin.
    func withReleaseLock<Result>(
        _ body: () throws(StoreError) -> Result
    ) throws(StoreError) -> Result {
        try prepare()
        let file = try inStore { () throws(FileError) in
            let file = try OpenFile("\(path)/release-lock", flags: O_RDWR | O_CREAT, mode: 0o644)
            try file.lock(waiting: true)
            return file
        }
        let result = try body()
        // The lock is given back here and no earlier.
        extendLifetime(file)
        return result
    }

    /// The candidate and its stage.
    ///
    /// - Returns: Nil when there is none.
    /// - Throws: ``StoreError/malformed(path:reason:)`` when the file says nothing that is known.
    package func stagedRelease() throws(StoreError) -> StagedRelease? {
        let bytes: [UInt8]
        do {
            bytes = try WholeFile.read(stagedPath, bytesMax: 4096)
        } catch {
            if error.isMissing { return nil }
            throw .file(error)
        }
        return try StoreJSON.decode(StagedRelease.self, from: bytes, path: stagedPath)
    }

    func write(_ release: StagedRelease?) throws(StoreError) {
        guard let release else {
            guard Folder.exists(stagedPath) else { return }
            return try inStore { () throws(FileError) in
                try Folder.remove(stagedPath)
                try Folder.synchronise(path)
            }
        }
        let bytes: [UInt8]
        do {
            bytes = try StoreJSON.encode(release)
        } catch {
            throw .malformed(path: stagedPath, reason: "\(error)")
        }
        try inStore { () throws(FileError) in try WholeFile.replace(stagedPath, bytes) }
    }

    /// The versions that no retention may remove for the sake of a release: the candidate and the
    /// pinned one.
    package func heldVersions() -> Set<Int> {
        Set([(try? stagedRelease())?.version, pinnedVersion()].compactMap { $0 })
    }

    /// What each version is called, in words: `stable`, `shadow` or `canary`, `previous`, `pinned`.
    package func labels() -> [Int: [String]] {
        var labels: [Int: [String]] = [:]
        guard let stable = try? current()?.version else { return labels }
        labels[stable, default: []].append("stable")
        if let release = try? stagedRelease() {
            labels[release.version, default: []].append(release.stage.rawValue)
        }
        if let previous = try? versionBefore(stable) {
            labels[previous, default: []].append("previous")
        }
        if let pinned = pinnedVersion() { labels[pinned, default: []].append("pinned") }
        return labels
    }

    /// A version of the same origin that is on its way already, or that was taken back.
    ///
    /// To make it anew would make the same.
    ///
    /// - Parameter provenance: Sources and settings.
    /// - Returns: The version and what became of it, in words; nil when there is none.
    package func triedVersion(_ provenance: Manifest.Provenance) -> (version: Int, words: String)? {
        func isSame(_ version: Int?) -> Int? {
            guard let version, let manifest = try? Manifest.read(from: self, version: version),
                manifest.data.isSameOrigin(as: provenance)
            else { return nil }
            return version
        }
        if let version = isSame((try? stagedRelease())?.version) {
            return (version, "which is on its way already")
        }
        let back = try? lastEntry { $0.event == .rolledBack }
        return isSame(back?.previous).map { ($0, "which was taken back") }
    }

    // MARK: Steps

    /// Moves a candidate on to the next stage.
    ///
    /// - Parameters:
    ///   - release: The candidate and its stage as the caller knows them.
    ///   - stage: The next stage.
    ///   - note: For the journal.
    /// - Returns: The new state; nil when somebody else has changed it, or a version is pinned:
    ///   nothing has happened then.
    /// - Throws: ``StoreError``; after the journal's line the step is taken, now or at the next start.
    package func advance(
        _ release: StagedRelease,
        to stage: StagedRelease.Stage,
        _ note: ReleaseNote
    ) throws(StoreError) -> StagedRelease? {
        try withReleaseLock { () throws(StoreError) in
            guard try stagedRelease() == release, pinnedVersion() == nil else { return nil }
            let next = StagedRelease(
                version: release.version,
                digest: release.digest,
                stage: stage,
                since: note.time
            )
            try record(entry(.advanced, release.version, note, release.digest, stage: stage))
            try write(next)
            return next
        }
    }

    /// Makes a candidate the current version.
    ///
    /// - Returns: False when somebody else has changed the release, or a version is pinned.
    /// - Throws: ``StoreError``.
    package func complete(_ release: StagedRelease, _ note: ReleaseNote) throws(StoreError) -> Bool
    {
        try withReleaseLock { () throws(StoreError) in
            guard try stagedRelease() == release, pinnedVersion() == nil else { return false }
            try record(entry(.promoted, release.version, note, release.digest))
            try point(to: release.version)
            try write(nil)
            return true
        }
    }

    /// Takes a candidate out of the release; the current version stays, and so does the candidate's
    /// folder.
    ///
    /// - Returns: False when somebody else has changed the release.
    /// - Throws: ``StoreError``.
    package func withdraw(_ release: StagedRelease, _ note: ReleaseNote) throws(StoreError) -> Bool
    {
        try withReleaseLock { () throws(StoreError) in
            guard try stagedRelease() == release else { return false }
            try withdrawStaged(release, note)
            return true
        }
    }

    func withdrawStaged(_ release: StagedRelease, _ note: ReleaseNote) throws(StoreError) {
        guard let stable = try current() else { throw .empty(model: model) }
        var line = entry(.rolledBack, stable.version, note, stable.manifestSHA256)
        line.previous = release.version
        try record(line)
        try write(nil)
    }

    private func entry(
        _ event: JournalEntry.Event,
        _ version: Int,
        _ note: ReleaseNote,
        _ digest: String?,
        stage: StagedRelease.Stage? = nil
    ) -> JournalEntry {
        JournalEntry(
            time: note.time,
            event: event,
            version: version,
            previous: (try? current())?.version,
            actor: note.actor,
            reason: note.reason,
            digest: digest,
            stage: stage
        )
    }

    /// Brings the stage's file into line with the journal, whose last word on a release counts.
    ///
    /// A crash between the two leaves a file of a release that has ended, or none of one that has
    /// begun; where a release ended with a promotion, the pointer is set, too.
    ///
    /// - Throws: ``StoreError``.
    package func settleRelease() throws(StoreError) {
        try withReleaseLock { () throws(StoreError) in try settle() }
    }

    private func settle() throws(StoreError) {
        let events: Set<JournalEntry.Event> = [
            .published, .promoted, .rolledBack, .staged, .advanced,
        ]
        guard let last = try lastEntry(where: { events.contains($0.event) }) else {
            return try write(nil)
        }
        // What cannot be read is replaced by what the journal says.
        let found = try? stagedRelease()
        guard let stage = last.stage, [.staged, .advanced].contains(last.event),
            let digest = try? manifestDigest(of: last.version)
        else {
            if last.event == .promoted, found?.version == last.version,
                (try? current())?.version != last.version, try versions().contains(last.version)
            {
                try point(to: last.version)
            }
            return try write(nil)
        }
        guard found?.version != last.version || found?.stage != stage else { return }
        try write(
            StagedRelease(version: last.version, digest: digest, stage: stage, since: last.time)
        )
    }

    // MARK: The pin

    /// The version that automation must leave in its place; nil when it may go on.
    package func pinnedVersion() -> Int? {
        guard let bytes = try? WholeFile.read(pinnedPath, bytesMax: 64) else { return nil }
        let text = String(decoding: bytes, as: UTF8.self).filter { !$0.isWhitespace }
        return Int(text).flatMap { $0 > 0 ? $0 : nil }
    }

    /// Makes a version current if it is not, ends a release, and keeps it there: no retrain and no
    /// stage changes what is served until ``unpin(_:)``.
    ///
    /// - Parameters:
    ///   - version: The version; nil takes the current one.
    ///   - note: For the journal.
    /// - Returns: The pinned version.
    /// - Throws: ``StoreError``.
    package func pin(_ version: Int?, _ note: ReleaseNote) throws(StoreError) -> Int {
        let stands = try current()?.version
        guard let version = version ?? stands else { throw .empty(model: model) }
        // One that is current stays so; a candidate that is pinned becomes it.
        if version != stands {
            try unpinned()
            try promote(version, actor: note.actor, reason: note.reason, now: note.time)
        }
        try withReleaseLock { () throws(StoreError) in
            if let release = try? stagedRelease() { try withdrawStaged(release, note) }
            try record(entry(.pinned, version, note, manifestDigest(of: version)))
            try inStore { () throws(FileError) in
                try WholeFile.replace(pinnedPath, Array("\(version)\n".utf8))
            }
        }
        return version
    }

    /// Lets automation go on.
    ///
    /// - Returns: The version that was pinned; nil when none was.
    /// - Throws: ``StoreError``.
    @discardableResult
    package func unpin(_ note: ReleaseNote) throws(StoreError) -> Int? {
        try withReleaseLock { () throws(StoreError) in
            guard let version = pinnedVersion() else { return nil }
            try record(entry(.unpinned, version, note, nil))
            try inStore { () throws(FileError) in
                try Folder.remove(pinnedPath)
                try Folder.synchronise(path)
            }
            return version
        }
    }

    /// Refuses to go on while a version is pinned.
    ///
    /// - Throws: ``StoreError/pinned(model:version:)``.
    func unpinned() throws(StoreError) {
        if let version = pinnedVersion() { throw .pinned(model: model, version: version) }
    }
}

/// What is kept of a candidate that a gate refused.
extension ModelDirectory {
    /// The report of the last candidate that a gate refused, as JSON.
    package var refusalReportPath: String { "\(path)/refused.json" }
    /// The same as a page.
    package var refusalPagePath: String { "\(path)/refused.html" }

    /// Keeps the report of a candidate that a gate refused; it takes the place of the one before.
    ///
    /// - Throws: ``StoreError/file(_:)``.
    package func writeRefusal(report: [UInt8], page: [UInt8]) throws(StoreError) {
        try inStore { () throws(FileError) in
            try WholeFile.replace(refusalReportPath, report)
            try WholeFile.replace(refusalPagePath, page)
        }
    }
}
