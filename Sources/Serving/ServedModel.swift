internal import Drift
internal import Features
internal import HTTPTransport
internal import ModelStore
internal import NIOCore
internal import NeuralNetwork
internal import Telemetry

/// The metric series of one version, made before it goes live.
package struct ServedModelMetrics: Sendable {
    /// One counter a class.
    let predictions: [Counter]
    let confidence: Histogram
    private let phases: [Histogram]
    let batches: BatchSeries
    /// What the statistics extension tells, over all loops.
    let statistics = VersionStatistics()
    /// What the OpenAPI description tells of it.
    let operations: ModelOperations
    let outOfRange: Counter
    let missing: Counter
    let unseen: Counter
    /// How long a swap to this version holds an event loop.
    let swapOnLoop: Histogram

    init(_ metrics: ServingMetrics, _ model: ActiveModel) {
        let manifest = model.bundle.manifest
        operations = ModelOperations(model)
        let classes = manifest.task == .regression ? ["value"] : manifest.labels
        predictions = classes.map {
            metrics.answers.predictions.series([model.name, String(model.version), $0])
        }
        confidence = metrics.answers.confidence.series([model.name])
        phases = AnswerMetrics.Phase.allCases.map {
            metrics.answers.phases.series([model.name, $0.label])
        }
        outOfRange = metrics.answers.unusual.series([model.name, "out_of_range"])
        missing = metrics.answers.unusual.series([model.name, "missing"])
        unseen = metrics.answers.unusual.series([model.name, "unseen"])
        batches = metrics.batches.series(model.name)
        swapOnLoop = metrics.versions.swapOnLoop.series([model.name])
    }

    /// Counts the time of a phase.
    func observe(_ phase: AnswerMetrics.Phase, _ nanoseconds: UInt64, _ shard: Int) {
        phases[Int(phase.rawValue)].observe(nanoseconds, shard: shard)
    }
}

/// One version as one event loop holds it: with the loop's own buffers, and never shared.
///
/// This is the whole of a prediction: decode, predict, monitor, respond.
final class ServedModel {
    /// What may stand in a path in the place of a number, and always means the version that
    /// answers: the word of the store, and that of TensorFlow Serving.
    static let labels = ["current", "stable"]
    /// The same for a candidate that answers some requests.
    static let canaryLabel = "canary"

    let model: ActiveModel
    let metrics: ServedModelMetrics
    /// The batcher's part; nil when this loop computes everything itself.
    let batching: ServedBatching?
    let shard: Int
    private let showsTimes: Bool
    let tally: PredictionTally
    private let decoders: Decoders
    private let encoders: Encoders
    let versionText: String
    private var monitor: InputMonitor?
    /// The row that the monitor counts, if it counts one, and what the batcher sent of it.
    private var watched: (row: Int?, hidden: [Float]) = (nil, [])
    private(set) var batch = FeatureBatch()
    /// Batches of predictions that have ended, for the next that go to the batcher.
    private var spares: [FeatureBatch] = []
    private var engine: PredictionEngine
    private var body = ByteBuffer()
    private var spare = ByteBuffer()
    /// What is remembered for labels that come later.
    var recent: RecentPredictions?
    private lazy var explainer = Explainer()
    /// Predictions that the batcher has.
    var pendingCount = 0
    /// Whether another version has taken this one's place.
    var isRetired = false
    /// Puts rows aside for a candidate in the shadow, or the version before; nil without either.
    var shadow: ShadowTap?
    /// The share of requests of which the version before computes a row, too.
    var watchShare = 0.0

    init(
        _ model: ActiveModel,
        metrics: ServedModelMetrics,
        batching: ServedBatching?,
        settings: ServingSettings,
        shard: Int
    ) {
        self.model = model
        self.metrics = metrics
        self.batching = batching
        self.shard = shard
        showsTimes = settings.serverTiming
        versionText = String(model.version)
        tally = metrics.statistics.makeTally()
        decoders = Decoders(model.bundle.manifest, rowsMax: settings.rowsMax)
        encoders = Encoders(model)
        let watchesInputs = settings.watchedModels.contains(model.name)
        monitor =
            watchesInputs
            ? InputMonitor(
                model.bundle.reference,
                sampling: settings.sampling[model.name] ?? RowSampling(),
                clock: settings.wallClock
            ) : nil
        engine = PredictionEngine(model.bundle)
    }

    /// Rows counted for the drift monitor since the last call.
    func takeBlocks() -> (blocks: [BlockCounts], dropped: DroppedRows) {
        monitor?.take() ?? ([], DroppedRows())
    }

    /// What was counted of answers since the last call.
    func takePerformance() -> PerformanceCounts? { monitor?.takePerformance() }

    /// What was summed up of images since the last call.
    func takePixels() -> PixelSums? { monitor?.takePixels() }

    /// Answers one request.
    ///
    /// - Parameters:
    ///   - request: What was asked.
    ///   - dialect: In whose words it is asked and answered.
    ///   - form: How its body is written.
    /// - Returns: The answer.
    /// - Throws: ``PredictionFailure``.
    func predict(
        _ request: HTTPRequest,
        _ dialect: Dialect,
        _ form: BodyForm
    ) throws(PredictionFailure) -> PredictionCourse {
        var times = PredictionTimes()
        do throws(PredictionFailure) {
            try decode(request, dialect, form)
            times.parse = times.end(.parse, metrics, shard)
            // What is computed at once is answered at once, whatever its time.
            let deadline = try request.deadline(batch.options.timeoutMicroseconds)
            watched.row = monitor?.choose(rowCount: batch.rowCount, of: request)
            if let batching, isForBatcher {
                let question = PendingPrediction.Question(
                    request: request,
                    dialect: dialect,
                    parse: times.parse,
                    watchedRow: watched.row
                )
                return .later(try enqueue(question, batching, deadline: deadline))
            }
            metrics.batches.inline.increment(shard: shard)
            return .now(try finish(request, dialect, &times, computes: true))
        } catch {
            if error.isBadInput { monitor?.refused(request) }
            tally.failed(nanoseconds: times.sinceStart, isFault: error.isFault)
            throw error
        }
    }

    /// Monitors and answers what was computed by the batcher, or is computed here first.
    func finish(
        _ request: HTTPRequest,
        _ dialect: Dialect,
        _ times: inout PredictionTimes,
        computes: Bool = false
    ) throws(PredictionFailure) -> HTTPResponse {
        var rows = FeatureBatch()
        swap(&rows, &batch)
        defer { swap(&rows, &batch) }
        return try finish(request, rows, dialect, &times, computes)
    }

    /// What a class or a variable holds is copied for each call that reads it; what is lent is not.
    private func finish(
        _ request: HTTPRequest,
        _ rows: borrowing FeatureBatch,
        _ dialect: Dialect,
        _ times: inout PredictionTimes,
        _ computes: Bool
    ) throws(PredictionFailure) -> HTTPResponse {
        if computes { engine.compute(rows.raw, rowCount: rows.rowCount) }
        try checkFinite()
        let explanation = try explain(rows)
        times.endCompute(metrics, shard)
        observe(request.name, rows)
        remember(request.name, rows)
        times.monitor = times.end(.monitor, metrics, shard)
        var response = respond(to: request, rows, dialect, explanation, times)
        times.serialise = times.end(.serialise, metrics, shard)
        response.log.phases = times.phases
        tally.succeeded(rowCount: rows.rowCount, times)
        if showsTimes { response.timing = times.header }
        return response
    }

    /// Gives the rows that were read away; others are read into other memory.
    func takeBatch() -> FeatureBatch {
        var taken = spares.popLast() ?? FeatureBatch()
        swap(&taken, &batch)
        return taken
    }

    /// Takes rows that were given away back, as if they had just been read.
    func restoreBatch(_ other: inout FeatureBatch) {
        swap(&other, &batch)
        guard spares.count < Self.sparesMax, other.raw.count <= Self.spareValuesMax else { return }
        var spare = FeatureBatch()
        swap(&spare, &other)
        spares.append(spare)
    }

    /// Takes what the batcher computed, as if it had been computed here.
    func takeResults(_ answer: BatchAnswer, watchedRow: Int?) {
        engine.take(answer)
        watched = (watchedRow, answer.hidden)
    }

    /// Takes note of a request whose input turned out to be bad after it was computed elsewhere.
    func refused(_ request: HTTPRequest) { monitor?.refused(request) }

    /// Spare batches, and the values of one, that are kept.
    private static let sparesMax = 32
    private static let spareValuesMax = 1 << 16

    private func decode(
        _ request: HTTPRequest,
        _ dialect: Dialect,
        _ form: BodyForm
    ) throws(PredictionFailure) {
        try decoders.decode(request, dialect, form, into: &batch)
        if let name = batch.model, name != model.name {
            throw .unknownModel(name, known: [model.name])
        }
    }

    private func checkFinite() throws(PredictionFailure) {
        let row = engine.scratch.read { outputs -> Int? in
            let values = outputs.probabilities
            for index in values.indices where !values[index].isFinite {
                return index / max(1, outputs.outputWidth)
            }
            return nil
        }
        if let row { throw .notFinite(row: row) }
    }

    /// Never throws and never waits: what goes wrong here is no concern of the client.
    private func observe(_ name: RequestName, _ batch: borrowing FeatureBatch) {
        engine.scratch.read { outputs in
            for row in 0..<batch.rowCount { count(row, outputs) }
            if let row = watched.row, row < batch.rowCount { watch(row, of: batch, outputs) }
            if let shadow { putAside(name, shadow, batch, outputs) }
        }
        let unusual = batch.counts
        for (count, counter) in [
            (unusual.outOfRange, metrics.outOfRange), (unusual.missing, metrics.missing),
            (unusual.unseen, metrics.unseen),
        ] where count > 0 {
            counter.increment(by: UInt64(count), shard: shard)
        }
    }

    /// Shows the monitor a row; the batcher has sent its hidden layer.
    private func watch(
        _ row: Int,
        of batch: borrowing FeatureBatch,
        _ outputs: borrowing InferenceScratch
    ) {
        let rows = ScoredRows(
            raw: batch.raw,
            logits: outputs.logits,
            probabilities: outputs.probabilities,
            hidden: outputs.lastHidden,
            logitScale: model.bundle.network.temperature?.reciprocal ?? 1,
            rowCount: batch.rowCount
        )
        let sent = watched.hidden
        watched = (nil, [])
        if sent.isEmpty {
            monitor?.observe(rows[row: row])
        } else {
            monitor?.observe(rows.row(row, hidden: sent.span))
        }
    }

    private func putAside(
        _ name: RequestName,
        _ shadow: ShadowTap,
        _ batch: borrowing FeatureBatch,
        _ outputs: borrowing InferenceScratch
    ) {
        guard let row = shadow.choose(of: batch.rowCount) else { return }
        let (predicted, confidence) = answer(row, outputs)
        shadow.put(name, raw: batch.raw, row: row, predicted: predicted, confidence: confidence)
    }

    /// The class of a row and its probability; 0 and the value for a regression.
    private func answer(
        _ row: Int,
        _ outputs: borrowing InferenceScratch
    ) -> (predicted: Int, confidence: Float) {
        let first = outputs.probabilities[row * outputs.outputWidth]
        switch model.bundle.manifest.task {
        case .regression: return (0, first)
        case .binary: return (outputs.predictedClass(row: row), max(first, 1 - first))
        case .classification:
            let predicted = outputs.predictedClass(row: row)
            return (predicted, outputs.probabilities[row * outputs.outputWidth + predicted])
        }
    }

    private func count(_ row: Int, _ outputs: borrowing InferenceScratch) {
        guard model.bundle.manifest.task != .regression else {
            metrics.predictions.first?.increment(shard: shard)
            return
        }
        let (predicted, confidence) = answer(row, outputs)
        if predicted < metrics.predictions.count {
            metrics.predictions[predicted].increment(shard: shard)
        }
        metrics.confidence.observe(UInt64(max(0, confidence) * 1_000_000), shard: shard)
    }

    /// Remembers the rows, for labels that come later.
    private func remember(_ name: RequestName, _ batch: borrowing FeatureBatch) {
        guard let recent else { return }
        engine.scratch.read { outputs in
            recent.append(
                RequestKey(name),
                version: model.version,
                rowCount: batch.rowCount,
                outputs: outputs.probabilities,
                raw: batch.raw,
                predicted: { outputs.predictedClass(row: $0) }
            )
        }
    }

    /// Explains the answers, where that is asked for.
    private func explain(_ batch: borrowing FeatureBatch) throws(PredictionFailure) -> Explanation?
    {
        if batch.options.explanation == nil { return nil }
        return try explainer.explain(batch, model.bundle) { row in
            engine.scratch.read { $0.predictedClass(row: row) }
        }
    }

    private func respond(
        to request: HTTPRequest,
        _ batch: borrowing FeatureBatch,
        _ dialect: Dialect,
        _ explanation: Explanation?,
        _ times: PredictionTimes
    ) -> HTTPResponse {
        // The transport has copied the last body by now, so the memory is ours again.
        body.clear()
        let written = engine.scratch.read { outputs in
            let rows = AnswerRows(
                outputs: outputs.probabilities,
                logits: outputs.logits,
                rowCount: batch.rowCount,
                task: model.bundle.manifest.task,
                explanation: explanation
            )
            return encoders.write(rows, batch, dialect, request, into: &body, &spare)
        }
        var response = HTTPResponse(status: .ok, body: body, route: request.route)
        switch written {
        case .json: break
        case .text: response.contentType = .delimitedText
        case .binary(let headerBytes):
            response.contentType = .octets
            response.fields = [.inferenceHeaderBytes(headerBytes)]
        }
        response.log.model = model.name
        response.log.version = versionText
        response.log.rows = batch.rowCount
        response.log.queueNanoseconds = times.queue > 0 ? times.queue : nil
        response.log.inferNanoseconds = times.compute
        return response
    }
}
