/// How well a network does on rows it was not trained on.
package struct Evaluation: Sendable, Equatable, Codable {
    /// How many rows were judged.
    package let rowCount: Int
    /// The mean loss of a row.
    package let loss: Double
    /// The share of rows whose most probable class is the true one; nil for regression.
    package let accuracy: Double?
    /// Which classes were taken for which; nil for regression.
    package let confusion: ConfusionMatrix?
    /// The mean distance to the targets; nil but for regression.
    package let meanAbsoluteError: Double?
    /// The mean squared distance to the targets; nil but for regression.
    package let meanSquaredError: Double?
}

/// How often each class was taken for each.
package struct ConfusionMatrix: Sendable, Equatable, Codable {
    /// How many classes; 2 for the sigmoid head (no, yes).
    package let classes: Int
    /// The counts, row after row: one row a true class, one column a predicted one.
    package private(set) var counts: [Int]

    init(classes: Int) {
        self.classes = classes
        counts = [Int](repeating: 0, count: classes * classes)
    }

    /// Rows of a true class for which a class was predicted.
    package subscript(truth truth: Int, predicted predicted: Int) -> Int {
        counts[truth * classes + predicted]
    }

    fileprivate mutating func count(truth: Int, predicted: Int) {
        counts[truth * classes + predicted] += 1
    }
}

extension MultilayerPerceptron {
    /// Runs rows through the network and compares with their targets.
    ///
    /// - Parameters:
    ///   - rows: What goes in.
    ///   - targets: What should come out.
    ///   - batch: Rows at a time, at least 1; it changes the speed, not the result.
    ///   - each: Sees every batch in order: which rows, and the scratch with their logits,
    ///     probabilities and last hidden outputs.
    /// - Returns: The figures that fit the head.
    /// - Throws: ``TrainingError`` when the data do not fit the network.
    package func evaluate(
        rows: some TrainingRows,
        targets: Targets,
        batch: Int = 256,
        each: (_ rows: Range<Int>, _ outputs: borrowing InferenceScratch) -> Void = { _, _ in }
    ) throws(TrainingError) -> Evaluation {
        try targets.check(against: self, rowCount: rows.rowCount, width: rows.width)
        let size = min(max(batch, 1), rows.rowCount)
        var scratch = InferenceScratch(for: self, rowsMax: size)
        var inputs = [Float](repeating: 0, count: size * inputWidth)
        var batchTargets = BatchTargets()
        var tally = EvaluationTally(self)
        for first in stride(from: 0, to: rows.rowCount, by: size) {
            let range = first..<min(first + size, rows.rowCount)
            let indices = [Int32](Int32(range.lowerBound)..<Int32(range.upperBound))
            inputs.resize(to: range.count * inputWidth)
            var target = inputs.mutableSpan
            rows.gather(indices.span, into: &target)
            batchTargets.gather(targets, indices.span, width: outputWidth)
            forward(rows: inputs.span, rowCount: range.count, scratch: &scratch)
            tally.add(self, scratch, batchTargets)
            each(range, scratch)
        }
        return tally.result
    }
}

/// What an evaluation has summed up so far.
private struct EvaluationTally {
    private let head: Head
    private var rows = 0
    private var loss = 0.0
    private var correct = 0
    private var values = 0
    private var absolute = 0.0
    private var confusion: ConfusionMatrix
    private var losses: [Double] = []

    init(_ network: MultilayerPerceptron) {
        head = network.head
        let classes =
            switch network.head {
            case .softmax: network.outputWidth
            case .sigmoid: 2
            case .linear: 0
            }
        confusion = ConfusionMatrix(classes: classes)
    }

    mutating func add(
        _ network: MultilayerPerceptron,
        _ outputs: borrowing InferenceScratch,
        _ targets: BatchTargets
    ) {
        let count = outputs.rowCount
        let batch = Kernels.loss(
            head,
            rowCount: count,
            width: network.outputWidth,
            logits: outputs.logits,
            targets: targets,
            losses: &losses
        )
        rows += count
        loss += batch.sum
        correct += batch.correct
        if head == .linear {
            let logits = outputs.logits
            for index in logits.indices {
                absolute += Double(abs(logits[index] - targets.values[index]))
            }
            values += logits.count
            return
        }
        for row in 0..<count {
            let truth =
                head == .softmax ? Int(targets.classes[row]) : targets.values[row] >= 0.5 ? 1 : 0
            confusion.count(truth: truth, predicted: outputs.predictedClass(row: row))
        }
    }

    var result: Evaluation {
        let mean = loss / Double(rows)
        let regression = head == .linear
        return Evaluation(
            rowCount: rows,
            loss: mean,
            accuracy: regression ? nil : Double(correct) / Double(rows),
            confusion: regression ? nil : confusion,
            meanAbsoluteError: regression ? absolute / Double(values) : nil,
            meanSquaredError: regression ? mean : nil
        )
    }
}
