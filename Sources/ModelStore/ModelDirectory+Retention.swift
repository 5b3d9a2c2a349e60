internal import Files
package import FoundationEssentials

/// Which versions stay on the disk.
package struct Retention: Sendable, Equatable {
    /// Versions kept besides the current one.
    package var keep: Int
    /// Seconds after which a version that nothing needs is removed; nil for never.
    package var secondsMax: Double?

    /// By number alone, or by age, too.
    package init(keep: Int, days: Int = 0) {
        self.keep = keep
        secondsMax = days > 0 ? Double(days) * 86_400 : nil
    }
}

extension ModelDirectory {
    /// The versions that no retention removes: the current one, the one that a rollback would go
    /// to, a pinned one, and one that is being released.
    ///
    /// - Throws: ``StoreError``.
    package func protectedVersions() throws(StoreError) -> Set<Int> {
        // Without a pointer nobody knows what is needed.
        guard let pointer = try current() else { return Set(try versions()) }
        var kept: Set = [pointer.version]
        if let fallback = try? versionBefore(pointer.version) { kept.insert(fallback) }
        return kept.union(heldVersions())
    }

    /// The versions that a retention removes, oldest first.
    ///
    /// - Parameters:
    ///   - retention: What stays.
    ///   - now: The time, for their age.
    /// - Returns: Their numbers.
    /// - Throws: ``StoreError``.
    package func surplus(_ retention: Retention, now: Date) throws(StoreError) -> [Int] {
        let kept = try protectedVersions()
        let others = try versions().filter { !kept.contains($0) }
        // The one that a rollback would go to counts as one of those that are kept.
        let beyond = Set(others.dropLast(max(0, retention.keep - 1)))
        return others.filter { beyond.contains($0) || isTooOld($0, retention, now) }
    }

    private func isTooOld(_ version: Int, _ retention: Retention, _ now: Date) -> Bool {
        guard let secondsMax = retention.secondsMax,
            let manifest = try? Manifest.read(from: self, version: version)
        else { return false }
        return now.timeIntervalSince(manifest.created) > secondsMax
    }

    /// Removes the versions that a retention does not keep.
    ///
    /// The caller holds the lock of ``lockForRetraining()``.
    ///
    /// - Parameters:
    ///   - retention: What stays.
    ///   - actor: Who asks, for the journal.
    ///   - now: The time.
    /// - Returns: The versions removed.
    /// - Throws: ``StoreError``.
    @discardableResult
    package func prune(
        _ retention: Retention,
        actor: String,
        now: Date
    ) throws(StoreError) -> [Int] {
        var removed: [Int] = []
        for version in try surplus(retention, now: now) {
            let temporary = "\(folder(of: version))\(WholeFile.temporaryInfix)gone"
            let isGone = try withReleaseLock { () throws(StoreError) in
                // Somebody may have come to need it meanwhile.
                guard try !protectedVersions().contains(version) else { return false }
                try record(removal(version, actor, now))
                // Renamed first, so that a crash half way leaves no half version behind.
                try inStore { () throws(FileError) in
                    try Folder.rename(folder(of: version), to: temporary)
                }
                return true
            }
            guard isGone else { continue }
            try inStore { () throws(FileError) in try Folder.remove(temporary) }
            removed.append(version)
        }
        return removed
    }

    private func removal(_ version: Int, _ actor: String, _ now: Date) -> JournalEntry {
        JournalEntry(
            time: now,
            event: .pruned,
            version: version,
            previous: nil,
            actor: actor,
            reason: "not among those that are kept",
            digest: try? manifestDigest(of: version)
        )
    }

    /// The number that the next version gets: one that no version ever had, not even one that is
    /// in quarantine.
    func nextVersion() throws(StoreError) -> Int {
        let last = try versions().last ?? 0
        var known = last
        try visitJournal { entry in
            known = max(known, entry.version)
            return true
        }
        let (next, overflow) = known.addingReportingOverflow(1)
        guard !overflow else {
            throw .malformed(path: path, reason: "no number is left for a version")
        }
        return next
    }
}
