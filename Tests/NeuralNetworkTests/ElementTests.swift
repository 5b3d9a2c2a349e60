import CKernels
import Glibc
import NeuralNetwork
import Testing

@Suite("Functions of each element") struct ElementTests {
    /// Numbers of every size and sign with the special ones, and a dense range around 0.
    static let arguments: [Float] = {
        let bits = stride(from: UInt32(0), to: .max, by: 104_729).map { Float(bitPattern: $0) }
        let dense = (-10_240...10_240).map { Float($0) / 512 }
        let special: [Float] = [
            0, -0.0, .infinity, -.infinity, .nan, -.nan, .leastNonzeroMagnitude,
            -.leastNonzeroMagnitude, .leastNormalMagnitude, -.leastNormalMagnitude,
            .greatestFiniteMagnitude, -.greatestFiniteMagnitude, -87.3, -87.30001, 87.3, 0x1p-133,
        ]
        return bits + dense + special
    }()

    /// How far from the exact value a function may be: a little more than the greatest error found
    /// on any instruction set, over all binary32 arguments or every eleventh.
    static func tolerance(_ function: leeway_function, _ z: Double, _ exact: Double) -> Double {
        let unit = unitInTheLastPlace(exact)
        switch function {
        case leeway_tanh: return 2.6 * unit
        case leeway_sigmoid: return z < -87.29 ? 1.25e-38 : 2.5 * unit
        case leeway_gelu:
            if z >= 0 { return 2.2 * unit }
            if z >= -3 { return min(6e-8, unit + 1.7e-6 * abs(exact)) }
            if z >= -5 { return 4.2e-6 * abs(exact) }
            return z >= -12.8 ? 5e-3 * abs(exact) : 1e-36
        case leeway_leaky_relu: return unit / 2
        default: return 0
        }
    }

    @Test("a function is as near to the exact one as stated, for every kind of number")
    func values() {
        for (kind, exact) in functions {
            let expected = Self.arguments.map { exact(Double($0)) }
            for level in levels {
                var found = Self.arguments
                let extent = leeway_extent(rows: 1, columns: found.count, stride: found.count)
                unsafe leeway_activate(level, kind, extent, &found)
                let wrong = found.indices.first { index in
                    let z = Self.arguments[index]
                    if z.isNaN { return !found[index].isNaN }
                    if expected[index].isInfinite { return Double(found[index]) != expected[index] }
                    let error = abs(Double(found[index]) - expected[index])
                    return !(error <= Self.tolerance(kind, Double(z), expected[index]))
                }
                let example = wrong.map { "\(Self.arguments[$0]): \(found[$0]), \(expected[$0])" }
                #expect(wrong == nil, "\(level) \(kind) of \(example ?? "")")
            }
        }
    }

    @Test("a slope is as near to the exact one as stated, and is multiplied with what is given")
    func slopes() {
        let sums = Self.arguments, given = noise(Self.arguments.count, seed: 1)
        let extent = leeway_extent(rows: 1, columns: sums.count, stride: sums.count)
        for (kind, _) in functions {
            for level in levels {
                var outputs = sums, found = given
                unsafe leeway_activate(level, kind, extent, &outputs)
                unsafe leeway_activate_backward(level, kind, extent, sums, outputs, &found)
                let wrong = found.indices.first { index in
                    let z = Double(sums[index]), y = Double(outputs[index])
                    guard !z.isNaN else { return false }
                    let slope =
                        switch kind {
                        case leeway_relu: y > 0 ? 1.0 : 0
                        case leeway_leaky_relu: y > 0 ? 1.0 : Double(Float(0.01))
                        case leeway_tanh: 1 - y * y
                        case leeway_sigmoid: y * (1 - y)
                        case leeway_gelu:
                            normal(z)
                                + (z.isInfinite
                                    ? 0 : z * exp(-z * z / 2) / (2 * Double.pi).squareRoot())
                        default: 1.0
                        }
                    let expected = slope * Double(given[index])
                    let error = abs(Double(found[index]) - expected)
                    return !(error <= 2.2e-7 * abs(Double(given[index])) + 0x1p-149)
                }
                let example = wrong.map { "\(sums[$0]): \(found[$0]) of \(given[$0])" }
                #expect(wrong == nil, "\(level) \(kind) at \(example ?? "")")
            }
        }
    }

    @Test("a NaN that goes in comes out, of a slope as well")
    func notNumbers() {
        for (kind, _) in functions {
            for level in levels {
                var values: [Float] = [.nan, 1, -.nan, 0.5, .nan]
                let extent = leeway_extent(rows: 1, columns: 5, stride: 5)
                unsafe leeway_activate(level, kind, extent, &values)
                #expect(values.map(\.isNaN) == [true, false, true, false, true], "\(kind)")
                var deltas: [Float] = [.nan, 1, .nan, 1, .nan]
                let ones = [Float](repeating: 1, count: 5)
                unsafe leeway_activate_backward(level, kind, extent, ones, ones, &deltas)
                #expect(deltas.map(\.isNaN) == [true, false, true, false, true], "\(kind)")
            }
        }
    }

    @Test("an element has the same bits in any row, and gaps are left alone")
    func extents() {
        let numbers = noise(4097, seed: 2).map { $0 * 8 }, slopes = noise(4097, seed: 3)
        for (kind, _) in functions {
            for level in levels {
                var whole = numbers, wholeSlopes = slopes
                let extent = leeway_extent(rows: 1, columns: 4097, stride: 4097)
                unsafe leeway_activate(level, kind, extent, &whole)
                unsafe leeway_activate_backward(level, kind, extent, numbers, whole, &wholeSlopes)
                for columns in oddCounts {
                    let rows = min(4097 / columns, 9)
                    let sums = Sheet(rows, columns) { numbers[$0 * columns + $1] }
                    var values = sums
                    var deltas = Sheet(rows, columns) { slopes[$0 * columns + $1] }
                    unsafe leeway_activate(level, kind, sums.extent, &values.values)
                    unsafe leeway_activate_backward(
                        level,
                        kind,
                        sums.extent,
                        sums.values,
                        values.values,
                        &deltas.values
                    )
                    let count = rows * columns
                    let found = (0..<rows).flatMap { values.row($0) }
                    let foundSlopes = (0..<rows).flatMap { deltas.row($0) }
                    #expect(sameBits(found, Array(whole[..<count])), "\(level) \(kind) \(columns)")
                    #expect(sameBits(foundSlopes, Array(wholeSlopes[..<count])))
                    #expect(values.isUntouched() && deltas.isUntouched())
                }
            }
        }
    }
}

@Suite("Dropping numbers") struct DropTests {
    private func dropout(_ share: Double, width: Int, key: UInt32 = 1) -> leeway_dropout {
        leeway_dropout(
            key1: key &* 0x9E37_79B9,
            key2: key &* 0x85EB_CA6B &+ 7,
            threshold: UInt32(share * 0x1p32),
            scale: Float(1 / (1 - share)),
            width: width,
            first_row: 0,
            first_column: 0
        )
    }

    /// Which numbers of a matrix of ones are dropped.
    private func mask(_ rows: Int, _ columns: Int, _ share: Double, key: UInt32) -> [Bool] {
        var ones = [Float](repeating: 1, count: rows * columns)
        let extent = leeway_extent(rows: rows, columns: columns, stride: columns)
        let dropout = dropout(share, width: columns, key: key)
        unsafe leeway_drop(leeway_level_portable, dropout, extent, &ones)
        return ones.map { $0 == 0 }
    }

    @Test("the share that is dropped is the one asked for, the rest is scaled")
    func share() {
        for level in levels {
            for share in [0, 0.1, 0.5, 0.9] {
                let rows = 256, columns = 511
                var values = Sheet(rows, columns) { Float($0 + $1 + 1) }
                let given = values
                let dropout = dropout(share, width: columns)
                unsafe leeway_drop(level, dropout, values.extent, &values.values)
                #expect(values.isUntouched())
                var dropped = 0
                var isRight = true
                for row in 0..<rows {
                    let (found, before) = (values.row(row), given.row(row))
                    for column in 0..<columns where found[column] == 0 { dropped += 1 }
                    isRight =
                        isRight
                        && (0..<columns).allSatisfy {
                            found[$0] == 0 || found[$0] == before[$0] * dropout.scale
                        }
                }
                #expect(isRight, "\(level) \(share)")
                let count = Double(rows * columns)
                let deviation = (share * (1 - share) * count).squareRoot()
                #expect(
                    abs(Double(dropped) - share * count) <= 4 * deviation,
                    "\(level) \(dropped)"
                )
            }
        }
    }

    @Test("neighbours, rows and keys are dropped independently of each other")
    func independence() {
        let rows = 200, columns = 512, share = 0.3
        let masks = (1...4).map { mask(rows, columns, share, key: $0) }
        let count = Double(rows * columns)
        let expected = share * share * count
        let deviation = (share * share * (1 - share * share) * count).squareRoot() * 1.5
        func check(_ left: [Bool], _ right: ArraySlice<Bool>, _ what: String) {
            let both = zip(left, right).count { $0 && $1 }
            #expect(abs(Double(both) - expected) <= 5 * deviation, "\(what): \(both)")
        }
        for mask in masks {
            for distance in [1, 2, 16, 64, columns] {
                check(mask, mask[distance...], "\(distance) apart")
            }
        }
        check(masks[0], masks[1][...], "keys")
        check(masks[1], masks[3][...], "keys")
    }

    @Test("a part has the bits of the whole, on every instruction set")
    func parts() {
        let rows = 33, columns = 130
        var expected: [Float]?
        for level in levels {
            var whole = Sheet(noise: rows, columns, gap: 0, seed: 1)
            let given = whole
            var dropout = dropout(0.4, width: columns)
            unsafe leeway_drop(level, dropout, whole.extent, &whole.values)
            #expect(sameBits(whole.values, expected ?? whole.values), "\(level)")
            expected = whole.values
            for (row, column, height, width) in [
                (0, 0, 1, 1), (5, 0, 9, 130), (0, 16, 33, 7), (31, 65, 2, 65), (7, 129, 20, 1),
            ] {
                var part = Sheet(height, width) { given[row + $0, column + $1] }
                dropout.first_row = row
                dropout.first_column = column
                unsafe leeway_drop(level, dropout, part.extent, &part.values)
                let isSame = (0..<height).allSatisfy {
                    sameBits(part.row($0), Array(whole.row(row + $0)[column..<column + width]))
                }
                #expect(isSame && part.isUntouched(), "\(level) from \(row), \(column)")
            }
        }
    }

    @Test("slopes are dropped where the numbers were")
    func slopes() {
        for level in levels {
            for columns in oddCounts {
                let extent = leeway_extent(rows: 1, columns: columns, stride: columns)
                var values = [Float](repeating: 2, count: columns)
                var deltas = [Float](repeating: .infinity, count: columns)
                let dropout = dropout(0.5, width: columns)
                unsafe leeway_drop(level, dropout, extent, &values)
                unsafe leeway_drop(level, dropout, extent, &deltas)
                #expect(values.map { $0 == 0 } == deltas.map { $0 == 0 }, "\(level) \(columns)")
                #expect(values.allSatisfy { $0 == 0 || $0 == 4 })
            }
        }
    }
}
