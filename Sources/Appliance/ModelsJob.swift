internal import FoundationEssentials
internal import ModelStore

/// What `leeway models` does: on the store alone, so that it works on a stopped appliance, and a
/// running one follows within 200 ms.
package struct ModelsJob {
    let settings: Settings
    let model: String?
    let json: Bool

    /// A thing to do.
    package enum Command {
        /// List all versions.
        case list
        /// Show one version, or the current one.
        case show(Int?)
        /// Check one version, or all.
        case verify(Int?)
        /// Put the store in order.
        case repair
        /// Remove what the retention does not keep; with `dryRun` only tell it.
        case prune(keep: Int?, days: Int?, dryRun: Bool)
        /// Bring a version from another store.
        case importing(VersionSource, promotes: Bool)
        /// Make a version current.
        case promote(Int, reason: String)
        /// Take the candidate back, or make the version before current.
        case rollback(reason: String)
        /// Keep a version current; nil is the one that is.
        case pin(Int?, reason: String)
        /// Let automation go on.
        case unpin(reason: String)
        /// Write the weights of one version, or of the current one, to a file.
        case export(Int?, to: ExportTarget)
    }

    /// Names the model; nil takes the only one.
    package init(settings: Settings, model: String?, json: Bool) {
        self.settings = settings
        self.model = model
        self.json = json
    }

    /// Does it.
    ///
    /// - Parameter command: What to do.
    /// - Returns: The report for standard output, and the exit code.
    /// - Throws: `StoreError`, ``JobError``.
    package func run(_ command: Command) throws -> (report: String, code: Int32) {
        let directory = ModelDirectory(
            state: settings.state,
            model: try settings.resolveModel(model)
        )
        switch command {
        case .list: return (try list(directory), 0)
        case .show(let version): return (try show(directory, version), 0)
        case .verify(let version): return try verify(directory, version)
        case .repair: return try repair(directory)
        case .prune(let keep, let days, let dryRun):
            return (try prune(directory, keep, days, dryRun: dryRun), 0)
        case .importing(let source, let promotes):
            return (try source.add(to: directory, promotes: promotes, json: json), 0)
        case .promote(let version, let reason):
            let previous = try directory.promote(
                version,
                actor: ProcessEnvironment.userName(),
                reason: reason,
                now: Self.now
            )
            return (changed(directory, "promoted", version, previous), 0)
        case .rollback(let reason):
            let previous = try directory.current()?.version
            let version = try directory.rollBack(
                actor: ProcessEnvironment.userName(),
                reason: reason,
                now: Self.now
            )
            return (changed(directory, "rolled back to", version, previous), 0)
        case .pin(let version, let reason):
            let previous = try directory.current()?.version
            return (
                changed(
                    directory,
                    "pinned",
                    try directory.pin(version, Self.note(reason)),
                    previous
                ),
                0
            )
        case .unpin(let reason):
            let version = try directory.unpin(Self.note(reason))
            return (changed(directory, "unpinned", version ?? 0, version), 0)
        case .export(let version, let target):
            return (try target.write(try chosen(version, directory), directory, json: json), 0)
        }
    }

    /// The exit code of an error.
    package static func code(of error: any Error) -> Int32 {
        if case StoreError.locked = error { 4 } else { 1 }
    }

    static var now: Date {
        Date(timeIntervalSince1970: Double(ProcessEnvironment.now()))
    }

    private static func note(_ reason: String) -> ReleaseNote {
        ReleaseNote(actor: ProcessEnvironment.userName(), reason: reason, time: now)
    }

    private struct Row: Encodable {
        let version: Int
        let current: Bool
        let labels: [String]
        let created: Date?
        let trigger: String?
        let rows: Int?
        let scores: Scores?
        let problem: String?
    }

    private func list(_ directory: ModelDirectory) throws -> String {
        let current = try directory.current()?.version
        let labels = directory.labels()
        let rows = try directory.versions().map { version in
            do {
                let manifest = try Manifest.read(from: directory, version: version)
                return Row(
                    version: version,
                    current: version == current,
                    labels: labels[version] ?? [],
                    created: manifest.created,
                    trigger: manifest.training.trigger,
                    rows: manifest.data.trainRows,
                    scores: manifest.training.scores,
                    problem: nil
                )
            } catch {
                return Row(
                    version: version,
                    current: version == current,
                    labels: labels[version] ?? [],
                    created: nil,
                    trigger: nil,
                    rows: nil,
                    scores: nil,
                    problem: "\(error)"
                )
            }
        }
        if json { return String(decoding: try StoreJSON.encode(rows), as: UTF8.self) }
        if rows.isEmpty { return "model \(directory.model): no versions yet: run leeway retrain" }
        let lines = rows.map { row in
            let mark = row.current ? "*" : " "
            let time = row.created.map { $0.formatted(.iso8601) } ?? "?"
            let score = row.scores.map(Self.text) ?? (row.problem ?? "")
            let labels = row.labels.isEmpty ? "" : "  [\(row.labels.joined(separator: ", "))]"
            return "\(mark) \(row.version)  \(time)  \(row.trigger ?? "?")  \(score)\(labels)"
        }
        return lines.joined(separator: "\n")
    }

    private static func text(_ scores: Scores) -> String {
        if let accuracy = scores.accuracy {
            return "accuracy \((accuracy * 10_000).rounded() / 10_000)"
        }
        return "mean absolute error \(scores.meanAbsoluteError ?? .nan)"
    }

    private func show(_ directory: ModelDirectory, _ version: Int?) throws -> String {
        let version = try chosen(version, directory)
        let manifest = try Manifest.read(from: directory, version: version)
        let page = manifest.files[ModelBundle.pageName].map { _ in
            "\(directory.folder(of: version))/\(ModelBundle.pageName)"
        }
        let withdrawn = directory.withdrawnVersion == version ? directory.withdrawalPath : nil
        let shown = Shown(manifest: manifest, report: page, withdrawn: withdrawn)
        return String(decoding: try StoreJSON.encode(shown, pretty: !json), as: UTF8.self)
    }

    /// The manifest, where the page is that says more, and where it is kept why it was taken back.
    private struct Shown: Encodable {
        let manifest: Manifest
        let report: String?
        let withdrawn: String?

        func encode(to encoder: any Encoder) throws {
            try manifest.encode(to: encoder)
            var members = encoder.container(keyedBy: CodingKeys.self)
            try members.encodeIfPresent(report, forKey: .report)
            try members.encodeIfPresent(withdrawn, forKey: .withdrawn)
        }

        private enum CodingKeys: String, CodingKey { case report, withdrawn }
    }

    /// The version that a command means: the current one when it names none.
    private func chosen(_ version: Int?, _ directory: ModelDirectory) throws -> Int {
        guard let version = try version ?? directory.current()?.version else {
            throw StoreError.empty(model: directory.model)
        }
        return version
    }

    private struct Check: Encodable {
        let version: Int
        let valid: Bool
        let problem: String?
    }

    private func verify(_ directory: ModelDirectory, _ version: Int?) throws -> (String, Int32) {
        let versions = try version.map { [$0] } ?? directory.versions()
        let checks = versions.map { version in
            let problem = directory.problem(with: version)
            return Check(version: version, valid: problem == nil, problem: problem)
        }
        let code: Int32 = checks.allSatisfy(\.valid) ? 0 : 1
        if json { return (String(decoding: try StoreJSON.encode(checks), as: UTF8.self), code) }
        let lines = checks.map { "\($0.version)  \($0.problem ?? "valid")" }
        return (lines.isEmpty ? "no versions" : lines.joined(separator: "\n"), code)
    }

    private func changed(
        _ directory: ModelDirectory,
        _ words: String,
        _ version: Int,
        _ previous: Int?
    ) -> String {
        if json {
            let before = previous.map(String.init) ?? "null"
            return
                "{\"model\":\"\(directory.model)\",\"version\":\(version),\"previous\":\(before)}"
        }
        return "model \(directory.model): \(words) version \(version)"
            + (previous.map { " (was \($0))" } ?? "")
    }
}

/// What can be wrong with a command before any work begins.
package enum JobError: Error, CustomStringConvertible, Sendable {
    /// The configuration has no model of this name.
    case unknownModel(String, known: [String])
    /// The configuration has several models, and none was named.
    case ambiguousModel(known: [String])
    /// A word that is none of the closed set.
    case unknownTrigger(String)
    /// Neither the fitted rows nor the hold-out.
    case unknownPart(String)
    /// Neither of the layouts that weights are written in.
    case unknownLayout(String)
    /// A tar file that would not be known as one by its name.
    case archiveName(String)
    /// Something is where a new file should be.
    case fileExists(String)

    /// What is wrong and what would be right.
    package var description: String {
        switch self {
        case .unknownModel(let name, let known):
            "--model \(name): the configuration knows \(known.joined(separator: ", "))"
        case .ambiguousModel(let known):
            "--model is needed: the configuration has \(known.joined(separator: ", "))"
        case .unknownTrigger(let word):
            "--trigger \(word): expected bootstrap, schedule, drift, feedback or manual"
        case .unknownPart(let word):
            "--set \(word): expected train or holdout"
        case .unknownLayout(let word):
            "--layout \(word): expected pytorch, keras or version"
        case .archiveName(let path):
            "\(path): a whole version goes into a file whose name ends in .tar, .tar.gz or .tgz"
        case .fileExists(let path):
            "\(path): is there already: name another file, or say --overwrite"
        }
    }
}

extension Settings {
    /// The model that a command means.
    ///
    /// - Parameter name: What the command says; nil takes the only model.
    /// - Returns: A name that the configuration knows.
    /// - Throws: ``JobError``.
    package func resolveModel(_ name: String?) throws(JobError) -> String {
        let known = models.map(\.name)
        guard let name else {
            guard let only = known.first, known.count == 1 else {
                throw .ambiguousModel(known: known)
            }
            return only
        }
        guard known.contains(name) else { throw .unknownModel(name, known: known) }
        return name
    }
}
