import CKernels
import NeuralNetwork
import Testing

@Suite("Steps of the optimisers") struct OptimizerKernelTests {
    /// A step with everything in it.
    static let step = leeway_step(
        rate: 0.01,
        beta1: 0.9,
        beta2: 0.999,
        epsilon: 1e-7,
        l2: 0.1,
        decay: 0.003,
        scale: 0.25
    )

    /// The same step with some of it left out.
    static let steps: [leeway_step] = {
        var plain = step, penalised = step, decayed = step
        plain.l2 = 0
        plain.decay = 0
        plain.scale = 1
        penalised.decay = 0
        decayed.l2 = 0
        return [step, plain, penalised, decayed]
    }()

    /// Rows and columns: one long row, and a part of the panels of a matrix.
    static let shapes = oddCounts.map { (1, $0) } + [(7, 9), (65, 16), (9, 63), (0, 5)]

    private func adam(
        _ level: leeway_level,
        _ step: leeway_step,
        _ gradient: [Float],
        _ weights: inout Sheet,
        _ first: inout Sheet,
        _ second: inout Sheet
    ) {
        unsafe leeway_adam(
            level,
            weights.extent,
            step,
            gradient,
            &weights.values,
            &first.values,
            &second.values
        )
    }

    @Test("a step of Adam equals the formula of the paper", arguments: shapes)
    func adam(rows: Int, columns: Int) {
        let gradient = Sheet(noise: rows, columns, gap: 0, seed: 1)
        let weights = Sheet(noise: rows, columns, seed: 2),
            mean = Sheet(noise: rows, columns, seed: 3)
        let square = Sheet(rows, columns) { mean[$0, $1] * mean[$0, $1] }
        for step in Self.steps {
            for level in levels {
                var found = (weights, mean, square)
                adam(level, step, gradient.values, &found.0, &found.1, &found.2)
                #expect(found.0.isUntouched() && found.1.isUntouched() && found.2.isUntouched())
                for row in 0..<rows {
                    let isRight = (0..<columns).allSatisfy { column in
                        let w = Double(weights[row, column])
                        let (beta1, beta2) = (Double(step.beta1), Double(step.beta2))
                        let g =
                            Double(gradient[row, column]) * Double(step.scale)
                            + Double(step.l2) * w
                        let m = beta1 * Double(mean[row, column]) + (1 - beta1) * g
                        let v = beta2 * Double(square[row, column]) + (1 - beta2) * g * g
                        let expected =
                            w - Double(step.decay) * w
                            - Double(step.rate) * m / (v.squareRoot() + Double(step.epsilon))
                        return agree(found.1[row, column], m, within: 3e-7)
                            && agree(found.2[row, column], v, within: 3e-7)
                            && agree(found.0[row, column], expected, within: 3e-7)
                    }
                    #expect(isRight, "\(level) row \(row)")
                }
            }
        }
    }

    @Test("a step of gradient descent equals its formula", arguments: shapes)
    func descent(rows: Int, columns: Int) {
        let gradient = Sheet(noise: rows, columns, gap: 0, seed: 1)
        let weights = Sheet(noise: rows, columns, seed: 2)
        let velocity = Sheet(noise: rows, columns, seed: 3)
        for step in Self.steps {
            for level in levels {
                var (moved, speed) = (weights, velocity)
                unsafe leeway_sgd(
                    level,
                    weights.extent,
                    step,
                    gradient.values,
                    &moved.values,
                    &speed.values
                )
                #expect(moved.isUntouched() && speed.isUntouched())
                for row in 0..<rows {
                    let isRight = (0..<columns).allSatisfy { column in
                        let w = Double(weights[row, column])
                        let g =
                            Double(gradient[row, column]) * Double(step.scale)
                            + Double(step.l2) * w
                        let v =
                            Double(step.beta1) * Double(velocity[row, column])
                            - Double(step.rate) * g
                        return agree(speed[row, column], v, within: 3e-7)
                            && agree(
                                moved[row, column],
                                w - Double(step.decay) * w + v,
                                within: 3e-7
                            )
                    }
                    #expect(isRight, "\(level) row \(row)")
                }
            }
        }
    }

    @Test("a weight moves by the same bits wherever it lies")
    func layout() {
        let gradient = noise(63, seed: 1), given = noise(63, seed: 2)
        let moments = noise(63, seed: 3).map(abs)
        for level in levels {
            func moved(_ rows: Int, gap: Int, descent: Bool) -> [Float] {
                let columns = 63 / rows
                var weights = Sheet(rows, columns, gap: gap) { given[$0 * columns + $1] }
                var first = Sheet(rows, columns, gap: gap) { moments[$0 * columns + $1] }
                var second = first
                if descent {
                    unsafe leeway_sgd(
                        level,
                        weights.extent,
                        Self.step,
                        gradient,
                        &weights.values,
                        &first.values
                    )
                } else {
                    adam(level, Self.step, gradient, &weights, &first, &second)
                }
                return [weights, first, second].flatMap { sheet in
                    (0..<rows).flatMap { sheet.row($0) }
                }
            }
            for descent in [false, true] {
                let expected = moved(1, gap: 0, descent: descent)
                for rows in [1, 3, 7, 9, 21, 63] {
                    #expect(sameBits(moved(rows, gap: 0, descent: descent), expected))
                    #expect(sameBits(moved(rows, gap: 5, descent: descent), expected))
                }
            }
        }
    }

    @Test("moments that have decayed to nothing become 0, not subnormal")
    func subnormals() {
        var still = Self.step
        still.l2 = 0
        for level in levels {
            let gradient = [Float](repeating: 0, count: 37)
            var weights = Sheet(noise: 1, 37, seed: 1)
            var first = Sheet(1, 37) { _, column in column % 2 == 0 ? 1.05e-30 : -1.05e-30 }
            var second = Sheet(1, 37) { _, _ in 1.0005e-30 }
            adam(level, still, gradient, &weights, &first, &second)
            #expect(first.row(0) == gradient && second.row(0) == gradient, "\(level)")

            var speed = Sheet(1, 37) { _, column in column % 2 == 0 ? 1.05e-30 : -1.05e-30 }
            unsafe leeway_sgd(
                level,
                weights.extent,
                still,
                gradient,
                &weights.values,
                &speed.values
            )
            #expect(speed.row(0) == gradient, "\(level)")
        }
    }

    @Test("a NaN or an infinity spoils its own weight alone, a subnormal slope none")
    func specialNumbers() {
        for level in levels {
            for (special, isSpoilt): (Float, Bool) in [
                (.nan, true), (.infinity, true), (0x1p-133, false),
                (-.leastNonzeroMagnitude, false),
            ] {
                var gradient = noise(23, seed: 1)
                gradient[5] = special
                gradient[21] = special
                for descent in [false, true] {
                    var weights = Sheet(noise: 1, 23, seed: 2)
                    var first = Sheet(1, 23) { _, _ in 0 }, second = first
                    if descent {
                        unsafe leeway_sgd(
                            level,
                            weights.extent,
                            Self.step,
                            gradient,
                            &weights.values,
                            &first.values
                        )
                    } else {
                        adam(level, Self.step, gradient, &weights, &first, &second)
                    }
                    for (index, weight) in weights.row(0).enumerated() {
                        #expect(weight.isFinite != (isSpoilt && (index == 5 || index == 21)))
                    }
                }
            }
        }
    }
}
