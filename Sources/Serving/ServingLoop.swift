package import Drift
internal import Features
package import HTTPTransport
internal import ModelStore
internal import NIOCore
internal import Telemetry

/// Answers the requests that come to the `api` listener on one event loop.
///
/// It holds this loop's references to the models' live versions; a request uses the one it finds
/// to its end, and a swap replaces the reference between two requests.
package final class ServingLoop: HTTPResponder {
    let settings: ServingSettings
    private let metrics: ServingMetrics
    let table: EndpointTable
    private let shard: Int
    var models: [Slot] { didSet { description = nil } }
    /// The OpenAPI description of the versions that answer, once it was asked for.
    var description: ByteBuffer?
    /// Decides who may ask; nil lets everybody.
    private var gate: AccessGate?
    /// Takes labels, where that is switched on.
    private var desk: (service: FeedbackService, loop: any EventLoop)?
    private var batcher: (batcher: Batcher, loop: any EventLoop)?
    private(set) var hasLargeModels = false
    private var failures: [String: Counter] = [:]

    /// One configured model.
    struct Slot {
        let name: String
        /// The version that answers.
        var served: ServedModel?
        /// Whether an operator took the model out of service.
        var isUnloaded = false
        /// What is remembered for labels that come later.
        var labelled: LabelledModel?
        /// The candidate, and whom it answers; nil without one.
        var route: ReleaseRoute?
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

    /// Has what is too much for this loop computed elsewhere.
    func attach(_ batcher: Batcher, on loop: any EventLoop) {
        self.batcher = (batcher, loop)
    }

    /// Puts a version in the place of the one that answers now; requests wait meanwhile, so that
    /// all of it was made before.
    ///
    /// - Returns: The version before, so that the caller lets it go off this loop.
    package func install(_ version: PreparedVersion) -> RetiredVersion? {
        let start = NIODeadline.now()
        guard let index = models.firstIndex(where: { $0.name == version.name }),
            let served = version.served.take()
        else { return nil }
        let before = exchange(served, version.labelled(after: models[index].labelled), at: index)
        version.onLoop.observe(
            UInt64(max(0, (NIODeadline.now() - start).nanoseconds)),
            shard: shard
        )
        return before
    }

    private func exchange(
        _ served: ServedModel,
        _ labelled: LabelledModel?,
        at index: Int
    ) -> RetiredVersion? {
        models[index].isUnloaded = false
        models[index].labelled = labelled
        served.recent = labelled?.ring
        var before = models[index].served
        models[index].served = served
        updateLargeModels()
        return RetiredVersion(taking: &before)
    }

    func updateLargeModels() {
        hasLargeModels = models.contains { $0.served?.isLarge ?? false }
    }

    /// Takes a model out of service.
    ///
    /// - Returns: The version that answered, so that the caller lets it go off this loop.
    package func remove(_ name: String) -> RetiredVersion? {
        guard let index = models.firstIndex(where: { $0.name == name }) else { return nil }
        var before = models[index].served
        models[index].served = nil
        models[index].isUnloaded = true
        return RetiredVersion(taking: &before)
    }

    /// Has requests shown to a gate before they are read.
    func attach(_ gate: AccessGate) { self.gate = gate }

    /// Has labels taken.
    func attach(_ service: FeedbackService, on loop: any EventLoop) { desk = (service, loop) }

    /// Joins labels with the rows that this loop scored.
    func join(_ items: [FeedbackItem]) -> [FeedbackOutcome] {
        items.map { item in
            for slot in models {
                guard let labelled = slot.labelled, item.model ?? slot.name == slot.name else {
                    continue
                }
                let outcome = labelled.join(item)
                if outcome != .unknown { return outcome }
                // A candidate whose labels mean something else has a ring of its own.
                guard let other = slot.route?.labelled, other.ring !== labelled.ring else {
                    continue
                }
                let second = other.join(item)
                if second != .unknown { return second }
            }
            return .unknown
        }
    }

    /// Rows counted for the drift monitors since the last call, by model and version.
    package func takeBlocks() -> [CountedRows] {
        models.compactMap { slot in
            guard let served = slot.served else { return nil }
            let (blocks, dropped) = served.takeBlocks()
            guard !blocks.isEmpty || dropped != DroppedRows() else { return nil }
            return CountedRows(
                model: slot.name,
                version: served.model.version,
                blocks: blocks,
                dropped: dropped,
                performance: served.takePerformance(),
                pixels: served.takePixels()
            )
        }
    }

    /// Decides on a head: right client, known path, right method.
    package func admit(_ request: HTTPRequest) -> Admission {
        let match = table.find(request.head)
        if !match.isOpen, let failure = AccessGate.refusal(of: request, match.scope, by: gate) {
            return reject(failure, request, match.route)
        }
        switch match {
        case .unknownPath: return reject(.unknownPath, request, .other)
        case .wrongMethod(let allowed, let route, _):
            return reject(.method(allowed: allowed), request, route)
        case .found(let endpoint, let route):
            guard endpoint.scope != nil else {
                return .accept(bodyBytesMax: 0, route: route, isVital: true)
            }
            if case .predict = endpoint.action, let served = unreadModel(request, route),
                served.refusesUnread()
            {
                return reject(.overloaded(model: served.model.name), request, route)
            }
            return .accept(
                bodyBytesMax: endpoint.method == .post ? settings.bodyBytesMax : 0,
                route: route
            )
        }
    }

    /// Answers a request whose body is complete.
    package func respond(to request: HTTPRequest) -> Reply {
        guard let (endpoint, names) = table.found(request) else {
            return .now(failed(.unknownPath, request, .other))
        }
        switch endpoint.action {
        case .predict(let dialect):
            do throws(PredictionFailure) {
                let form = try BodyForm.of(request, dialect)
                let served = try served(for: request, names, dialect, isPrediction: true)
                switch try served.predict(request, dialect, form) {
                case .now(let response): return .now(coded(response, dialect, request))
                case .later(let pending): return later(pending, dialect, request)
                }
            } catch {
                return .now(failed(error, request, request.route))
            }
        case .feedback:
            do throws(PredictionFailure) {
                return try takeLabels(request)
            } catch {
                return .now(failed(error, request, request.route))
            }
        case .alive:
            return .now(HealthAnswer.alive.response(route: request.route))
        case .live:
            return .now(HealthAnswer.live.response(route: request.route))
        case .ready:
            let waiting = models.filter { $0.served == nil && !$0.isUnloaded }.map(\.name)
            return .now(
                HealthAnswer.ready(waiting: waiting, draining: settings.isDraining)
                    .response(route: request.route)
            )
        default:
            do throws(PredictionFailure) {
                return .now(try information(request, endpoint.action, names))
            } catch {
                return .now(failed(error, request, request.route))
            }
        }
    }

    /// The version that a request means.
    ///
    /// The model is the path's, the query's, the body's or the default one; a version in the path
    /// must be one that answers.
    func served(
        for request: HTTPRequest,
        _ names: PathNames,
        _ dialect: Dialect,
        isPrediction: Bool = false
    ) throws(PredictionFailure) -> ServedModel {
        let index = try slotIndex(for: request, names, dialect)
        return try chosen(for: request, names, index, isPrediction: isPrediction)
    }

    private func slotIndex(
        for request: HTTPRequest,
        _ names: PathNames,
        _ dialect: Dialect
    ) throws(PredictionFailure) -> Int {
        if let range = names.model {
            for index in models.indices
            where request.head.pathPart(range, is: models[index].name) {
                return index
            }
            throw .unknownModel(request.head.pathText(range), known: settings.models)
        }
        let name = try modelName(request, dialect)
        for index in models.indices where models[index].name == name { return index }
        throw .unknownModel(name, known: settings.models)
    }

    private func modelName(
        _ request: HTTPRequest,
        _ dialect: Dialect
    ) throws(PredictionFailure) -> String {
        if request.head.hasQuery, let name = request.head.queryValue("model") { return name }
        if models.count > 1, dialect == .predict, let name = try nameInBody(request) {
            return name
        }
        guard let name = settings.defaultModel else {
            throw .ambiguousModel(known: settings.models)
        }
        return name
    }

    /// Takes labels: they are joined on all loops, which is no work for this one alone.
    private func takeLabels(_ request: HTTPRequest) throws(PredictionFailure) -> Reply {
        guard let desk else { throw .feedbackUnknown }
        let items: [FeedbackItem]
        let wasBatch: Bool
        do {
            (items, wasBatch) = try FeedbackDecoder(itemsMax: settings.rowsMax)
                .decode(request.body.readableBytesUInt8Span)
        } catch {
            throw .input(error)
        }
        let (service, metrics) = (desk.service, metrics)
        return .later(
            desk.loop.makeFutureWithTask {
                let answer = FeedbackAnswer(items: items, outcomes: await service.take(items))
                return answer.response(to: request, wasBatch: wasBatch) { code in
                    metrics.answers.failures.series([code]).add(1)
                }
            }
        )
    }

    private func reject(_ failure: PredictionFailure, _ request: HTTPRequest, _ route: HTTPRoute)
        -> Admission
    {
        .reject(failed(failure, request, route))
    }

    /// Counts a failure; the series is looked up, with a lock, for the first of its kind only.
    private func count(_ code: String) {
        if let counter = failures[code] { return counter.increment(shard: shard) }
        let counter = metrics.answers.failures.series([code])
        failures[code] = counter
        counter.increment(shard: shard)
    }

    func failed(_ failure: PredictionFailure, _ request: HTTPRequest, _ route: HTTPRoute)
        -> HTTPResponse
    {
        count(failure.code)
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
    /// Rows that were not counted.
    package let dropped: DroppedRows
    /// What was counted of the answers.
    package let performance: PerformanceCounts?
    /// What was summed up of the images.
    package let pixels: PixelSums?

    /// Takes note of counts.
    package init(
        model: String,
        version: Int,
        blocks: [BlockCounts],
        dropped: DroppedRows = DroppedRows(),
        performance: PerformanceCounts? = nil,
        pixels: PixelSums? = nil
    ) {
        self.model = model
        self.version = version
        self.blocks = blocks
        self.dropped = dropped
        self.performance = performance
        self.pixels = pixels
    }
}
