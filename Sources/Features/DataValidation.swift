/// Something that is odd or wrong with a data set.
package struct DataFinding: Sendable, Equatable {
    /// How bad it is.
    package enum Severity: String, Sendable {
        /// Nothing sensible can be learned.
        case error
        /// Somebody should look at it.
        case warning
    }

    /// How bad it is.
    package let severity: Severity
    /// A stable name in snake_case.
    package let code: String
    /// What it concerns: a column, a class, or `rows`.
    package let subject: String
    /// How many rows or values are concerned.
    package let count: Int

    /// A finding.
    package init(_ severity: Severity, _ code: String, subject: String, count: Int) {
        self.severity = severity
        self.code = code
        self.subject = subject
        self.count = count
    }
}

extension DataFinding: CustomStringConvertible {
    /// The finding on one line.
    package var description: String { "\(severity): \(subject): \(code) (\(count))" }
}

/// Checks a whole data set before it is trained on.
package enum DataValidation {
    /// A class with fewer rows than this is worth a warning.
    package static let classRowsMin = 10

    /// What is odd or wrong.
    ///
    /// Errors: `no_rows`, `width_mismatch`, `label_out_of_range`, `single_class`, `not_finite`.
    /// Warnings: `rows_without_target`, `class_without_rows`, `class_with_few_rows`,
    /// `constant_values`, `all_missing`, `mostly_missing`, `scaled_already`.
    ///
    /// - Parameters:
    ///   - dataset: The data.
    ///   - schema: Its schema.
    ///   - classes: The number of classes; ignored for numbers as targets.
    /// - Returns: The findings, errors and warnings alike; none when all is well.
    package static func findings(
        _ dataset: Dataset,
        schema: FeatureSchema,
        classes: Int
    ) -> [DataFinding] {
        guard dataset.rowWidth == schema.rawWidth else {
            return [
                DataFinding(.error, "width_mismatch", subject: "rows", count: dataset.rowCount)
            ]
        }
        guard dataset.rowCount > 0 else {
            return [DataFinding(.error, "no_rows", subject: "rows", count: 0)]
        }
        var findings: [DataFinding] = []
        if dataset.skippedRows > 0 {
            let count = dataset.skippedRows
            findings.append(
                DataFinding(.warning, "rows_without_target", subject: "rows", count: count)
            )
        }
        switch dataset.labels {
        case .classes(let labels): findings += classFindings(labels, classes, schema)
        case .values(let values): findings += valueFindings(values)
        }
        switch schema.layout {
        case .image(let image): findings += imageFindings(dataset, image)
        case .table(let table): findings += tableFindings(dataset, table)
        }
        return findings
    }

    private static func classFindings(
        _ labels: [Int32],
        _ classes: Int,
        _ schema: FeatureSchema
    ) -> [DataFinding] {
        var counts = [Int](repeating: 0, count: max(classes, 0))
        var wrong = 0
        for label in labels {
            if counts.indices.contains(Int(label)) { counts[Int(label)] += 1 } else { wrong += 1 }
        }
        var findings: [DataFinding] = []
        if wrong > 0 {
            findings.append(
                DataFinding(.error, "label_out_of_range", subject: "labels", count: wrong)
            )
        }
        if counts.count(where: { $0 > 0 }) < 2 {
            findings.append(
                DataFinding(.error, "single_class", subject: "labels", count: labels.count)
            )
        }
        let names = schema.table?.target.labels ?? []
        for (index, count) in counts.enumerated() where count < classRowsMin {
            let code = count == 0 ? "class_without_rows" : "class_with_few_rows"
            let name = names.indices.contains(index) ? names[index] : "\(index)"
            findings.append(DataFinding(.warning, code, subject: "class \(name)", count: count))
        }
        return findings
    }

    private static func valueFindings(_ values: [Float]) -> [DataFinding] {
        var findings: [DataFinding] = []
        let wrong = values.count { !$0.isFinite }
        if wrong > 0 {
            findings.append(DataFinding(.error, "not_finite", subject: "target", count: wrong))
        }
        if let first = values.first, values.allSatisfy({ $0 == first }) {
            findings.append(
                DataFinding(.warning, "constant_values", subject: "target", count: values.count)
            )
        }
        return findings
    }

    private static func imageFindings(_ dataset: Dataset, _ image: ImageLayout) -> [DataFinding] {
        var (least, greatest) = (Float.infinity, -Float.infinity)
        var wrong = 0
        switch dataset.values {
        case .bytes(let bytes, let offset):
            var (low, high) = (UInt8.max, UInt8.min)
            for byte in bytes[offset...] { (low, high) = (min(low, byte), max(high, byte)) }
            (least, greatest) = (Float(low), Float(high))
        case .floats(let floats):
            for value in floats {
                if value.isFinite {
                    (least, greatest) = (min(least, value), max(greatest, value))
                } else {
                    wrong += 1
                }
            }
        }
        var findings: [DataFinding] = []
        let rows = dataset.rowCount
        if wrong > 0 {
            findings.append(DataFinding(.error, "not_finite", subject: "images", count: wrong))
        }
        if least == greatest {
            findings.append(
                DataFinding(.warning, "constant_values", subject: "images", count: rows)
            )
        } else if least >= 0, greatest <= 1, image.scaling.span > 2 {
            // Somebody divided the pixels already; dividing again leaves next to nothing.
            findings.append(DataFinding(.warning, "scaled_already", subject: "images", count: rows))
        }
        return findings
    }

    private static func tableFindings(_ dataset: Dataset, _ table: TableLayout) -> [DataFinding] {
        var seen = table.columns.map { _ in RunningStatistics() }
        var wrong = table.columns.map { _ in 0 }
        var row = [Float](repeating: 0, count: dataset.rowWidth)
        for index in 0..<dataset.rowCount {
            var target = row.mutableSpan
            dataset.raw(row: index, into: &target)
            for column in row.indices {
                if row[column].isFinite {
                    seen[column].add(row[column])
                } else if row[column].isInfinite {
                    wrong[column] += 1
                }
            }
        }
        var findings: [DataFinding] = []
        for (index, column) in table.columns.enumerated() {
            let subject = "column \(column.name)"
            let missing = dataset.rowCount - seen[index].count - wrong[index]
            if wrong[index] > 0 {
                findings.append(
                    DataFinding(.error, "not_finite", subject: subject, count: wrong[index])
                )
            }
            if missing * 2 > dataset.rowCount {
                let code = missing == dataset.rowCount ? "all_missing" : "mostly_missing"
                findings.append(DataFinding(.warning, code, subject: subject, count: missing))
            }
            if seen[index].count > 0, seen[index].minimum == seen[index].maximum {
                let count = seen[index].count
                findings.append(
                    DataFinding(.warning, "constant_values", subject: subject, count: count)
                )
            }
        }
        return findings
    }
}
