internal import Files
package import FoundationEssentials

/// How a version that answers everybody is taken back by automation.
extension ModelDirectory {
    /// How the current version came to its place.
    package struct Origin: Sendable, Equatable {
        /// The current version.
        package let version: Int
        /// The version before, to which a rollback goes.
        package let previous: Int
        /// When.
        package let time: Date
        /// Who has put it there.
        package let actor: String
        /// `published` or `promoted`.
        package let event: JournalEntry.Event
    }

    /// How the current version came to its place, if it was by a step forward from another one.
    ///
    /// - Returns: Nil where it is the first, was rolled back to, or is not what the journal says.
    /// - Throws: ``StoreError``.
    package func origin() throws(StoreError) -> Origin? {
        var steps: [JournalEntry] = []
        try visitJournal { entry in
            guard [.published, .promoted, .rolledBack].contains(entry.event) else { return true }
            steps.append(entry)
            return entry.event == .rolledBack
        }
        var last: JournalEntry?
        for entry in steps.reversed()
        // A candidate that is withdrawn leaves the current version where it is.
        where entry.event != .rolledBack || entry.version != last?.version {
            last = entry
        }
        guard let last, last.event != .rolledBack, last.previous != nil,
            try current()?.version == last.version
        else { return nil }
        let previous = try versionBefore(last.version)
        return Origin(
            version: last.version,
            previous: previous,
            time: last.time,
            actor: last.actor,
            event: last.event
        )
    }

    /// The version whose evidence ``withdrawalPath`` keeps; nil for none.
    package var withdrawnVersion: Int? {
        struct Kept: Decodable { let version: Int }
        let bytes = try? WholeFile.read(withdrawalPath, bytesMax: 1 << 20)
        return bytes.flatMap {
            try? StoreJSON.decode(Kept.self, from: $0, path: withdrawalPath).version
        }
    }

    /// Makes the version before current again, if nobody has decided otherwise meanwhile.
    ///
    /// A candidate that was on its way is out of its release, as with every change of the version
    /// that it was compared with.
    ///
    /// - Parameters:
    ///   - origin: The version and the one before, as the caller knows them.
    ///   - note: For the journal.
    /// - Returns: False when another version is current by now, or one is pinned.
    /// - Throws: ``StoreError``, also when the version before does not pass its checks.
    package func takeBack(_ origin: Origin, _ note: ReleaseNote) throws(StoreError) -> Bool {
        let digest = try manifestDigest(of: origin.previous)
        _ = try ModelBundle.load(from: self, version: origin.previous, manifestSHA256: digest)
        return try withReleaseLock { () throws(StoreError) in
            guard try current()?.version == origin.version, pinnedVersion() == nil else {
                return false
            }
            _ = try promoteVerified(origin.previous, digest, .rolledBack, note)
            return true
        }
    }
}
