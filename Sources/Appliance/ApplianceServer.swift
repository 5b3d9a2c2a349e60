internal import Drift
internal import FoundationEssentials
internal import HTTPTransport
internal import Logging
internal import ModelStore
internal import NIOCore
internal import NIOPosix
internal import Retraining
internal import ServiceLifecycle
internal import Serving
internal import TLSTransport
internal import Telemetry
internal import Transfer
internal import UnixSignals

/// The serving process: builds the services from the settings and runs them until SIGTERM.
///
/// The list in ``run()`` is the order of starting; stopping goes the other way, so that the
/// listeners close first and the log last.
package struct ApplianceServer: Sendable {
    private let settings: Settings

    /// Takes checked settings.
    package init(settings: Settings) {
        self.settings = settings
    }

    /// Serves until a signal ends it.
    ///
    /// - Throws: What makes serving impossible: an address in use, an unreadable certificate.
    package func run() async throws {
        TLSLibrary.initialise()
        ProcessUsage.raiseDescriptorsMax()
        let (group, lane, compute) = loops()
        let parts = try ApplianceParts(settings, shards: loopCount + 1)
        let now = ProcessEnvironment.now()
        let certificates = try Certificates(settings, registry: parts.registry, now: now)
        let placement = LoopPlacement(group.makeIterator().map { $0 })
        let retraining = try RetrainingParts(parts, placement)
        let watching = try DriftParts(parts, retraining)
        let serving = try await ServingParts(parts, watching, group, compute.next(), loopCount)
        let welcome = Welcome(settings, console: .standardOutput)
        let followers = parts.followers(serving, watching, retraining, welcome)
        let operations = Operations(
            parts: parts,
            supervisor: retraining.supervisor,
            drift: watching.service,
            feedback: serving.feedback,
            followers: followers,
            releases: serving.releases,
            traffic: TrafficHistory(parts.registry)
        )
        let lifecycle = Lifecycle(settings)
        let watch = try OverloadWatch(parts)
        let listeners = Listeners(
            parts: parts,
            certificates: certificates,
            group: group,
            lane: lane,
            overload: watch.state,
            welcome: welcome,
            lifecycle: lifecycle
        )
        certificates.announce(parts.logging.logger("tls"))
        let bound = [try listeners.operations(operations), try listeners.api(serving)]
        let ends = ImpatienceService(lifecycle: lifecycle, listeners: bound)
        let reloads = try ReloadingService(parts, certificates, lifecycle.manager)
        var services: [any Service] = [
            WatchdogService(manager: lifecycle.manager, groups: [group, lane]), ends, reloads,
            Job("drift") { await watching.service.run(serving.loops) },
            try DiskWatch(parts).job,
        ]
        services += jobs(followers, retraining, watch, operations, parts.traces) + serving.jobs
        for listener in bound { services.append(listener) }
        services.append(LifecycleService(lifecycle: lifecycle))
        defer { parts.logging.sink.shutdown() }
        try await runAll(services, parts.logging.logger("appliance"))
        for loops in [compute, group, lane] { try? await loops.shutdownGracefully() }
    }

    private var loopCount: Int {
        settings.eventLoops > 0 ? settings.eventLoops : ProcessorCount.usable
    }

    /// The event loops of the api, that of the operations listener, and that of the batcher.
    private func loops() -> (
        MultiThreadedEventLoopGroup, MultiThreadedEventLoopGroup, MultiThreadedEventLoopGroup
    ) {
        (
            MultiThreadedEventLoopGroup(numberOfThreads: loopCount),
            MultiThreadedEventLoopGroup(numberOfThreads: 1),
            MultiThreadedEventLoopGroup(numberOfThreads: 1)
        )
    }

    /// What goes on in the background.
    private func jobs(
        _ followers: [ModelFollower],
        _ retraining: RetrainingParts,
        _ watch: OverloadWatch,
        _ operations: Operations,
        _ traces: TraceParts
    ) -> [any Service] {
        var jobs = followers.map { follower in Job("store") { await follower.run() } }
        jobs.append(Job("retraining") { await retraining.supervisor.run() })
        jobs.append(Job("overload") { await watch.run() })
        jobs.append(Job("traffic") { await operations.traffic.run() })
        if let exporter = traces.exporter {
            jobs.append(Job("traces") { try await exporter.run() })
        }
        return jobs
    }

    private func runAll(_ services: [any Service], _ logger: Logger) async throws {
        var configuration = ServiceGroupConfiguration(
            services: services,
            gracefulShutdownSignals: [.sigterm, .sigint],
            logger: logger
        )
        // The listeners keep the deadline themselves; this one is for what hangs after it.
        configuration.maximumGracefulShutdownDuration = .seconds(
            settings.shutdownDelaySeconds + settings.shutdownSecondsMax + 10
        )
        logger.info("starting", metadata: ["service.version": "\(ApplianceVersion.text)"])
        try await ServiceGroup(configuration: configuration).run()
        logger.info("stopped")
    }
}

/// What all services share.
struct ApplianceParts: Sendable {
    let settings: Settings
    /// When the process began to serve, in Unix seconds.
    let started = ProcessEnvironment.now()
    let registry: MetricRegistry
    let logging: ApplianceLogging
    let audit: AuditLog
    let traces: TraceParts
    let directories: [String: ModelDirectory]
    let servingMetrics: ServingMetrics
    let access: AccessControl

    init(_ settings: Settings, shards: Int) throws {
        self.settings = settings
        registry = MetricRegistry(shards: shards)
        logging = try ApplianceLogging(settings.log, registry: registry)
        audit = try AuditLog(logging, registry)
        traces = try TraceParts(settings, registry)
        directories = Dictionary(
            uniqueKeysWithValues: settings.models.map {
                ($0.name, ModelDirectory(state: settings.state, model: $0.name))
            }
        )
        servingMetrics = try ServingMetrics(registry)
        access = AccessControl(try AccessMetrics(registry))
        access.use(try settings.prepareAccess(access))
        try ProcessMetrics.register(in: registry)
        try registry.registerOwnMetrics()
        LibraryMetrics.bootstrap(registry)
        try BuildInfo(
            version: ApplianceVersion.text,
            revision: ApplianceVersion.revision,
            opensslVersion: ApplianceVersion.number(TLSLibrary.version),
            libcurlVersion: ApplianceVersion.libcurl
        ).register(in: registry)
    }

    /// One follower a model; each swap is told on the console, the first with a command to try.
    func followers(
        _ serving: ServingParts,
        _ watching: DriftParts,
        _ retraining: RetrainingParts,
        _ welcome: Welcome
    ) -> [ModelFollower] {
        let audit = audit
        return settings.models.compactMap { model in
            guard let directory = directories[model.name] else { return nil }
            return ModelFollower(
                directory: directory,
                loops: serving.loops,
                planner: serving.planner,
                metrics: servingMetrics,
                logger: logging.logger("store"),
                clock: WallTime.now,
                releases: serving.releases,
                wentLive: { active in
                    await watching.service.begin(active)
                    await serving.feedback.watch(active)
                    await retraining.supervisor.noteLive(
                        model: active.name,
                        createdAt: active.bundle.manifest.created.timeIntervalSince1970
                    )
                    audit.swapped(active, directory)
                    await welcome.live(active)
                },
                nothingToServe: {
                    let supervisor = retraining.supervisor
                    _ = await supervisor.request(model: model.name, trigger: .bootstrap)
                }
            )
        }
    }
}

extension ApplianceParts {
    /// Decides on candidates of every model.
    func releases() throws -> ReleaseService {
        let models = settings.models
        let drift = try models.filter(\.drift.enabled).map { ($0.name, try $0.drift.settings()) }
        return ReleaseService(
            settings: Dictionary(uniqueKeysWithValues: models.map { ($0.name, $0.staged) }),
            drift: Dictionary(uniqueKeysWithValues: drift),
            directories: directories,
            metrics: try ReleaseMetrics(registry),
            logger: logging.logger("release"),
            clock: WallTime.now
        )
    }
}

extension DriftChoices {
    /// As the monitor takes them.
    func settings() throws -> DriftSettings {
        try DriftSettings(
            tolerance: tolerance,
            falseAlarmInterval: Double(falseAlarmInterval),
            rareTolerance: rareTolerance
        )
    }
}

/// The event loops' responders, and the batcher behind them.
struct ServingParts: Sendable {
    let settings: ServingSettings
    let table: EndpointTable
    let loops: ServingLoops
    let planner: BatchPlanner
    /// Takes labels.
    let feedback: FeedbackService
    let releases: ReleaseService
    /// Keeps labelled rows; nil where no model's are kept.
    private let capture: CaptureService?

    /// What runs beside the loops.
    var jobs: [any Service] {
        let releases = releases
        return [Job("releases") { await releases.run() }]
            + (capture.map { capture in [Job("capture") { await capture.run() }] } ?? [])
    }

    init(
        _ parts: ApplianceParts,
        _ watching: DriftParts,
        _ group: any EventLoopGroup,
        _ compute: any EventLoop,
        _ loopCount: Int
    ) async throws {
        let settings = parts.settings.servingSettings(parts.settings.api, loops: loopCount)
        let threads = parts.settings.computeThreads
        let batcher = try await Batcher.make(
            on: compute,
            threads: threads > 0 ? threads : ProcessorCount.usable
        )
        planner = BatchPlanner(
            Dictionary(
                uniqueKeysWithValues: parts.settings.models.map { ($0.name, $0.batching.settings) }
            ),
            threads: batcher.threads
        )
        let table = try EndpointTable(.api)
        let metrics = parts.servingMetrics
        self.settings = settings
        self.table = table
        loops = try await ServingLoops.make(on: group, batcher: batcher) { shard in
            ServingLoop(settings: settings, metrics: metrics, table: table, shard: shard)
        }
        try await loops.attach(parts.access)
        (feedback, capture) = try parts.feedback(watching)
        try await loops.attach(feedback)
        releases = try parts.releases()
        await releases.attach(loops)
        await feedback.attach(releases)
    }
}

/// The supervisor of retrains.
struct RetrainingParts: Sendable {
    let supervisor: RetrainingSupervisor

    init(_ parts: ApplianceParts, _ placement: LoopPlacement) throws {
        let settings = parts.settings
        let models = try settings.models.map { model in
            let directory = parts.directories[model.name]
            return SupervisedModel(
                name: model.name,
                schedule: try model.retrain.schedule.map { try RetrainingSchedule($0) },
                clock: try LocalClock(named: model.retrain.run.timeZone),
                jitterSecondsMax: model.retrain.jitterSecondsMax,
                catchesUp: model.retrain.run.catchUp == .once,
                allowance: model.retrain.allowance,
                store: SupervisedModel.Store(directory)
            )
        }
        let collector = parts.traces.collector
        supervisor = RetrainingSupervisor(
            models: models,
            metrics: try RetrainingMetrics(parts.registry),
            logger: parts.logging.logger("retraining"),
            clock: ProcessEnvironment.now,
            start: { model, trigger, events in
                let telling = RetrainingTelling(.standardOutput, model: model)
                let trace = collector.map {
                    RetrainingTrace($0, model: model, trigger: trigger)
                }
                defer {
                    telling.end()
                    trace?.end()
                }
                let child = RetrainingChild(
                    configuration: settings.source,
                    limits: settings.childLimits(of: model)
                )
                return try await placement.apart {
                    try await child.run(model: model, trigger: trigger) { event in
                        telling.tell(event)
                        trace?.follow(event)
                        events(event)
                    }
                }
            }
        )
    }
}

/// The monitors, and what their alarms set going.
struct DriftParts: Sendable {
    let service: DriftService

    init(_ parts: ApplianceParts, _ retraining: RetrainingParts) throws {
        let supervisor = retraining.supervisor
        let watched = parts.settings.models.filter(\.drift.enabled)
        let settings = try watched.map { ($0.name, try $0.drift.settings()) }
        let labelsMayAsk = Set(watched.filter(\.retrain.run.onFeedback).map(\.name))
        service = DriftService(
            settings: Dictionary(uniqueKeysWithValues: settings),
            metrics: try DriftMetrics(parts.registry),
            logger: parts.logging.logger("drift"),
            store: DriftStateStore(parts.directories),
            errorTolerance: Dictionary(
                uniqueKeysWithValues: watched.map { ($0.name, $0.drift.errorTolerance) }
            ),
            onRetrain: { model, verdict in
                // Where labels may not ask, the worst of all alarms still is one.
                let asks = verdict.cause == .labelledError && labelsMayAsk.contains(model)
                let trigger = asks ? RetrainingTrigger.feedback : .drift
                _ = await supervisor.request(model: model, trigger: trigger)
            }
        )
    }
}

/// A part of the appliance that runs until it is asked to stop.
struct Job: Service, CustomStringConvertible {
    let description: String
    private let body: @Sendable () async throws -> Void

    init(_ name: String, _ body: @escaping @Sendable () async throws -> Void) {
        description = name
        self.body = body
    }

    func run() async throws {
        try await cancelWhenGracefulShutdown { try await body() }
    }
}
