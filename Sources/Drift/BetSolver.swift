/// Makes the bets of four half-lives at once; the mathematics is ``HuberBet``'s.
struct BetSolver: Sendable {
    typealias Lanes = SIMD4<Float>

    private let reference: [Float]
    private let tolerances: [Float]
    private let pseudoCount: Float

    /// A step of Newton's that is less than this part ends it; ``EvidenceBook/margin`` covers it.
    private static let precision: Float = 5e-7

    init(
        _ profile: ReferenceProfile,
        _ layout: CellLayout,
        _ tolerances: [Double],
        pseudoCount: Double
    ) {
        var reference = [Float](repeating: 0, count: layout.cellCount)
        for (index, stream) in profile.streams.enumerated() {
            for (bin, share) in stream.probabilities.enumerated() {
                reference[Int(layout.starts[index]) + bin] = Float(share)
            }
        }
        self.reference = reference
        // Rounded up: a wider ball is always valid.
        self.tolerances = tolerances.map { Float($0).nextUp }
        self.pseudoCount = Float(pseudoCount)
    }

    /// Turns a stream's decayed counts into the logarithms of its bets.
    ///
    /// - Returns: 1 in the lanes that bet, 0 in those whose guess lies in the ball; the logarithms
    ///   of these are 0.
    func solve(
        stream: Int,
        start: Int,
        count: Int,
        counts: inout MutableSpan<Lanes>
    ) -> Lanes {
        let reference = reference.span.extracting(start..<start + count)
        let tolerance = Lanes(repeating: tolerances[stream])
        var total = Lanes(repeating: pseudoCount)
        for bin in 0..<count { total += counts[bin] }
        let scale = 1 / total
        var above = Lanes.zero
        for bin in 0..<count {
            let share = reference[bin]
            let guess = (counts[bin] + pseudoCount * share) * scale
            counts[bin] = guess
            above += (guess - share).positive()
        }
        let isBetting = Lanes.zero.replacing(with: 1, where: above .> tolerance)
        guard isBetting != .zero else {
            for bin in 0..<count { counts[bin] = .zero }
            return isBetting
        }
        let high = 1 / highReciprocal(counts.span, reference, tolerance)
        let low = 1 / lowReciprocal(counts.span, reference, tolerance)
        for bin in 0..<count {
            let ratio = counts[bin] / reference[bin]
            let most = ratio.replacing(with: high, where: ratio .> high)
            let bet = most.replacing(with: low, where: most .< low)
            counts[bin] = (fastLogarithm(bet) - EvidenceBook.margin) * isBetting
        }
        return isBetting
    }

    /// Solves Σ (q u − π)₊ = δ for u = 1/c_hi, which is at most 1, from the right.
    private func highReciprocal(
        _ guess: Span<Lanes>,
        _ reference: Span<Float>,
        _ tolerance: Lanes
    ) -> Lanes {
        var u = Lanes(repeating: 1)
        for _ in 0...ReferenceStream.binsMax {
            var (q, p) = (Lanes.zero, Lanes.zero)
            for bin in reference.indices {
                let share = Lanes(repeating: reference[bin])
                let isAbove = guess[bin] * u .> share
                q += Lanes.zero.replacing(with: guess[bin], where: isAbove)
                p += Lanes.zero.replacing(with: share, where: isAbove)
            }
            let next = (tolerance + p) / q
            // Also ends where rounding has emptied the sums (next is then no number).
            let isLess = next .< u * (1 - Self.precision)
            u.replace(with: next, where: isLess)
            guard Lanes.zero.replacing(with: 1, where: isLess) != .zero else { break }
        }
        return u
    }

    /// Solves Σ (π − q v)₊ = δ for v = 1/c_lo, which is at least 1, from the left.
    private func lowReciprocal(
        _ guess: Span<Lanes>,
        _ reference: Span<Float>,
        _ tolerance: Lanes
    ) -> Lanes {
        var v = Lanes(repeating: 1)
        for _ in 0...ReferenceStream.binsMax {
            var (q, p) = (Lanes.zero, Lanes.zero)
            for bin in reference.indices {
                let share = Lanes(repeating: reference[bin])
                let isBelow = share .> guess[bin] * v
                q += Lanes.zero.replacing(with: guess[bin], where: isBelow)
                p += Lanes.zero.replacing(with: share, where: isBelow)
            }
            let next = (p - tolerance) / q
            let isMore = (next .> v * (1 + Self.precision)) .& (next .< .greatestFiniteMagnitude)
            v.replace(with: next, where: isMore)
            guard Lanes.zero.replacing(with: 1, where: isMore) != .zero else { break }
        }
        return v
    }
}

extension SIMD4<Float> {
    @inline(__always)
    func positive() -> Self { replacing(with: 0, where: self .< 0) }
}

/// The natural logarithm of positive numbers, to about seven digits.
@inline(__always)
func fastLogarithm(_ x: SIMD4<Float>) -> SIMD4<Float> {
    let bits = unsafe unsafeBitCast(x, to: SIMD4<UInt32>.self)
    let shifted = bits &- SIMD4(repeating: 0x3F35_04F3)
    let k = SIMD4<Int32>(truncatingIfNeeded: shifted) &>> SIMD4(repeating: 23)
    let fraction = (shifted & SIMD4(repeating: 0x007F_FFFF)) &+ SIMD4(repeating: 0x3F35_04F3)
    let m = unsafe unsafeBitCast(fraction, to: SIMD4<Float>.self)
    let s = (m - 1) / (m + 1)
    let z = s * s
    var series = z * (2.0 / 9) + SIMD4(repeating: 2.0 / 7)
    series = series * z + SIMD4(repeating: 2.0 / 5)
    series = series * z + SIMD4(repeating: 2.0 / 3)
    series = series * z + SIMD4(repeating: 2)
    return series * s + SIMD4<Float>(k) * 0.693_147_2
}
