internal import Digest
internal import Files
internal import ModelStore
internal import NeuralNetwork

extension RetrainingPipeline {
    /// Makes a version again from the same files and settings, and compares the weights.
    ///
    /// The files are those that were kept, or what the sources give now, if it is the same; nothing
    /// is published and nothing changes.
    ///
    /// - Parameter version: The version; its folder must be in the store.
    /// - Returns: The outcome, with the digest of the weights in its reason.
    /// - Throws: ``RetrainingError/notReproduced(version:reason:)`` where files or settings are
    ///   others, or the weights came out otherwise.
    package func reproduce(_ version: Int) async throws -> RetrainingOutcome {
        let lock = try await takeLock()
        let manifest = try Manifest.read(from: directory, version: version)
        try checkRecipe(manifest)
        var stages = StageTimes(clock: clock, tell: tell)
        let sources = try await stages.run(.download) { () async throws -> DownloadedSources in
            try await self.sources(of: manifest)
        }
        let data = try await stages.run(.validate) { try fittedRows(sources) }
        guard data.digests == manifest.data.sources.filter({ Self.isFitted($0.key) }) else {
            throw RetrainingError.notReproduced(version: version, reason: "other files went in")
        }
        let base = try manifest.data.startedFrom.map { try champion($0, for: version) }
        let candidate = try await stages.run(.train) {
            try TrainStep(plan: plan, clock: clock, tell: tell).run(data, base)
        }
        let scores = try await stages.run(.evaluate) {
            try EvaluateStep(plan: plan, clock: clock).run(candidate, nil, data)
        }
        var network = candidate.network
        network.temperature = scores.calibration?.temperature.flatMap { Temperature($0) }
        let digest = try SHA256Digest.of(network.encoded()).hex
        let wanted = manifest.files[ModelBundle.networkName]?.sha256 ?? ""
        guard digest == wanted else {
            let kernels = manifest.data.kernels ?? "unknown"
            throw RetrainingError.notReproduced(
                version: version,
                reason:
                    "the weights have SHA-256 \(digest), the version's have \(wanted); they were "
                    + "computed with \(kernels), now with \(InstructionSet.current.rawValue)"
            )
        }
        extendLifetime(lock)
        return RetrainingOutcome(
            model: plan.model,
            version: version,
            published: false,
            result: .reproduced,
            reason: "version \(version) was made again: weights with SHA-256 \(digest)",
            rows: data.counts(fitted: true),
            training: candidate.training,
            evaluation: scores.candidate,
            champion: nil,
            calibration: scores.calibration,
            stages: stages.seconds,
            warnings: data.warnings
        )
    }

    /// The rows that weights are made of; a golden set is none of them.
    private func fittedRows(_ sources: DownloadedSources) throws -> TrainingData {
        var plan = plan
        plan.golden = nil
        return try ValidateStep(plan: plan, archive: archive, now: Int64(clock.unixSeconds()))
            .run(sources)
    }

    /// Whether a role's file is one that weights are made of.
    private static func isFitted(_ role: String) -> Bool {
        ["train.", "test.", "feedback."].contains { role.hasPrefix($0) }
    }

    private func checkRecipe(_ manifest: Manifest) throws {
        let version = manifest.version
        if manifest.data.sources[WeightFile.role] != nil {
            let reason = "its weights were imported, not fitted here"
            throw RetrainingError.notReproduced(version: version, reason: reason)
        }
        guard try plan.settingsDigest() != manifest.data.settings else { return }
        let (now, then) = (try plan.recipe(), manifest.data.recipe ?? [:])
        let differences = Set(now.keys).union(then.keys).sorted().filter { now[$0] != then[$0] }
            .map { "\($0): \(then[$0] ?? "not set") then, \(now[$0] ?? "not set") now" }
        throw RetrainingError.notReproduced(
            version: version,
            reason: "the settings are others: \(differences.joined(separator: "; "))"
        )
    }

    private func champion(_ version: Int, for other: Int) throws -> Champion {
        do {
            let digest = try directory.manifestDigest(of: version)
            let bundle = try ModelBundle.load(
                from: directory,
                version: version,
                manifestSHA256: digest
            )
            return Champion(bundle: bundle)
        } catch {
            throw RetrainingError.notReproduced(
                version: other,
                reason: "it began with the weights of version \(version): \(error)"
            )
        }
    }

    /// The files of a version: kept ones, else what the sources give now.
    private func sources(of manifest: Manifest) async throws -> DownloadedSources {
        let digests = manifest.data.sources.filter { Self.isFitted($0.key) }
        let missing = digests.filter { !Folder.exists(archive.path($0.value)) }
        var found: [String: String] = [:]
        if !missing.isEmpty {
            // Nothing is believed that has another digest; only what is missing is looked for.
            let fetched = try await downloads.run()
            for (role, path) in fetched.paths {
                let digest = try SourceFile(
                    role: role,
                    path: path,
                    demanded: nil,
                    bytesMax: plan.decompressedBytesMax
                ).digest.hex
                found[digest] = path
            }
        }
        func path(_ role: String) throws -> String? {
            guard let digest = digests[role] else { return nil }
            if Folder.exists(archive.path(digest)) { return archive.path(digest) }
            if let path = found[digest] { return path }
            throw RetrainingError.notReproduced(
                version: manifest.version,
                reason: "\(role): nobody has a file with SHA-256 \(digest) any more"
            )
        }
        var sources = DownloadedSources()
        for role in ["test.features", "test.labels"] { sources.paths[role] = try path(role) }
        sources.parts = try parts("train", digests, path)
        sources.feedback = try parts("feedback", digests, path)
        return sources
    }

    /// The parts of a set in their order: `train.features`, or `train.features.1` and so on.
    private func parts(
        _ set: String,
        _ digests: [String: String],
        _ path: (String) throws -> String?
    ) throws -> [DownloadedSources.Part] {
        var parts: [DownloadedSources.Part] = []
        let prefix = "\(set).features"
        let numbers = digests.keys.filter { $0.hasPrefix("\(prefix).") }
            .compactMap { Int($0.dropFirst(prefix.utf8.count + 1)) }
        for suffix in [""] + numbers.sorted().map({ ".\($0)" }) {
            let (features, labels) = ("\(set).features\(suffix)", "\(set).labels\(suffix)")
            guard let file = try path(features) else { continue }
            parts.append(
                DownloadedSources.Part(
                    features: file,
                    labels: try path(labels),
                    featuresDigest: digests[features],
                    labelsDigest: digests[labels]
                )
            )
        }
        return parts
    }
}
