package import Drift
package import Logging
package import ModelStore
package import Telemetry

/// Folds the rows that the event loops counted into each model's monitor, and raises its alarm.
package actor DriftService {
    private let settings: [String: DriftSettings]
    private let metrics: DriftMetrics
    private let logger: Logger
    private let store: DriftStateStore
    private let errorTolerance: [String: Double]
    private let clock: @Sendable () -> WallTime
    private let onRetrain: @Sendable (_ model: String, DriftVerdict) async -> Void
    private var watched: [String: Watched] = [:]
    private var ticks = 0

    private struct Watched {
        let version: Int
        let digest: String
        let labels: [String]
        var monitor: DriftMonitor
        var health: ModelHealth
        var pixels: PixelWindow?
        var isSaved = true
    }

    /// Milliseconds between two foldings.
    private static let periodMilliseconds = 100
    private static let ticksPerSecond = 10
    /// The part of the false alarms that the expected error may have.
    private static let labelFreeShare = AlarmBudget.labelFree
    /// The tolerance of errors where none is given.
    private static let errorToleranceUsual = 0.02
    /// Seconds of one pane of the effect sizes' window.
    private static let paneSeconds = 600

    /// Prepares to watch; nothing happens before the first version goes live.
    ///
    /// - Parameters:
    ///   - settings: The settings of each watched model.
    ///   - metrics: What Prometheus learns.
    ///   - logger: Where alarms are told.
    ///   - store: Where a monitor's state survives a restart.
    ///   - errorTolerance: How much each model's error may rise above that of its hold-out.
    ///   - clock: The time.
    ///   - onRetrain: Called when what was found asks for a retrain.
    package init(
        settings: [String: DriftSettings],
        metrics: DriftMetrics,
        logger: Logger,
        store: DriftStateStore,
        errorTolerance: [String: Double] = [:],
        clock: @escaping @Sendable () -> WallTime = WallTime.now,
        onRetrain: @escaping @Sendable (_ model: String, DriftVerdict) async -> Void
    ) {
        self.settings = settings
        self.metrics = metrics
        self.logger = logger
        self.store = store
        self.errorTolerance = errorTolerance
        self.clock = clock
        self.onRetrain = onRetrain
    }

    /// Starts to watch a version that has gone live; the monitor of the one before ends.
    package func begin(_ model: ActiveModel) {
        guard let settings = settings[model.name] else { return }
        let saved = store.restore(model: model.name, digest: model.bundle.digest)
        let monitor =
            saved.flatMap {
                try? DriftMonitor(
                    profile: model.bundle.reference,
                    settings: settings,
                    state: $0.state
                )
            } ?? DriftMonitor(profile: model.bundle.reference, settings: settings)
        var health = ModelHealth(
            model.bundle.reference.performance,
            errorTolerance: errorTolerance[model.name] ?? Self.errorToleranceUsual,
            falseAlarmInterval: settings.falseAlarmInterval / Self.labelFreeShare
        )
        if let saved = saved?.health { health.restore(saved, monitor) }
        let before = watched[model.name]
        metrics.begin(model: model.name, monitor, before: before?.monitor)
        metrics.reference.begin(model, before: before.map { ($0.labels, $0.monitor) })
        watched[model.name] = Watched(
            version: model.version,
            digest: model.bundle.digest,
            labels: DriftReferenceMetrics.labels(model),
            monitor: monitor,
            health: health,
            pixels: PixelWindow(model.bundle.reference)
        )
        update(model.name)
    }

    /// What a model's monitor says now; nil when it is not watched.
    package func summary(of model: String) -> DriftSummary? { watched[model]?.monitor.summary }

    /// All that is known of a model's drift now; nil when it is not watched.
    package func report(of model: String) -> DriftReport? {
        watched[model].map { DriftReport($0.monitor, $0.health) }
    }

    /// Where a model's live images differ from those of the hold-out; nil when it is not watched,
    /// has no map, or has seen too few images.
    package func pixelMap(of model: String) -> PixelMap? { watched[model]?.pixels?.map }

    /// Takes note that labels show more errors of a version than it may make.
    package func harmed(_ model: String, version: Int) async {
        guard watched[model]?.version == version else { return }
        watched[model]?.health.hasErrors = true
        watched[model]?.isSaved = false
        await judge(model)
    }

    /// Ends a model's alarm and takes its evidence away.
    ///
    /// - Returns: False when the model is not watched.
    package func acknowledge(_ model: String, by actor: String) -> Bool {
        guard watched[model] != nil else { return false }
        watched[model]?.monitor.acknowledge()
        watched[model]?.health.acknowledge()
        watched[model]?.isSaved = false
        update(model)
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
            // What an alarm asks for may be due later than its rows.
            for (model, entry) in watched
            where entry.monitor.alarm != nil && ticks % Self.ticksPerSecond == 0 {
                await judge(model)
            }
            try? await Task.sleep(for: .milliseconds(Self.periodMilliseconds))
        }
        save()
    }

    /// Folds counted rows.
    package func fold(_ rows: [CountedRows]) async {
        for counted in rows {
            let dropped = counted.dropped
            metrics.dropped(model: counted.model, rows: dropped.withoutRoom, reason: "no_room")
            metrics.dropped(model: counted.model, rows: dropped.byCap, reason: "client_cap")
            guard var entry = watched[counted.model], entry.version == counted.version else {
                let count = counted.blocks.reduce(0) { $0 + $1.rowCount }
                metrics.dropped(model: counted.model, rows: count, reason: "other_version")
                continue
            }
            for block in counted.blocks where entry.monitor.fold(block) == .foreign {
                metrics.dropped(model: counted.model, rows: block.rowCount, reason: "foreign")
            }
            if let performance = counted.performance { entry.health.fold(performance) }
            if let pixels = counted.pixels { entry.pixels?.fold(pixels) }
            entry.isSaved = false
            watched[counted.model] = entry
            await judge(counted.model)
        }
    }

    /// Judges a model anew, tells of what is new, and asks for a retrain where that helps.
    private func judge(_ model: String) async {
        guard var entry = watched[model] else { return }
        let (change, asks) = entry.health.judge(entry.monitor, seconds: clock().secondsSinceEpoch)
        watched[model] = entry
        update(model)
        if change != .none, let level = entry.health.verdict.level {
            if change == .raised { metrics.raised(model: model, level) }
            logger.log(
                level: level == .critical ? .error : .warning,
                change == .raised ? "drift alarm" : "drift alarm worsened",
                metadata: entry.health.metadata(
                    model: model,
                    version: entry.version,
                    digest: entry.digest,
                    entry.monitor
                )
            )
        }
        if asks { await onRetrain(model, entry.health.verdict) }
    }

    private func update(_ model: String) {
        guard let entry = watched[model] else { return }
        metrics.update(model: model, entry.monitor, entry.health)
    }

    private func tick() {
        ticks += 1
        guard ticks % Self.ticksPerSecond == 0 else { return }
        for (model, entry) in watched {
            metrics.updateStreams(model: model, entry.monitor, entry.health)
            metrics.reference.update(model: model, entry.monitor)
        }
        let seconds = ticks / Self.ticksPerSecond
        if seconds % Self.paneSeconds == 0 {
            for model in watched.keys {
                watched[model]?.monitor.rotatePane()
                watched[model]?.health.rotatePane()
            }
        }
        if seconds % 60 == 0 { save() }
    }

    private func save() {
        for (model, entry) in watched where !entry.isSaved {
            store.save(
                model: model,
                DriftStateStore.Saved(
                    digest: entry.digest,
                    state: entry.monitor.state,
                    health: entry.health.state
                )
            )
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

    struct Saved: Codable {
        let digest: String
        let state: DriftState
        /// Of states that were saved by earlier versions there is none.
        let health: ModelHealth.State?
    }

    /// The state of the version with this digest; nil when there is none that can be read.
    func restore(model: String, digest: String) -> Saved? {
        guard let bytes = directories[model]?.readDriftState() else { return nil }
        let saved = try? StoreJSON.decode(Saved.self, from: bytes, path: "drift-state")
        return saved.flatMap { $0.digest == digest ? $0 : nil }
    }

    /// Keeps a state; without a disk the monitor starts anew after a restart, which is safe.
    func save(model: String, _ saved: Saved) {
        guard let bytes = try? StoreJSON.encode(saved) else { return }
        try? directories[model]?.writeDriftState(bytes)
    }
}
