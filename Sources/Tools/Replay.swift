internal import Features
internal import NeuralNetwork
package import Retraining
internal import Synchronization
internal import Transfer

/// Sends a data set as live traffic over TLS: a demonstration, and a load.
package struct Replay: Sendable {
    private let plan: ReplayPlan
    private let data: LabelledRows
    private let rows: [Int32]
    private let tally = ReplayTally()
    private let next = NextRequest()

    /// Which request is sent next, by whichever connection is free.
    private final class NextRequest: Sendable {
        let number = Atomic(0)
    }

    /// Prepares a replay.
    ///
    /// - Throws: ``ReplayError/noRows`` when no row has one of the wanted classes.
    package init(plan: ReplayPlan, data: LabelledRows) throws(ReplayError) {
        self.plan = plan
        self.data = data
        var rows = data.rows
        if !plan.classes.isEmpty, case .classes(let labels) = data.dataset.labels {
            rows = rows.filter { plan.classes.contains(labels[Int($0)]) }
        }
        guard !rows.isEmpty else { throw .noRows }
        var random = RandomSource(seed: plan.seed)
        random.shuffle(&rows)
        self.rows = rows
    }

    /// Requests that will be sent.
    package var requestCount: Int {
        plan.requests ?? (rows.count + plan.rowsPerRequest - 1) / plan.rowsPerRequest
    }

    /// Sends everything.
    ///
    /// - Parameter live: Called once a second with the figures of that second.
    /// - Throws: ``ReplayError``, when not even a connection can be prepared.
    package func run(live: @escaping @Sendable (ReplayTally.Report, _ sent: Int) -> Void)
        async throws
    {
        let start = ContinuousClock.now
        try await withThrowingTaskGroup(of: Void.self) { group in
            for connection in 0..<plan.connections {
                group.addTask { try await self.send(connection, since: start) }
            }
            let watcher = Task {
                while !Task.isCancelled {
                    try? await Task.sleep(for: .seconds(1))
                    live(tally.take(), min(next.number.load(ordering: .relaxed), requestCount))
                }
            }
            defer { watcher.cancel() }
            try await group.waitForAll()
        }
        live(tally.take(), requestCount)
    }

    /// One connection's work, on a thread of its own because libcurl's session blocks.
    private func send(_ connection: Int, since start: ContinuousClock.Instant) async throws {
        try await BlockingThread.run {
            var session = try HTTPSession(
                HTTPSessionSettings(caFile: plan.authorities, allowsPlaintext: plan.allowsPlaintext)
            )
            var random = RandomSource(seed: plan.seed, stream: UInt64(connection) + 1)
            var request = ReplayRequest(data, plan.shift)
            while true {
                let number = next.number.wrappingAdd(1, ordering: .relaxed).oldValue
                guard number < requestCount else { return }
                wait(for: number, since: start)
                sendOne(number, &session, &request, &random)
            }
        }
    }

    private func sendOne(
        _ number: Int,
        _ session: inout HTTPSession,
        _ request: inout ReplayRequest,
        _ random: inout RandomSource
    ) {
        let chosen = (0..<plan.rowsPerRequest).map { offset in
            rows[(number * plan.rowsPerRequest + offset) % rows.count]
        }
        let body = request.body(chosen, random: &random)
        do {
            let reply = try session.post(plan.url, body: body, headers: headers)
            guard reply.status == 200 else {
                let text = String(decoding: reply.body.prefix(300), as: UTF8.self)
                tally.failed("\(reply.status): \(text)")
                return
            }
            tally.answered(
                try ReplayAnswer(reply.body),
                truths: chosen.map(truth),
                microseconds: reply.microseconds
            )
        } catch {
            tally.failed("\(error)")
        }
    }

    private var headers: [(name: String, value: String)] {
        [(name: "Content-Type", value: "application/json")]
            + (plan.token.map { [(name: "Authorization", value: "Bearer \($0)")] } ?? [])
    }

    private func truth(_ row: Int32) -> ReplayTruth {
        switch data.dataset.labels {
        case .classes(let labels): .class(Int(labels[Int(row)]))
        case .values(let values): .value(Double(values[Int(row)]))
        }
    }

    /// Waits until the request's place in the schedule has come; late requests go at once.
    private func wait(for number: Int, since start: ContinuousClock.Instant) {
        guard let rate = plan.requestsPerSecond, rate > 0 else { return }
        let due = start + .seconds(Double(number) / rate)
        let now = ContinuousClock.now
        if due > now { BlockingThread.sleep(due - now) }
    }
}

/// What makes a replay impossible.
package enum ReplayError: Error, Sendable, CustomStringConvertible {
    /// No row has one of the wanted classes.
    case noRows
    /// The model has no images with classes.
    case noImages

    /// What is wrong and what would be right.
    package var description: String {
        switch self {
        case .noRows: "replay: no row has one of the classes given with --classes"
        case .noImages: "replay: --export writes images with classes, and the model has none"
        }
    }
}
