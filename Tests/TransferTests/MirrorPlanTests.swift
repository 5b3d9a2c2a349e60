import Testing
import Transfer

@Suite("Which mirror when") struct MirrorPlanTests {
    @Test("mirrors in order, then a wait, then again, until the rounds are over")
    func rounds() {
        let policy = RetryPolicy(roundsMax: 3, baseMilliseconds: 1000)
        let steps = run(mirrors: 2, policy) { _ in .transient(nil) }
        #expect(
            steps == [
                .attempt(mirror: 0), .attempt(mirror: 1), .wait(milliseconds: 1000),
                .attempt(mirror: 0), .attempt(mirror: 1), .wait(milliseconds: 2000),
                .attempt(mirror: 0), .attempt(mirror: 1), .giveUp,
            ]
        )
    }

    @Test("a mirror that failed for good is not asked again, and with none left it ends at once")
    func permanent() {
        let policy = RetryPolicy(roundsMax: 2, baseMilliseconds: 8)
        let some = run(mirrors: 3, policy) { $0 == 1 ? .transient(nil) : .permanent }
        #expect(
            some == [
                .attempt(mirror: 0), .attempt(mirror: 1), .attempt(mirror: 2),
                .wait(milliseconds: 8), .attempt(mirror: 1), .giveUp,
            ]
        )
        let none = run(mirrors: 2, policy) { _ in .permanent }
        #expect(none == [.attempt(mirror: 0), .attempt(mirror: 1), .giveUp])
        #expect(run(mirrors: 0, policy) { _ in .permanent } == [.giveUp])
        #expect(run(mirrors: -1, policy) { _ in .permanent } == [.giveUp])
    }

    @Test("no round begins later than the window allows, waits and transfers together")
    func window() {
        let policy = RetryPolicy(roundsMax: 6, baseMilliseconds: 1000, windowMilliseconds: 10_000)
        // A wait of a second at most, into or over the end of the window.
        for (elapsed, expected) in [(0, true), (8999, true), (10_000, false), (Int.max, false)] {
            var random = Highest()
            var plan = MirrorPlan(mirrorCount: 1, policy: policy)
            #expect(plan.next(random: &random) == .attempt(mirror: 0))
            plan.failed(isTransient: true)
            let step = plan.next(random: &random, elapsedMilliseconds: elapsed)
            #expect((step == .wait(milliseconds: 1000)) == expected, "\(elapsed) \(step)")
            #expect((step == .giveUp) == !expected)
        }
    }

    @Test("a mirror that asked for time is left alone until its time is over")
    func retryAfter() {
        let policy = RetryPolicy(roundsMax: 4, baseMilliseconds: 1000)
        let steps = run(mirrors: 2, policy) { $0 == 0 ? .transient(5) : .transient(nil) }
        #expect(
            steps == [
                .attempt(mirror: 0), .attempt(mirror: 1), .wait(milliseconds: 1000),
                .attempt(mirror: 1), .wait(milliseconds: 2000),
                .attempt(mirror: 1), .wait(milliseconds: 4000),
                .attempt(mirror: 0), .attempt(mirror: 1), .giveUp,
            ]
        )
    }

    @Test("when every mirror asked for time, the wait is the shortest of these")
    func allAskedForTime() {
        let policy = RetryPolicy(roundsMax: 2, baseMilliseconds: 1)
        let steps = run(mirrors: 2, policy) { .transient($0 == 0 ? 60 : 30) }
        #expect(
            steps == [
                .attempt(mirror: 0), .attempt(mirror: 1), .wait(milliseconds: 30_000),
                .attempt(mirror: 1), .giveUp,
            ]
        )
    }

    @Test("nonsense in Retry-After is cut to 0...cap", arguments: [-1, Int.min, Int.max, 1 << 40])
    func nonsense(seconds: Int) {
        let policy = RetryPolicy(roundsMax: 2, baseMilliseconds: 1, capMilliseconds: 9000)
        let steps = run(mirrors: 1, policy) { _ in .transient(seconds) }
        #expect(steps[1] == .wait(milliseconds: seconds < 0 ? 1 : 9000))
    }

    @Test("waits double up to the cap, and all of them together stay within their limit")
    func limits() {
        let policy = RetryPolicy(
            roundsMax: 100,
            baseMilliseconds: 1000,
            capMilliseconds: 4000,
            waitMillisecondsMax: 20_000
        )
        let waits = run(mirrors: 1, policy) { _ in .transient(nil) }.compactMap { step in
            if case .wait(let milliseconds) = step { milliseconds } else { nil }
        }
        #expect(waits == [1000, 2000, 4000, 4000, 4000, 4000])
    }

    @Test("the jitter is even between zero and its upper end")
    func jitter() {
        var random = Sequence64(state: 1)
        let waits = (0..<2000).map { _ in
            var plan = MirrorPlan(mirrorCount: 1, policy: RetryPolicy(baseMilliseconds: 1000))
            _ = plan.next(random: &random)
            plan.failed(isTransient: true)
            guard case .wait(let milliseconds) = plan.next(random: &random) else { return -1 }
            return milliseconds
        }
        #expect(waits.allSatisfy { (0...1000).contains($0) })
        // The mean of 2000 draws has a standard deviation of 6.5 ms; the generator is fixed.
        #expect((470...530).contains(waits.reduce(0, +) / waits.count))
    }

    @Test("settings without sense do not trap")
    func oddSettings() {
        let policies = [
            RetryPolicy(roundsMax: -1, baseMilliseconds: -1, capMilliseconds: -1),
            RetryPolicy(roundsMax: 70, baseMilliseconds: .max, capMilliseconds: .max),
            RetryPolicy(roundsMax: 3, baseMilliseconds: 0, capMilliseconds: 0),
            RetryPolicy(roundsMax: 3, waitMillisecondsMax: -5),
        ]
        for policy in policies {
            #expect(run(mirrors: 1, policy) { _ in .transient(.max) }.last == .giveUp)
        }
    }

    private enum Verdict {
        case permanent
        case transient(Int?)
    }

    /// All steps of a plan whose jitter is always at its upper end.
    private func run(
        mirrors: Int,
        _ policy: RetryPolicy,
        _ verdict: (Int) -> Verdict
    ) -> [MirrorPlan.Step] {
        var plan = MirrorPlan(mirrorCount: mirrors, policy: policy)
        var random = Highest()
        var steps: [MirrorPlan.Step] = []
        while steps.count < 1000 {
            let step = plan.next(random: &random)
            steps.append(step)
            switch step {
            case .giveUp: return steps
            case .wait: continue
            case .attempt(let mirror):
                switch verdict(mirror) {
                case .permanent: plan.failed(isTransient: false)
                case .transient(let seconds):
                    plan.failed(isTransient: true, retryAfterSeconds: seconds)
                }
            }
        }
        return steps
    }
}

/// Draws the upper end of every range.
private struct Highest: RandomNumberGenerator {
    func next() -> UInt64 { .max }
}

/// SplitMix64.
private struct Sequence64: RandomNumberGenerator {
    var state: UInt64

    mutating func next() -> UInt64 {
        state &+= 0x9e37_79b9_7f4a_7c15
        var mixed = state
        mixed = (mixed ^ (mixed >> 30)) &* 0xbf58_476d_1ce4_e5b9
        mixed = (mixed ^ (mixed >> 27)) &* 0x94d0_49bb_1331_11eb
        return mixed ^ (mixed >> 31)
    }
}
