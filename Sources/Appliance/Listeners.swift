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
    let group: any EventLoopGroup
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
        let settings = try parts.settings.servingSettings(parts.settings.operations)
        let table = try EndpointTable(.operations)
        let actions = operations.actions
        return try service(
            .operations,
            parts.settings.operations,
            table,
            settings,
            makeResponder: { loop, _ in
                OperationsLoop(
                    settings: settings,
                    table: table,
                    actions: actions,
                    waitingModels: operations.waitingModels,
                    eventLoop: loop
                )
            }
        )
    }

    private func service(
        _ listener: Listener,
        _ settings: Appliance.ListenerSettings,
        _ table: EndpointTable,
        _ serving: ServingSettings,
        makeResponder: @escaping @Sendable (any EventLoop, Int) throws -> any HTTPResponder
    ) throws -> ListenerService {
        var limits = TransportLimits()
        limits.connectionsMax = settings.limits.connectionsMax
        limits.idleSeconds = Double(settings.limits.idleSecondsMax)
        limits.headerSeconds = Double(settings.limits.headerSecondsMax)
        limits.requestsPerConnectionMax = settings.limits.requestsPerConnectionMax
        let server = try HTTPServer(
            settings: HTTPTransport.ListenerSettings(
                name: listener.rawValue,
                limits: limits,
                routes: table.routes
            ),
            address: HTTPServer.Address(host: settings.listen.host, port: settings.listen.port),
            inheritedSocket: lifecycle.manager.listeningSocket(for: listener.rawValue),
            group: group,
            tls: settings.plaintext ? nil : certificates.listenerTLS(listener),
            metrics: HTTPMetrics(registry: parts.registry, listener: listener.rawValue),
            accessLog: accessLog,
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
        settings.form = log.format == .text ? .text : .json(log.fields == .otel ? .otel : .ecs)
        switch log.access {
        case .all: break
        case .errors: settings.sampleEvery = Int.max
        case .off: return nil
        }
        return AccessLog(sink: parts.logging.sink, settings: settings)
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
