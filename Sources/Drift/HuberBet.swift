/// The bet on one stream that wins nothing on average as long as the stream is in its leeway.
///
/// Given a guess q of where the stream has moved to, and the ball of all laws within total
/// variation δ of the reference π, the bet pays
///
///     e_b = clip(q_b / π_b, c_lo, c_hi),  Σ (q_b/c_hi − π_b)₊ = δ,  Σ (π_b − q_b/c_lo)₊ = δ.
///
/// p* = q/e is then the law of the ball nearest to q (Huber 1965): it differs from π by exactly δ
/// in the highest and δ in the lowest bins. For every P in the ball
/// E_P[e] ≤ E_π[e] + δ(c_hi − c_lo) = E_p*[e] = Σ q = 1, so e is an e-value for the whole ball.
/// If q itself lies in the ball there is nothing to bet on.
package struct HuberBet {
    /// The clip levels of a bet.
    package struct Clip: Equatable, Sendable {
        /// The least that a bet pays for a row, at most 1.
        package let low: Double
        /// The most that a bet pays for a row, at least 1.
        package let high: Double
    }

    /// Finds the clip levels, or nil when `guess` lies in the ball.
    ///
    /// Both equations are piecewise linear in 1/c and convex, so Newton's steps from c = 1 walk
    /// over the breakpoints in one direction and end exactly, mostly after three or four, without
    /// sorting the ratios. Bins that fill up have no share in either argument and never count.
    package static func clip(
        guess: Span<SIMD4<Double>>,
        reference: Span<SIMD4<Double>>,
        tolerance: Double
    ) -> Clip? {
        var above = SIMD4<Double>.zero
        for group in guess.indices {
            let excess = guess[group] - reference[group]
            above += excess.kept(where: excess, exceeds: .zero)
        }
        guard above.sum() > tolerance else { return nil }
        return Clip(
            low: low(guess: guess, reference: reference, tolerance: tolerance),
            high: high(guess: guess, reference: reference, tolerance: tolerance)
        )
    }

    /// Solves Σ (q u − π)₊ = δ for u = 1/c_hi, which is at most 1, from the right.
    private static func high(
        guess: Span<SIMD4<Double>>,
        reference: Span<SIMD4<Double>>,
        tolerance: Double
    ) -> Double {
        var u = 1.0
        for _ in 0...ReferenceStream.binsMax {
            var q = SIMD4<Double>.zero
            var p = SIMD4<Double>.zero
            for group in guess.indices {
                let scaled = guess[group] * u
                q += guess[group].kept(where: scaled, exceeds: reference[group])
                p += reference[group].kept(where: scaled, exceeds: reference[group])
            }
            let next = (tolerance + p.sum()) / q.sum()
            // Also ends where rounding has emptied the sums (next is then no number).
            guard next < u else { break }
            u = next
        }
        return 1 / u
    }

    /// Solves Σ (π − q v)₊ = δ for v = 1/c_lo, which is at least 1, from the left.
    private static func low(
        guess: Span<SIMD4<Double>>,
        reference: Span<SIMD4<Double>>,
        tolerance: Double
    ) -> Double {
        var v = 1.0
        for _ in 0...ReferenceStream.binsMax {
            var q = SIMD4<Double>.zero
            var p = SIMD4<Double>.zero
            for group in guess.indices {
                let scaled = guess[group] * v
                q += guess[group].kept(where: reference[group], exceeds: scaled)
                p += reference[group].kept(where: reference[group], exceeds: scaled)
            }
            let next = (p.sum() - tolerance) / q.sum()
            guard next > v, next.isFinite else { break }
            v = next
        }
        return 1 / v
    }
}

extension SIMD4<Double> {
    /// The lanes in which `a` is greater than `b`, and 0 in the others.
    ///
    /// Written lane by lane, since the compiler makes four branches of `replacing(with:where:)`,
    /// and a compare and a mask of this.
    @inline(__always)
    func kept(where a: Self, exceeds b: Self) -> Self {
        Self(a.x > b.x ? x : 0, a.y > b.y ? y : 0, a.z > b.z ? z : 0, a.w > b.w ? w : 0)
    }

    /// The lanes, but none below `clip.low` or above `clip.high`; a lane without a number gets
    /// `clip.high`.
    @inline(__always)
    func clipped(to clip: HuberBet.Clip) -> Self {
        func lane(_ value: Double) -> Double {
            let most = value < clip.high ? value : clip.high
            return most > clip.low ? most : clip.low
        }
        return Self(lane(x), lane(y), lane(z), lane(w))
    }
}
