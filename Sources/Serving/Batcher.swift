package import ModelStore
package import NIOCore
internal import NeuralNetwork
package import Telemetry

/// Rows of one request that are to be computed off the event loops.
package struct BatchJob: Sendable {
    /// The version that answers, whatever goes live meanwhile.
    package let model: ActiveModel
    /// What the version costs, and with whom its rows may be.
    package let policy: BatchPolicy
    /// The encoded rows.
    package let inputs: [Float]
    /// How many there are, at least 1.
    package let rowCount: Int
    /// The row whose hidden layer is wanted, if one's is.
    package let watchedRow: Int?
    /// Who has the job.
    package let ticket: BatchTicket
    /// When it was handed over, in nanoseconds.
    package let submitted: UInt64
    /// Where the rows of its product are counted.
    package let products: Histogram
    /// Where the answer goes.
    package let loop: any EventLoop
    /// Called on that loop, unless the job was withdrawn before it was begun.
    package let answer: @Sendable (BatchAnswer) -> Void

    /// Puts a job together.
    package init(
        model: ActiveModel,
        policy: BatchPolicy,
        inputs: [Float],
        rowCount: Int,
        watchedRow: Int? = nil,
        ticket: BatchTicket,
        submitted: UInt64,
        products: Histogram,
        loop: any EventLoop,
        answer: @escaping @Sendable (BatchAnswer) -> Void
    ) {
        self.model = model
        self.policy = policy
        self.inputs = inputs
        self.rowCount = rowCount
        self.watchedRow = watchedRow
        self.ticket = ticket
        self.submitted = submitted
        self.products = products
        self.loop = loop
        self.answer = answer
    }

    /// Nanoseconds that it adds to what waits.
    package var share: UInt64 { policy.share(rows: rowCount) }
}

/// What came out for one job.
package struct BatchAnswer: Sendable {
    /// The last layer's sums, `rowCount × outputWidth`.
    package let logits: [Float]
    /// What they mean, `rowCount × outputWidth`.
    package let probabilities: [Float]
    /// The last hidden layer of the job's watched row; empty without one.
    package let hidden: [Float]
    /// How many rows the job had.
    package let rowCount: Int
    /// Nanoseconds from the hand-over to the beginning of the product.
    package let queueNanoseconds: UInt64
    /// Nanoseconds of the product.
    package let computeNanoseconds: UInt64
    /// All rows of the product.
    package let productRows: Int
}

/// Computes what takes too long for an event loop, on a thread of its own and its team.
///
/// Jobs come and answers go as messages between event loops, so that none waits for another. Rows
/// that wait for the same version are computed in one product: the weights are then fetched from
/// memory once for all of them. ``BatchQueue`` decides, ``BatchLoad`` says how long it would take.
package final class Batcher: Sendable {
    /// Threads that share a product.
    package let threads: Int
    /// How long what comes now would wait.
    package let load: BatchLoad
    private let worker: any EventLoop
    private let lane: NIOLoopBound<BatchLane>

    /// Makes the batcher of a process.
    ///
    /// - Parameters:
    ///   - worker: A loop that does nothing else; it is blocked while a product is computed.
    ///   - threads: That share a product, at least 1; they are started with the first job.
    /// - Returns: The batcher.
    /// - Throws: What a closed loop throws.
    package static func make(on worker: any EventLoop, threads: Int) async throws -> Batcher {
        let load = BatchLoad()
        return try await worker.submit {
            let lane = BatchLane(worker: worker, threads: threads, load: load)
            return Batcher(
                worker: worker,
                threads: threads,
                load: load,
                lane: NIOLoopBound(lane, eventLoop: worker)
            )
        }.get()
    }

    private init(
        worker: any EventLoop,
        threads: Int,
        load: BatchLoad,
        lane: NIOLoopBound<BatchLane>
    ) {
        (self.worker, self.threads, self.load, self.lane) = (worker, threads, load, lane)
    }

    /// Hands a job over; from any loop.
    package func submit(_ job: BatchJob) {
        load.added(job.share)
        let lane = lane
        worker.execute { lane.value.add(job) }
    }

    /// Takes a job back; from the loop that handed it over.
    ///
    /// - Parameters:
    ///   - ticket: The job's.
    ///   - share: Nanoseconds that it added to what waits.
    /// - Returns: Whether it was not begun yet.
    @discardableResult
    package func withdraw(_ ticket: BatchTicket, _ share: UInt64) -> Bool {
        guard ticket.withdraw() else { return false }
        load.removed(share)
        return true
    }

    /// Lets a version go on the batcher's thread: giving its memory back takes a loop's time.
    package func release(_ model: ActiveModel) {
        worker.execute { withExtendedLifetime(model) {} }
    }
}

/// The part of the batcher that lives on its thread.
private final class BatchLane {
    private let worker: any EventLoop
    private let threads: Int
    private let load: BatchLoad
    private var queue = BatchQueue<BatchJob>()
    private var engine: BatchEngine?
    private var isScheduled = false
    private var timer: Scheduled<Void>?

    init(worker: any EventLoop, threads: Int, load: BatchLoad) {
        (self.worker, self.threads, self.load) = (worker, threads, load)
    }

    private var now: UInt64 { NIODeadline.now().uptimeNanoseconds }

    func add(_ job: BatchJob) {
        queue.add(
            job,
            group: ObjectIdentifier(job.model),
            rows: job.rowCount,
            rules: BatchQueue.Rules(
                rowsMax: job.policy.rowsMax,
                delayNanoseconds: job.policy.delayNanoseconds
            ),
            now: now
        )
        schedule()
    }

    /// Has the next step be a message of its own, so that what came before it is heard first.
    private func schedule() {
        guard !isScheduled else { return }
        isScheduled = true
        worker.assumeIsolated().execute {
            self.isScheduled = false
            self.step()
        }
    }

    private func step() {
        timer?.cancel()
        timer = nil
        switch queue.next(now: now, isWanted: { $0.ticket.isWaiting }) {
        case .idle: break
        case .wait(let until):
            timer = worker.assumeIsolated().scheduleTask(deadline: .uptimeNanoseconds(until)) {
                self.step()
            }
        case .compute(let jobs):
            compute(jobs)
            schedule()
        }
    }

    private func compute(_ jobs: [BatchJob]) {
        let jobs = jobs.filter { $0.ticket.begin() }
        guard let first = jobs.first else { return }
        for job in jobs { load.removed(job.share) }
        let rows = jobs.reduce(0) { $0 + $1.rowCount }
        let begun = now
        load.began(estimate: first.policy.cost.inBatcher(rows: rows), now: begun)
        let engine = engine ?? BatchEngine(threads: threads)
        self.engine = engine
        engine.compute(jobs, rows: rows)
        let ended = now
        load.ended(now: ended)
        first.products.observe(UInt64(rows))
        answer(jobs, engine, begun: begun, ended: ended, rows: rows)
    }

    /// Sends the answers, one message for each loop.
    private func answer(
        _ jobs: [BatchJob],
        _ engine: BatchEngine,
        begun: UInt64,
        ended: UInt64,
        rows: Int
    ) {
        var start = 0
        var mail: [(loop: any EventLoop, letters: [(BatchJob, BatchAnswer)])] = []
        for job in jobs {
            let answer = engine.answer(
                start..<start + job.rowCount,
                watchedRow: job.watchedRow,
                queueNanoseconds: begun > job.submitted ? begun - job.submitted : 0,
                computeNanoseconds: ended - begun
            )
            start += job.rowCount
            if let place = mail.firstIndex(where: { $0.loop === job.loop }) {
                mail[place].letters.append((job, answer))
            } else {
                mail.append((job.loop, [(job, answer)]))
            }
        }
        for (loop, letters) in mail {
            loop.execute {
                for (job, answer) in letters { job.answer(answer) }
            }
        }
    }
}

/// The memory of the products, kept from one to the next.
private final class BatchEngine {
    private var inputs: [Float] = []
    private var scratch: InferenceScratch

    init(threads: Int) {
        scratch = InferenceScratch(threads: threads)
    }

    /// Computes all rows of some jobs of one version.
    func compute(_ jobs: [BatchJob], rows: Int) {
        guard let first = jobs.first else { return }
        let network = first.model.bundle.network
        guard jobs.count > 1 else {
            Self.run(network, first.inputs, rows, &scratch)
            return
        }
        inputs.removeAll(keepingCapacity: true)
        for job in jobs { inputs.append(contentsOf: job.inputs) }
        Self.run(network, inputs, rows, &scratch)
    }

    /// Apart from `self`, so that the compiler sees that inputs and scratch do not overlap.
    private static func run(
        _ network: MultilayerPerceptron,
        _ inputs: [Float],
        _ rows: Int,
        _ scratch: inout InferenceScratch
    ) {
        network.forward(rows: inputs.span, rowCount: rows, scratch: &scratch)
    }

    /// The results of some rows of the last product.
    func answer(
        _ rows: Range<Int>,
        watchedRow: Int?,
        queueNanoseconds: UInt64,
        computeNanoseconds: UInt64
    ) -> BatchAnswer {
        scratch.read { outputs in
            let width = outputs.outputWidth
            let (sums, values) = (outputs.logits, outputs.probabilities)
            var (logits, probabilities): ([Float], [Float]) = ([], [])
            logits.reserveCapacity(rows.count * width)
            probabilities.reserveCapacity(rows.count * width)
            for place in rows.lowerBound * width..<rows.upperBound * width {
                logits.append(sums[place])
                probabilities.append(values[place])
            }
            var hidden: [Float] = []
            let layer = outputs.lastHidden
            let units = layer.count / max(1, outputs.rowCount)
            if let watchedRow, units > 0 {
                let first = (rows.lowerBound + watchedRow) * units
                hidden.reserveCapacity(units)
                for place in first..<first + units { hidden.append(layer[place]) }
            }
            return BatchAnswer(
                logits: logits,
                probabilities: probabilities,
                hidden: hidden,
                rowCount: rows.count,
                queueNanoseconds: queueNanoseconds,
                computeNanoseconds: computeNanoseconds,
                productRows: outputs.rowCount
            )
        }
    }
}
