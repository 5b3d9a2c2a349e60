import ModelStore
import Retraining
import Testing

@Suite("Promotion rule") struct PromotionRuleTests {
    private func scores(accuracy: Double?, error: Double? = nil, loss: Double = 1) -> Scores {
        Scores(rows: 100, loss: loss, accuracy: accuracy, meanAbsoluteError: error)
    }

    @Test(
        "a classification may be worse than the champion by the margin and no more",
        arguments: [
            (0.90, 0.90, 0.0, true), (0.91, 0.90, 0.0, true), (0.8999, 0.90, 0.0, false),
            (0.90, 0.905, 0.01, true), (0.89, 0.905, 0.01, false), (0, 1, 1, true),
            (.nan, 0.9, 0.1, false),
        ]
    )
    func accuracy(candidate: Double, champion: Double, margin: Double, accepts: Bool) {
        let verdict = PromotionRule(margin: margin).judge(
            candidate: scores(accuracy: candidate),
            champion: scores(accuracy: champion)
        )
        #expect(verdict.accepts == accepts)
        #expect(verdict.reason.contains("accuracy"))
    }

    @Test(
        "a regression's error may be greater by the margin's share of the champion's",
        arguments: [
            (10.0, 10.0, 0.0, true), (10.01, 10.0, 0.0, false), (10.9, 10.0, 0.1, true),
            (11.2, 10.0, 0.1, false), (0, 0, 0, true), (.nan, 10, 1, false),
            (.infinity, 10, 1, false),
        ]
    )
    func regression(candidate: Double, champion: Double, margin: Double, accepts: Bool) {
        let verdict = PromotionRule(margin: margin).judge(
            candidate: scores(accuracy: nil, error: candidate),
            champion: scores(accuracy: nil, error: champion)
        )
        #expect(verdict.accepts == accepts)
        #expect(verdict.reason.contains("mean absolute error"))
    }

    @Test("the first version needs no champion, but a finite loss")
    func first() {
        let rule = PromotionRule(margin: 0)
        #expect(rule.judge(candidate: scores(accuracy: 0.1), champion: nil).accepts)
        for loss in [Double.nan, .infinity] {
            let bad = scores(accuracy: 1, loss: loss)
            #expect(!rule.judge(candidate: bad, champion: nil).accepts)
            #expect(!rule.judge(candidate: bad, champion: scores(accuracy: 0)).accepts)
        }
    }

    @Test("another task is no reason to refuse, and the reason says so")
    func otherTask() {
        let verdict = PromotionRule(margin: 0).judge(
            candidate: scores(accuracy: 0.1),
            champion: scores(accuracy: nil, error: 0.1)
        )
        #expect(verdict.accepts)
        #expect(verdict.reason.contains("cannot be compared"))
    }

    @Test("the numbers stand in the reason with four decimals")
    func words() {
        let words = [
            (0.87654321, "worse, by more than the margin of 0.005"),
            (0.8967, "worse, within the margin of 0.005"), (0.9, "not worse"),
        ]
        for (accuracy, expected) in words {
            let verdict = PromotionRule(margin: 0.005).judge(
                candidate: scores(accuracy: accuracy),
                champion: scores(accuracy: 0.9)
            )
            let number = (accuracy * 10_000).rounded() / 10_000
            #expect(verdict.reason == "accuracy \(number), champion 0.9: \(expected)")
        }
    }
}
