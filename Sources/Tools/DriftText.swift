internal import FoundationEssentials

/// The answer of `/drift`, and how it is told to a person.
package struct DriftText: Sendable {
    private let models: [(name: String, answer: Answer)]

    /// Reads the answer.
    ///
    /// - Parameters:
    ///   - json: The answer.
    ///   - model: The model to tell of; nil for all.
    /// - Throws: `DecodingError` for what is none; ``Missing`` for a model that is not watched.
    package init(json: [UInt8], model: String?) throws {
        let decoder = JSONDecoder()
        let all = try decoder.decode([String: Answer].self, from: Data(json))
        if let model, all[model] == nil { throw Missing(model: model) }
        models = all.sorted { $0.key < $1.key }
            .filter { model == nil || model == $0.key }
            .map { ($0.key, $0.value) }
    }

    /// The model is not watched.
    package struct Missing: Error, CustomStringConvertible, Sendable {
        let model: String
        /// What is wrong.
        package var description: String { "the inputs of \(model) are not watched" }
    }

    private struct Answer: Decodable {
        let rows: UInt64
        let evidence_nats: Double
        let threshold_nats: Double
        let window_rows: Int
        let reference_rows: Int
        let season: Season?
        let verdict: Verdict
        let attribution: Attribution
        let streams: [Stream]
        let performance: Performance?
        let labelled: Labelled?
        let quiet_rows: UInt64?
    }

    private struct Season: Decodable {
        let column: String
        let group: Int
        let holdout_rows: [Int]
        let streams: [String]
    }

    private struct Verdict: Decodable {
        let level: String?
        let cause: String?
        let reason: String
    }

    private struct Attribution: Decodable {
        let streams: [Part]
        let change: Change?
    }

    private struct Part: Decodable {
        let stream: String
        let share: Double
        let evidence_nats: Double
    }

    private struct Change: Decodable {
        let rows_ago: UInt64
        let seconds: Double?
    }

    private struct Stream: Decodable {
        let name: String
        let tolerance: Double
        let psi: Double?
        let tv: Double?
        let tv_lower: Double?
    }

    private struct Performance: Decodable {
        let caution: String
        let holdout_accuracy: Double
        let cbpe: Figure?
        let atc: Figure?
        let evidence_nats: Double
        let threshold_nats: Double
    }

    private struct Figure: Decodable {
        let accuracy: Double
        let standard_error: Double
    }

    private struct Labelled: Decodable {
        let rows: UInt64
        let limit: Double
        let evidence_nats: Double
        let threshold_nats: Double
        let error: Bounds?
    }

    private struct Bounds: Decodable {
        let lower: Double
        let mean: Double
        let upper: Double
    }

    /// The report for a terminal.
    package var text: String {
        if models.isEmpty { return "no model's inputs are watched" }
        return models.map { Self.text($0.name, $0.answer).joined(separator: "\n") }
            .joined(separator: "\n\n")
    }

    private static func text(_ name: String, _ answer: Answer) -> [String] {
        let alarm = answer.verdict.level.map { level in
            "ALARM (\(level): \((answer.verdict.cause ?? "?").replacing("_", with: " ")))"
        }
        var lines = [
            "\(name): \(alarm ?? "no alarm"), evidence \(fixed(answer.evidence_nats, 2)) of "
                + "\(fixed(answer.threshold_nats, 2)) nats, \(answer.rows) rows watched"
        ]
        if let season = answer.season { lines.append(text(season, of: answer.streams.count)) }
        if alarm != nil { lines.append("  reason    \(answer.verdict.reason)") }
        if let rows = answer.quiet_rows {
            lines.append(
                "  passed    what raised it has been back at rest for \(rows) rows: look at what came "
                    + "in between, then leeway drift ack"
            )
        }
        if let change = answer.attribution.change { lines.append("  since     \(text(change))") }
        lines += streams(answer)
        if let performance = answer.performance { lines += text(performance) }
        if let labelled = answer.labelled { lines.append(text(labelled)) }
        return lines
    }

    private static func text(_ season: Season, of streams: Int) -> String {
        let rows = season.holdout_rows
        let own = rows.indices.contains(season.group) ? rows[season.group] : 0
        return "  season    hours of the week by column \(season.column): group "
            + "\(season.group + 1) of \(rows.count) in force, \(own) hold-out rows; "
            + "\(season.streams.count) of \(streams) streams depend on it"
    }

    private static func text(_ change: Change) -> String {
        let time = change.seconds.map {
            "about " + Date(timeIntervalSince1970: $0).formatted(.iso8601) + ", "
        }
        return "\(time ?? "")\(change.rows_ago) watched predictions ago"
    }

    private static func streams(_ answer: Answer) -> [String] {
        let known = Dictionary(answer.streams.map { ($0.name, $0) }) { first, _ in first }
        return answer.attribution.streams.enumerated().map { index, part in
            let stream = known[part.stream]
            let sizes = [
                ("PSI", stream?.psi), ("distance", stream?.tv), ("certain", stream?.tv_lower),
            ]
            .map { "\($0) \($1.map { fixed($0, 3) } ?? "–")" }
            .joined(separator: ", ")
            return (index == 0 ? "  streams   " : "            ")
                + "\(Sparkline.bar(part.share)) \(part.stream): "
                + "evidence \(fixed(part.evidence_nats, 2)), \(sizes)"
                + " (leeway \(fixed(stream?.tolerance ?? 0, 3)))"
        }
    }

    private static func text(_ performance: Performance) -> [String] {
        let figures = [("CBPE", performance.cbpe), ("ATC", performance.atc)].compactMap {
            name,
            figure in
            figure.map {
                "\(name) \(fixed($0.accuracy, 4)) ± \(fixed(1.96 * $0.standard_error, 4))"
            }
        }
        let told = figures.isEmpty ? "too few rows yet" : figures.joined(separator: ", ")
        return [
            "  accuracy  \(told); hold-out \(fixed(performance.holdout_accuracy, 4)); evidence "
                + "\(fixed(performance.evidence_nats, 2)) of \(fixed(performance.threshold_nats, 2))",
            "            \(performance.caution)",
        ]
    }

    private static func text(_ labelled: Labelled) -> String {
        let error = labelled.error.map {
            "error \(fixed($0.mean, 4)) (\(fixed($0.lower, 4)) to \(fixed($0.upper, 4))), "
        }
        return
            "  labels    \(labelled.rows) rows, \(error ?? "")limit \(fixed(labelled.limit, 4)), "
            + "evidence \(fixed(labelled.evidence_nats, 2)) of \(fixed(labelled.threshold_nats, 2))"
    }
}
