import CKernels
import NeuralNetwork
import Testing

@Suite("Products of slopes") struct SlopeTests {
    @Test("the slopes by the weights are the plain sums over the batch")
    func byWeights() {
        let sizes = [(0, 3), (1, 1), (7, 9), (9, 63), (63, 7), (65, 13), (257, 65), (32, 784)]
        for (rows, inputs) in sizes {
            for width in panelWidths {
                let x = Sheet(noise: rows, inputs, seed: 1)
                let deltas = Sheet(noise: rows, width, gap: 16, seed: 2)
                let sums = (0..<inputs).map { input in
                    (0..<width).map { column in
                        var sum = PlainSum()
                        for row in 0..<rows { sum.add(x[row, input], deltas[row, column]) }
                        return sum
                    }
                }
                for level in levels {
                    var block = Sheet(room: inputs, width, gap: 0)
                    unsafe leeway_weight_gradient(
                        level,
                        rows,
                        inputs,
                        width,
                        x.values,
                        x.stride,
                        deltas.values,
                        deltas.stride,
                        &block.values
                    )
                    let isRight = (0..<inputs).allSatisfy { input in
                        (0..<width).allSatisfy { sums[input][$0].isNear(block[input, $0]) }
                    }
                    #expect(isRight && block.isUntouched(), "\(level) \(rows) \(inputs) \(width)")
                }
            }
        }
    }

    /// Inputs, outputs, columns: several panels, a narrow last one, wide and narrow batches.
    static let slices = [
        (1, 1, 16), (7, 9, 16), (9, 64, 32), (13, 65, 48), (63, 10, 64), (65, 130, 80),
        (784, 17, 96),
    ]

    @Test("the slopes by the inputs are the plain sums over the outputs", arguments: slices)
    func byInputs(inputs: Int, outputs: Int, columns: Int) {
        let matrix = noise(inputs * outputs, seed: 3)
        let deltas = noise(outputs * columns, seed: 4)
        let sums = (0..<inputs).map { input in
            (0..<columns).map { column in
                var sum = PlainSum()
                for output in 0..<outputs {
                    sum.add(matrix[input * outputs + output], deltas[output * columns + column])
                }
                return sum
            }
        }
        for panel in panelWidths {
            var panels = [Float](repeating: 0, count: inputs * leeway_padded(outputs))
            unsafe leeway_pack(inputs, outputs, panel, matrix, &panels)
            for level in levels {
                for range in [0..<inputs, inputs / 3..<inputs / 3 + 1, inputs / 2..<inputs] {
                    let slice = leeway_slice(
                        inputs: inputs,
                        outputs: outputs,
                        panel: panel,
                        first: range.lowerBound,
                        last: range.upperBound,
                        columns: columns
                    )
                    var results = Sheet(room: range.count, columns, gap: 0)
                    unsafe leeway_input_gradient(level, slice, panels, deltas, &results.values)
                    let isRight = range.allSatisfy { input in
                        (0..<columns).allSatisfy {
                            sums[input][$0].isNear(results[input - range.lowerBound, $0])
                        }
                    }
                    #expect(isRight && results.isUntouched(), "\(level) \(range) of \(panel)")
                }
            }
        }
    }

    @Test("no inputs have no slopes, and nothing is touched")
    func noInputs() {
        let numbers = noise(16 * 16, seed: 1)
        for level in levels {
            var results: [Float] = [.nan]
            let slice = leeway_slice(
                inputs: 16,
                outputs: 16,
                panel: 16,
                first: 4,
                last: 4,
                columns: 16
            )
            unsafe leeway_input_gradient(level, slice, numbers, numbers, &results)
            unsafe leeway_weight_gradient(level, 16, 0, 16, numbers, 16, numbers, 16, &results)
            #expect(results[0].isNaN)
        }
    }

    @Test("a slope has the same bits in any part of the work")
    func parts() {
        let x = Sheet(noise: 65, 37, seed: 1), deltas = Sheet(noise: 65, 64, gap: 0, seed: 2)
        for level in levels {
            func block(_ first: Int, _ count: Int, _ column: Int, _ width: Int) -> Sheet {
                var block = Sheet(room: count, width, gap: 0)
                unsafe leeway_weight_gradient(
                    level,
                    65,
                    count,
                    width,
                    Array(x.values[first...]),
                    x.stride,
                    Array(deltas.values[column...]),
                    deltas.stride,
                    &block.values
                )
                return block
            }
            let whole = block(0, 37, 0, 64)
            for (first, count) in [(0, 1), (1, 5), (6, 6), (12, 25)] {
                for (column, width) in [(0, 16), (16, 32), (0, 48), (48, 16)] {
                    let part = block(first, count, column, width)
                    let isSame = (0..<count).allSatisfy {
                        sameBits(
                            part.row($0),
                            Array(whole.row(first + $0)[column..<column + width])
                        )
                    }
                    #expect(isSame, "\(level) \(count) inputs from \(first), \(width) columns")
                }
            }
        }
    }

    @Test("a transposed matrix has every number at its place")
    func transposed() {
        for (rows, columns) in [(1, 1), (7, 9), (16, 16), (17, 33), (63, 65), (1, 784), (784, 1)] {
            let source = Sheet(noise: rows, columns, seed: 5)
            var target = Sheet(room: columns, rows, gap: 7)
            unsafe leeway_transpose(
                rows,
                columns,
                source.values,
                source.stride,
                &target.values,
                target.stride
            )
            let isRight = (0..<rows).allSatisfy { row in
                (0..<columns).allSatisfy { target[$0, row] == source[row, $0] }
            }
            #expect(isRight && target.isUntouched(), "\(rows) x \(columns)")
        }
    }

    @Test("column sums are taken from the first row to the last")
    func columnSums() {
        for (rows, columns) in [(0, 5), (1, 1), (3, 17), (32, 64), (7, 63), (65, 9), (9, 4097)] {
            let matrix = Sheet(noise: rows, columns, seed: 6)
            let expected = (0..<columns).map { column in
                (0..<rows).reduce(Float(0)) { $0 + matrix[$1, column] }
            }
            for level in levels {
                var sums = [Float](repeating: Sheet.gap, count: columns + 1)
                unsafe leeway_column_sums(level, rows, columns, matrix.stride, matrix.values, &sums)
                #expect(sums.removeLast().bitPattern == Sheet.gap.bitPattern)
                #expect(sums == expected, "\(level) \(rows) x \(columns)")
            }
        }
    }

    @Test("the sum of squares has the precision and the range of binary64")
    func squares() {
        for level in levels {
            for count in oddCounts {
                let numbers = noise(count, seed: 7)
                let expected = numbers.reduce(0.0) { $0 + Double($1) * Double($1) }
                let found = unsafe leeway_sum_of_squares(level, count, numbers)
                #expect(abs(found - expected) <= 1e-15 * Double(count) * expected)
            }
            #expect(unsafe leeway_sum_of_squares(level, 0, [0]) == 0)
            let huge = [Float](repeating: .greatestFiniteMagnitude, count: 9)
            #expect(unsafe leeway_sum_of_squares(level, 9, huge).isFinite)
            let tiny = [Float](repeating: .leastNonzeroMagnitude, count: 9)
            #expect(unsafe leeway_sum_of_squares(level, 9, tiny) == 9 * 0x1p-298)
            #expect(unsafe leeway_sum_of_squares(level, 9, tiny.dropLast() + [.nan]).isNaN)
        }
    }

    @Test("what is measured as the machine's best counts every operation")
    func multiplyAndAdd() {
        for (level, lanes) in zip(levels, [4.0, 8, 16]) {
            var sink: Float = 0
            let operations = unsafe leeway_multiply_and_add(level, 100, &sink)
            #expect(operations == 2 * 12 * lanes * 100, "\(level)")
            // Each of the twelve sums tends to 2, because s = s / 2 + 1.
            #expect(sink == 24, "\(level)")
        }
    }
}
