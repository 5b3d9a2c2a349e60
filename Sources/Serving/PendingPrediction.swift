internal import Features
internal import HTTPTransport
internal import NIOCore

/// A prediction that is computed off its event loop, as that loop remembers it.
///
/// It ends exactly once: with the batcher's answer, at its deadline, or when its client leaves;
/// what comes after that is thrown away. The version that it began with answers it, also when
/// another has gone live meanwhile.
final class PendingPrediction {
    /// How it ended.
    enum Outcome: Sendable {
        case answered(HTTPResponse)
        case failed(PredictionFailure)
    }

    /// What was asked.
    struct Question {
        let request: HTTPRequest
        let dialect: Dialect
        /// Nanoseconds that reading the body took.
        let parse: UInt64
        /// The row that the monitor is to count.
        let watchedRow: Int?
    }

    let question: Question
    /// The rows, for what follows the network's work.
    var batch: FeatureBatch
    private let served: ServedModel
    private let batching: ServedBatching
    private let promise: EventLoopPromise<Outcome>
    private let ticket = BatchTicket()
    private let rowCount: Int
    private let submitted = NIODeadline.now()
    private var timer: Scheduled<Void>?
    private var isOver = false

    /// Takes note of a request whose body was read; nothing is handed over yet.
    init(
        _ question: Question,
        _ batch: FeatureBatch,
        served: ServedModel,
        batching: ServedBatching
    ) {
        self.question = question
        self.batch = batch
        self.served = served
        self.batching = batching
        rowCount = batch.rowCount
        promise = batching.loop.makePromise()
    }

    /// Hands the rows over.
    ///
    /// - Parameters:
    ///   - inputs: The encoded rows.
    ///   - deadline: When the client no longer waits; nil for never.
    func start(_ inputs: [Float], deadline: NIODeadline?) {
        let me = NIOLoopBound(self, eventLoop: batching.loop)
        if let deadline {
            timer = batching.loop.assumeIsolated().scheduleTask(deadline: deadline) {
                me.value.timer = nil
                me.value.end(.deadline)
            }
        }
        batching.series.began(rows: rowCount)
        batching.batcher.submit(
            BatchJob(
                model: served.model,
                policy: batching.policy,
                inputs: inputs,
                rowCount: rowCount,
                watchedRow: question.watchedRow,
                ticket: ticket,
                submitted: submitted.uptimeNanoseconds,
                products: batching.series.products,
                loop: batching.loop
            ) { answer in
                me.value.answered(answer)
            }
        )
    }

    /// How it ends; on its loop.
    var outcome: EventLoopFuture<Outcome> { promise.futureResult }

    /// The client has left.
    func abandon() { end(.clientGone) }

    private func answered(_ answer: BatchAnswer) {
        guard close() else { return }
        promise.succeed(served.answer(self, answer))
    }

    private func end(_ reason: BatchDrop) {
        guard close() else { return }
        batching.batcher.withdraw(ticket, batching.policy.share(rows: rowCount))
        batching.series.count(reason, shard: served.shard)
        served.tally.failed(
            nanoseconds: UInt64(max(0, (NIODeadline.now() - submitted).nanoseconds)),
            isFault: reason == .deadline,
            isLate: reason == .deadline
        )
        promise.succeed(.failed(.deadlineExceeded))
    }

    /// Ends, if it has not ended before.
    private func close() -> Bool {
        guard !isOver else { return false }
        isOver = true
        timer?.cancel()
        timer = nil
        batching.series.ended(rows: rowCount)
        served.pendingEnded()
        return true
    }
}
