internal import NeuralNetwork

/// `report.html`: a candidate's report for people, in one file without scripts or links.
struct ReportPage {
    private let report: CandidateReport

    init(_ report: CandidateReport) { self.report = report }

    /// The page.
    var text: String {
        let outcome = report.outcome
        let title = Self.escaped("\(outcome.model): \(outcome.result.rawValue)")
        let parts = [
            "<h1>\(title)</h1>", "<p>\(Self.escaped(outcome.reason))</p>", scores, gates, curves,
            reliability, groups, confusions,
        ]
        return """
            <!DOCTYPE html>
            <html lang="en">
            <head>
            <meta charset="utf-8">
            <meta name="viewport" content="width=device-width, initial-scale=1">
            <title>\(title)</title>
            <style>\(Self.style)</style>
            </head>
            <body>
            \(parts.filter { !$0.isEmpty }.joined(separator: "\n"))
            </body>
            </html>

            """
    }

    private static let style = """
        body{font:15px/1.5 system-ui,sans-serif;max-width:62em;margin:2em auto;padding:0 1em;\
        color:#1b1f24;background:#fff}
        h1{font-size:1.5em}h2{font-size:1.15em;margin-top:2em}
        table{border-collapse:collapse;display:block;overflow-x:auto}\
        th,td{padding:.2em .7em;text-align:right;\
        border-bottom:1px solid #d5d9de}th:first-child,td:first-child,td.w{text-align:left}
        .no{color:#b3261e;font-weight:600}.yes{color:#1a7f37}
        figure{display:inline-block;margin:0 2em 1em 0;vertical-align:top;\
        max-width:calc(100% - 2em)}figure svg{max-width:100%;height:auto}
        figcaption{font-size:.9em;color:#59636e}
        svg text{font:11px system-ui,sans-serif;fill:#59636e}
        .scroll{overflow-x:auto}.m td{border:0;padding:.15em .4em;font-size:.85em}
        .a{color:#1f6feb}.b{color:#bc4c00}
        """

    /// Text as it may stand in a page.
    static func escaped(_ text: String) -> String {
        text.replacing("&", with: "&amp;").replacing("<", with: "&lt;")
            .replacing(">", with: "&gt;").replacing("\"", with: "&quot;")
    }

    /// Four decimals, or a dash.
    static func number(_ value: Double?) -> String { value.map(PromotionRule.text) ?? "–" }

    // MARK: Parts

    private var scores: String {
        let (ours, theirs) = (report.evaluation, report.championEvaluation)
        let outcome = report.outcome
        var rows = [
            ("accuracy", ours.accuracy, theirs?.accuracy),
            ("mean absolute error", ours.meanAbsoluteError, theirs?.meanAbsoluteError),
            ("loss", ours.loss, theirs?.loss),
        ]
        if let golden = report.golden {
            rows.append(
                ("golden set: accuracy", golden.candidate.accuracy, golden.champion?.accuracy)
            )
            rows.append(
                (
                    "golden set: mean absolute error", golden.candidate.meanAbsoluteError,
                    golden.champion?.meanAbsoluteError
                )
            )
        }
        let lines = rows.filter { $0.1 != nil || $0.2 != nil }.map {
            "<tr><td>\($0.0)</td><td>\(Self.number($0.1))</td><td>\(Self.number($0.2))</td></tr>"
        }
        let cost = report.cost
        let facts =
            "\(outcome.rows.train) rows were fitted, \(outcome.rows.holdout) held out"
            + (cost.weightBytes.map { "; the weights take \($0) bytes" } ?? "")
            + (cost.rowMicroseconds.map { "; one row takes \(Self.number($0)) µs" } ?? "")
        return """
            <table>
            <tr><th></th><th class="a">candidate</th><th class="b">champion</th></tr>
            \(lines.joined(separator: "\n"))
            </table>
            <p>\(facts).</p>
            """
    }

    private var gates: String {
        let lines = (report.outcome.gates ?? []).map { gate in
            let mark =
                gate.passed ? #"<td class="yes">passed</td>"# : #"<td class="no">refused</td>"#
            return "<tr><td>\(gate.gate.rawValue)</td>\(mark)"
                + "<td class=\"w\">\(Self.escaped(gate.reason))</td></tr>"
        }
        if lines.isEmpty { return "" }
        return "<h2>Gates</h2>\n<table>\n\(lines.joined(separator: "\n"))\n</table>"
    }

    private var curves: String {
        let curve = report.curve
        guard curve.count > 1 else { return "" }
        var figures = [
            LineChart(
                caption: curve.contains { $0.validationLoss != nil }
                    ? "loss by epoch: fitted rows, and the least validation loss so far"
                    : "loss by epoch",
                lines: [
                    curve.map { ($0.epoch, $0.loss) },
                    curve.compactMap { point in point.validationLoss.map { (point.epoch, $0) } },
                ]
            )
        ]
        let accuracies = curve.compactMap { point in point.accuracy.map { (point.epoch, $0) } }
        if !accuracies.isEmpty {
            figures.append(
                LineChart(caption: "accuracy of the fitted rows by epoch", lines: [accuracies])
            )
        }
        return "<h2>Training</h2>\n" + figures.map(\.text).joined(separator: "\n")
    }

    private var reliability: String {
        guard let reliability = report.reliability else { return "" }
        var figures = [ReliabilityChart(caption: "candidate", bins: reliability.candidate)]
        if let bins = reliability.champion {
            figures.append(ReliabilityChart(caption: "champion", bins: bins))
        }
        return "<h2>Reliability</h2>\n<p>How often answers are right, by how sure they are; on the "
            + "line, they are as sure as they should be.</p>\n"
            + figures.map(\.text).joined(separator: "\n")
    }

    private var groups: String {
        report.groups.filter { !$0.rows.isEmpty }.map { groups in
            let title = groups.column.map { "By \(Self.escaped($0))" } ?? "By class"
            let lines = groups.rows.map { row in
                let change = row.champion.map { row.candidate - $0 }
                return "<tr><td>\(Self.escaped(row.name))</td><td>\(row.rows)</td>"
                    + "<td>\(Self.number(row.candidate))</td><td>\(Self.number(row.champion))</td>"
                    + "<td>\(Self.number(change))</td><td class=\"w\">\(DifferenceBar(change).text)"
                    + "</td></tr>"
            }
            return """
                <h2>\(title)</h2>
                <table>
                <tr><th></th><th>rows</th><th class="a">candidate</th><th class="b">champion</th>\
                <th>difference</th><th></th></tr>
                \(lines.joined(separator: "\n"))
                </table>
                """
        }.joined(separator: "\n")
    }

    /// More classes than this make no table that anybody would read.
    private static let confusionClassesMax = 40

    private var confusions: String {
        let found = [
            ("candidate", report.evaluation.confusion),
            ("champion", report.championEvaluation?.confusion),
        ]
        let tables = found.compactMap { name, matrix -> String? in
            guard let matrix, matrix.classes <= Self.confusionClassesMax else { return nil }
            return "<h2>Confusion of the \(name)</h2>\n"
                + ConfusionTable(matrix: matrix, labels: report.labels).text
        }
        return tables.joined(separator: "\n")
    }
}
