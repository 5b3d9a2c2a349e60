internal import Files
internal import Glibc
internal import Synchronization

/// The thread that runs transfers, one after the other, for callers that do not wait on a thread.
///
/// It is never joined: it ends by itself soon after its owner is gone, and a name server that hangs
/// cannot keep the process.
final class TransferThread: Sendable {
    private let queue: TransferQueue

    /// Starts the thread.
    ///
    /// - Throws: ``TransferError/library(operation:reason:)``.
    init() throws(TransferError) {
        queue = TransferQueue(multi: try CurlMulti())
        try queue.startThread()
    }

    deinit {
        queue.stop()
    }

    /// Runs one attempt; ends at once, as cancelled, when the calling task is cancelled.
    func perform(_ plan: AttemptPlan) async -> AttemptResult {
        let ticket = queue.makeTicket()
        return await withTaskCancellationHandler {
            await withCheckedContinuation { continuation in
                queue.add(TransferQueue.Job(ticket: ticket, plan: plan, continuation: continuation))
            }
        } onCancel: {
            queue.cancel(ticket)
        }
    }
}

/// What the callers and the thread share.
final class TransferQueue: Sendable {
    struct Job: Sendable {
        let ticket: UInt64
        let plan: AttemptPlan
        let continuation: CheckedContinuation<AttemptResult, Never>

        /// Ends a job that never ran.
        func resumeAsCancelled() {
            let report = DownloadAttempt(
                mirror: plan.url.redacted,
                result: TransferError.cancelled.code,
                status: 0,
                curlCode: 0,
                bytes: 0,
                microseconds: 0
            )
            continuation.resume(
                returning: AttemptResult(outcome: .failure(.cancelled), report: report)
            )
        }
    }

    private struct State {
        var ticketsMade: UInt64 = 0
        var waiting: [Job] = []
        // Tickets whose task was cancelled; each is dropped when its job ends.
        var cancelled: Set<UInt64> = []
        var isStopped = false
    }

    private let multi: CurlMulti
    private let state = Mutex(State())

    init(multi: CurlMulti) {
        self.multi = multi
    }

    func makeTicket() -> UInt64 {
        state.withLock { state in
            state.ticketsMade += 1
            return state.ticketsMade
        }
    }

    func add(_ job: Job) {
        let isTaken = state.withLock { state in
            if state.isStopped || state.cancelled.remove(job.ticket) != nil { return false }
            state.waiting.append(job)
            return true
        }
        if isTaken { multi.wake() } else { job.resumeAsCancelled() }
    }

    /// Ends a job wherever it is: not yet added, waiting, or running.
    func cancel(_ ticket: UInt64) {
        let waiting = state.withLock { state -> Job? in
            if let index = state.waiting.firstIndex(where: { $0.ticket == ticket }) {
                return state.waiting.remove(at: index)
            }
            state.cancelled.insert(ticket)
            return nil
        }
        waiting?.resumeAsCancelled()
        multi.wake()
    }

    func stop() {
        let left = state.withLock { state in
            state.isStopped = true
            defer { state.waiting = [] }
            return state.waiting
        }
        for job in left { job.resumeAsCancelled() }
        multi.wake()
    }

    /// Starts the thread, which keeps this object alive until it ends.
    func startThread() throws(TransferError) {
        var thread: pthread_t = 0
        let context = unsafe Unmanaged.passRetained(self)
        let result = unsafe pthread_create(
            &thread,
            nil,
            { context in
                guard let context = unsafe context else { return nil }
                unsafe Unmanaged<TransferQueue>.fromOpaque(context).takeRetainedValue().serve()
                return nil
            },
            context.toOpaque()
        )
        guard result == 0 else {
            unsafe context.release()
            throw .library(operation: "start the transfer thread", reason: "errno \(result)")
        }
        pthread_detach(thread)
    }

    /// The thread's life: run what is waiting, sleep until woken.
    private func serve() {
        Self.leaveSignalsToOthers()
        Self.nameThread("leeway-transfer")
        var runner: AttemptRunner
        do {
            runner = try AttemptRunner(multi)
        } catch {
            return stop()
        }
        while !state.withLock({ $0.isStopped }) {
            guard let job = state.withLock({ $0.waiting.isEmpty ? nil : $0.waiting.removeFirst() })
            else {
                multi.wait(millisecondsMax: 60_000)
                continue
            }
            let result = runner.run(job.plan) { isCancelled(job.ticket) }
            _ = state.withLock { $0.cancelled.remove(job.ticket) }
            job.continuation.resume(returning: result)
        }
    }

    private func isCancelled(_ ticket: UInt64) -> Bool {
        state.withLock { $0.isStopped || $0.cancelled.contains(ticket) }
    }

    /// Names the calling thread for `top` and debuggers: 15 characters at most.
    private static func nameThread(_ name: String) {
        let file = try? OpenFile("/proc/thread-self/comm", flags: O_WRONLY)
        try? file?.write(Array(name.utf8))
    }

    /// SIGTERM and its like are for threads that expect them.
    private static func leaveSignalsToOthers() {
        var all = sigset_t()
        unsafe sigfillset(&all)
        unsafe pthread_sigmask(SIG_BLOCK, &all, nil)
    }
}
