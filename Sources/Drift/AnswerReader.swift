/// Reduces a row's answer to the numbers that streams look at.
struct AnswerReader: Sendable {
    private let classes: [Int]
    private let hasEntropy: Bool
    private let hasEnergy: Bool

    init(_ board: Board) {
        classes = board.classes
        hasEntropy = board.hasEntropy
        hasEnergy = board.hasEnergy
    }

    /// Odds beyond this say no more.
    private static let oddsMax: Float = 1e30

    func read(_ row: borrowing ScoredRows, into board: inout [Float]) {
        let outputs = row.probabilities
        board[Board.first] = outputs[0]
        guard outputs.count > 1 else { return readOne(row, into: &board) }
        var (predicted, greatest, second) = (0, -Float.infinity, -Float.infinity)
        for index in outputs.indices {
            let output = outputs[index]
            if output > greatest {
                second = greatest
                greatest = output
                predicted = index
            } else if output > second {
                second = output
            }
        }
        // Summed without the greatest, which would swallow the others.
        var rest: Float = 0
        for index in outputs.indices where index != predicted { rest += outputs[index] }
        board[Board.predicted] = Float(predicted)
        board[Board.confidence] = greatest
        board[Board.margin] = greatest - second
        board[Board.confidenceOdds] = Self.odds(greatest, rest)
        for (place, index) in classes.enumerated() {
            let own = outputs[index]
            board[Board.odds + place] = Self.odds(
                own,
                index == predicted ? rest : greatest + (rest - own)
            )
        }
        if hasEntropy { board[Board.entropy] = Self.entropy(outputs) }
        if hasEnergy, row.logits.count > predicted {
            board[Board.energy] = row.logits[predicted] * row.logitScale - fastLogarithm(greatest)
        }
    }

    /// A single output is the probability of the second class, or a value.
    private func readOne(_ row: borrowing ScoredRows, into board: inout [Float]) {
        let output = row.probabilities[0]
        let greatest = max(output, 1 - output)
        board[Board.predicted] = output >= 0.5 ? 1 : 0
        board[Board.confidence] = greatest
        board[Board.margin] = greatest - (1 - greatest)
        if row.logits.count == 1 {
            let logit = row.logits[0] * row.logitScale
            board[Board.logOdds] = logit
            board[Board.confidenceOdds] = abs(logit)
        } else {
            let odds = Self.odds(output, 1 - output)
            board[Board.logOdds] = odds > 0 ? fastLogarithm(odds) : -70
            board[Board.confidenceOdds] = abs(board[Board.logOdds])
        }
    }

    private static func odds(_ probability: Float, _ rest: Float) -> Float {
        rest > 0 ? min(probability / rest, oddsMax) : oddsMax
    }

    private static func entropy(_ probabilities: Span<Float>) -> Float {
        var sum = SIMD8<Float>.zero
        let whole = probabilities.count / 8
        for group in 0..<whole {
            let p = probabilities.group(at: group * 8)
            sum += p * fastLogarithm(p)
        }
        if whole * 8 < probabilities.count {
            var p = SIMD8<Float>(repeating: 0)
            for index in whole * 8..<probabilities.count {
                p[index - whole * 8] = probabilities[index]
            }
            sum += p * fastLogarithm(p)
        }
        return max(0, -sum.sum())
    }
}

/// The natural logarithm of positive numbers, to about seven digits; of 0 a large negative number.
@inline(__always)
func fastLogarithm(_ x: SIMD8<Float>) -> SIMD8<Float> {
    let least = SIMD8<Float>(repeating: .leastNormalMagnitude)
    let positive = x.replacing(with: least, where: x .< least)
    let bits = unsafe unsafeBitCast(positive, to: SIMD8<UInt32>.self)
    // Splits x = 2^k·m with √½ ≤ m < √2: 0x3F3504F3 is √½.
    let shifted = bits &- SIMD8(repeating: 0x3F35_04F3)
    let k = SIMD8<Int32>(truncatingIfNeeded: shifted) &>> SIMD8(repeating: 23)
    let fraction = (shifted & SIMD8(repeating: 0x007F_FFFF)) &+ SIMD8(repeating: 0x3F35_04F3)
    let m = unsafe unsafeBitCast(fraction, to: SIMD8<Float>.self)
    // ln m = 2 artanh s, s = (m − 1)/(m + 1), |s| ≤ 0.172.
    let s = (m - 1) / (m + 1)
    let z = s * s
    var series = z * (2.0 / 9) + SIMD8(repeating: 2.0 / 7)
    series = series * z + SIMD8(repeating: 2.0 / 5)
    series = series * z + SIMD8(repeating: 2.0 / 3)
    series = series * z + SIMD8(repeating: 2)
    return series * s + SIMD8<Float>(k) * 0.693_147_2
}

/// The natural logarithm of one positive number.
func fastLogarithm(_ x: Float) -> Float { fastLogarithm(SIMD8(repeating: x))[0] }
