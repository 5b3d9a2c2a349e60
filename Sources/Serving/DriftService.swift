package import Drift
package import Logging
package import ModelStore

/// Folds the rows that the event loops counted into each model's monitor, and raises its alarm.
package actor DriftService {
    private let settings: [String: DriftSettings]
    private let metrics: DriftMetrics
    private let logger: Logger
    private let store: DriftStateStore
    private let onAlarm: @Sendable (_ model: String, DriftAlarm) async -> Void
    private var watched: [String: Watched] = [:]
    private var ticks = 0

    private struct Watched {
        let version: Int
        let digest: String
        var monitor: DriftMonitor
        var isSaved = true
    }

    /// Milliseconds between two foldings.
    private static let periodMilliseconds = 100
    private static let ticksPerSecond = 10
    /// Seconds of one pane of the effect sizes' window.
    private static let paneSeconds = 300

    /// Prepares to watch; nothing happens before the first version goes live.
    ///
    /// - Parameters:
    ///   - settings: The settings of each watched model.
    ///   - metrics: What Prometheus learns.
    ///   - logger: Where alarms are told.
    ///   - store: Where a monitor's state survives a restart.
    ///   - onAlarm: Called once for each alarm that is raised.
    package init(
        settings: [String: DriftSettings],
        metrics: DriftMetrics,
        logger: Logger,
        store: DriftStateStore,
        onAlarm: @escaping @Sendable (_ model: String, DriftAlarm) async -> Void
    ) {
        self.settings = settings
        self.metrics = metrics
        self.logger = logger
        self.store = store
        self.onAlarm = onAlarm
    }

    /// Starts to watch a version that has gone live; the monitor of the one before ends.
    package func begin(_ model: ActiveModel) {
        guard let settings = settings[model.name] else { return }
        let monitor =
            store.restore(model: model.name, digest: model.bundle.digest).flatMap {
                try? DriftMonitor(profile: model.bundle.reference, settings: settings, state: $0)
            } ?? DriftMonitor(profile: model.bundle.reference, settings: settings)
        metrics.begin(model: model.name, monitor, before: watched[model.name]?.monitor)
        watched[model.name] = Watched(
            version: model.version,
            digest: model.bundle.digest,
            monitor: monitor
        )
    }

    /// What a model's monitor says now; nil when it is not watched.
    package func summary(of model: String) -> DriftSummary? { watched[model]?.monitor.summary }

    /// Ends a model's alarm and takes its evidence away.
    ///
    /// - Returns: False when the model is not watched.
    package func acknowledge(_ model: String, by actor: String) -> Bool {
        guard watched[model] != nil else { return false }
        watched[model]?.monitor.acknowledge()
        watched[model]?.isSaved = false
        if let monitor = watched[model]?.monitor { metrics.update(model: model, monitor) }
        logger.notice(
            "drift alarm acknowledged",
            metadata: ["model": "\(model)", "audit.actor": "\(actor)"]
        )
        return true
    }

    /// Fetches and folds until the task is cancelled; then the states are saved.
    ///
    /// - Parameter loops: Where the rows are counted.
    package func run(_ loops: ServingLoops) async {
        while !Task.isCancelled {
            if let rows = try? await loops.takeBlocks() { await fold(rows) }
            tick()
            try? await Task.sleep(for: .milliseconds(Self.periodMilliseconds))
        }
        save()
    }

    /// Folds counted rows.
    package func fold(_ rows: [CountedRows]) async {
        for counted in rows {
            metrics.dropped(model: counted.model, rows: counted.dropped, reason: "no_room")
            guard var entry = watched[counted.model], entry.version == counted.version else {
                let count = counted.blocks.reduce(0) { $0 + $1.rowCount }
                metrics.dropped(model: counted.model, rows: count, reason: "other_version")
                continue
            }
            var raised: DriftAlarm?
            for block in counted.blocks {
                switch entry.monitor.fold(block) {
                case .raised: raised = entry.monitor.alarm
                case .foreign:
                    metrics.dropped(model: counted.model, rows: block.rowCount, reason: "foreign")
                case .counted, .worsened: break
                }
            }
            entry.isSaved = false
            watched[counted.model] = entry
            metrics.update(model: counted.model, entry.monitor)
            if let raised { await tell(counted.model, counted.version, raised) }
        }
    }

    private func tell(_ model: String, _ version: Int, _ alarm: DriftAlarm) async {
        metrics.raised(model: model, alarm.level)
        let streams = alarm.suspects.map(\.stream).joined(separator: ",")
        logger.warning(
            "drift alarm",
            metadata: [
                "event.name": "drift.alarm", "model": "\(model)", "model.version": "\(version)",
                "drift.level": "\(alarm.level.rawValue)", "drift.evidence": "\(alarm.evidence)",
                "drift.threshold": "\(alarm.threshold)", "drift.row": "\(alarm.row)",
                "drift.streams": "\(streams)",
                "drift.changed_after_row": "\(alarm.suspects.first?.changedAfterRow ?? 0)",
            ]
        )
        await onAlarm(model, alarm)
    }

    private func tick() {
        ticks += 1
        guard ticks % Self.ticksPerSecond == 0 else { return }
        for (model, entry) in watched { metrics.updateStreams(model: model, entry.monitor) }
        let seconds = ticks / Self.ticksPerSecond
        if seconds % Self.paneSeconds == 0 {
            for model in watched.keys { watched[model]?.monitor.rotatePane() }
        }
        if seconds % 60 == 0 { save() }
    }

    private func save() {
        for (model, entry) in watched where !entry.isSaved {
            store.save(model: model, digest: entry.digest, state: entry.monitor.state)
            watched[model]?.isSaved = true
        }
    }
}

/// Where a monitor's state survives a restart; it belongs to the version with this digest.
package struct DriftStateStore: Sendable {
    private let directories: [String: ModelDirectory]

    /// Names the models' folders.
    package init(_ directories: [String: ModelDirectory]) {
        self.directories = directories
    }

    private struct Saved: Codable {
        let digest: String
        let state: DriftState
    }

    /// The state of the version with this digest; nil when there is none that can be read.
    func restore(model: String, digest: String) -> DriftState? {
        guard let bytes = directories[model]?.readDriftState() else { return nil }
        let saved = try? StoreJSON.decode(Saved.self, from: bytes, path: "drift-state")
        return saved.flatMap { $0.digest == digest ? $0.state : nil }
    }

    /// Keeps a state; without a disk the monitor starts anew after a restart, which is safe.
    func save(model: String, digest: String, state: DriftState) {
        guard let bytes = try? StoreJSON.encode(Saved(digest: digest, state: state)) else { return }
        try? directories[model]?.writeDriftState(bytes)
    }
}
