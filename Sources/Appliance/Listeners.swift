internal import Logging
internal import HTTPTransport
internal import NIOCore
internal import ServiceLifecycle
internal import Serving
internal import TLSTransport
internal import Telemetry

/// Builds the two listeners from the settings.
struct Listeners {
    let parts: ApplianceParts
    let certificates: Certificates
    /// The event loops of predictions.
    let group: any EventLoopGroup
    /// The event loop of operations: health and metrics are answered under any flood.
    let lane: any EventLoopGroup
    /// What predictions give up while resources are scarce; operations give up nothing.
    let overload: OverloadState
    let welcome: Welcome
    let lifecycle: Lifecycle

    /// The listener for predictions.
    func api(_ serving: ServingParts) throws -> ListenerService {
        let loops = serving.loops
        return try service(
            .api,
            parts.settings.api,
            serving.table,
            serving.settings,
            on: group,
            overload: overload,
            makeResponder: { loop, _ in
                guard let responder = loops.responder(on: loop) else {
                    throw ChannelError.inappropriateOperationForState
                }
                return responder
            }
        )
    }

    /// The listener for metrics, status and all that changes state.
    func operations(_ operations: Operations) throws -> ListenerService {
        let settings = parts.settings.servingSettings(parts.settings.operations, loops: 1)
        let access = parts.access
        let shard = parts.registry.shards - 1
        let table = try EndpointTable(.operations)
        let actions = operations.actions
        let scrapes = try ScrapeMetrics(parts.registry)
        return try service(
            .operations,
            parts.settings.operations,
            table,
            settings,
            on: lane,
            firstShard: parts.registry.shards - 1,
            makeResponder: { loop, _ in
                OperationsLoop(
                    settings: settings,
                    table: table,
                    actions: actions,
                    models: operations.models,
                    gate: access.gate(.operations, on: loop, shard: shard),
                    eventLoop: loop,
                    scrapeMetrics: scrapes
                )
            }
        )
    }

    private func service(
        _ listener: Listener,
        _ settings: Appliance.ListenerSettings,
        _ table: EndpointTable,
        _ serving: ServingSettings,
        on group: any EventLoopGroup,
        firstShard: Int = 0,
        overload: OverloadState = OverloadState(),
        makeResponder: @escaping @Sendable (any EventLoop, Int) throws -> any HTTPResponder
    ) throws -> ListenerService {
        let server = try HTTPServer(
            settings: HTTPTransport.ListenerSettings(
                name: listener.rawValue,
                limits: settings.limits.transport,
                routes: table.routes
            ),
            address: HTTPServer.Address(host: settings.listen.host, port: settings.listen.port),
            inheritedSocket: lifecycle.manager.listeningSocket(for: listener.rawValue),
            group: group,
            tls: settings.plaintext ? nil : certificates.listenerTLS(listener),
            metrics: HTTPMetrics(registry: parts.registry, listener: listener.rawValue),
            accessLog: accessLog,
            traces: listener == .api ? parts.traces.collector : nil,
            overload: overload,
            firstShard: firstShard,
            makeResponder: makeResponder
        )
        return ListenerService(
            name: listener.rawValue,
            server: server,
            isPlaintext: settings.plaintext,
            serving: serving,
            lifecycle: lifecycle,
            logger: parts.logging.logger(listener.rawValue),
            welcome: welcome
        )
    }

    private var accessLog: AccessLog? {
        var settings = AccessLog.Settings()
        let log = parts.settings.log
        settings.slowSeconds = Double(log.slowMilliseconds) / 1000
        settings.form = log.format == .text ? .text : .json(log.fields == .otel ? .otel : .ecs)
        switch log.access {
        case .all: settings.sampleEvery = log.sampleEvery
        case .errors:
            settings.sampleEvery = Int.max
            settings.failureStatusMin = 400
        case .off: return nil
        }
        return AccessLog(sink: parts.logging.sink, settings: settings)
    }
}

extension ListenerLimits {
    /// The same in the transport's words.
    fileprivate var transport: TransportLimits {
        var limits = TransportLimits()
        // An idle connection makes room for a new one only where this limit is met before the
        // system's, of which files and the other listener need a share, too.
        let descriptors = Int(clamping: ProcessUsage.descriptorsMax())
        limits.connectionsMax = min(connectionsMax, max(16, descriptors / 4 * 3))
        if connectionsPerAddressMax > 0 {
            limits.connectionsPerAddressMax = connectionsPerAddressMax
        }
        limits.idleSeconds = Double(idleSecondsMax)
        limits.headerSeconds = Double(headerSecondsMax)
        limits.requestsPerConnectionMax = requestsPerConnectionMax
        limits.connectionAgeSeconds = Double(connectionSecondsMax)
        limits.headerBytesMax = headerBytesMax
        limits.targetBytesMax = min(targetBytesMax, headerBytesMax)
        limits.fieldsMax = fieldsMax
        limits.bodySeconds = Double(bodySecondsMax)
        limits.bodyIdleSeconds = Double(bodyIdleSecondsMax)
        limits.bodyBytesPerSecondMin = bodyBytesPerSecondMin
        limits.queueSecondsMax = Double(queueMillisecondsMax) / 1000
        limits.pendingAnswersMax = pendingRequestsMax
        return limits
    }
}

/// A listener as the life cycle sees it.
struct ListenerService: Service, CustomStringConvertible {
    let name: String
    let server: HTTPServer
    let isPlaintext: Bool
    let serving: ServingSettings
    let lifecycle: Lifecycle
    let logger: Logger
    let welcome: Welcome

    var description: String { name }

    func run() async throws {
        let address = try await server.start()
        logger.info(
            "listening",
            metadata: ["listener": "\(name)", "server.address": "\(address)"]
        )
        await welcome.listening(name, at: "\(address)")
        lifecycle.listening(serving)
        if isPlaintext {
            logger.warning("plain text", metadata: ["listener": "\(name)"])
        }
        try? await gracefulShutdown()
        lifecycle.begin()
        let outcome = await server.drain(seconds: lifecycle.secondsLeft)
        logger.info(
            "drained",
            metadata: ["listener": "\(name)", "connections.cut_off": "\(outcome.cutOff)"]
        )
    }
}
