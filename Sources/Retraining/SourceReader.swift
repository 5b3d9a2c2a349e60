internal import Digest
internal import Features
internal import FoundationEssentials

/// The files of some rows, read.
struct SourceRows {
    /// `train`, `test`, or `feedback`, with a number where there are several.
    let name: String
    /// The set, such as `train`.
    let set: String
    /// Whether the set has several parts, so that the roles of their files are numbered.
    let isPart: Bool
    let features: SourceFile
    let labels: SourceFile?

    var identity: SourceIdentity { SourceIdentity(digest: features.digest.bytes) }
    var table: TableSource { TableSource(bytes: features.bytes, identity: identity) }
}

/// Reads the files of a run, and remembers which there were.
struct SourceReader {
    let plan: RetrainingPlan
    let archive: DataArchive
    let now: Int64
    private(set) var digests: [String: String] = [:]
    private(set) var kept: [String: String] = [:]
    private(set) var window: [DataArchive.Entry]?
    private var partsTaken: [String: Int] = [:]
    private(set) var warnings: [String] = []

    init(plan: RetrainingPlan, archive: DataArchive, now: Int64) {
        (self.plan, self.archive, self.now) = (plan, archive, now)
    }

    /// The training rows, oldest first.
    mutating func train(_ sources: DownloadedSources) throws(RetrainingError) -> [SourceRows] {
        if let parts = sources.parts {
            var rows: [SourceRows] = []
            for (index, part) in parts.enumerated() {
                let number = plan.data.mode == .append ? index + 1 : nil
                rows.append(try read("train", number, part))
            }
            rows.forEach { take($0) }
            return rows
        }
        guard plan.data.mode == .append else { return [try newest("train", sources)] }
        return try window(sources)
    }

    /// The file that was just downloaded and those before it, as far as the window goes.
    private mutating func window(
        _ sources: DownloadedSources
    ) throws(RetrainingError) -> [SourceRows] {
        let newest = try read("train", nil, part("train", sources))
        let entry = DataArchive.Entry(
            features: newest.features.digest.hex,
            labels: newest.labels?.digest.hex,
            unixSeconds: now
        )
        let entries = try archive.window(adding: entry, plan.data, now: now)
        window = entries
        var all: [SourceRows] = []
        for (index, entry) in entries.enumerated() {
            var part = DownloadedSources.Part(
                features: archive.path(entry.features),
                labels: entry.labels.map { archive.path($0) },
                featuresDigest: entry.features,
                labelsDigest: entry.labels
            )
            if entry.features == newest.features.digest.hex {
                (part.features, part.labels) = (newest.features.path, newest.labels?.path)
            }
            let rows = try read("train", index + 1, part)
            take(rows)
            all.append(rows)
        }
        return all
    }

    /// The rows of a set that was just downloaded.
    mutating func newest(
        _ set: String,
        _ sources: DownloadedSources
    ) throws(RetrainingError) -> SourceRows {
        let rows = try read(set, nil, part(set, sources))
        take(rows)
        return rows
    }

    /// Captured rows; those that cannot be read are told and left out.
    ///
    /// The serving process may remove old ones at any time.
    mutating func feedback(_ sources: DownloadedSources) -> [SourceRows] {
        var all: [SourceRows] = []
        for (index, part) in sources.feedback.enumerated() {
            do {
                all.append(try read("feedback", index + 1, part))
            } catch {
                warnings.append("feedback: \(error)")
            }
        }
        return all
    }

    /// Takes note that rows are learned from.
    mutating func take(_ rows: SourceRows) {
        var suffix = ""
        if rows.isPart {
            partsTaken[rows.set, default: 0] += 1
            suffix = ".\(partsTaken[rows.set, default: 1])"
        }
        digests["\(rows.set).features\(suffix)"] = rows.features.digest.hex
        kept[rows.features.digest.hex] = rows.features.path
        guard let labels = rows.labels else { return }
        digests["\(rows.set).labels\(suffix)"] = labels.digest.hex
        kept[labels.digest.hex] = labels.path
    }

    /// Takes note that rows are not learned from, and why.
    mutating func leaveOut(_ rows: [SourceRows], _ reason: String) {
        for rows in rows { warnings.append("\(rows.name) left out: \(reason)") }
    }

    private func part(
        _ set: String,
        _ sources: DownloadedSources
    ) throws(RetrainingError) -> DownloadedSources.Part {
        guard let features = sources.paths["\(set).features"] else {
            throw .data(role: "\(set).features", reason: "no source is configured", code: "missing")
        }
        return DownloadedSources.Part(features: features, labels: sources.paths["\(set).labels"])
    }

    private func read(
        _ set: String,
        _ number: Int?,
        _ part: DownloadedSources.Part
    ) throws(RetrainingError) -> SourceRows {
        let suffix = number.map { ".\($0)" } ?? ""
        let roles = (features: "\(set).features\(suffix)", labels: "\(set).labels\(suffix)")
        func file(
            _ role: String,
            _ path: String,
            _ demanded: String?
        ) throws(RetrainingError) -> SourceFile {
            try SourceFile(
                role: role,
                path: path,
                demanded: demanded,
                bytesMax: plan.decompressedBytesMax
            )
        }
        if case .image = plan.input, part.labels == nil {
            throw .data(role: roles.labels, reason: "no source is configured", code: "missing")
        }
        return SourceRows(
            name: number.map { "\(set) \($0)" } ?? set,
            set: set,
            isPart: number != nil,
            features: try file(roles.features, part.features, part.featuresDigest),
            labels: try part.labels.map { path throws(RetrainingError) in
                try file(roles.labels, path, part.labelsDigest)
            }
        )
    }
}
