import CKernels
import NeuralNetwork
import Testing

/// A layer with its weights in panels, its rows, and what comes out of it in double precision.
private struct Product {
    let inputs: Int
    let outputs: Int
    let panel: Int
    let rows: Sheet
    let matrix: [Float]
    let panels: [Float]
    let bias: [Float]

    init(_ rows: Int, _ inputs: Int, _ outputs: Int, panel: Int, seed: UInt64 = 1) {
        self.init(Sheet(noise: rows, inputs, seed: seed), outputs, panel: panel, seed: seed)
    }

    init(_ rows: Sheet, _ outputs: Int, panel: Int, seed: UInt64 = 1) {
        inputs = rows.columns
        self.outputs = outputs
        self.panel = panel
        self.rows = rows
        matrix = noise(inputs * outputs, seed: seed + 1)
        let padded = leeway_padded(outputs)
        var panels = [Float](repeating: Sheet.gap, count: inputs * padded)
        unsafe leeway_pack(inputs, outputs, panel, matrix, &panels)
        self.panels = panels
        bias = noise(outputs, seed: seed + 2) + [Float](repeating: 0, count: padded - outputs)
    }

    func layer(
        _ function: leeway_function,
        rows count: Int,
        stride: Int,
        columns: Range<Int>? = nil,
        resultStride: Int
    ) -> leeway_layer {
        leeway_layer(
            rows: count,
            inputs: inputs,
            outputs: outputs,
            panel: panel,
            row_stride: stride,
            result_stride: resultStride,
            first: columns?.lowerBound ?? 0,
            last: columns?.upperBound ?? outputs,
            function: function
        )
    }

    /// The layer's outputs for some of its rows.
    func forward(
        _ level: leeway_level,
        _ function: leeway_function = leeway_identity,
        rows range: Range<Int>? = nil,
        columns: Range<Int>? = nil
    ) -> Sheet {
        let range = range ?? 0..<rows.rows
        var results = Sheet(room: range.count, outputs)
        let layer = layer(
            function,
            rows: range.count,
            stride: rows.stride,
            columns: columns,
            resultStride: results.stride
        )
        let part = Array(rows.values[(range.lowerBound * rows.stride)...])
        // Bounds: a sheet has a row of `stride` numbers for every row, and some more.
        unsafe leeway_forward(level, layer, part, panels, bias, &results.values)
        return results
    }

    /// One plain sum for every output.
    func plainSums() -> [[PlainSum]] {
        (0..<rows.rows).map { row in
            let values = rows.row(row)
            return (0..<outputs).map { column in
                var sum = PlainSum(Double(bias[column]))
                for (input, value) in values.enumerated() {
                    sum.add(value, matrix[input * outputs + column])
                }
                return sum
            }
        }
    }
}

@Suite("Products of rows and weights") struct ProductTests {
    /// Rows, inputs, outputs, panel: tiles and blocks with and without a remainder.
    static let sizes = [
        (1, 1, 1, 64), (1, 7, 10, 64), (1, 784, 65, 64), (2, 63, 64, 64), (3, 65, 16, 16),
        (7, 9, 135, 64), (9, 65, 130, 32), (5, 4097, 17, 16), (13, 257, 48, 48), (6, 64, 128, 64),
        (12, 256, 96, 48), (33, 3, 200, 48), (61, 513, 33, 64), (257, 300, 17, 64), (520, 7, 9, 32),
    ]

    @Test("packing puts each weight in its panel, fills up with zeros, and can be undone")
    func packing() {
        for panel in panelWidths {
            for (inputs, outputs) in [
                (1, 1), (7, 9), (3, 16), (9, 63), (5, 65), (2, 200), (1, 784),
            ] {
                let matrix = noise(inputs * outputs, seed: 1), padded = leeway_padded(outputs)
                var panels = [Float](repeating: Sheet.gap, count: inputs * padded + 1)
                unsafe leeway_pack(inputs, outputs, panel, matrix, &panels)
                #expect(panels.removeLast().bitPattern == Sheet.gap.bitPattern)
                for input in 0..<inputs {
                    for column in 0..<padded {
                        let first = column / panel * panel
                        let width = min(panel, padded - first)
                        let found = panels[first * inputs + input * width + column - first]
                        let isPadding = column >= outputs
                        #expect(found == (isPadding ? 0 : matrix[input * outputs + column]))
                    }
                }
                var back = [Float](repeating: Sheet.gap, count: inputs * outputs + 1)
                unsafe leeway_unpack(inputs, outputs, panel, panels, &back)
                #expect(back.removeLast().bitPattern == Sheet.gap.bitPattern)
                #expect(sameBits(back, matrix), "\(inputs) x \(outputs) in panels of \(panel)")
            }
        }
    }

    @Test("each output is the plain sum, and nothing else is written", arguments: sizes)
    func plainSums(rows: Int, inputs: Int, outputs: Int, panel: Int) {
        let product = Product(rows, inputs, outputs, panel: panel)
        let sums = product.plainSums()
        for level in levels {
            let found = product.forward(level)
            let isRight = (0..<rows).allSatisfy { row in
                (0..<outputs).allSatisfy { sums[row][$0].isNear(found[row, $0]) }
            }
            #expect(isRight && found.isUntouched(), "\(level)")
        }
    }

    @Test(
        "a row that is mostly zeros has the bits that it has beside others",
        arguments: [
            (784, 64, 64), (784, 10, 64), (63, 130, 32), (300, 200, 48), (4097, 17, 16), (5, 3, 64),
        ]
    )
    func fewTerms(inputs: Int, outputs: Int, panel: Int) {
        // The shares of terms lie on both sides of where all are taken.
        for share in [0, 1, 30, 60, 70, 100] {
            let numbers = noise(3 * inputs, seed: UInt64(share))
            let rows = Sheet(3, inputs) { row, input in
                let isTerm = (input &* 7919 &+ row) % 100 < share
                return isTerm ? numbers[row * inputs + input] : input % 2 == 0 ? 0 : -0.0
            }
            let product = Product(rows, outputs, panel: panel)
            for level in levels {
                for function in [leeway_identity, leeway_relu, leeway_gelu] {
                    let together = product.forward(level, function)
                    for row in 0..<3 {
                        let alone = product.forward(level, function, rows: row..<row + 1)
                        #expect(sameBits(alone.row(0), together.row(row)) && alone.isUntouched())
                    }
                }
                guard outputs > 16 else { continue }
                let part = product.forward(level, rows: 0..<1, columns: 16..<outputs)
                let whole = product.forward(level, rows: 0..<1)
                #expect(part.isUntouched(outside: 16..<outputs))
                #expect(sameBits(Array(part.row(0)[16...]), Array(whole.row(0)[16...])))
            }
        }
    }

    @Test("every function is applied to the whole sum, once", arguments: sizes)
    func functionsOfSums(rows: Int, inputs: Int, outputs: Int, panel: Int) {
        let product = Product(rows, inputs, outputs, panel: panel)
        for level in levels {
            let sums = product.forward(level)
            for (kind, exact) in functions {
                let found = product.forward(level, kind)
                var expected = sums
                unsafe leeway_activate(level, kind, expected.extent, &expected.values)
                #expect(sameBits(found.values, expected.values), "\(level) \(kind)")
                let isRight = (0..<rows).allSatisfy { row in
                    (0..<outputs).allSatisfy {
                        agree(found[row, $0], exact(Double(sums[row, $0])), within: 5e-7)
                    }
                }
                #expect(isRight, "\(level) \(kind)")
            }
        }
    }

    @Test("some columns have the bits of the whole, and the others are not touched")
    func someColumns() {
        for level in levels {
            for rows in [1, 9] {
                let whole = Product(rows, 65, 130, panel: 64).forward(level, leeway_relu)
                for panel in panelWidths {
                    let product = Product(rows, 65, 130, panel: panel)
                    for first in stride(from: 0, to: 130, by: 16) {
                        for last in Array(stride(from: first + 16, to: 130, by: 16)) + [130] {
                            let part = product.forward(level, leeway_relu, columns: first..<last)
                            let isRight = (0..<rows).allSatisfy {
                                sameBits(
                                    Array(part.row($0)[first..<last]),
                                    Array(whole.row($0)[first..<last])
                                )
                            }
                            #expect(
                                isRight && part.isUntouched(outside: first..<last),
                                "\(level) \(first)..<\(last) of panels of \(panel)"
                            )
                        }
                    }
                }
            }
        }
    }

    @Test("a row has the same bits alone and in any batch", arguments: [1, 10, 64, 77, 130])
    func rowsAreIndependent(outputs: Int) {
        let product = Product(300, 300, outputs, panel: 64)
        for level in levels {
            let together = product.forward(level)
            for count in [1, 2, 3, 5, 6, 7, 12, 13, 37, 256, 257, 299] {
                for first in [0, 300 - count] {
                    let part = product.forward(level, rows: first..<first + count)
                    let isSame = (0..<count).allSatisfy {
                        sameBits(part.row($0), together.row(first + $0))
                    }
                    #expect(isSame, "\(level) \(count) rows from \(first)")
                }
            }
        }
    }

    @Test("rows of bytes have the bits of the same rows scaled first")
    func bytes() {
        let scaling = leeway_scaling(offset: 72.5, factor: 0.02, limit: 2.5)
        for (rows, inputs, outputs) in [
            (1, 1, 1), (1, 784, 65), (7, 63, 10), (61, 257, 64), (130, 785, 33), (257, 9, 130),
        ] {
            let stride = inputs + 5
            let numbers = noise(rows * stride, seed: 6)
            let bytes = numbers.map { UInt8(($0 + 1) / 2 * 255) }
            for level in levels {
                let scaled = Sheet(rows, inputs) { row, column in
                    var number: Float = .nan
                    unsafe leeway_scale_bytes(
                        level,
                        1,
                        scaling,
                        [bytes[row * stride + column]],
                        &number
                    )
                    return number
                }
                let product = Product(scaled, outputs, panel: 64)
                for (kind, _) in functions {
                    var results = Sheet(room: rows, outputs)
                    let layer = product.layer(
                        kind,
                        rows: rows,
                        stride: stride,
                        resultStride: results.stride
                    )
                    unsafe leeway_forward_bytes(
                        level,
                        layer,
                        scaling,
                        bytes,
                        product.panels,
                        product.bias,
                        &results.values
                    )
                    let expected = product.forward(level, kind)
                    #expect(sameBits(results.values, expected.values), "\(level) \(kind)")
                }
            }
        }
    }

    @Test("bytes become (byte - offset) factor within the limit, in any count")
    func scaledBytes() {
        for level in levels {
            for count in oddCounts {
                let bytes = (0..<count).map { UInt8(truncatingIfNeeded: $0 * 37) }
                let scaling = leeway_scaling(offset: 72.94, factor: 0.0111, limit: 0.75)
                var numbers = [Float](repeating: Sheet.gap, count: count + 1)
                unsafe leeway_scale_bytes(level, count, scaling, bytes, &numbers)
                #expect(numbers.removeLast().bitPattern == Sheet.gap.bitPattern)
                let isRight = zip(numbers, bytes).allSatisfy { number, byte in
                    // Two operations, two roundings: the same on every instruction set.
                    let plain = (Float(byte) - scaling.offset) * scaling.factor
                    return number == min(max(plain, -0.75), 0.75)
                }
                #expect(isRight, "\(level) \(count)")
                if count >= 256 { #expect(numbers.contains(0.75) && numbers.contains(-0.75)) }
            }
        }
    }

    @Test("NaN and infinity stay in their row, and subnormal numbers are numbers")
    func specialNumbers() {
        let special: [Float] = [
            .nan, .infinity, -.infinity, 0x1p-133, .leastNonzeroMagnitude, -0.0,
        ]
        for level in levels {
            for kind in [leeway_identity, leeway_relu] {
                // An identity matrix: what goes in comes out.
                let rows = Sheet(13, 1) { row, _ in row % 2 == 0 ? 0.5 : special[row / 2] }
                let product = Product(rows, 17, panel: 64)
                let weights = [Float](repeating: 1, count: 17) + [Float](repeating: 0, count: 15)
                let bias = [Float](repeating: 0, count: 32)
                var results = Sheet(room: 13, 17)
                let layer = product.layer(
                    kind,
                    rows: 13,
                    stride: rows.stride,
                    resultStride: results.stride
                )
                unsafe leeway_forward(level, layer, rows.values, weights, bias, &results.values)
                for row in 0..<13 {
                    let given = rows[row, 0]
                    let expected = kind == leeway_relu && given < 0 ? 0 : given
                    for found in results.row(row) {
                        #expect(found == expected || (found.isNaN && expected.isNaN), "\(level)")
                    }
                }
            }
        }
    }
}
