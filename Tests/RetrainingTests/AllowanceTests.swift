import ModelStore
import Retraining
import Testing

/// Whether a run may start: values in, a value out.
@Suite("Retraining allowance") struct AllowanceTests {
    typealias Refusal = RetrainingAllowance.Refusal
    private let now: Int64 = 1_795_466_160
    private let allowance = RetrainingAllowance(
        onDrift: true,
        onFeedback: true,
        cooldownSeconds: 100,
        runsPerDayMax: 2
    )

    private func refusal(
        _ trigger: RetrainingTrigger,
        at time: Int64? = nil,
        _ ledger: RetrainingLedger = RetrainingLedger(),
        isRunning: Bool = false,
        pinned: Int? = nil,
        by allowance: RetrainingAllowance? = nil
    ) -> Refusal? {
        (allowance ?? self.allowance).refusal(
            trigger,
            now: time ?? now,
            ledger: ledger,
            isRunning: isRunning,
            pinned: pinned
        )
    }

    private func ledger(_ starts: (RetrainingTrigger, Int64)...) -> RetrainingLedger {
        var ledger = RetrainingLedger()
        for (trigger, time) in starts { ledger.started(trigger, at: time) }
        return ledger
    }

    @Test("one run at a time, whoever asks", arguments: RetrainingTrigger.allCases)
    func running(trigger: RetrainingTrigger) {
        #expect(refusal(trigger) == nil)
        #expect(refusal(trigger, isRunning: true) == .running)
    }

    @Test(
        "a pin stops what nobody asked for, and nothing else",
        arguments: RetrainingTrigger.allCases
    )
    func pinned(trigger: RetrainingTrigger) {
        let isAutomatic = [.schedule, .drift, .feedback].contains(trigger)
        #expect(refusal(trigger, pinned: 3) == (isAutomatic ? .pinned(version: 3) : nil))
    }

    @Test("drift and feedback start a run only where that is wanted")
    func unwanted() {
        let none = RetrainingAllowance(onDrift: false, cooldownSeconds: 0)
        #expect(refusal(.drift, by: none) == .unwanted(.drift))
        #expect(refusal(.feedback, by: none) == .unwanted(.feedback))
        #expect(refusal(.drift, isRunning: true, by: none) == .unwanted(.drift))
        #expect(refusal(.schedule, by: none) == nil)
        #expect(Refusal.unwanted(.feedback).reason == "retrain.on_feedback is false")
    }

    @Test("after drift or feedback has started one, both wait")
    func cooldown() {
        let ledger = ledger((.drift, now - 99))
        #expect(refusal(.drift, ledger) == .cooldown(seconds: 99))
        #expect(refusal(.feedback, ledger) == .cooldown(seconds: 99))
        #expect(refusal(.schedule, ledger) == nil)
        #expect(refusal(.manual, ledger) == nil)
        #expect(refusal(.drift, at: now + 1, ledger) == nil)
    }

    @Test("so many automatic runs in any 24 hours, and a person is not counted")
    func budget() {
        let full = ledger((.schedule, now - 86_000), (.drift, now - 1000), (.manual, now - 500))
        #expect(refusal(.schedule, full) == .budget(runs: 2))
        #expect(refusal(.drift, full) == .budget(runs: 2))
        #expect(refusal(.manual, full) == nil)
        #expect(refusal(.bootstrap, full) == nil)
        #expect(refusal(.schedule, at: now + 400, full) == nil)
        let endless = RetrainingAllowance(onDrift: true, cooldownSeconds: 0)
        #expect(refusal(.schedule, full, by: endless) == nil)
    }

    @Test("a clock that went back blocks nothing")
    func clockWentBack() {
        let ledger = ledger((.drift, now), (.schedule, now))
        #expect(refusal(.drift, at: now - 50_000, ledger) == nil)
    }

    @Test("the ledger survives as JSON, and keeps no more than it needs")
    func coding() throws {
        var ledger = ledger((.drift, now))
        for second in 0..<5000 { ledger.started(.schedule, at: now + Int64(second)) }
        ledger.due = now + 60
        #expect(ledger.starts.count == RetrainingLedger.startsMax)
        let bytes = try StoreJSON.encode(ledger)
        #expect(try StoreJSON.decode(RetrainingLedger.self, from: bytes, path: "") == ledger)
        ledger.started(.schedule, at: now + 200_000)
        #expect(ledger.starts == [now + 200_000])
    }

    @Test("a start missed in a downtime is made up for once, or not at all")
    func catchUp() throws {
        let cron = try RetrainingSchedule("0 3 * * *")
        var ledger = RetrainingLedger()
        func first(_ schedule: RetrainingSchedule, _ catchesUp: Bool) -> Int64? {
            ledger.firstStart(schedule, on: .utc, now: now, catchesUp: catchesUp)
        }
        let next = cron.next(after: now)
        #expect(first(cron, true) == next)
        ledger.due = now - 200_000
        #expect(first(cron, true) == now)
        #expect(first(cron, false) == next)
        ledger.due = next
        #expect(first(cron, true) == next)
    }

    @Test("an interval goes on across restarts")
    func interval() throws {
        let hour = try RetrainingSchedule("1h")
        var ledger = RetrainingLedger()
        func first(_ catchesUp: Bool) -> Int64? {
            ledger.firstStart(hour, on: .utc, now: now, catchesUp: catchesUp)
        }
        #expect(first(true) == now + 3600)
        ledger.lastEnded = now - 600
        #expect(first(true) == now + 3000)
        #expect(first(false) == now + 3000)
        ledger.lastEnded = now - 4000
        #expect(first(true) == now)
        #expect(first(false) == now + 3600)
        // A clock that went back does not put the next run off for ever.
        ledger.lastEnded = now + 1_000_000
        #expect(first(true) == now + 3600)
    }
}
