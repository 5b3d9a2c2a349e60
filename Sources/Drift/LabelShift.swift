/// Which share of live rows has which label, judged by the answers alone.
///
/// Black-box shift estimation (Lipton, Wang and Smola 2018): with M_ij = P(answer i | label j) of
/// the hold-out and μ the live shares of the answers, the labels' shares q solve M q = μ, as long as
/// each label's rows look as they did. Where M is ill-conditioned, q is drawn towards the hold-out's
/// own shares (ridge), as strongly as chance makes μ and M uncertain.
package struct LabelShift: Codable, Sendable, Equatable {
    /// The share of each label, 0 to 1; the sum is 1.
    package let shares: [Double]
    /// The standard error of each share, by the live rows and by the hold-out's.
    package let standardErrors: [Double]
    /// The ratio of the largest to the least singular value of M.
    package let condition: Double
    /// Whether the shares were drawn towards the hold-out's.
    package let isRegularised: Bool

    /// Above this condition the shares are drawn towards the hold-out's.
    package static let conditionMax = 20.0

    private enum CodingKeys: String, CodingKey {
        case shares, condition
        case standardErrors = "standard_errors"
        case isRegularised = "is_regularised"
    }

    /// Estimates the shares; nil without rows, for matrices that are not square, and where a label
    /// has no hold-out row.
    ///
    /// - Parameters:
    ///   - confusion: The hold-out's rows by answer (first index) and label.
    ///   - answers: Live rows by answer.
    package init?(confusion: [[Int]], answers: [UInt64]) {
        let size = confusion.count
        let live = Double(answers.reduce(0, &+))
        guard size > 1, answers.count == size, live > 0,
            confusion.allSatisfy({ $0.count == size })
        else { return nil }
        let labels = (0..<size).map { label in
            Double(confusion.reduce(0) { $0 + $1[label] })
        }
        let holdout = labels.reduce(0, +)
        guard labels.allSatisfy({ $0 > 0 }) else { return nil }
        let matrix = SquareMatrix(size) { Double(confusion[$0][$1]) / labels[$1] }
        let prior = labels.map { $0 / holdout }
        let mu = answers.map { Double($0) / live }
        let normal = matrix.normal()
        let spectrum = normal.eigenvalues()
        let least = max(spectrum.min() ?? 0, 0)
        let greatest = max(spectrum.max() ?? 0, .leastNormalMagnitude)
        condition = least > 0 ? (greatest / least).squareRoot() : .infinity
        isRegularised = condition > Self.conditionMax
        let ridge = isRegularised ? Double(size) * (1 / live + 1 / holdout) : 0
        // q = π + B (μ − Mπ) with B = (MᵀM + λ)⁻¹ Mᵀ is M⁻¹ μ where λ is 0.
        guard let inverse = normal.adding(ridge).inverse() else { return nil }
        let solver = inverse.times(matrix.transposed())
        let moved = solver.times(zip(mu, matrix.times(prior)).map { $0 - $1 })
        guard moved.allSatisfy(\.isFinite) else { return nil }
        shares = Self.projected(zip(prior, moved).map { $0 + $1 })
        standardErrors = Self.errors(solver, matrix, shares, answers: mu, live: live, labels)
    }

    /// The standard error of each share: by the live rows, and by the hold-out's, of which a row of
    /// label j moves column j of M, which counts q_j times.
    private static func errors(
        _ solver: SquareMatrix,
        _ matrix: SquareMatrix,
        _ shares: [Double],
        answers: [Double],
        live: Double,
        _ labels: [Double]
    ) -> [Double] {
        shares.indices.map { label in
            let byLive = variance(answers) { solver[label, $0] } / live
            let byHoldout = shares.indices.reduce(0.0) { total, column in
                let chances = shares.indices.map { matrix[$0, column] }
                let own = variance(chances) { solver[label, $0] } / labels[column]
                return total + own * shares[column] * shares[column]
            }
            return (byLive + byHoldout).squareRoot()
        }
    }

    /// The shares nearest to numbers that may be negative, or not sum to 1: all are lowered by the
    /// same amount, and those below 0 are 0.
    private static func projected(_ numbers: [Double]) -> [Double] {
        var sum = 0.0
        var lowering = 0.0
        for (index, number) in numbers.sorted(by: >).enumerated() {
            sum += number
            let next = (sum - 1) / Double(index + 1)
            if number - next > 0 { lowering = next }
        }
        return numbers.map { max(0, $0 - lowering) }
    }

    /// The variance of a value under a law.
    private static func variance(_ law: [Double], _ value: (Int) -> Double) -> Double {
        var mean = 0.0
        var square = 0.0
        for (index, share) in law.enumerated() {
            mean += share * value(index)
            square += share * value(index) * value(index)
        }
        return max(0, square - mean * mean)
    }
}

/// A small square matrix.
struct SquareMatrix {
    let size: Int
    private var cells: [Double]

    init(_ size: Int, _ cell: (_ row: Int, _ column: Int) -> Double) {
        self.size = size
        cells = (0..<size * size).map { cell($0 / size, $0 % size) }
    }

    subscript(row: Int, column: Int) -> Double {
        get { cells[row * size + column] }
        set { cells[row * size + column] = newValue }
    }

    func transposed() -> SquareMatrix { SquareMatrix(size) { self[$1, $0] } }

    func times(_ other: SquareMatrix) -> SquareMatrix {
        SquareMatrix(size) { row, column in
            (0..<size).reduce(0) { $0 + self[row, $1] * other[$1, column] }
        }
    }

    func times(_ vector: [Double]) -> [Double] {
        (0..<size).map { row in (0..<size).reduce(0) { $0 + self[row, $1] * vector[$1] } }
    }

    /// The transpose times the matrix itself.
    func normal() -> SquareMatrix { transposed().times(self) }

    /// Adds a number to the diagonal.
    func adding(_ number: Double) -> SquareMatrix {
        SquareMatrix(size) { self[$0, $1] + ($0 == $1 ? number : 0) }
    }

    /// The inverse, by Gauss and Jordan's steps with pivots; nil for a singular matrix.
    func inverse() -> SquareMatrix? {
        var left = self
        var right = SquareMatrix(size) { $0 == $1 ? 1 : 0 }
        for column in 0..<size {
            let pivot = (column..<size).max { abs(left[$0, column]) < abs(left[$1, column]) }
            guard let pivot, abs(left[pivot, column]) > 1e-12 else { return nil }
            left.swapRows(pivot, column)
            right.swapRows(pivot, column)
            let scale = 1 / left[column, column]
            left.scaleRow(column, by: scale)
            right.scaleRow(column, by: scale)
            for row in 0..<size where row != column {
                let factor = left[row, column]
                left.subtractRow(column, times: factor, from: row)
                right.subtractRow(column, times: factor, from: row)
            }
        }
        return right
    }

    /// The eigenvalues of a symmetric matrix, by Jacobi's rotations.
    func eigenvalues() -> [Double] {
        var matrix = self
        for _ in 0..<30 {
            var rest = 0.0
            for p in 0..<size {
                for q in 0..<size where q > p {
                    rest += matrix[p, q] * matrix[p, q]
                    matrix.rotate(p, q)
                }
            }
            if rest < 1e-24 { break }
        }
        return (0..<size).map { matrix[$0, $0] }
    }

    private mutating func rotate(_ p: Int, _ q: Int) {
        guard abs(self[p, q]) > 1e-300 else { return }
        let theta = (self[q, q] - self[p, p]) / (2 * self[p, q])
        let t = (theta >= 0 ? 1 : -1) / (abs(theta) + (theta * theta + 1).squareRoot())
        let c = 1 / (t * t + 1).squareRoot()
        let s = t * c
        for k in 0..<size {
            let (a, b) = (self[k, p], self[k, q])
            self[k, p] = c * a - s * b
            self[k, q] = s * a + c * b
        }
        for k in 0..<size {
            let (a, b) = (self[p, k], self[q, k])
            self[p, k] = c * a - s * b
            self[q, k] = s * a + c * b
        }
    }

    private mutating func swapRows(_ a: Int, _ b: Int) {
        guard a != b else { return }
        for column in 0..<size { cells.swapAt(a * size + column, b * size + column) }
    }

    private mutating func scaleRow(_ row: Int, by factor: Double) {
        for column in 0..<size { self[row, column] *= factor }
    }

    private mutating func subtractRow(_ other: Int, times factor: Double, from row: Int) {
        guard factor != 0 else { return }
        for column in 0..<size { self[row, column] -= factor * self[other, column] }
    }
}
