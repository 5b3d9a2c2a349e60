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
        pseudoCount: Double,
        season: Int = 0
    ) {
        var reference = [Float](repeating: 0, count: layout.cellCount)
        for index in profile.streams.indices {
            for (bin, share) in profile.shares(ofStream: index, season: season).enumerated() {
                reference[Int(layout.starts[index]) + bin] = Float(share)
            }
        }
        self.reference = reference
        // Rounded up: a wider ball is always valid.
        self.tolerances = tolerances.map { Float($0).nextUp }
        self.pseudoCount = Float(pseudoCount)
    }

    /// Where a stream's numbers lie.
    struct Place {
        let stream: Int
        let cells: Range<Int>
        /// The lane group, and how many there are.
        let group: Int
        let groups: Int
    }

    /// Makes a stream's bets from its decayed counts.
    ///
    /// - Parameters:
    ///   - place: The stream.
    ///   - decayed: The counts, in units of `scale`.
    ///   - scale: What a row counts for.
    ///   - room: Working space for each bin.
    ///   - payoffs: Gets what each bet pays; 1 in the lanes that do not bet.
    /// - Returns: 1 in the lanes that bet, 0 in those whose guess lies in the ball.
    func solve(
        _ place: Place,
        decayed: Span<Lanes>,
        scale: Lanes,
        room: inout MutableSpan<Lanes>,
        payoffs: inout MutableSpan<Lanes>
    ) -> Lanes {
        let (start, count, groups) = (place.cells.lowerBound, place.cells.count, place.groups)
        let reference = reference.span.extracting(place.cells)
        let first = start * groups + place.group
        let tolerance = Lanes(repeating: tolerances[place.stream])
        let pseudo = pseudoCount * scale
        var total = pseudo
        for bin in 0..<count { total += decayed[first + bin * groups] }
        let unit = 1 / total
        var above = Lanes.zero
        for bin in 0..<count {
            let share = reference[bin]
            let guess = (decayed[first + bin * groups] + pseudo * share) * unit
            room[bin] = guess
            above += (guess - share).positive()
        }
        let isBetting = Lanes.zero.replacing(with: 1, where: above .> tolerance)
        guard isBetting != .zero else {
            for bin in 0..<count { payoffs[first + bin * groups] = Lanes(repeating: 1) }
            return isBetting
        }
        let guesses = room.span.extracting(0..<count)
        let most = (1 / highReciprocal(guesses, reference, tolerance))
            .bounded(by: EvidenceBook.payoffMax)
        let least = 1 / lowReciprocal(guesses, reference, tolerance)
        for bin in 0..<count {
            let ratio = guesses[bin] / reference[bin]
            let capped = ratio.replacing(with: most, where: ratio .> most)
            let bet = capped.replacing(with: least, where: capped .< least)
            let payoff = bet * (1 - EvidenceBook.margin)
            payoffs[first + bin * groups] = payoff.replacing(with: 1, where: isBetting .== 0)
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

    @inline(__always)
    func bounded(by most: Float) -> Self { replacing(with: most, where: self .> most) }
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
