import ModelStore
import ModelTestSupport
import Retraining
import Synchronization
import Telemetry
import Testing
import Transfer

/// The supervisor with runs that end when the test says so, and a clock that the test moves.
@Suite("Retraining supervisor", .timeLimit(.minutes(10)))
struct SupervisorTests {
    /// Runs that wait for their end.
    final class Runs: Sendable {
        typealias Ending = CheckedContinuation<RetrainingOutcome, any Error>
        struct Started: Sendable {
            let trigger: RetrainingTrigger
            let events: @Sendable (RetrainingEvent) -> Void
            let ending: Ending
        }

        private struct State {
            var open: [Started] = []
            var waiter: CheckedContinuation<Started, Never>?
        }

        private let state = Mutex(State())
        let count = Atomic(0)

        func start(
            _ trigger: RetrainingTrigger,
            _ events: @escaping @Sendable (RetrainingEvent) -> Void
        ) async throws -> RetrainingOutcome {
            count.add(1, ordering: .relaxed)
            return try await withCheckedThrowingContinuation { ending in
                let started = Started(trigger: trigger, events: events, ending: ending)
                let waiter = state.withLock { state in
                    if state.waiter == nil { state.open.append(started) }
                    defer { state.waiter = nil }
                    return state.waiter
                }
                waiter?.resume(returning: started)
            }
        }

        /// The next run that starts, or has started.
        func next() async -> Started {
            await withCheckedContinuation { waiter in
                let started = state.withLock { state -> Started? in
                    if state.open.isEmpty { state.waiter = waiter }
                    return state.open.isEmpty ? nil : state.open.removeFirst()
                }
                if let started { waiter.resume(returning: started) }
            }
        }
    }

    /// A supervisor of one model.
    final class Bench: Sendable {
        let clock = ManualClock()
        let runs = Runs()
        let registry = MetricRegistry(shards: 1)
        let supervisor: RetrainingSupervisor

        let empty: Switch

        /// What the supervisor keeps for the next one.
        let kept: Kept

        init(
            schedule: String? = nil,
            onDrift: Bool = true,
            isEmpty empty: Bool = false,
            runsPerDayMax: Int = 0,
            catchesUp: Bool = false,
            pinned: Int? = nil,
            ledger: RetrainingLedger? = nil
        ) throws {
            let (clock, runs) = (clock, runs)
            let kept = Kept()
            self.kept = kept
            let flag = Switch(empty)
            self.empty = flag
            supervisor = RetrainingSupervisor(
                models: [
                    SupervisedModel(
                        name: "lines",
                        schedule: try schedule.map { try RetrainingSchedule($0) },
                        jitterSecondsMax: 0,
                        catchesUp: catchesUp,
                        allowance: RetrainingAllowance(
                            onDrift: onDrift,
                            cooldownSeconds: 100,
                            runsPerDayMax: runsPerDayMax
                        ),
                        store: SupervisedModel.Store(
                            isEmpty: { flag.isOn },
                            pinned: { pinned },
                            readLedger: { ledger },
                            writeLedger: { kept.ledger = $0 }
                        )
                    )
                ],
                metrics: try RetrainingMetrics(registry),
                logger: quietLogger,
                clock: { clock.now },
                start: { _, trigger, events in try await runs.start(trigger, events) }
            )
        }

        /// Runs the supervisor beside the body, and ends it after that.
        func running(_ body: () async throws -> Void) async throws {
            let task = Task { await supervisor.run() }
            defer { task.cancel() }
            try await body()
        }

        /// Waits until the status is as wanted.
        func status(
            where holds: (RetrainingSupervisor.Status) -> Bool
        ) async throws -> RetrainingSupervisor.Status {
            // The suite's time limit ends this should it never come true.
            while true {
                let status = try #require(await supervisor.status(of: "lines"))
                if holds(status) { return status }
                try Task.checkCancellation()
                await Task.yield()
            }
        }
    }

    /// What was kept last.
    final class Kept: Sendable {
        private let value = Mutex<RetrainingLedger?>(nil)
        var ledger: RetrainingLedger? {
            get { value.withLock { $0 } }
            set { value.withLock { $0 = newValue } }
        }
    }

    /// A flag that closures on other threads read.
    final class Switch: Sendable {
        private let on: Atomic<Bool>
        init(_ on: Bool) { self.on = Atomic(on) }
        var isOn: Bool { on.load(ordering: .relaxed) }
        func set(_ value: Bool) { on.store(value, ordering: .relaxed) }
    }

    @Test("a request runs, its outcome is kept, and Prometheus learns of it")
    func request() async throws {
        let bench = try Bench()
        try await bench.running {
            #expect(await bench.supervisor.request(model: "lines", trigger: .manual) == .queued)
            let run = await bench.runs.next()
            #expect(run.trigger == .manual)
            let during = try await bench.status { $0.running != nil }
            #expect(during.running == .manual)
            #expect(
                bench.registry.lines("leeway_retrain_running") == [
                    #"leeway_retrain_running{model="lines"} 1"#
                ]
            )
            bench.clock.advance(5)
            run.ending.resume(returning: try Outcome.make("published", version: 7))
            let after = try await bench.status { $0.running == nil }
            #expect(after.last?.version == 7)
            #expect(after.lastFailure == nil)
            #expect(after.lastEnded == bench.clock.now)
        }
        let registry = bench.registry
        #expect(
            registry.lines("leeway_retrain_runs_total").sorted() == [
                #"leeway_retrain_runs_total{model="lines",result="failed"} 0"#,
                #"leeway_retrain_runs_total{model="lines",result="held"} 0"#,
                #"leeway_retrain_runs_total{model="lines",result="published"} 1"#,
                #"leeway_retrain_runs_total{model="lines",result="refused"} 0"#,
                #"leeway_retrain_runs_total{model="lines",result="skipped"} 0"#,
                #"leeway_retrain_runs_total{model="lines",result="staged"} 0"#,
                #"leeway_retrain_runs_total{model="lines",result="unchanged"} 0"#,
            ]
        )
        #expect(
            registry.lines("leeway_retrain_accuracy_ratio").sorted() == [
                #"leeway_retrain_accuracy_ratio{model="lines",role="candidate"} 0.9"#,
                #"leeway_retrain_accuracy_ratio{model="lines",role="champion"} 0.8"#,
            ]
        )
        #expect(registry.lines("leeway_retrain_running").first?.hasSuffix(" 0") == true)
    }

    @Test("one run at a time: a second request is told that the first is waiting or going on")
    func alreadyRunning() async throws {
        let bench = try Bench()
        let supervisor = bench.supervisor
        #expect(await supervisor.request(model: "lines", trigger: .manual) == .queued)
        #expect(await supervisor.request(model: "lines", trigger: .manual) == .alreadyRunning)
        #expect(await supervisor.request(model: "others", trigger: .manual) == .unknownModel)
        try await bench.running {
            let run = await bench.runs.next()
            #expect(await supervisor.request(model: "lines", trigger: .drift) == .alreadyRunning)
            run.ending.resume(returning: try Outcome.make("unchanged"))
            _ = try await bench.status { $0.running == nil }
            #expect(await supervisor.request(model: "lines", trigger: .manual) == .queued)
            await bench.runs.next().ending.resume(returning: try Outcome.make("refused"))
            _ = try await bench.status { $0.last?.result == .refused }
        }
        #expect(bench.runs.count.load(ordering: .relaxed) == 2)
    }

    @Test("a drift alarm starts a run only where that is wanted, and not again too soon")
    func drift() async throws {
        let unwanted = try Bench(onDrift: false).supervisor
        #expect(
            await unwanted.request(model: "lines", trigger: .drift)
                == .declined(reason: "retrain.on_drift is false")
        )
        let bench = try Bench()
        let supervisor = bench.supervisor
        try await bench.running {
            #expect(await supervisor.request(model: "lines", trigger: .drift) == .queued)
            let run = await bench.runs.next()
            #expect(run.trigger == .drift)
            run.ending.resume(returning: try Outcome.make("published"))
            _ = try await bench.status { $0.last != nil && $0.running == nil }
            bench.clock.advance(99)
            #expect(
                await supervisor.request(model: "lines", trigger: .drift)
                    == .declined(reason: "the last retrain by drift or feedback was 99 s ago")
            )
            // A person may always ask.
            #expect(await supervisor.request(model: "lines", trigger: .manual) == .queued)
            await bench.runs.next().ending.resume(returning: try Outcome.make("published"))
            _ = try await bench.status { $0.running == nil }
            bench.clock.advance(1)
            #expect(await supervisor.request(model: "lines", trigger: .drift) == .queued)
            await bench.runs.next().ending.resume(returning: try Outcome.make("published"))
        }
    }

    @Test("an interval's run starts when it is due, and the next counts from its end")
    func interval() async throws {
        let bench = try Bench(schedule: "1m")
        let start = bench.clock.now
        try await bench.running {
            let before = try await bench.status { $0.next != nil }
            #expect(before.next == start + 60)
            let line = try #require(bench.registry.lines("leeway_retrain_next_run").first)
            #expect(line.split(separator: " ").last.flatMap { Double($0) } == Double(start + 60))
            bench.clock.advance(59)
            for _ in 0..<100 { await Task.yield() }
            #expect(bench.runs.count.load(ordering: .relaxed) == 0)
            bench.clock.advance(1)
            let run = await bench.runs.next()
            #expect(run.trigger == .schedule)
            bench.clock.advance(30)
            run.ending.resume(returning: try Outcome.make("unchanged"))
            let after = try await bench.status { $0.running == nil && $0.last != nil }
            #expect(after.next == start + 60 + 30 + 60)
        }
    }

    @Test("a cron expression's next start counts from the clock, also while a run goes on")
    func cron() async throws {
        // The clock begins at 20:36.
        let bench = try Bench(schedule: "40,50 * * * *")
        let start = bench.clock.now
        try await bench.running {
            _ = try await bench.status { $0.next == start + 240 }
            bench.clock.advance(240)
            let run = await bench.runs.next()
            let during = try await bench.status { $0.running == .schedule }
            #expect(during.next == start + 840)
            run.ending.resume(returning: try Outcome.make("unchanged"))
            let after = try await bench.status { $0.running == nil && $0.last != nil }
            #expect(after.next == start + 840)
        }
    }

    @Test("an empty store is filled at once, and tried again ever more slowly when that fails")
    func bootstrap() async throws {
        let bench = try Bench(isEmpty: true)
        try await bench.running {
            for delay in [15, 30, 60] as [Int64] {
                let run = await bench.runs.next()
                #expect(run.trigger == .bootstrap)
                let ended = bench.clock.now
                run.ending.resume(
                    throwing: RetrainingError.reported(code: "download_timed_out", message: "slow")
                )
                _ = try await bench.status { $0.running == nil && $0.lastEnded == ended }
                let count = bench.runs.count.load(ordering: .relaxed)
                bench.clock.advance(delay - 1)
                for _ in 0..<100 { await Task.yield() }
                #expect(bench.runs.count.load(ordering: .relaxed) == count)
                bench.clock.advance(1)
            }
            let run = await bench.runs.next()
            bench.empty.set(false)
            run.ending.resume(returning: try Outcome.make("published"))
            let after = try await bench.status { $0.last != nil }
            #expect(after.lastFailure == nil)
        }
        #expect(bench.runs.count.load(ordering: .relaxed) == 4)
        #expect(
            bench.registry.lines("leeway_retrain_failures_total") == [
                #"leeway_retrain_failures_total{model="lines",code="download_timed_out"} 3"#
            ]
        )
    }

    @Test("a run that fails is counted by its code, and the version and schedule stay")
    func failure() async throws {
        struct Odd: Error {}
        let bench = try Bench(schedule: "1m")
        try await bench.running {
            for (error, code) in [
                (RetrainingError.training("loss") as any Error, "training_failed"),
                (RetrainingError.store(.locked(model: "lines")), "store_locked"),
                (Odd(), "failed"),
            ] {
                _ = await bench.supervisor.request(model: "lines", trigger: .manual)
                await bench.runs.next().ending.resume(throwing: error)
                _ = try await bench.status {
                    $0.running == nil && $0.lastFailure == "\(error)" && $0.lastEnded != nil
                }
                let lines = bench.registry.lines("leeway_retrain_failures_total")
                #expect(lines.contains { $0.contains(code) && $0.hasSuffix(" 1") }, "\(lines)")
            }
            let status = try await bench.status { _ in true }
            #expect(status.next != nil)
            #expect(status.last == nil)
        }
    }

    @Test("the events of a run are seen while it goes on, and are gone after it")
    func events() async throws {
        let bench = try Bench()
        try await bench.running {
            _ = await bench.supervisor.request(model: "lines", trigger: .manual)
            let run = await bench.runs.next()
            run.events(.stage(.train))
            let progress = RetrainingEvent.Progress(
                epoch: 2,
                epochs: 4,
                step: 5,
                steps: 10,
                loss: 0.5,
                accuracy: 0.5,
                rowsPerSecond: 100
            )
            run.events(.progress(progress))
            let during = try await bench.status { $0.progress != nil }
            #expect(during.stage == .train)
            #expect(during.progress == progress)
            #expect(
                bench.registry.lines("leeway_retrain_progress_ratio") == [
                    #"leeway_retrain_progress_ratio{model="lines"} 0.375"#
                ]
            )
            run.ending.resume(returning: try Outcome.make("published"))
            let after = try await bench.status { $0.running == nil }
            #expect(after.stage == nil)
            #expect(after.progress == nil)
        }
    }

    @Test("a budget is of days and not of processes, and is told")
    func budget() async throws {
        let first = try Bench(schedule: "1h", runsPerDayMax: 1)
        try await first.running {
            _ = try await first.status { $0.next != nil }
            first.clock.advance(3600)
            await first.runs.next().ending.resume(returning: try Outcome.make("published"))
            _ = try await first.status { $0.running == nil && $0.last != nil }
        }
        let ledger = try #require(first.kept.ledger)
        #expect(ledger.starts == [first.clock.now])
        #expect(ledger.lastEnded == first.clock.now)
        // The next process is as patient as this one would have been.
        let second = try Bench(runsPerDayMax: 1, ledger: ledger)
        second.clock.advance(7200)
        let supervisor = second.supervisor
        let answer = await supervisor.request(model: "lines", trigger: .schedule)
        #expect(answer == .declined(reason: RetrainingAllowance.Refusal.budget(runs: 1).reason))
        #expect(await supervisor.status(of: "lines")?.declined == "budget")
        #expect(
            second.registry.lines("leeway_retrain_declined_total").contains {
                $0.contains("budget") && $0.hasSuffix(" 1")
            }
        )
        #expect(await supervisor.request(model: "lines", trigger: .manual) == .queued)
        #expect(await supervisor.status(of: "lines")?.declined == nil)
    }

    @Test("a start that fell into a downtime is made up for, once")
    func catchUp() async throws {
        var ledger = RetrainingLedger()
        ledger.due = ManualClock().now - 100_000
        let bench = try Bench(schedule: "0 3 * * *", catchesUp: true, ledger: ledger)
        try await bench.running {
            let run = await bench.runs.next()
            #expect(run.trigger == .schedule)
            run.ending.resume(returning: try Outcome.make("published"))
            let after = try await bench.status { $0.running == nil && $0.last != nil }
            #expect((after.next ?? 0) > bench.clock.now)
        }
        #expect(bench.kept.ledger?.due.map { $0 > bench.clock.now } == true)
        #expect(bench.runs.count.load(ordering: .relaxed) == 1)
    }

    @Test("a pinned version stops the schedule, and a person still may ask")
    func pinned() async throws {
        let supervisor = try Bench(pinned: 2).supervisor
        let answer = await supervisor.request(model: "lines", trigger: .schedule)
        #expect(answer == .declined(reason: "version 2 is pinned, which stops automation"))
        #expect(await supervisor.request(model: "lines", trigger: .manual) == .queued)
    }

    @Test("a run that finds another process at work is skipped, and is no failure")
    func skipped() async throws {
        let bench = try Bench(onDrift: true)
        try await bench.running {
            _ = await bench.supervisor.request(model: "lines", trigger: .drift)
            await bench.runs.next().ending.resume(
                throwing: RetrainingError.reported(code: "store_locked", message: "locked")
            )
            _ = try await bench.status { $0.running == nil && $0.lastEnded != nil }
        }
        #expect(bench.registry.lines("leeway_retrain_failures_total").isEmpty)
        #expect(
            bench.registry.lines("leeway_retrain_runs_total").contains {
                $0.contains("skipped") && $0.hasSuffix(" 1")
            }
        )
    }

    @Test("the status is JSON with stable names")
    func status() async throws {
        let bench = try Bench()
        let status = try #require(await bench.supervisor.status(of: "lines"))
        #expect(String(decoding: try StoreJSON.encode(status), as: UTF8.self) == "{}")
        #expect(await bench.supervisor.status(of: "others") == nil)
    }
}
