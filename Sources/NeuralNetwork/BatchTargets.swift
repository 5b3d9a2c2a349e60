/// What the loss says of one batch.
struct BatchLoss {
    /// The sum over the rows.
    let sum: Double
    /// Rows whose most probable class is the true one; 0 for regression.
    let correct: Int
}

/// The targets of one batch, copied together; the memory is kept from batch to batch.
struct BatchTargets {
    private(set) var classes: [Int32] = []
    private(set) var values: [Float] = []

    /// Copies the targets of some rows; `width` is the number of values a row.
    mutating func gather(_ targets: Targets, _ indices: Span<Int32>, width: Int) {
        classes.removeAll(keepingCapacity: true)
        values.removeAll(keepingCapacity: true)
        switch targets {
        case .classes(let all):
            for position in indices.indices { classes.append(all[Int(indices[position])]) }
        case .binary(let all), .values(let all):
            for position in indices.indices {
                let first = Int(indices[position]) * width
                for column in 0..<width { values.append(all[first + column]) }
            }
        }
    }

    /// Stops a loss that would read beyond the targets or write beyond the gradients.
    func precheck(_ head: Head, rowCount: Int, width: Int) {
        switch head {
        case .softmax:
            precondition(classes.count >= rowCount)
            for row in 0..<rowCount { precondition(classes[row] >= 0 && classes[row] < width) }
        case .sigmoid:
            precondition(width == 1 && values.count >= rowCount)
        case .linear:
            precondition(values.count >= rowCount * width)
        }
    }
}

extension [Float] {
    /// Gives the array this many numbers; the memory is kept when there are fewer.
    mutating func resize(to count: Int) {
        if count < self.count {
            removeLast(self.count - count)
        } else if count > self.count {
            append(contentsOf: repeatElement(0, count: count - self.count))
        }
    }
}
