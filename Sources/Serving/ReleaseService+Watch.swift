internal import FoundationEssentials
internal import Logging
internal import ModelStore

/// What is done about a version after it has come to everybody: it is watched for a while beside
/// the version before, and taken back if it does worse.
extension ReleaseService {
    /// How the watch of a model's version stands; nil when none is watched.
    package func watchSummary(of model: String) -> ReleaseSummary? {
        watches[model].map { $0.summary(now: now, since: since($0)) }
    }

    private func since(_ watch: VersionWatch) -> String {
        Date(timeIntervalSince1970: watch.began).formatted(.iso8601)
    }

    /// A version answers everybody, on every loop.
    func live(_ model: ActiveModel, _ statistics: VersionStatistics) async {
        let name = model.name
        save()
        let before = lives.updateValue(LiveCount(model, statistics), forKey: name)
        watches[name] = nil
        metrics.watches(name, nil)
        guard let origin = watchable(model) else { return }
        let previous = before.flatMap { $0.version == origin.previous ? $0 : nil }
        do {
            let bundle = try previous?.model?.bundle ?? load(origin.previous, name)
            watches[name] = VersionWatch(
                model,
                previous: bundle,
                began: origin.time.timeIntervalSince1970,
                statistics: (statistics, previous?.statistics.totals ?? VersionTotals()),
                settings(of: name),
                saved: ReleaseRecord.read(directories[name]).live
            )
        } catch {
            // Nothing to go back to, and nothing to compare with.
            return notWatched(model, "\(error)")
        }
        let share = watches[name]?.comparison == nil ? 0 : settings(of: name).watchShare
        metrics.watches(name, watches[name]?.summary(now: now, since: ""))
        try? await loops?.watch(name, version: model.version, share: share)
        logger.info(
            "version watched",
            metadata: [
                "model": "\(name)", "model.version": "\(model.version)",
                "release.previous": "\(origin.previous)",
            ]
        )
    }

    /// A model is out of service.
    func unloaded(_ model: String) {
        save()
        watches[model] = nil
        lives[model] = nil
        metrics.watches(model, nil)
    }

    private func load(_ version: Int, _ model: String) throws(StoreError) -> ModelBundle {
        guard let directory = directories[model] else { throw .empty(model: model) }
        return try ModelBundle.load(
            from: directory,
            version: version,
            manifestSHA256: directory.manifestDigest(of: version)
        )
    }

    private func notWatched(_ model: ActiveModel, _ words: String) {
        logger.warning(
            "version not watched",
            metadata: [
                "model": "\(model.name)", "model.version": "\(model.version)",
                "error.message": "\(words)",
            ]
        )
    }

    /// How a version came to its place, if automation has put it there of late and may take it back:
    /// what a person has decided stands.
    private func watchable(_ model: ActiveModel) -> ModelDirectory.Origin? {
        let asked = settings(of: model.name)
        guard asked.watchSeconds > 0, let origin = try? directories[model.name]?.origin(),
            origin.version == model.version,
            now - origin.time.timeIntervalSince1970 < asked.watchSeconds
        else { return nil }
        let isOurs =
            origin.event == .promoted ? origin.actor == Self.actorName : asked.watchesImmediate
        return isOurs ? origin : nil
    }

    /// Has the version before compute what the version that answers has answered.
    func compare(_ model: String, _ rows: [ShadowRows]) {
        guard var watch = watches[model] else { return }
        // One reference, or its maps would be copied.
        watches[model] = nil
        for rows in rows { watch.compare(rows) }
        watches[model] = watch
        metrics.dropped(model, rows: watch.comparison?.takeDropped() ?? 0)
        metrics.watches(model, watch.summary(now: now, since: ""))
    }

    /// Labels show that a version's loss is above what its own hold-out allows: that decides where
    /// the version before cannot be compared with it.
    func harmed(_ model: String, version: Int) async {
        guard let watch = watches[model], watch.model.version == version, watch.comparison == nil
        else { return }
        await takeBack(model, watch, .feedback, "labels show more errors than its hold-out allows")
    }

    /// Decides on the version that answers everybody.
    func judge(_ model: String) async {
        guard let watch = watches[model], directories[model]?.pinnedVersion() == nil else { return }
        switch watch.rule.watch(watch.evidence(now: now), previous: watch.previous) {
        case .wait: return
        case .forward(let words): await end(model, watch, .confirmed, .passed, words)
        case .back(let reason, let words): await takeBack(model, watch, reason, words)
        }
    }

    private func takeBack(
        _ model: String,
        _ watch: VersionWatch,
        _ reason: ReleaseReason,
        _ words: String
    ) async {
        guard let directory = directories[model] else { return }
        do {
            guard let origin = try directory.origin(), origin.version == watch.model.version,
                origin.previous == watch.previous,
                try directory.takeBack(origin, note("\(reason.rawValue): \(words)"))
            else { return }
            keep(
                model,
                reason,
                words,
                watch.summary(now: now, since: since(watch)),
                stable: watch.previous
            )
            problems[model] = nil
            await end(model, watch, .withdrawn, reason, words)
        } catch {
            notWritten(model, "\(error)", facts(watch))
        }
    }

    private func end(
        _ model: String,
        _ watch: VersionWatch,
        _ decision: ReleaseMetrics.Decision,
        _ reason: ReleaseReason,
        _ words: String
    ) async {
        watches[model] = nil
        metrics.watches(model, nil)
        metrics.count(model, decision, reason)
        var facts = facts(watch)
        facts["release.decision"] = "\(decision.rawValue)"
        facts["release.reason"] = "\(reason.rawValue)"
        facts["release.words"] = "\(words)"
        logger.log(
            level: decision == .withdrawn ? .warning : .notice,
            "release decision",
            metadata: facts
        )
        try? await loops?.watch(model, version: watch.model.version, share: 0)
    }

    private func facts(_ watch: VersionWatch) -> Logger.Metadata {
        [
            "model": "\(watch.model.name)", "model.version": "\(watch.model.version)",
            "release.stage": "full", "release.previous": "\(watch.previous)",
        ]
    }

    /// Keeps what spoke against a version that was taken back.
    func keep(
        _ model: String,
        _ reason: ReleaseReason,
        _ words: String,
        _ evidence: ReleaseSummary,
        stable: Int?
    ) {
        let withdrawal = Withdrawal(
            time: Date(timeIntervalSince1970: now),
            version: evidence.version,
            stable: stable,
            reason: reason.rawValue,
            words: words,
            evidence: evidence
        )
        do {
            try directories[model]?.writeWithdrawal(StoreJSON.encode(withdrawal, pretty: true))
        } catch {
            // The journal has the decision and its reason; this is only more of it.
            logger.warning("withdrawal not kept", metadata: ["error.message": "\(error)"])
        }
    }
}

/// A version that answers everybody, with what it counts; its weights are held by those who serve it.
struct LiveCount {
    let version: Int
    let statistics: VersionStatistics
    private(set) weak var model: ActiveModel?

    init(_ model: ActiveModel, _ statistics: VersionStatistics) {
        (version, self.statistics, self.model) = (model.version, statistics, model)
    }
}
