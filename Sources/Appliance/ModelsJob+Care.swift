internal import FoundationEssentials
internal import ModelStore

/// What keeps a store in order.
extension ModelsJob {
    private struct Pruned: Encodable {
        let model: String
        let removed: [Int]
        let dryRun: Bool

        enum CodingKeys: String, CodingKey {
            case model, removed
            case dryRun = "dry_run"
        }
    }

    func prune(
        _ directory: ModelDirectory,
        _ keep: Int?,
        _ days: Int?,
        dryRun: Bool
    ) throws -> String {
        let choices = settings.models.first { $0.name == directory.model }?.retrain
        let retention = Retention(
            keep: keep ?? choices?.keep ?? 10,
            days: days ?? choices?.run.keepDays ?? 0
        )
        let removed: [Int]
        if dryRun {
            removed = try directory.surplus(retention, now: Self.now)
        } else {
            let lock = try directory.lockForRetraining()
            defer { extendLifetime(lock) }
            removed = try directory.prune(
                retention,
                actor: ProcessEnvironment.userName(),
                now: Self.now
            )
        }
        if json {
            let report = Pruned(model: directory.model, removed: removed, dryRun: dryRun)
            return String(decoding: try StoreJSON.encode(report), as: UTF8.self)
        }
        if removed.isEmpty { return "model \(directory.model): nothing to remove" }
        let numbers = removed.map(String.init).joined(separator: ", ")
        return "model \(directory.model): \(dryRun ? "would remove" : "removed") \(numbers)"
    }

    func repair(_ directory: ModelDirectory) throws -> (String, Int32) {
        let lock = try directory.lockForRetraining()
        defer { extendLifetime(lock) }
        let report = try directory.repair(
            actor: ProcessEnvironment.userName(),
            now: Self.now
        )
        // Versions without one to be served are a store that still needs somebody.
        let code: Int32 =
            if let current = report.current, directory.problem(with: current) == nil {
                0
            } else {
                try directory.versions().isEmpty && report.quarantined.isEmpty ? 0 : 1
            }
        if json { return (String(decoding: try StoreJSON.encode(report), as: UTF8.self), code) }
        return (Self.text(report, directory), code)
    }

    private static func text(_ report: RepairReport, _ directory: ModelDirectory) -> String {
        var lines = report.removed.map { "removed \($0)" }
        if report.journalBytesCut > 0 {
            lines.append("cut \(report.journalBytesCut) bytes off the journal's end")
        }
        if report.journalLinesUnreadable > 0 {
            lines.append("unreadable lines of the journal: \(report.journalLinesUnreadable)")
        }
        for entry in report.quarantined {
            lines.append("version \(entry.version): \(entry.problem): moved to \(entry.folder)")
        }
        if report.current != report.currentBefore {
            let now = report.current.map { "version \($0)" } ?? "none"
            lines.append("current is now \(now)")
        }
        if lines.isEmpty { lines = ["nothing to repair"] }
        return lines.map { "model \(directory.model): \($0)" }.joined(separator: "\n")
    }
}
