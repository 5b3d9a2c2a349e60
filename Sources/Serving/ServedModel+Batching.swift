internal import Features
internal import HTTPTransport
internal import ModelStore
internal import NIOCore
internal import Telemetry

/// What one version has of the batcher, on one event loop.
struct ServedBatching {
    /// Where predictions are computed, and how long they may wait for it.
    let policy: BatchPolicy
    /// The batcher of the process.
    let batcher: Batcher
    /// The event loop.
    let loop: any EventLoop
    /// The model's series.
    let series: BatchSeries

    /// Whether the batcher cannot begin in time what takes so long.
    func isOverloaded(own: UInt64) -> Bool {
        !batcher.load.admits(
            own: own,
            product: policy.product,
            limit: policy.queueLimit,
            now: NIODeadline.now().uptimeNanoseconds
        )
    }
}

/// How a prediction goes on after its body was read.
enum PredictionCourse {
    /// It is answered.
    case now(HTTPResponse)
    /// The batcher computes it.
    case later(PendingPrediction)
}

extension ServedModel {
    /// Whether the batcher computes every request.
    var isLarge: Bool { batching?.policy.inlineRowsMax == 0 }

    /// Whether a request would be refused once its body was read, whatever is in it.
    func refusesUnread() -> Bool {
        guard let batching, isLarge else { return false }
        let own = batching.policy.share(rows: 1)
        guard batching.isOverloaded(own: own) else { return false }
        batching.series.count(.queueTime, shard: shard)
        return true
    }

    /// Whether the batcher computes the rows that were read.
    var isForBatcher: Bool {
        guard let batching else { return false }
        return batch.rowCount > batching.policy.inlineRowsMax
    }

    /// Hands the rows that were read to the batcher, unless they would wait too long there.
    ///
    /// - Throws: ``PredictionFailure/overloaded(model:)``.
    func enqueue(
        _ question: PendingPrediction.Question,
        _ batching: ServedBatching,
        deadline: NIODeadline?
    ) throws(PredictionFailure) -> PendingPrediction {
        guard !batching.isOverloaded(own: batching.policy.share(rows: batch.rowCount)) else {
            batching.series.count(.queueTime, shard: shard)
            throw .overloaded(model: model.name)
        }
        batching.series.queued.increment(shard: shard)
        let schema = model.bundle.manifest.schema
        var inputs = [Float](repeating: 0, count: batch.rowCount * schema.encodedWidth)
        var target = inputs.mutableSpan
        schema.encode(raw: batch.raw, into: &target)
        let pending = PendingPrediction(question, takeBatch(), served: self, batching: batching)
        pendingCount += 1
        pending.start(inputs, deadline: deadline)
        return pending
    }

    /// What follows when the batcher has computed: as for a prediction on the event loop.
    func answer(
        _ pending: PendingPrediction,
        _ answer: BatchAnswer
    ) -> PendingPrediction.Outcome {
        var times = PredictionTimes(parse: pending.question.parse)
        times.queue = answer.queueNanoseconds
        times.compute = answer.computeNanoseconds
        metrics.observe(.queue, answer.queueNanoseconds, shard)
        restoreBatch(&pending.batch)
        takeResults(answer, watchedRow: pending.question.watchedRow)
        do throws(PredictionFailure) {
            let question = pending.question
            return .answered(try finish(question.request, question.dialect, &times))
        } catch {
            if error.isBadInput { refused(pending.question.request) }
            tally.failed(
                nanoseconds: answer.queueNanoseconds &+ answer.computeNanoseconds,
                isFault: error.isFault
            )
            return .failed(error)
        }
    }

    /// A pending prediction has ended.
    ///
    /// The last one of a version that is no longer live lets it go where that holds nobody up.
    func pendingEnded() {
        pendingCount -= 1
        guard isRetired, pendingCount == 0, let batching else { return }
        let (model, batcher) = (model, batching.batcher)
        // After all that this loop still has to say about it.
        batching.loop.execute { batcher.release(model) }
    }
}
