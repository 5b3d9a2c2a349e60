package import HTTPTransport
package import NIOCore

/// Answers the requests that come to the `operations` listener on one event loop.
///
/// What takes time or changes state runs on the control path; the loop only waits for it.
package final class OperationsLoop: HTTPResponder {
    private let settings: ServingSettings
    private let table: EndpointTable
    private let actions: OperationsActions
    private let waitingModels: @Sendable () -> [String]
    private let eventLoop: any EventLoop
    /// Scrapes under way on this loop; a flood of them must not hide the rest.
    private var scrapes = 0

    private static let scrapesMax = 3
    private static let bodyBytesMax = 64 << 10

    /// Makes the responder of one loop.
    ///
    /// - Parameters:
    ///   - settings: What the configuration says of the listener.
    ///   - table: The listener's endpoints.
    ///   - actions: What can be set going.
    ///   - waitingModels: The models that have no version yet.
    ///   - eventLoop: The loop.
    package init(
        settings: ServingSettings,
        table: EndpointTable,
        actions: OperationsActions,
        waitingModels: @escaping @Sendable () -> [String],
        eventLoop: any EventLoop
    ) {
        self.settings = settings
        self.table = table
        self.actions = actions
        self.waitingModels = waitingModels
        self.eventLoop = eventLoop
    }

    /// Decides on a head: right client, known path, right method.
    package func admit(_ request: HTTPRequest) -> Admission {
        let match = table.find(request.head)
        if !match.isOpen, let failure = settings.refusal(of: request) {
            return .reject(failure.response(to: request, route: match.route))
        }
        switch match {
        case .unknownPath:
            return .reject(PredictionFailure.unknownPath.response(to: request, route: .other))
        case .wrongMethod(let allowed, let route, _):
            let failure = PredictionFailure.method(allowed: allowed)
            return .reject(failure.response(to: request, route: route))
        case .found(let endpoint, let route):
            return .accept(
                bodyBytesMax: Self.bodyBytesMax,
                route: route,
                isVital: endpoint.scope == nil || endpoint.action == .metrics
            )
        }
    }

    /// Answers a request whose body is complete.
    package func respond(to request: HTTPRequest) -> Reply {
        let actions = actions
        let model = request.head.queryValue("model")
        let caller = OperationsActions.Caller(
            address: request.connection.peerAddress ?? "unknown",
            requestName: request.name.text
        )
        switch table.found(request)?.endpoint.action {
        case .live:
            return .now(HealthAnswer.live.response(route: request.route))
        case .ready:
            let answer = HealthAnswer.ready(
                waiting: waitingModels(),
                draining: settings.isDraining
            )
            return .now(answer.response(route: request.route))
        case .metrics:
            return scrape(request)
        case .status:
            return later(request) { await actions.status() }
        case .drift:
            return later(request) { await actions.drift() }
        case .retrain:
            return later(request) { await actions.retrain(model, caller) }
        case .promote:
            guard let version = request.head.queryValue("version").flatMap({ Int($0) }) else {
                let failure = PredictionFailure.parameter(
                    name: "version",
                    problem: "expected ?version=N with the number of a version"
                )
                return .now(failure.response(to: request, route: request.route))
            }
            return later(request) { await actions.promote(model, version, caller) }
        case .rollback:
            return later(request) { await actions.rollback(model, caller) }
        case .acknowledge:
            return later(request) { await actions.acknowledge(model, caller) }
        case .predict, nil:
            let failure = PredictionFailure.unknownPath
            return .now(failure.response(to: request, route: .other))
        }
    }

    /// Runs an action on the control path.
    private func later(
        _ request: HTTPRequest,
        _ action: @escaping @Sendable () async -> OperationsActions.Result
    ) -> Reply {
        let (route, gzip) = (request.route, request.head.acceptsGzip)
        return .later(
            eventLoop.makeFutureWithTask {
                let result = await action()
                return HTTPResponse(
                    status: HTTPStatus(rawValue: UInt16(clamping: result.status))
                        ?? .internalServerError,
                    body: ByteBuffer(bytes: result.json + [0x0A]),
                    route: route
                ).gzipped(gzip)
            }
        )
    }

    /// Renders the metrics off this loop.
    private func scrape(_ request: HTTPRequest) -> Reply {
        guard scrapes < Self.scrapesMax else {
            let failure = PredictionFailure.busy("too many scrapes at once")
            return .now(failure.response(to: request, route: request.route))
        }
        scrapes += 1
        let (actions, route, gzip) = (actions, request.route, request.head.acceptsGzip)
        let loop = NIOLoopBound(self, eventLoop: eventLoop)
        let future = eventLoop.makeFutureWithTask {
            HTTPResponse(
                status: .ok,
                contentType: ContentType("text/plain; version=0.0.4; charset=utf-8"),
                body: ByteBuffer(bytes: actions.metrics()),
                route: route
            ).gzipped(gzip)
        }
        future.whenComplete { _ in loop.value.scrapes -= 1 }
        return .later(future)
    }
}
