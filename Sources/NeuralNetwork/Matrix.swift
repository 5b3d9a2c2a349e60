/// A table of numbers, row after row in one array.
package struct Matrix: Sendable, Equatable {
    /// How many rows.
    package let rows: Int
    /// How many numbers a row has.
    package let columns: Int
    /// The numbers: row 0 first, `rows * columns` in all.
    package internal(set) var values: [Float]

    /// Takes numbers that are laid out row after row.
    ///
    /// - Precondition: There are `rows * columns` values.
    package init(rows: Int, columns: Int, values: [Float]) {
        precondition(rows >= 0 && columns >= 0 && values.count == rows * columns)
        self.rows = rows
        self.columns = columns
        self.values = values
    }

    /// A matrix of zeros.
    package init(rows: Int, columns: Int) {
        self.init(
            rows: rows,
            columns: columns,
            values: [Float](repeating: 0, count: rows * columns)
        )
    }

    /// The number in a row and column.
    package subscript(row: Int, column: Int) -> Float {
        get { values[row * columns + column] }
        set { values[row * columns + column] = newValue }
    }

    /// Rows and columns exchanged.
    package var transposed: Matrix {
        var result = Matrix(rows: columns, columns: rows)
        for row in 0..<rows {
            for column in 0..<columns { result[column, row] = self[row, column] }
        }
        return result
    }
}

extension Matrix: TrainingRows {
    /// How many rows there are.
    package var rowCount: Int { rows }
    /// How many numbers a row has.
    package var width: Int { columns }

    /// Copies the rows, in the order of the indices.
    package func gather(_ indices: Span<Int32>, into target: inout MutableSpan<Float>) {
        Kernels.copyRows(of: values.span, width: columns, indices, into: &target)
    }
}
