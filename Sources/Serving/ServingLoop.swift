package import Drift
package import HTTPTransport
package import ModelStore
internal import NIOCore
internal import Telemetry

/// Answers the requests that come to the `api` listener on one event loop.
///
/// It holds this loop's references to the models' live versions; a request uses the one it finds
/// to its end, and a swap replaces the reference between two requests.
package final class ServingLoop: HTTPResponder {
    private let settings: ServingSettings
    private let metrics: ServingMetrics
    private let table: EndpointTable
    private let shard: Int
    private var models: [Slot]

    private struct Slot {
        let name: String
        var served: ServedModel?
    }

    /// Makes the responder of one loop; no model is ready yet.
    ///
    /// - Parameters:
    ///   - settings: What the configuration says.
    ///   - metrics: What Prometheus learns.
    ///   - table: The listener's endpoints.
    ///   - shard: The loop's number: it alone writes this shard of the metrics.
    package init(
        settings: ServingSettings,
        metrics: ServingMetrics,
        table: EndpointTable,
        shard: Int
    ) {
        self.settings = settings
        self.metrics = metrics
        self.table = table
        self.shard = shard
        models = settings.models.map { Slot(name: $0, served: nil) }
    }

    /// Puts a version in the place of the one that answers now.
    ///
    /// - Returns: The version before, so that the caller lets it go off this loop.
    package func install(_ model: ActiveModel, metrics: ServedModelMetrics) -> ActiveModel? {
        guard let index = models.firstIndex(where: { $0.name == model.name }) else { return nil }
        let before = models[index].served?.model
        models[index].served = ServedModel(
            model,
            metrics: metrics,
            rowsMax: settings.rowsMax,
            watchesInputs: settings.watchedModels.contains(model.name),
            shard: shard
        )
        return before
    }

    /// Rows counted for the drift monitors since the last call, by model and version.
    package func takeBlocks() -> [CountedRows] {
        models.compactMap { slot in
            guard let served = slot.served else { return nil }
            let (blocks, dropped) = served.takeBlocks()
            guard !blocks.isEmpty else { return nil }
            return CountedRows(
                model: slot.name,
                version: served.model.version,
                blocks: blocks,
                dropped: dropped
            )
        }
    }

    /// Decides on a head: right client, known path, right method.
    package func admit(_ request: HTTPRequest) -> Admission {
        let found = table.find(request.head.pathBytes)
        if found?.endpoint.isHealth != true, let failure = settings.refusal(of: request) {
            return reject(failure, request, found?.route ?? .other)
        }
        guard let (endpoint, route) = found else { return reject(.unknownPath, request, .other) }
        guard endpoint.accepts(request.head.method) else {
            return reject(.method(allowed: endpoint.allowed), request, route)
        }
        guard endpoint == .predict else {
            return .accept(bodyBytesMax: 0, route: route, isVital: true)
        }
        return .accept(bodyBytesMax: settings.bodyBytesMax, route: route)
    }

    /// Answers a request whose body is complete.
    package func respond(to request: HTTPRequest) -> Reply {
        switch table.find(request.head.pathBytes)?.endpoint {
        case .predict:
            do throws(PredictionFailure) {
                return .now(try served(for: request).predict(request))
            } catch {
                return .now(failed(error, request, request.route))
            }
        case .live:
            return .now(HealthAnswer.live.response(route: request.route))
        case .ready:
            let waiting = models.filter { $0.served == nil }.map(\.name)
            return .now(
                HealthAnswer.ready(waiting: waiting, draining: settings.isDraining)
                    .response(route: request.route)
            )
        default:
            return .now(failed(.unknownPath, request, .other))
        }
    }

    /// The model that a request means: the query's word, the body's, or the default.
    private func served(for request: HTTPRequest) throws(PredictionFailure) -> ServedModel {
        let name = try modelName(request)
        guard let slot = models.first(where: { $0.name == name }) else {
            throw .unknownModel(name, known: settings.models)
        }
        guard let served = slot.served else { throw .notReady(name) }
        return served
    }

    private func modelName(_ request: HTTPRequest) throws(PredictionFailure) -> String {
        if request.head.hasQuery, let name = request.head.queryValue("model") { return name }
        if models.count > 1, let name = try nameInBody(request) { return name }
        guard let name = settings.defaultModel else {
            throw .ambiguousModel(known: settings.models)
        }
        return name
    }

    private func reject(_ failure: PredictionFailure, _ request: HTTPRequest, _ route: HTTPRoute)
        -> Admission
    {
        .reject(failed(failure, request, route))
    }

    private func failed(_ failure: PredictionFailure, _ request: HTTPRequest, _ route: HTTPRoute)
        -> HTTPResponse
    {
        metrics.answers.failures.series([failure.code]).add(1)
        return failure.response(to: request, route: route)
    }
}

/// Scored rows of one version, as an event loop counted them.
package struct CountedRows: Sendable {
    /// The model.
    package let model: String
    /// The version that scored them.
    package let version: Int
    /// The counts.
    package let blocks: [BlockCounts]
    /// Rows that found no room.
    package let dropped: Int

    /// Takes note of counts.
    package init(model: String, version: Int, blocks: [BlockCounts], dropped: Int = 0) {
        self.model = model
        self.version = version
        self.blocks = blocks
        self.dropped = dropped
    }
}

extension Endpoint {
    /// Whether a method is the endpoint's own; `HEAD` stands for `GET`.
    func accepts(_ method: HTTPMethod) -> Bool {
        method == self.method || (method == .head && self.method == .get)
    }

    /// The value of `Allow`.
    var allowed: String { method == .get ? "GET, HEAD" : "POST" }
}
