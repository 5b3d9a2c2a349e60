internal import Features
package import HTTPTransport
package import NIOCore

/// Answers the requests that come to the `operations` listener on one event loop.
///
/// What takes time or changes state runs on the control path; the loop only waits for it.
package final class OperationsLoop: HTTPResponder {
    private let settings: ServingSettings
    private let table: EndpointTable
    private let actions: OperationsActions
    private let models: @Sendable () -> [ModelState]
    private let eventLoop: any EventLoop
    /// Decides who may ask; nil lets everybody.
    private let gate: AccessGate?
    private let scrapes: MetricsEndpoint

    private static let bodyBytesMax = 64 << 10

    /// Makes the responder of one loop.
    ///
    /// - Parameters:
    ///   - settings: What the configuration says of the listener.
    ///   - table: The listener's endpoints.
    ///   - actions: What can be set going.
    ///   - models: The state of each model, told without waiting.
    ///   - gate: Decides who may ask; nil lets everybody.
    ///   - eventLoop: The loop.
    ///   - scrapeMetrics: What is counted of scrapes.
    package init(
        settings: ServingSettings,
        table: EndpointTable,
        actions: OperationsActions,
        models: @escaping @Sendable () -> [ModelState],
        gate: AccessGate? = nil,
        eventLoop: any EventLoop,
        scrapeMetrics: ScrapeMetrics? = nil
    ) {
        self.settings = settings
        self.table = table
        self.actions = actions
        self.models = models
        self.gate = gate
        self.eventLoop = eventLoop
        scrapes = MetricsEndpoint(actions.metrics, scrapeMetrics, eventLoop)
    }

    /// Decides on a head: right client, known path, right method.
    package func admit(_ request: HTTPRequest) -> Admission {
        let match = table.find(request.head)
        if !match.isOpen, let failure = AccessGate.refusal(of: request, match.scope, by: gate) {
            actions.denied(table.routes.label(match.route), caller(request))
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
        guard let (endpoint, names) = table.found(request) else {
            return refuse(request, .unknownPath)
        }
        switch endpoint.action {
        case .live:
            return .now(HealthAnswer.live.response(route: request.route))
        case .ready:
            let waiting = models().filter(\.isWaiting).map(\.name)
            let answer = HealthAnswer.ready(waiting: waiting, draining: settings.isDraining)
            return .now(answer.response(route: request.route))
        case .description, .server, .repositoryIndex, .model:
            do throws(PredictionFailure) {
                return .now(try information(request, endpoint.action, names))
            } catch {
                return refuse(request, error)
            }
        case .metrics: return scrapes.answer(request)
        case .status, .drift: return report(request, endpoint.action)
        default: return change(request, endpoint.action, names)
        }
    }

    private func refuse(_ request: HTTPRequest, _ failure: PredictionFailure) -> Reply {
        .now(failure.response(to: request, route: request.route))
    }

    private func report(_ request: HTTPRequest, _ action: Endpoint.Action) -> Reply {
        let actions = actions
        guard action == .drift else { return later(request) { await actions.status() } }
        let format = request.head.queryValue("format")
        let model = request.head.queryValue("model")
        return later(request) { await actions.drift(format, model) }
    }

    /// Answers a request that changes state.
    private func change(
        _ request: HTTPRequest,
        _ action: Endpoint.Action,
        _ names: PathNames
    ) -> Reply {
        let actions = actions
        let model = request.head.queryValue("model")
        let caller = caller(request)
        switch action {
        case .retrain: return later(request) { await actions.retrain(model, caller) }
        case .promote:
            guard let version = request.head.queryValue("version").flatMap({ Int($0) }) else {
                let problem = "expected ?version=N with the number of a version"
                return refuse(request, .parameter(name: "version", problem: problem))
            }
            return later(request) { await actions.promote(model, version, caller) }
        case .rollback: return later(request) { await actions.rollback(model, caller) }
        case .pin:
            let text = request.head.queryValue("version")
            let version = text.flatMap { Int($0) }
            guard text == nil || version != nil else {
                let problem = "expected ?version=N with the number of a version, or none"
                return refuse(request, .parameter(name: "version", problem: problem))
            }
            return later(request) { await actions.pin(model, version, caller) }
        case .unpin: return later(request) { await actions.unpin(model, caller) }
        case .acknowledge: return later(request) { await actions.acknowledge(model, caller) }
        case .logLevel:
            let level = request.head.queryValue("level")
            return later(request) { await actions.logLevel(level, caller) }
        case .load, .unload:
            do throws(FeatureError) {
                try RepositoryRequest.check(request.body.readableBytesUInt8Span)
            } catch {
                return refuse(request, .input(error))
            }
            let name = names.model.map { request.head.pathText($0) } ?? ""
            return later(request) {
                action == .load
                    ? await actions.load(name, caller) : await actions.unload(name, caller)
            }
        default: return refuse(request, .unknownPath)
        }
    }

    /// What the Open Inference Protocol tells on this listener, too.
    private func information(
        _ request: HTTPRequest,
        _ action: Endpoint.Action,
        _ names: PathNames
    ) throws(PredictionFailure) -> HTTPResponse {
        var body = ByteBuffer()
        switch action {
        case .description:
            OpenAPIDocument(listener: .operations, settings: settings, models: [])
                .write(into: &body)
        case .server: ServerDescription.write(settings, into: &body)
        case .repositoryIndex:
            try ServerDescription.writeIndex(models(), asked: request.body, into: &body)
        default:
            let state = try state(names, request)
            ServerDescription.writeReady(state.name, into: &body)
        }
        return HTTPResponse(status: .ok, body: body, route: request.route)
    }

    /// The model that a path names, if it answers.
    private func state(
        _ names: PathNames,
        _ request: HTTPRequest
    ) throws(PredictionFailure) -> ModelState {
        let head = request.head
        let found = models().first { model in
            names.model.map { head.pathPart($0, is: model.name) } ?? false
        }
        guard let found else {
            let name = names.model.map { head.pathText($0) } ?? ""
            throw .unknownModel(name, known: settings.models)
        }
        guard let version = found.version else {
            throw found.isUnloaded ? .unloaded(found.name) : .notReady(found.name)
        }
        if let range = names.version, !head.pathPart(range, is: String(version)) {
            throw .versionNotLive(model: found.name, live: version)
        }
        return found
    }

    private func caller(_ request: HTTPRequest) -> OperationsActions.Caller {
        OperationsActions.Caller(
            address: request.connection.peerAddress ?? "unknown",
            requestName: request.name.text,
            identity: gate?.name(of: request)
        )
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
                let response = HTTPResponse(
                    status: HTTPStatus(rawValue: UInt16(clamping: result.status))
                        ?? .internalServerError,
                    contentType: result.isPicture ? ContentType("image/png") : .json,
                    body: ByteBuffer(bytes: result.isPicture ? result.body : result.body + [0x0A]),
                    route: route
                )
                return result.isPicture ? response : response.gzipped(gzip)
            }
        )
    }
}
