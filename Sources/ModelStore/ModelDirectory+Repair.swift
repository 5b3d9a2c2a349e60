internal import Files
package import FoundationEssentials

/// What a repair found and did.
package struct RepairReport: Encodable, Sendable, Equatable {
    /// Unfinished files and folders that were removed.
    package var removed: [String] = []
    /// Bytes of an unfinished line that were cut off the journal's end.
    package var journalBytesCut = 0
    /// Lines of the journal that are no entries; they stay.
    package var journalLinesUnreadable = 0
    /// Damaged versions, and where they are now.
    package var quarantined: [Quarantined] = []
    /// The current version before; nil when none was known.
    package var currentBefore: Int?
    /// The current version now; nil when no version is left.
    package var current: Int?

    /// Nothing yet.
    package init() {}

    /// A damaged version.
    package struct Quarantined: Encodable, Sendable, Equatable {
        /// Its number.
        package let version: Int
        /// What is wrong with it.
        package let problem: String
        /// Where it was put.
        package let folder: String
    }

    enum CodingKeys: String, CodingKey {
        case removed, quarantined, current
        case journalBytesCut = "journal_bytes_cut"
        case journalLinesUnreadable = "journal_lines_unreadable"
        case currentBefore = "current_before"
    }
}

extension ModelDirectory {
    /// Where damaged versions are put.
    private var quarantinePath: String { "\(path)/quarantine" }

    /// What is wrong with a version; nil when it passes every check.
    package func problem(with version: Int) -> String? {
        do throws(StoreError) {
            let digest = try manifestDigest(of: version)
            let bundle = try ModelBundle.load(from: self, version: version, manifestSHA256: digest)
            _ = try ActiveModel(bundle)
            return nil
        } catch {
            return "\(error)"
        }
    }

    /// Puts a store in order: sweeps what is unfinished, makes the journal whole, takes damaged
    /// versions out of the way, and has the pointer name a version that passes every check.
    ///
    /// Nothing that was published is deleted: a damaged version is moved into `quarantine`. The
    /// caller holds the lock of ``lockForRetraining()``.
    ///
    /// - Parameters:
    ///   - actor: Who asks, for the journal.
    ///   - now: The time.
    /// - Returns: What was done.
    /// - Throws: ``StoreError``.
    package func repair(actor: String, now: Date) throws(StoreError) -> RepairReport {
        var report = RepairReport()
        report.journalBytesCut = try inStore { () throws(FileError) in try journal.repair() }
        report.journalLinesUnreadable = try unreadableLines()
        report.currentBefore = try? current()?.version
        report.removed = try sweep()
        for version in try versions() {
            guard let problem = problem(with: version) else { continue }
            report.quarantined.append(try quarantine(version, problem, actor, now))
        }
        try recover(now: now)
        try pointToValid(actor, now)
        report.current = try? current()?.version
        return report
    }

    /// Moves a damaged version out of the way; its number is never given again.
    private func quarantine(
        _ version: Int,
        _ problem: String,
        _ actor: String,
        _ now: Date
    ) throws(StoreError) -> RepairReport.Quarantined {
        let stamp = Int(min(max(now.timeIntervalSince1970, 0), 1e15))
        let target = "\(quarantinePath)/\(version)-\(stamp)"
        try record(
            JournalEntry(
                time: now,
                event: .quarantined,
                version: version,
                previous: try? current()?.version,
                actor: actor,
                reason: problem
            )
        )
        try inStore { () throws(FileError) in
            try Folder.make(quarantinePath)
            try Folder.rename(folder(of: version), to: target)
            try Folder.synchronise(quarantinePath)
            try Folder.synchronise("\(path)/versions")
        }
        return RepairReport.Quarantined(version: version, problem: problem, folder: target)
    }

    /// Goes back to the newest valid version when the pointer names none that is there.
    private func pointToValid(_ actor: String, _ now: Date) throws(StoreError) {
        let present = try versions()
        let pointer = try? current()
        if let pointer, present.contains(pointer.version),
            (try? manifestDigest(of: pointer.version)) == pointer.manifestSHA256.lowercased()
        {
            return
        }
        guard let newest = present.last else { return }
        let target = pointer.flatMap { present.contains($0.version) ? $0.version : nil } ?? newest
        try promote(
            target,
            event: .rolledBack,
            actor: actor,
            reason: "repair: the pointer named no valid version",
            now: now
        )
    }

    private func unreadableLines() throws(StoreError) -> Int {
        try visitJournal { _ in true }
    }

    /// Removes what interrupted writes have left.
    private func sweep() throws(StoreError) -> [String] {
        try prepare()
        return try inStore { () throws(FileError) in
            try Folder.sweep(path) + Folder.sweep("\(path)/versions").map { "versions/\($0)" }
        }
    }
}
