internal import Features
internal import ModelStore

/// Why data are not learned from: which rule they break, and where.
struct DataRefusal: Sendable, Equatable {
    /// The rule's name, as in the configuration.
    let rule: String
    /// Its limit.
    let limit: Double
    /// What was found.
    let finding: String

    var text: String { "checks.\(rule) (\(CheckStep.text(limit))): \(finding)" }
}

/// Between validation and training: compares the new data with the last version's and with live
/// traffic, and refuses what nobody should learn from without having looked at it.
struct CheckStep {
    let limits: DataChecks
    let data: TrainingData
    let champion: Champion?
    /// The saved state of the champion's drift monitor, as bytes.
    let driftState: [UInt8]?
    /// An alarm says that inputs or errors have moved, so that new data that moved are what the run
    /// is for; the monitor's window does not yet show where live traffic went.
    let wasAlarmed: Bool

    /// What was found.
    struct Result {
        /// The new training rows in numbers, for the next run.
        let facts: DataFacts
        /// Each rule that is broken; none when all is well.
        let refusals: [DataRefusal]

        /// All rules that are broken, in words; nil when all is well.
        var reason: String? {
            refusals.isEmpty
                ? nil : "data refused by " + refusals.map(\.text).joined(separator: "; ")
        }
    }

    func run() -> Result {
        let classes = data.labels.count
        let train = DataSurvey(
            data.train.dataset,
            rows: data.train.rows,
            schema: data.schema,
            classes: classes
        )
        let holdout = DataSurvey(
            data.holdout.dataset,
            rows: data.holdout.rows,
            schema: data.schema,
            classes: classes,
            seeksNeighbours: false
        )
        var refusals = counts() + duplicates(train) + leakage(train, holdout)
        if let champion {
            refusals += comparison(champion, train.facts)
        }
        if let champion, !wasAlarmed {
            refusals += ranges(champion)
            if let view = ChampionView(champion, data.train, data.schema, driftState) {
                refusals += drift(view)
            }
        }
        return Result(facts: train.facts, refusals: refusals)
    }

    private func counts() -> [DataRefusal] {
        let (fitted, held) = (data.train.rows.count, data.holdout.rows.count)
        guard min(fitted, held) < limits.rowsMin else { return [] }
        return [
            DataRefusal(
                rule: "rows_min",
                limit: Double(limits.rowsMin),
                finding: "\(fitted) rows to fit and \(held) to hold out"
            )
        ]
    }

    private func duplicates(_ train: DataSurvey) -> [DataRefusal] {
        guard train.facts.duplicates > limits.duplicatesMax else { return [] }
        let share = Self.text(train.facts.duplicates)
        return [
            DataRefusal(
                rule: "duplicates_max",
                limit: limits.duplicatesMax,
                finding: "\(share) of the rows repeat an earlier one: "
                    + data.train.dataset.named(train.repeated)
            )
        ]
    }

    /// Rows of the hold-out that are fitted, too, beyond what identical rows make usual.
    private func leakage(_ train: DataSurvey, _ holdout: DataSurvey) -> [DataRefusal] {
        let leaked = train.shared(with: holdout)
        let share = Double(leaked.count) / Double(max(holdout.facts.rows, 1))
        // Of a random split the two differ by chance alone: by so much in one case of a thousand.
        let variance =
            train.twins * (1 - train.twins)
            * (1 / Double(max(holdout.facts.rows, 1)) + 2 / Double(max(train.facts.rows, 1)))
        guard share - train.twins > limits.leakageMax + 3 * variance.squareRoot() else { return [] }
        return [
            DataRefusal(
                rule: "leakage_max",
                limit: limits.leakageMax,
                finding: "\(Self.text(share)) of the hold-out's rows are training rows, too, "
                    + "usual are \(Self.text(train.twins)): "
                    + data.holdout.dataset.named(leaked)
            )
        ]
    }

    private func ranges(_ champion: Champion) -> [DataRefusal] {
        let schema = champion.bundle.manifest.schema
        guard let table = schema.table, schema.readsSameRows(as: data.schema) else { return [] }
        let dataset = data.train.dataset
        var row = [Float](repeating: 0, count: dataset.rowWidth)
        var outside = table.columns.map { _ in [Int32]() }
        for number in data.train.rows {
            var target = row.mutableSpan
            dataset.raw(row: Int(number), into: &target)
            for (index, column) in table.columns.enumerated() {
                guard let range = column.range, !row[index].isNaN else { continue }
                if !range.contains(row[index]) { outside[index].append(number) }
            }
        }
        let rows = Double(max(data.train.rows.count, 1))
        return zip(table.columns, outside).compactMap { column, numbers in
            let share = Double(numbers.count) / rows
            guard share > limits.outOfRangeMax, let range = column.range else { return nil }
            return DataRefusal(
                rule: "out_of_range_max",
                limit: limits.outOfRangeMax,
                finding: "column \(column.name): \(Self.text(share)) of the values are outside of "
                    + "\(range), the last version's: \(dataset.named(numbers))"
            )
        }
    }

    private func drift(_ view: ChampionView) -> [DataRefusal] {
        view.inputDistances.flatMap { distance -> [DataRefusal] in
            var found: [DataRefusal] = []
            let name = distance.stream
            let new = Self.text(distance.newFromReference)
            // Data that went where live traffic went are what a retrain is for.
            let followsLive = distance.newFromLive.flatMap { live in
                distance.liveFromReference.map { live < $0 }
            }
            if distance.newFromReference > limits.driftMax, followsLive != true {
                found.append(
                    DataRefusal(
                        rule: "drift_max",
                        limit: limits.driftMax,
                        finding: "\(name): the new rows are \(new) from the last version's, and "
                            + (followsLive == nil
                                ? "live traffic is not known" : "live traffic did not go there")
                    )
                )
            }
            if let live = distance.newFromLive, let now = distance.liveFromReference,
                live - now > limits.liveDriftMax
            {
                found.append(
                    DataRefusal(
                        rule: "live_drift_max",
                        limit: limits.liveDriftMax,
                        finding: "\(name): the new rows are \(Self.text(live)) from live traffic, "
                            + "the last version's are \(Self.text(now))"
                    )
                )
            }
            return found
        }
    }

    /// Two decimals more than a percent.
    static func text(_ value: Double) -> String { "\((value * 10_000).rounded() / 10_000)" }
}

extension Dataset {
    /// The first of some rows, by their numbers in their source, counted from 0.
    func named(_ rows: [Int32]) -> String {
        let shown = rows.prefix(5).map { "\(origin(of: Int($0)).row)" }.joined(separator: ", ")
        return rows.count == 1 ? "row \(shown)" : "rows \(shown)\(rows.count > 5 ? ", …" : "")"
    }
}
