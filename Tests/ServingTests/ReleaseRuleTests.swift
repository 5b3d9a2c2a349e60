import Serving
import Testing

/// Decisions on a candidate, without a server.
@Suite("Release rule") struct ReleaseRuleTests {
    private func decide(
        shadow: Bool = false,
        _ settings: (inout StagingSettings) -> Void = { _ in },
        _ change: (inout ReleaseEvidence) -> Void
    ) -> ReleaseRule.Decision {
        var rules = StagingSettings()
        settings(&rules)
        var evidence = ReleaseEvidence()
        change(&evidence)
        return ReleaseRule(rules).decide(isShadow: shadow, evidence)
    }

    private func reason(_ decision: ReleaseRule.Decision) -> ReleaseReason? {
        if case .back(let reason, _) = decision { reason } else { nil }
    }

    private func isForward(_ decision: ReleaseRule.Decision) -> Bool {
        if case .forward = decision { true } else { false }
    }

    @Test("the shadow ends when there are rows and seconds enough")
    func shadow() {
        #expect(decide(shadow: true) { $0.rows = 499 } == .wait)
        #expect(isForward(decide(shadow: true) { $0.rows = 500 }))
        let slow: (inout StagingSettings) -> Void = { $0.shadowSeconds = 60 }
        #expect(decide(shadow: true, slow) { ($0.rows, $0.seconds) = (9000, 59) } == .wait)
        #expect(isForward(decide(shadow: true, slow) { ($0.rows, $0.seconds) = (9000, 60) }))
    }

    @Test("too little agreement takes back at the end of the shadow, where it is asked for")
    func agreement() {
        let asked: (inout StagingSettings) -> Void = { $0.agreementMin = 0.9 }
        let few = decide(shadow: true, asked) { ($0.rows, $0.agreeing) = (500, 449) }
        #expect(reason(few) == .agreement)
        #expect(isForward(decide(shadow: true, asked) { ($0.rows, $0.agreeing) = (500, 450) }))
        #expect(isForward(decide(shadow: true, asked) { ($0.rows, $0.agreeing) = (500, nil) }))
        #expect(isForward(decide(shadow: true) { ($0.rows, $0.agreeing) = (500, 0) }))
    }

    @Test("the canary ends when there are rows, seconds and labels enough")
    func canary() {
        #expect(decide { $0.rows = 1999 } == .wait)
        #expect(isForward(decide { $0.rows = 2000 }))
        let asked: (inout StagingSettings) -> Void = {
            ($0.canaryLabels, $0.canarySeconds) = (50, 9)
        }
        #expect(decide(asked) { ($0.rows, $0.labels, $0.seconds) = (9000, 49, 99) } == .wait)
        #expect(decide(asked) { ($0.rows, $0.labels, $0.seconds) = (9000, 99, 8) } == .wait)
        #expect(isForward(decide(asked) { ($0.rows, $0.labels, $0.seconds) = (9000, 50, 9) }))
    }

    @Test(
        "failures take back when there are three, and more than allowed, and twice the stable share",
        arguments: [
            (2, 10, 0, 1000, false), (3, 10, 0, 1000, true), (3, 300, 0, 1000, false),
            (4, 300, 0, 1000, true), (30, 300, 60, 1000, false), (40, 300, 60, 1000, true),
            (3, 3, 0, 0, true),
        ]
    )
    func errors(_ faults: Int, _ requests: Int, _ stable: Int, _ of: Int, _ back: Bool) {
        let decision = decide {
            ($0.faults, $0.requests, $0.stableFaults, $0.stableRequests) = (
                faults, requests, stable, of
            )
        }
        #expect(reason(decision) == (back ? .errors : nil))
    }

    @Test("a version that answers everybody goes by the same limits, until its time is over")
    func watch() {
        func decide(_ change: (inout ReleaseEvidence) -> Void) -> ReleaseRule.Decision {
            var evidence = ReleaseEvidence()
            change(&evidence)
            return ReleaseRule(StagingSettings()).watch(evidence, previous: 7)
        }
        #expect(decide { ($0.seconds, $0.rows) = (86_399, 1_000_000) } == .wait)
        #expect(isForward(decide { $0.seconds = 86_400 }))
        #expect(
            decide { ($0.rowNanoseconds, $0.stableRowNanoseconds) = (400_000, 100_000) }
                == .back(.latency, "a row takes 400 µs, of version 7 100")
        )
        #expect(reason(decide { ($0.faults, $0.requests) = (3, 200) }) == .errors)
        #expect(decide { ($0.faults, $0.requests) = (3, 400) } == .wait)
        // What speaks against it counts before the end of its time.
        let late = decide { ($0.seconds, $0.isWorse, $0.labels) = (90_000, true, 80) }
        #expect(
            late
                == .back(
                    .feedback,
                    "after 80 labels: wrong more often than version 7 by more than 0.02"
                )
        )
    }

    @Test(
        "time takes back when it is three times the stable version's and anybody could notice",
        arguments: [
            (301_000.0, 100_000.0, true), (299_000, 100_000, false), (40_000, 1000, false),
            (51_001, 1000, true),
        ]
    )
    func latency(ours: Double, theirs: Double, back: Bool) {
        let decision = decide { ($0.rowNanoseconds, $0.stableRowNanoseconds) = (ours, theirs) }
        #expect(reason(decision) == (back ? .latency : nil))
    }

    @Test("drift and labels take back in any stage, before anything speaks for the candidate")
    func alarms() {
        for shadow in [true, false] {
            #expect(
                reason(decide(shadow: shadow) { ($0.rows, $0.isDrifting) = (9999, true) }) == .drift
            )
            #expect(
                reason(decide(shadow: shadow) { ($0.rows, $0.isWorse) = (9999, true) }) == .feedback
            )
        }
        #expect(
            isForward(
                decide({ $0.watchesDrift = false }) { ($0.rows, $0.isDrifting) = (9999, true) }
            )
        )
    }
}
