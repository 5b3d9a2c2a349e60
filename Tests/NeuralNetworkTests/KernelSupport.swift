import CKernels
import Glibc
import Testing

/// Every instruction set of the machine the test runs on.
let levels = (0...leeway_kernels_level().rawValue).map { leeway_level(rawValue: $0) }

/// Counts that leave a remainder in every register, and whole registers.
let oddCounts = [1, 7, 9, 16, 63, 65, 784, 4097]

/// The widths that a panel may have.
let panelWidths = [16, 32, 48, 64]

/// Half a unit in the last place of 1: the greatest relative error of one rounding.
let rounding = 0x1p-24

/// A matrix in memory whose rows are further apart than they are long.
///
/// What lies between the rows and behind the last one is a NaN that no arithmetic makes, so that
/// a loop that reads it spoils its result and one that writes it is found out.
struct Sheet {
    static let gap = Float(bitPattern: 0x7FC0_BEEF)

    let rows: Int
    let columns: Int
    let stride: Int
    var values: [Float]

    init(_ rows: Int, _ columns: Int, gap: Int = 3, _ element: (Int, Int) -> Float) {
        self.rows = rows
        self.columns = columns
        stride = columns + gap
        values = [Float](repeating: Self.gap, count: rows * stride + 5)
        for i in 0..<rows {
            for j in 0..<columns { values[i * stride + j] = element(i, j) }
        }
    }

    /// Numbers from -1 to 1.
    init(noise rows: Int, _ columns: Int, gap: Int = 3, seed: UInt64) {
        let numbers = noise(rows * columns, seed: seed)
        self.init(rows, columns, gap: gap) { numbers[$0 * columns + $1] }
    }

    /// Room for a result.
    init(room rows: Int, _ columns: Int, gap: Int = 3) {
        self.init(rows, columns, gap: gap) { _, _ in Self.gap }
    }

    subscript(_ row: Int, _ column: Int) -> Float {
        get { values[row * stride + column] }
        set { values[row * stride + column] = newValue }
    }

    var extent: leeway_extent { leeway_extent(rows: rows, columns: columns, stride: stride) }

    /// The numbers of a row, without the gap.
    func row(_ row: Int) -> [Float] { Array(values[row * stride..<row * stride + columns]) }

    /// Whether nothing was written outside the wanted columns of each row.
    func isUntouched(outside wanted: Range<Int>? = nil) -> Bool {
        let wanted = wanted ?? 0..<columns
        return values.indices.allSatisfy {
            ($0 / stride < rows && wanted.contains($0 % stride))
                || values[$0].bitPattern == Self.gap.bitPattern
        }
    }
}

/// The distance from one binary32 number to the next at the size of a number.
func unitInTheLastPlace(_ size: Double) -> Double {
    guard size != 0 else { return 0x1p-149 }
    return scalbn(1, max(Int(ilogb(size)) - 23, -149))
}

/// Whether two runs of numbers have the same bits.
func sameBits(_ left: [Float], _ right: [Float]) -> Bool {
    left.count == right.count
        && left.indices.allSatisfy { left[$0].bitPattern == right[$0].bitPattern }
}

/// A sum of products and the sum of their magnitudes, which bounds the error of a binary32 sum.
struct PlainSum {
    var value: Double
    var size: Double
    private var terms = 1.0

    init(_ start: Double = 0) {
        value = start
        size = abs(start)
    }

    mutating func add(_ left: Float, _ right: Float) {
        let product = Double(left) * Double(right)
        value += product
        size += abs(product)
        terms += 1
    }

    /// The error that a sum in binary32, taken in any order, may have at the most.
    var tolerance: Double { (terms + 1) * rounding * 1.01 * size + 0x1p-149 * terms }

    func isNear(_ found: Float) -> Bool { abs(Double(found) - value) <= tolerance }
}

/// The functions of the header, with what they are in double precision.
let functions: [(kind: leeway_function, exact: @Sendable (Double) -> Double)] = [
    (leeway_identity, { $0 }),
    (leeway_relu, { max($0, 0) }),
    (leeway_leaky_relu, { $0 < 0 ? Double(Float(0.01)) * $0 : $0 }),
    (leeway_tanh, { tanh($0) }),
    (leeway_sigmoid, { logistic($0) }),
    (leeway_gelu, { $0 == -.infinity ? 0 : $0 * normal($0) }),
]

/// 1 / (1 + exp(-z)).
func logistic(_ z: Double) -> Double { z < 0 ? exp(z) / (1 + exp(z)) : 1 / (1 + exp(-z)) }

/// The distribution function of the standard normal.
func normal(_ z: Double) -> Double { 0.5 * erfc(-z / 2.0.squareRoot()) }
