import Drift
import Testing

@Suite("The bet against a ball of laws") struct HuberBetTests {
    /// The clip levels and the payoffs for a guess and a reference of any number of bins.
    private func bet(
        guess: [Double],
        reference: [Double],
        tolerance: Double
    ) -> (clip: HuberBet.Clip, payoffs: [Double])? {
        let q = groups(guess)
        let p = groups(reference)
        return HuberBet.clip(guess: q.span, reference: p.span, tolerance: tolerance).map { clip in
            let payoffs = zip(guess, reference).map { min(max($0 / $1, clip.low), clip.high) }
            return (clip, payoffs)
        }
    }

    private func groups(_ law: [Double]) -> [SIMD4<Double>] {
        stride(from: 0, to: law.count, by: 4).map { start in
            var group = SIMD4<Double>.zero
            for lane in 0..<min(4, law.count - start) { group[lane] = law[start + lane] }
            return group
        }
    }

    @Test("no law of the ball wins more than one on average, and one law wins exactly one")
    func supremumIsOne() throws {
        var generator = SeededGenerator(seed: 1)
        var bets = 0
        for round in 0..<600 {
            let bins = 2 + round % 19
            let reference = generator.law(bins, sharpness: Double(round % 2 + 1))
            let guess = generator.law(bins, sharpness: Double(round % 3 + 1))
            let tolerance = generator.uniform() * 0.3
            guard let made = bet(guess: guess, reference: reference, tolerance: tolerance) else {
                #expect(totalVariation(guess, reference) <= tolerance + 1e-12)
                continue
            }
            bets += 1
            let worst = leastFavourable(reference, payoffs: made.payoffs, tolerance: tolerance)
            let mean = zip(worst, made.payoffs).reduce(0) { $0 + $1.0 * $1.1 }
            #expect(mean <= 1 + 1e-12)
            // The law q/e is in the ball, at its rim, and wins exactly one.
            let nearest = zip(guess, made.payoffs).map { $0 / $1 }
            #expect(abs(nearest.reduce(0, +) - 1) < 1e-12)
            #expect(abs(totalVariation(nearest, reference) - tolerance) < 1e-12)
        }
        #expect(bets > 300)
    }

    @Test("both clip equations are solved exactly")
    func equationsHold() throws {
        var generator = SeededGenerator(seed: 2)
        for _ in 0..<300 {
            let reference = generator.law(13, sharpness: 2)
            let guess = generator.law(13, sharpness: 2)
            guard let made = bet(guess: guess, reference: reference, tolerance: 0.05) else {
                continue
            }
            let above = zip(guess, reference).reduce(0) {
                $0 + max(0, $1.0 / made.clip.high - $1.1)
            }
            let below = zip(guess, reference).reduce(0) { $0 + max(0, $1.1 - $1.0 / made.clip.low) }
            #expect(abs(above - 0.05) < 1e-12)
            #expect(abs(below - 0.05) < 1e-12)
            #expect(made.clip.low < 1 && made.clip.high > 1)
        }
    }

    @Test("a guess inside the ball makes no bet")
    func insideNoBet() {
        let reference = [0.25, 0.25, 0.25, 0.25]
        #expect(bet(guess: reference, reference: reference, tolerance: 0.01) == nil)
        #expect(bet(guess: [0.29, 0.21, 0.25, 0.25], reference: reference, tolerance: 0.05) == nil)
        #expect(bet(guess: [0.35, 0.15, 0.25, 0.25], reference: reference, tolerance: 0.05) != nil)
    }

    @Test("without tolerance the bet is the plain likelihood ratio")
    func noToleranceIsLikelihoodRatio() throws {
        let reference = [0.5, 0.3, 0.2]
        let guess = [0.2, 0.2, 0.6]
        let made = try #require(bet(guess: guess, reference: reference, tolerance: 0))
        for (payoff, ratio) in zip(made.payoffs, [0.4, 2.0 / 3, 3]) {
            #expect(abs(payoff - ratio) < 1e-12)
        }
    }

    @Test("a collapse into one bin is worked out by hand")
    func collapse() throws {
        // q = (.9, .1), π = (.5, .5), δ = .1: p* = (.6, .4), e = (1.5, .25).
        let made = try #require(
            bet(guess: [0.9, 0.1], reference: [0.5, 0.5], tolerance: 0.1)
        )
        #expect(abs(made.clip.high - 1.5) < 1e-12)
        #expect(abs(made.clip.low - 0.25) < 1e-12)
    }
}
