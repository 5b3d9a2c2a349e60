internal import HTTPTransport
internal import Logging
internal import NIOCore
internal import ServiceLifecycle
internal import Serving
internal import Synchronization
internal import Telemetry
internal import UnixSignals

/// The start and the end of serving, as the service manager and the listeners see it.
///
/// At the end both listeners say at `/readyz` that they are not ready, at once; after the delay that
/// load balancers need to see it, one after the other accepts no more and lets requests in progress finish. They share one deadline.
final class Lifecycle: Sendable {
    private struct State {
        var serving: [ServingSettings] = []
        var deadline: ContinuousClock.Instant?
    }

    let manager: ServiceManager
    private let delaySeconds: Int
    private let drainSeconds: Int
    private let state = Mutex(State())

    init(_ settings: Settings) {
        manager = ServiceManager(ProcessEnvironment.variables())
        delaySeconds = settings.shutdownDelaySeconds
        drainSeconds = settings.shutdownSecondsMax
    }

    /// Takes note of a listener that is bound; the last one makes the appliance ready.
    func listening(_ serving: ServingSettings) {
        let isLast = state.withLock { state in
            state.serving.append(serving)
            return state.serving.count == Listener.allCases.count
        }
        if isLast { manager.ready() }
    }

    /// Begins the end; the first call counts.
    func begin() {
        let serving = state.withLock { state -> [ServingSettings] in
            guard state.deadline == nil else { return [] }
            state.deadline = .now + .seconds(delaySeconds + drainSeconds)
            return state.serving
        }
        if serving.isEmpty { return }
        manager.stopping()
        for listener in serving { listener.beginDraining() }
    }

    /// Lets load balancers see that we are not ready, while we still serve.
    func delay() async {
        let end = ContinuousClock.now + .seconds(delaySeconds)
        while secondsLeft > 0, .now < end { try? await Task.sleep(for: .milliseconds(50)) }
    }

    /// How long requests in progress may still take.
    var secondsLeft: Double {
        state.withLock { state in
            guard let deadline = state.deadline else { return Double(drainSeconds) }
            let (seconds, attoseconds) = (deadline - .now).components
            return max(0, Double(seconds) + Double(attoseconds) * 1e-18)
        }
    }

    /// Ends waiting now.
    func cutShort() { state.withLock { $0.deadline = .now } }
}

/// Begins the end when the appliance is asked to end; the first to be told.
struct LifecycleService: Service, CustomStringConvertible {
    let lifecycle: Lifecycle
    let description = "lifecycle"

    func run() async throws {
        try? await gracefulShutdown()
        lifecycle.begin()
        await lifecycle.delay()
    }
}

/// Ends waiting for requests in progress when the appliance is asked to end a second time.
struct ImpatienceService: Service, CustomStringConvertible {
    let lifecycle: Lifecycle
    let listeners: [ListenerService]
    let description = "impatience"

    func run() async throws {
        await cancelWhenGracefulShutdown {
            var signals = await UnixSignalsSequence(trapping: .sigterm, .sigint)
                .makeAsyncIterator()
            for _ in 0..<2 where await signals.next() == nil { return }
            if Task.isCancelled { return }
            listeners.first?.logger.warning("asked to end a second time")
            lifecycle.cutShort()
            for listener in listeners { _ = await listener.server.drain(seconds: 0) }
        }
        // A service that returns before it is asked to would count as a failure.
        try? await gracefulShutdown()
    }
}

/// Reads configuration and certificates anew at SIGHUP, and looks after the certificates' files.
struct ReloadingService: Service, CustomStringConvertible {
    let reloading: Reloading
    let manager: ServiceManager
    let watchSeconds: Int
    let logging: ApplianceLogging
    let description = "reloading"

    init(
        _ parts: ApplianceParts,
        _ certificates: Certificates,
        _ manager: ServiceManager
    ) throws {
        let settings = parts.settings
        reloading = Reloading(
            settings,
            read: {
                guard let file = settings.source else { return settings }
                return try SettingsFile.read(file, environment: ProcessEnvironment.variables())
            },
            certificates: certificates,
            prepareAccess: { [access = parts.access] settings in
                let prepared = try settings.prepareAccess(access)
                return { access.use(prepared) }
            },
            metrics: try ReloadMetrics(parts.registry, now: ProcessEnvironment.now()),
            logger: parts.logging.logger("reloading"),
            clock: ProcessEnvironment.now,
            reloaded: { [levels = parts.logging.levels, audit = parts.audit] new in
                if let new { levels.level = new.log.level.level }
                audit.record(.reload, new == nil ? .refused : .accepted, ["audit.by": "SIGHUP"])
            }
        )
        logging = parts.logging
        self.manager = manager
        watchSeconds = settings.tls.watchSeconds
    }

    func run() async throws {
        await cancelWhenGracefulShutdown {
            await withDiscardingTaskGroup { group in
                group.addTask {
                    for await _ in await UnixSignalsSequence(trapping: .sighup) {
                        manager.reloading()
                        await reloading.reload()
                        manager.ready()
                    }
                }
                group.addTask {
                    for await _ in await UnixSignalsSequence(trapping: .sigusr1) { reopenLog() }
                }
                if watchSeconds == 0 { return }
                group.addTask {
                    while !Task.isCancelled {
                        try? await Task.sleep(for: .seconds(watchSeconds))
                        if !Task.isCancelled { await reloading.look() }
                    }
                }
            }
        }
    }
}

extension ReloadingService {
    /// Goes on in a new file after the old one was moved away.
    private func reopenLog() {
        let logger = logging.logger("log")
        do {
            if try logging.sink.reopen() {
                logger.notice("log reopened")
            } else {
                logger.warning("log not reopened", metadata: ["reason": "it is not in a file"])
            }
        } catch {
            logger.error("log not reopened", metadata: ["reason": "\(error)"])
        }
    }
}

/// Tells the service manager that the event loops turn, twice as often as it wants to know.
struct WatchdogService: Service, CustomStringConvertible {
    let manager: ServiceManager
    let groups: [any EventLoopGroup]
    let description = "watchdog"

    func run() async throws {
        guard let nanoseconds = manager.watchdogNanoseconds else {
            try? await gracefulShutdown()
            return
        }
        await cancelWhenGracefulShutdown {
            while !Task.isCancelled {
                // A loop that hangs keeps us here, and the manager without its sign of life.
                for group in groups {
                    for loop in group.makeIterator() { try? await loop.submit {}.get() }
                }
                manager.alive()
                try? await Task.sleep(for: .nanoseconds(nanoseconds / 2))
            }
        }
    }
}
