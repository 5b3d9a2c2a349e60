import CKernels
import Glibc
import NeuralNetwork
import Testing

/// The losses of one row, plainly in double precision.
private enum PlainLoss {
    static func softmax(_ logits: [Double]) -> [Double] {
        let shift = logits.max() ?? 0
        let powers = logits.map { exp($0 - shift) }
        let sum = powers.reduce(0, +)
        return powers.map { $0 / sum }
    }

    static func crossEntropy(
        _ logits: [Double],
        truth: Int,
        smoothing: Double,
        weight: Double
    ) -> Double {
        let shift = logits.max() ?? 0
        let total = log(logits.reduce(0) { $0 + exp($1 - shift) }) + shift
        let spread = smoothing / Double(logits.count)
        return weight
            * logits.enumerated().reduce(0) { sum, logit in
                let target = spread + (logit.offset == truth ? 1 - smoothing : 0)
                return sum + target * (total - logit.element)
            }
    }

    static func binary(
        _ logit: Double,
        target: Double,
        smoothing: Double,
        weight: Double
    ) -> Double {
        let y = target * (1 - smoothing) + smoothing / 2
        return -weight * (y * log(logistic(logit)) + (1 - y) * log(logistic(-logit)))
    }

    static func squared(_ values: [Double], _ targets: [Double]) -> Double {
        zip(values, targets).reduce(0) { $0 + ($1.0 - $1.1) * ($1.0 - $1.1) }
            / Double(values.count)
    }

    /// The slope of a loss by one of the values, by the central difference.
    static func slope(_ values: [Double], _ index: Int, _ loss: ([Double]) -> Double) -> Double {
        var above = values, below = values
        above[index] += 1e-5
        below[index] -= 1e-5
        return (loss(above) - loss(below)) / 2e-5
    }
}

@Suite("Losses") struct LossTests {
    static let shapes = [(1, 1), (1, 10), (7, 2), (9, 7), (5, 63), (4, 64), (3, 65), (2, 784)]

    private func logits(_ rows: Int, _ columns: Int) -> Sheet {
        var sheet = Sheet(noise: rows, columns, seed: 1)
        for row in 0..<rows {
            for column in 0..<columns { sheet[row, column] *= 6 }
        }
        return sheet
    }

    @Test("the probabilities of a row are the softmax, and their sum is 1")
    func softmax() {
        for (rows, columns) in Self.shapes + [(1, 4097)] {
            let logits = logits(rows, columns)
            for level in levels {
                var found = Sheet(room: rows, columns, gap: 0)
                unsafe leeway_softmax(level, logits.extent, logits.values, &found.values)
                #expect(found.isUntouched())
                for row in 0..<rows {
                    let expected = PlainLoss.softmax(logits.row(row).map(Double.init))
                    // The sum of `columns` numbers, an exponential, a difference and a quotient.
                    let tolerance = (Double(columns) + 20) * rounding
                    let isRight = (0..<columns).allSatisfy {
                        abs(Double(found[row, $0]) - expected[$0]) <= tolerance * expected[$0]
                    }
                    #expect(isRight, "\(level) \(rows) x \(columns)")
                    let sum = found.row(row).reduce(0) { $0 + Double($1) }
                    #expect(abs(sum - 1) <= tolerance, "\(level) \(sum)")
                }
            }
        }
    }

    @Test("logits that overflow the exponential have probabilities, too")
    func extremeLogits() {
        let cases: [([Float], [Float])] = [
            ([1e30, 0, -1e30], [1, 0, 0]),
            ([-1e30, -1e30, -1e30, -1e30], [0.25, 0.25, 0.25, 0.25]),
            ([.greatestFiniteMagnitude, -.greatestFiniteMagnitude], [1, 0]),
            ([0, -.infinity, 0], [0.5, 0, 0.5]),
            ([-100, 0], [0, 1]),
            ([0x1p-133, 0], [0.5, 0.5]),
        ]
        for level in levels {
            for (logits, expected) in cases {
                var found = [Float](repeating: .nan, count: logits.count)
                let extent = leeway_extent(rows: 1, columns: logits.count, stride: logits.count)
                unsafe leeway_softmax(level, extent, logits, &found)
                #expect(found == expected, "\(level) \(logits)")
            }
            for logits: [Float] in [[.nan, 0, 1], [0, 1, .nan], [0, .infinity]] {
                var found = [Float](repeating: 0, count: logits.count)
                let extent = leeway_extent(rows: 1, columns: logits.count, stride: logits.count)
                unsafe leeway_softmax(level, extent, logits, &found)
                let isSpoilt = found.contains { $0.isNaN }
                #expect(isSpoilt, "\(level) \(logits)")
            }
        }
    }

    @Test("cross-entropy and its slopes, smoothed and weighted", arguments: shapes)
    func crossEntropy(rows: Int, columns: Int) {
        let logits = logits(rows, columns)
        let classes = (0..<rows).map { Int32($0 * 5 % columns) }
        let weights = noise(columns, seed: 2).map { $0 + 1.5 }
        for smoothing: Float in [0, 0.1] {
            for isWeighted in [false, true] {
                for level in levels {
                    let scale: Float = 0.25
                    var losses = [Double](repeating: .nan, count: rows + 1)
                    var alone = losses
                    var slopes = Sheet(room: rows, columns)
                    let (correct, correctAlone) = unsafe weights.withUnsafeBufferPointer {
                        weights in
                        let loss = unsafe leeway_loss(
                            scale: scale,
                            smoothing: smoothing,
                            weights: isWeighted ? weights.baseAddress : nil
                        )
                        let (extent, values) = (logits.extent, logits.values)
                        return unsafe (
                            leeway_softmax_loss(
                                level,
                                loss,
                                extent,
                                values,
                                classes,
                                &losses,
                                &slopes.values
                            ),
                            leeway_softmax_loss(level, loss, extent, values, classes, &alone, nil)
                        )
                    }
                    #expect(losses.removeLast().isNaN && slopes.isUntouched())
                    var hits = 0
                    for row in 0..<rows {
                        let values = logits.row(row).map(Double.init)
                        let truth = Int(classes[row])
                        hits += values.firstIndex(of: values.max() ?? 0) == truth ? 1 : 0
                        func plain(_ values: [Double]) -> Double {
                            PlainLoss.crossEntropy(
                                values,
                                truth: truth,
                                smoothing: Double(smoothing),
                                weight: isWeighted ? Double(weights[truth]) : 1
                            )
                        }
                        let expected = plain(values)
                        #expect(abs(losses[row] - expected) <= 4e-6 * max(1, expected))
                        #expect(abs(alone[row] - expected) <= 4e-6 * max(1, expected))
                        // In a wide row some are enough.
                        let some = stride(from: 0, to: columns, by: 1 + columns / 20)
                        let isRight = some.allSatisfy { column in
                            let slope = Double(scale) * PlainLoss.slope(values, column, plain)
                            return abs(Double(slopes[row, column]) - slope) <= 2e-6
                        }
                        #expect(isRight, "\(level) row \(row), smoothing \(smoothing)")
                    }
                    #expect(correct == hits && correctAlone == hits)
                }
            }
        }
    }

    @Test("binary cross-entropy and its slopes, smoothed and weighted")
    func binary() {
        let logits = Sheet(9, 1) { row, _ in [-20, -3, -0.5, -0.0, 0, 0x1p-133, 0.7, 4, 20][row] }
        for target: Float in [0, 0.25, 1] {
            for smoothing: Float in [0, 0.2] {
                for weights: [Float]? in [nil, [0.5, 3]] {
                    let targets = [Float](repeating: target, count: 9)
                    var losses = [Double](repeating: .nan, count: 9)
                    var slopes = Sheet(room: 9, 1)
                    let correct = unsafe (weights ?? []).withUnsafeBufferPointer { numbers in
                        let loss = unsafe leeway_loss(
                            scale: 0.5,
                            smoothing: smoothing,
                            weights: weights == nil ? nil : numbers.baseAddress
                        )
                        return unsafe leeway_sigmoid_loss(
                            loss,
                            logits.extent,
                            logits.values,
                            targets,
                            &losses,
                            &slopes.values
                        )
                    }
                    #expect(slopes.isUntouched())
                    #expect(correct == (target == 1 ? 6 : 3))
                    for row in 0..<9 {
                        func plain(_ values: [Double]) -> Double {
                            PlainLoss.binary(
                                values[0],
                                target: Double(target),
                                smoothing: Double(smoothing),
                                weight: Double(weights?[target >= 0.5 ? 1 : 0] ?? 1)
                            )
                        }
                        let value = [Double(logits[row, 0])], expected = plain(value)
                        #expect(abs(losses[row] - expected) <= 1e-8 * max(1, expected))
                        let slope = 0.5 * PlainLoss.slope(value, 0, plain)
                        #expect(abs(Double(slopes[row, 0]) - slope) <= 2e-7)
                    }
                }
            }
        }
    }

    @Test("squared error and its slopes")
    func squared() {
        for (rows, columns) in Self.shapes + [(0, 3), (784, 1)] {
            let values = logits(rows, columns)
            let targets = noise(rows * columns, seed: 3)
            var losses = [Double](repeating: .nan, count: rows + 1)
            var alone = losses
            var slopes = Sheet(room: rows, columns)
            let loss = unsafe leeway_loss(scale: 0.5, smoothing: 0, weights: nil)
            let (extent, numbers) = (values.extent, values.values)
            let correct = unsafe leeway_squared_loss(
                loss,
                extent,
                numbers,
                targets,
                &losses,
                &slopes.values
            )
            _ = unsafe leeway_squared_loss(loss, extent, numbers, targets, &alone, nil)
            #expect(correct == 0 && losses.removeLast().isNaN && slopes.isUntouched())
            #expect(losses == alone.dropLast())
            for row in 0..<rows {
                let plain = values.row(row).map(Double.init)
                let wanted = (0..<columns).map { Double(targets[row * columns + $0]) }
                #expect(abs(losses[row] - PlainLoss.squared(plain, wanted)) <= 1e-5)
                let isRight = (0..<columns).allSatisfy { column in
                    let slope =
                        0.5 * PlainLoss.slope(plain, column) { PlainLoss.squared($0, wanted) }
                    return abs(Double(slopes[row, column]) - slope) <= 2e-6
                }
                #expect(isRight, "\(rows) x \(columns)")
            }
        }
    }

    @Test("the losses stay finite for logits that overflow the exponential")
    func extremeLosses() {
        let loss = unsafe leeway_loss(scale: 1, smoothing: 0, weights: nil)
        for level in levels {
            let extent = leeway_extent(rows: 1, columns: 3, stride: 3)
            var losses = [Double.nan]
            var slopes: [Float] = [0, 0, 0]
            let correct = unsafe leeway_softmax_loss(
                level,
                loss,
                extent,
                [1e30, 0, -1e30],
                [1],
                &losses,
                &slopes
            )
            #expect(correct == 0 && losses == [Double(Float(1e30))] && slopes == [1, -1, 0])
            _ = unsafe leeway_softmax_loss(
                level,
                loss,
                extent,
                [0, .nan, 1],
                [2],
                &losses,
                &slopes
            )
            let isSpoilt = slopes.contains { $0.isNaN }
            #expect(losses[0].isNaN && isSpoilt)
        }
        let one = leeway_extent(rows: 1, columns: 1, stride: 1)
        for logit: Float in [1e30, -1e30] {
            for target: Float in [0, 1] {
                var losses = [Double.nan]
                var slopes: [Float] = [.nan]
                let correct = unsafe leeway_sigmoid_loss(
                    loss,
                    one,
                    [logit],
                    [target],
                    &losses,
                    &slopes
                )
                let isWrong = (logit > 0) != (target > 0.5)
                #expect(losses == [isWrong ? Double(Float(1e30)) : 0])
                #expect(slopes == [isWrong ? (target > 0.5 ? -1 : 1) : 0])
                #expect(correct == (isWrong ? 0 : 1))
            }
        }
    }
}
