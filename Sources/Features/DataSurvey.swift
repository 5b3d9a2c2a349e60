/// Some rows in numbers, to be compared with those of another run.
package struct DataFacts: Codable, Sendable, Equatable {
    /// How many rows there are.
    package var rows: Int
    /// Rows of each class; nil for numbers as targets.
    package var classes: [Int]?
    /// The share of rows without a value, by column; columns without such are left out.
    package var missing: [String: Double]
    /// The share of rows that repeat an earlier one, label included.
    package var duplicates: Double
    /// The share of sampled rows whose nearest neighbour has the same label; nil for numbers as
    /// targets, and where there are too few rows to say.
    package var agreement: Double?

    /// Takes note of the numbers.
    package init(
        rows: Int,
        classes: [Int]?,
        missing: [String: Double],
        duplicates: Double,
        agreement: Double?
    ) {
        self.rows = rows
        self.classes = classes
        self.missing = missing
        self.duplicates = duplicates
        self.agreement = agreement
    }
}

/// Goes through rows once and remembers what tells them apart.
package struct DataSurvey: Sendable {
    /// The rows in numbers.
    package let facts: DataFacts
    /// The rows that repeat an earlier one, features and label, in the order of the set.
    package let repeated: [Int32]
    /// The share of rows whose features another row has, too.
    package let twins: Double
    /// The features of each row as a number, in the order of the set.
    private let digests: [UInt64]
    private let rows: [Int32]

    /// Surveys some rows of a data set.
    ///
    /// - Parameters:
    ///   - dataset: The data.
    ///   - rows: The rows.
    ///   - schema: The data's schema.
    ///   - classes: The number of classes; ignored for numbers as targets.
    ///   - seeksNeighbours: Whether the labels of neighbours are compared, which takes longest.
    package init(
        _ dataset: Dataset,
        rows: [Int32],
        schema: FeatureSchema,
        classes: Int,
        seeksNeighbours: Bool = true
    ) {
        self.rows = rows
        digests = rows.map { dataset.featureDigest(of: Int($0)) }
        var seen: Set<UInt64> = []
        var repeated: [Int32] = []
        var counts: [UInt64: Int] = [:]
        for (place, row) in rows.enumerated() {
            let digest = digests[place]
            counts[digest, default: 0] += 1
            let whole = RowKeys.mixed(digest, UInt64(bitPattern: dataset.labelBits(of: Int(row))))
            if !seen.insert(whole).inserted { repeated.append(row) }
        }
        self.repeated = repeated
        let total = Double(max(rows.count, 1))
        twins = Double(digests.count { counts[$0, default: 0] > 1 }) / total
        facts = DataFacts(
            rows: rows.count,
            classes: dataset.classCounts(rows, classes: classes),
            missing: dataset.missingShares(rows, schema: schema),
            duplicates: Double(repeated.count) / total,
            agreement: seeksNeighbours
                ? NeighbourAgreement(dataset, rows: rows, schema: schema).share : nil
        )
    }

    /// The rows of another set whose features this one has, too.
    package func shared(with other: DataSurvey) -> [Int32] {
        let ours = Set(digests)
        return zip(other.digests, other.rows).filter { ours.contains($0.0) }.map(\.1)
    }
}

extension Dataset {
    /// A row's features as a number: equal features give equal numbers, and others nearly never.
    func featureDigest(of row: Int) -> UInt64 {
        var hash: UInt64 = 0x9E37_79B9_7F4A_7C15
        switch values {
        case .bytes(let bytes, let offset):
            let source = bytes.span.extracting(span(of: row, offset))
            var word: UInt64 = 0
            for index in source.indices {
                word = word << 8 | UInt64(source[index])
                if index % 8 == 7 { hash = RowKeys.mixed(hash, word) }
            }
            return RowKeys.mixed(hash, word)
        case .floats(let floats):
            let source = floats.span.extracting(span(of: row, 0))
            for index in source.indices {
                hash = RowKeys.mixed(hash, UInt64(source[index].bitPattern))
            }
            return hash
        }
    }

    /// A row's label as a number.
    func labelBits(of row: Int) -> Int64 {
        switch labels {
        case .classes(let classes): Int64(classes[row])
        case .values(let values): Int64(values[row].bitPattern)
        }
    }

    fileprivate func classCounts(_ rows: [Int32], classes: Int) -> [Int]? {
        guard case .classes(let labels) = labels else { return nil }
        var counts = [Int](repeating: 0, count: max(classes, 0))
        for row in rows where counts.indices.contains(Int(labels[Int(row)])) {
            counts[Int(labels[Int(row)])] += 1
        }
        return counts
    }

    fileprivate func missingShares(_ rows: [Int32], schema: FeatureSchema) -> [String: Double] {
        guard let table = schema.table, case .floats(let floats) = values, !rows.isEmpty,
            table.columns.count == rowWidth
        else { return [:] }
        var counts = [Int](repeating: 0, count: rowWidth)
        for row in rows {
            let start = Int(row) * rowWidth
            for column in 0..<rowWidth where floats[start + column].isNaN { counts[column] += 1 }
        }
        var shares: [String: Double] = [:]
        for (column, count) in zip(table.columns, counts) where count > 0 {
            shares[column.name] = Double(count) / Double(rows.count)
        }
        return shares
    }
}
