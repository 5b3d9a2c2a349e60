import CKernels
import NeuralNetwork
import Testing

/// Every instruction set of the machine the test runs on.
let levels = (0...leeway_kernels_level().rawValue).map { leeway_level(rawValue: $0) }

/// Sizes that leave a remainder in every tile, and whole tiles.
private let sizes: [(rows: Int, columns: Int, depth: Int)] = [
    (1, 1, 1), (1, 10, 64), (1, 64, 30), (1, 135, 7), (2, 3, 5), (3, 17, 9), (4, 16, 4),
    (5, 67, 70), (7, 33, 129), (8, 64, 64), (9, 150, 131), (33, 65, 66), (4, 64, 0), (0, 5, 5),
]

@Suite("Kernels") struct KernelTests {
    /// A matrix in memory whose rows are further apart than they are long.
    private struct Padded {
        var values: [Float]
        let stride: Int

        init(_ rows: Int, _ columns: Int, seed: UInt64) {
            stride = columns + 3
            values = noise(rows * (columns + 3) + 1, seed: seed)
        }

        func at(_ row: Int, _ column: Int) -> Double { Double(values[row * stride + column]) }

        /// The same memory with the matrix in it replaced.
        func with(_ rows: Int, _ columns: Int, _ element: (Int, Int) -> Double) -> Padded {
            var copy = self
            for i in 0..<rows {
                for j in 0..<columns { copy.values[i * stride + j] = Float(element(i, j)) }
            }
            return copy
        }
    }

    private typealias Gemm = (
        leeway_level, leeway_product, UnsafePointer<Float>, UnsafePointer<Float>,
        UnsafeMutablePointer<Float>, Int32
    ) -> Void

    /// Compares a product with the plain sums, on every level and for every size.
    private func check(_ transposedLeft: Bool, _ transposedRight: Bool, _ gemm: Gemm) {
        for level in levels {
            for size in sizes {
                for accumulate in [false, true] {
                    let right = unsafe isRight(
                        level,
                        size,
                        accumulate,
                        transposedLeft,
                        transposedRight,
                        gemm
                    )
                    #expect(right, "\(level) \(size) accumulate \(accumulate)")
                }
            }
        }
    }

    private func isRight(
        _ level: leeway_level,
        _ size: (rows: Int, columns: Int, depth: Int),
        _ accumulate: Bool,
        _ transposedLeft: Bool,
        _ transposedRight: Bool,
        _ gemm: Gemm
    ) -> Bool {
        let (rows, columns, depth) = size
        let left = transposedLeft ? Padded(depth, rows, seed: 1) : Padded(rows, depth, seed: 1)
        let right =
            transposedRight ? Padded(columns, depth, seed: 2) : Padded(depth, columns, seed: 2)
        let before = Padded(rows, columns, seed: 3)
        var result = before
        let product = leeway_product(
            rows: rows,
            columns: columns,
            depth: depth,
            left_stride: left.stride,
            right_stride: right.stride,
            result_stride: result.stride
        )
        // Bounds: each array has a row of `stride` numbers for every row.
        unsafe gemm(level, product, left.values, right.values, &result.values, accumulate ? 1 : 0)
        let expected = before.with(rows, columns) { i, j in
            (0..<depth).reduce(accumulate ? before.at(i, j) : 0) { sum, p in
                let a = transposedLeft ? left.at(p, i) : left.at(i, p)
                return sum + a * (transposedRight ? right.at(j, p) : right.at(p, j))
            }
        }
        // Also what lies between the rows: nothing may be written there.
        return expected.values.indices.allSatisfy {
            agree(result.values[$0], Double(expected.values[$0]))
        }
    }

    @Test("A B equals the plain sum on every instruction set and writes nothing else")
    func nn() { unsafe check(false, false, leeway_gemm_nn) }

    @Test("A Bt equals the plain sum on every instruction set and writes nothing else")
    func nt() { unsafe check(false, true, leeway_gemm_nt) }

    @Test("At B equals the plain sum on every instruction set and writes nothing else")
    func tn() { unsafe check(true, false, leeway_gemm_tn) }

    @Test("a row of a product has the same bits alone and in a batch")
    func rowsAreIndependent() {
        for level in levels {
            for columns in [1, 10, 64, 77, 130] {
                let depth = 150, rows = 35
                let left = noise(rows * depth, seed: 4), right = noise(depth * columns, seed: 5)
                func product(_ left: [Float], _ rows: Int) -> [Float] {
                    var result = [Float](repeating: 0, count: rows * columns)
                    let product = leeway_product(
                        rows: rows,
                        columns: columns,
                        depth: depth,
                        left_stride: depth,
                        right_stride: columns,
                        result_stride: columns
                    )
                    unsafe leeway_gemm_nn(level, product, left, right, &result, 0)
                    return result
                }
                let together = product(left, rows)
                for row in 0..<rows {
                    let alone = product(Array(left[row * depth..<(row + 1) * depth]), 1)
                    let same = alone.indices.allSatisfy {
                        alone[$0].bitPattern == together[row * columns + $0].bitPattern
                    }
                    #expect(same, "\(level) \(columns) columns, row \(row)")
                }
            }
        }
    }

    @Test("column sums equal the plain sums")
    func columnSums() {
        for level in levels {
            for (rows, columns) in [(1, 1), (3, 17), (32, 64), (0, 5), (7, 33)] {
                let matrix = noise(rows * columns, seed: 6)
                var sums = [Float](repeating: .nan, count: columns)
                unsafe leeway_column_sums(level, rows, columns, matrix, &sums)
                for column in 0..<columns {
                    let sum = (0..<rows).reduce(0.0) { $0 + Double(matrix[$1 * columns + column]) }
                    #expect(agree(sums[column], sum))
                }
            }
        }
    }

    private let step = leeway_step(
        rate: 0.01,
        beta1: 0.9,
        beta2: 0.999,
        epsilon: 1e-7,
        weight_decay: 0.1
    )

    @Test("a step of Adam equals the formula of the paper")
    func adam() {
        for level in levels {
            let count = 37
            let gradient = noise(count, seed: 7), before = noise(count, seed: 8)
            let mean = noise(count, seed: 9), square = noise(count, seed: 10).map { $0 * $0 }
            var weights = before, first = mean, second = square
            unsafe leeway_adam(level, count, step, gradient, &weights, &first, &second)
            for i in 0..<count {
                let g = Double(gradient[i]) + 0.1 * Double(before[i])
                let m = 0.9 * Double(mean[i]) + 0.1 * g
                let v = 0.999 * Double(square[i]) + 0.001 * g * g
                #expect(agree(first[i], m) && agree(second[i], v))
                #expect(agree(weights[i], Double(before[i]) - 0.01 * m / (v.squareRoot() + 1e-7)))
            }
        }
    }

    @Test("a step of gradient descent equals its formula")
    func descent() {
        for level in levels {
            let count = 37
            let gradient = noise(count, seed: 7), before = noise(count, seed: 8)
            let speed = noise(count, seed: 9)
            var weights = before, velocity = speed
            unsafe leeway_sgd(level, count, step, gradient, &weights, &velocity)
            for i in 0..<count {
                let g = Double(gradient[i]) + 0.1 * Double(before[i])
                let v = 0.9 * Double(speed[i]) - 0.01 * g
                #expect(agree(velocity[i], v) && agree(weights[i], Double(before[i]) + v))
            }
        }
    }

    @Test("moments that have decayed to nothing become 0, not subnormal")
    func subnormals() {
        for level in levels {
            let count = 20
            let gradient = [Float](repeating: 0, count: count)
            var weights = noise(count, seed: 1)
            var first = [Float](repeating: 1.05e-30, count: count), second = first
            var still = step
            still.weight_decay = 0
            for _ in 0..<400 {
                unsafe leeway_adam(level, count, still, gradient, &weights, &first, &second)
            }
            #expect(first == gradient && second == gradient)
        }
    }

    @Test("the losses stay finite for logits that overflow the exponential")
    func extremeLogits() {
        var gradients: [Float] = [0, 0, 0]
        let softmax = unsafe leeway_softmax_loss(1, 3, [1e30, 0, -1e30], [1], 1, &gradients)
        #expect(softmax.loss == Double(Float(1e30)) && gradients == [1, -1, 0])
        for logit: Float in [1e30, -1e30] {
            for target: Float in [0, 1] {
                var gradient: [Float] = [.nan]
                let loss = unsafe leeway_sigmoid_loss(1, [logit], [target], 1, &gradient)
                let wrong = (logit > 0) != (target > 0.5)
                #expect(loss.loss == (wrong ? Double(Float(1e30)) : 0))
                #expect(gradient == [wrong ? (target > 0.5 ? -1 : 1) : 0])
                #expect(loss.correct == (wrong ? 0 : 1))
            }
        }
    }
}
