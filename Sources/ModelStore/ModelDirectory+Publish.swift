internal import Digest
internal import Files
package import FoundationEssentials

/// How versions come, go live, and go.
extension ModelDirectory {
    /// Writes a new version and makes it current, or a candidate.
    ///
    /// The caller holds the lock of ``lockForRetraining()``. A candidate that was in a stage before
    /// is one no longer.
    ///
    /// - Parameters:
    ///   - draft: All of the version but its number and its files' digests.
    ///   - publication: What becomes of the version.
    ///   - entry: Makes the journal's line from the version, the one before, and the digest.
    /// - Returns: The version.
    /// - Throws: ``StoreError``; the version that was current before then still is.
    package func publish(
        _ draft: ModelBundle.Draft,
        as publication: Publication = .current,
        entry: (_ version: Int, _ previous: Int?, _ digest: String) -> JournalEntry
    ) throws(StoreError) -> Int {
        try recover(now: draft.created)
        // A broken pointer is no reason to refuse: the new one takes its place.
        let previous = try? current()?.version
        let version = try nextVersion()
        let temporary =
            "\(folder(of: version))\(WholeFile.temporaryInfix)\(draft.created.timeIntervalSince1970)"
        let files = try draft.files(version: version)
        try inStore { () throws(FileError) in
            do throws(FileError) {
                try Folder.make(temporary)
                for (name, bytes) in files.sorted(by: { $0.key < $1.key }) {
                    try WholeFile.create("\(temporary)/\(name)", bytes)
                }
                try Folder.synchronise(temporary)
                try Folder.rename(temporary, to: folder(of: version))
                try Folder.synchronise(Folder.parent(of: folder(of: version)))
            } catch {
                // The first error is the one to tell; what stays behind is swept later.
                try? Folder.remove(temporary)
                throw error
            }
        }
        let digest = try manifestDigest(of: version)
        try withReleaseLock { () throws(StoreError) in
            let line = entry(version, previous, digest)
            try record(line)
            switch publication {
            case .current:
                try point(to: version)
                try write(nil)
            case .staged(let stage):
                try write(
                    StagedRelease(
                        version: version,
                        digest: digest,
                        stage: stage,
                        since: line.time
                    )
                )
            case .held: break
            }
        }
        return version
    }

    /// Makes a version that is in the store the current one.
    ///
    /// - Parameters:
    ///   - version: The version; it is verified first.
    ///   - event: What the journal calls it.
    ///   - actor: Who asks.
    ///   - reason: Why.
    ///   - now: The time for the journal.
    /// - Returns: The version that was current before.
    /// - Throws: ``StoreError``; nothing has changed then.
    @discardableResult
    package func promote(
        _ version: Int,
        event: JournalEntry.Event = .promoted,
        actor: String,
        reason: String,
        now: Date
    ) throws(StoreError) -> Int? {
        let digest = try manifestDigest(of: version)
        _ = try ModelBundle.load(from: self, version: version, manifestSHA256: digest)
        return try withReleaseLock { () throws(StoreError) in
            try unpinned()
            return try promoteVerified(
                version,
                digest,
                event,
                ReleaseNote(actor: actor, reason: reason, time: now)
            )
        }
    }

    func promoteVerified(
        _ version: Int,
        _ digest: String,
        _ event: JournalEntry.Event,
        _ note: ReleaseNote
    ) throws(StoreError) -> Int? {
        // A broken pointer is no reason to refuse a promotion: it is what mends it.
        let previous = try? current()?.version
        try record(
            JournalEntry(
                time: note.time,
                event: event,
                version: version,
                previous: previous,
                actor: note.actor,
                reason: note.reason,
                digest: digest
            )
        )
        try point(to: version)
        // Whatever candidate there was: it is current now, or out of its release.
        try write(nil)
        return previous
    }

    /// Takes the candidate out of its release where there is one; else makes the version that was
    /// current before the present one current again.
    ///
    /// - Parameters:
    ///   - actor: Who asks.
    ///   - reason: Why.
    ///   - now: The time for the journal.
    /// - Returns: The version that is current now.
    /// - Throws: ``StoreError/nothingToRollBack(model:version:)`` when there is none.
    package func rollBack(actor: String, reason: String, now: Date) throws(StoreError) -> Int {
        guard let pointer = try current() else { throw .empty(model: model) }
        if let release = try? stagedRelease() {
            let note = ReleaseNote(actor: actor, reason: reason, time: now)
            if try withdraw(release, note) { return pointer.version }
        }
        let target = try versionBefore(pointer.version)
        try promote(target, event: .rolledBack, actor: actor, reason: reason, now: now)
        return target
    }

    /// The version that a rollback goes to: the one that the last publication or promotion of
    /// this version replaced, else the newest that is older.
    func versionBefore(_ version: Int) throws(StoreError) -> Int {
        let present = Set(try versions())
        let forward: Set<JournalEntry.Event> = [.published, .promoted]
        let last = try lastEntry { forward.contains($0.event) && $0.version == version }
        if let previous = last?.previous, previous != version, present.contains(previous) {
            return previous
        }
        guard let older = present.filter({ $0 < version }).max() else {
            throw .nothingToRollBack(model: model, version: version)
        }
        return older
    }

    /// Clears up after a crash: removes unfinished versions, notes those that no line of the
    /// journal speaks of.
    ///
    /// - Parameter now: The time for the journal.
    /// - Throws: ``StoreError/file(_:)``.
    package func recover(now: Date) throws(StoreError) {
        try prepare()
        _ = try inStore { () throws(FileError) in
            try Folder.sweep(path)
            return try Folder.sweep("\(path)/versions")
        }
        // The journal is written before the pointer: what it decided last is carried out below.
        let decisions: Set<JournalEntry.Event> = [.published, .promoted, .rolledBack]
        var known: Set<Int> = []
        var decided: Int?
        try visitJournal { entry in
            known.insert(entry.version)
            if decided == nil, decisions.contains(entry.event) { decided = entry.version }
            return true
        }
        // What the pointer's file holds may be no pointer at all: that is mended below.
        let pointed = try? current()?.version
        for version in try versions() where !known.contains(version) {
            // A folder without a manifest is no version, and stands in nobody's way.
            guard let digest = try? manifestDigest(of: version) else { continue }
            try record(
                JournalEntry(
                    time: now,
                    event: .recovered,
                    version: version,
                    previous: pointed,
                    actor: "store",
                    reason: "written before a crash, never made current",
                    digest: digest
                )
            )
        }
        try settleRelease()
        guard let decided, pointed != decided, try versions().contains(decided) else { return }
        try point(to: decided)
    }
}
