internal import Features
internal import ModelStore

/// The rules that compare the new rows with the numbers that the champion's manifest keeps.
extension CheckStep {
    func comparison(_ champion: Champion, _ facts: DataFacts) -> [DataRefusal] {
        let manifest = champion.bundle.manifest
        var found = rowCount(manifest.data)
        guard let last = manifest.data.facts else { return found }
        found += missing(facts, last)
        if manifest.labels == data.labels { found += labels(facts, last) }
        if let ours = facts.agreement, let theirs = last.agreement,
            theirs - ours > limits.agreementLostMax
        {
            found.append(
                DataRefusal(
                    rule: "agreement_lost_max",
                    limit: limits.agreementLostMax,
                    finding: "the nearest neighbour of a row has the same label in "
                        + "\(Self.text(ours)) of the cases, it was \(Self.text(theirs)): "
                        + "some labels are noise, in all rows alike"
                )
            )
        }
        return found
    }

    private func rowCount(_ last: Manifest.Provenance) -> [DataRefusal] {
        let before = Double(last.trainRows) + Double(last.holdoutRows)
        let rows = data.train.rows.count + data.holdout.rows.count
        // Weights from elsewhere were fitted to rows that nobody counted.
        guard last.trainRows > 0, last.holdoutRows >= 0 else { return [] }
        let finding =
            "\(rows) rows, the last version had \(last.trainRows) to fit and "
            + "\(last.holdoutRows) to hold out"
        if Double(rows) < before * (1 - limits.rowsLostMax) {
            return [
                DataRefusal(rule: "rows_lost_max", limit: limits.rowsLostMax, finding: finding)
            ]
        }
        if Double(rows) > before * limits.rowsTimesMax {
            return [
                DataRefusal(rule: "rows_times_max", limit: limits.rowsTimesMax, finding: finding)
            ]
        }
        return []
    }

    private func missing(_ facts: DataFacts, _ last: DataFacts) -> [DataRefusal] {
        facts.missing.sorted { $0.key < $1.key }.compactMap { column, share in
            let before = last.missing[column] ?? 0
            guard share - before > limits.missingGainedMax else { return nil }
            return DataRefusal(
                rule: "missing_gained_max",
                limit: limits.missingGainedMax,
                finding: "column \(column): \(Self.text(share)) of the rows have no value, "
                    + "it was \(Self.text(before)): \(data.train.rowsMissing(column, data.schema))"
            )
        }
    }

    private func labels(_ facts: DataFacts, _ last: DataFacts) -> [DataRefusal] {
        guard let ours = facts.classes, let theirs = last.classes, ours.count == theirs.count,
            facts.rows > 0, last.rows > 0
        else { return [] }
        var found: [DataRefusal] = []
        for (index, count) in ours.enumerated()
        where count < limits.classRowsMin && theirs[index] >= limits.classRowsMin {
            found.append(
                DataRefusal(
                    rule: "class_rows_min",
                    limit: Double(limits.classRowsMin),
                    finding: "class \(data.labels[index]): \(count) rows, "
                        + "the last version had \(theirs[index])"
                )
            )
        }
        let shift = ChampionView.variation(
            ours.map { Double($0) / Double(facts.rows) },
            theirs.map { Double($0) / Double(last.rows) }
        )
        if shift > limits.labelShiftMax {
            let most = zip(ours, theirs).map {
                abs(Double($0) / Double(facts.rows) - Double($1) / Double(last.rows))
            }
            let index = most.indices.max { most[$0] < most[$1] } ?? 0
            found.append(
                DataRefusal(
                    rule: "label_shift_max",
                    limit: limits.labelShiftMax,
                    finding: "the classes' shares are \(Self.text(shift)) from the last "
                        + "version's; class \(data.labels[index]): \(ours[index]) of "
                        + "\(facts.rows) rows, it was \(theirs[index]) of \(last.rows)"
                )
            )
        }
        return found
    }
}

extension TrainingData.RowSet {
    /// The first rows without a value in a column, in words.
    fileprivate func rowsMissing(_ column: String, _ schema: FeatureSchema) -> String {
        guard let index = schema.table?.columns.firstIndex(where: { $0.name == column }) else {
            return ""
        }
        var row = [Float](repeating: 0, count: dataset.rowWidth)
        var found: [Int32] = []
        for number in rows where found.count <= 5 {
            var target = row.mutableSpan
            dataset.raw(row: Int(number), into: &target)
            if row[index].isNaN { found.append(number) }
        }
        return dataset.named(found)
    }
}
