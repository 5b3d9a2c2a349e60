internal import Drift
internal import FoundationEssentials
internal import ModelStore

/// What `leeway drift check` says of a data set: for people, for programs, and as a page.
package struct DriftCheck: Sendable {
    /// The model's name and version.
    package let model: String
    /// The version that the data were compared with.
    package let version: Int
    /// The data's file.
    package let path: String
    /// The hold-out rows behind the reference.
    package let holdoutRows: Int
    /// What the test found.
    let test: BatchTest
    /// The data's column by whose hours the reference depends on the season; nil for none.
    package let seasonColumn: String?

    /// Reads and tests a file.
    ///
    /// - Throws: ``DriftFileError``, `DriftError`.
    init(_ subject: DriftSubject, path: String, settings: BatchTest.Settings) throws {
        let file = try subject.file(path)
        model = subject.bundle.manifest.model
        version = subject.bundle.manifest.version
        holdoutRows = subject.bundle.reference.holdoutRows
        self.path = path
        seasonColumn = subject.bundle.reference.seasons?.column
        test = try BatchTest(
            counts: file.counts(),
            rows: file.rowCount,
            profile: subject.bundle.reference,
            settings: settings
        )
    }

    /// Whether the data have drifted.
    package var isDrift: Bool { test.isDrift }

    /// The verdict in one line.
    package var verdict: String {
        let drifted = test.findings.count { $0.isDrift }
        let terms =
            "level \(decimal(test.settings.level, 3)), Holm's correction"
            + (test.settings.tolerance > 0
                ? ", tolerance \(decimal(test.settings.tolerance, 3))" : "")
        guard drifted > 0 else {
            return "no drift found in \(test.findings.count) streams (\(terms))"
        }
        return "DRIFT in \(drifted) of \(test.findings.count) streams (\(terms))"
    }

    /// What was compared.
    package var subject: String {
        "model \(model), version \(version): \(path), \(test.rows) rows "
            + "against \(holdoutRows) of the hold-out"
    }

    /// What to bear in mind of a seasonal reference; nil for another.
    var seasonNote: String? {
        seasonColumn.map {
            "the reference depends on the hour of the week (column \($0)); the test compares with all "
                + "hours together: data of some hours only differ from them"
        }
    }

    /// Streams that the terminal report shows when nothing has drifted.
    private static let streamsShown = 10
    /// Streams whose bins the terminal report draws.
    private static let streamsDrawn = 5

    /// The report for a terminal.
    package var text: String {
        let ranked = test.ranked
        let drifted = ranked.count { $0.isDrift }
        let shown = ranked.prefix(max(drifted, Self.streamsShown))
        let width = (shown.map(\.stream.name.count).max() ?? 6) + 2
        var lines = [subject] + (seasonNote.map { [$0] } ?? []) + [verdict, ""]
        lines.append(
            filled("stream", width) + filled("p", 10) + filled("p, Holm", 10)
                + filled("moved ≥", 9) + filled("TV", 8) + filled("PSI", 8)
        )
        for finding in shown {
            lines.append(
                filled(finding.stream.name, width) + filled(chance(finding.probability), 10)
                    + filled(chance(finding.adjusted), 10)
                    + filled(decimal(finding.movedAtLeast, 3), 9)
                    + filled(decimal(finding.effect.totalVariation, 3), 8)
                    + filled(decimal(finding.effect.populationStability, 3), 8)
                    + (finding.isDrift ? "drift" : "")
            )
        }
        if ranked.count > shown.count {
            lines.append("and \(ranked.count - shown.count) more streams (--json shows all)")
        }
        if test.rows < EffectSize.rowsMin {
            lines.append("effect sizes need \(EffectSize.rowsMin) rows")
        }
        for finding in ranked.prefix(Self.streamsDrawn) where finding.isDrift {
            lines.append("")
            lines.append(contentsOf: Self.histogram(finding))
        }
        return lines.joined(separator: "\n")
    }

    /// A bar of the reference's share and one of the data's for each bin.
    private static func histogram(_ finding: BatchTest.Finding) -> [String] {
        let stream = finding.stream
        let shares = finding.shares
        let greatest = max(shares.max() ?? 0, stream.probabilities.max() ?? 0)
        let width = min(24, stream.labels.map(\.count).max() ?? 0) + 2
        func bar(_ share: Double) -> String {
            let cells = greatest > 0 ? Int((share / greatest * 20).rounded()) : 0
            return filled(String(repeating: "█", count: cells), 20)
                + " \(filled("\(decimal(share * 100, 1)) %", 8))"
        }
        return [stream.name, filled("", width) + filled("reference", 30) + "data"]
            + stream.labels.indices.map { bin in
                let label = String(stream.labels[bin].prefix(24))
                return filled(label, width) + bar(stream.probabilities[bin]) + " "
                    + bar(shares[bin])
            }
    }
}

extension BatchTest.Finding {
    /// The data's share of each bin; zeros without a row.
    var shares: [Double] {
        let total = counts.reduce(0, &+)
        return counts.map { total > 0 ? Double($0) / Double(total) : 0 }
    }
}

extension DriftCheck {
    private struct Report: Encodable {
        let model: String
        let version: Int
        let file: String
        let rows: Int
        let holdoutRows: Int
        let level: Double
        let tolerance: Double
        let drift: Bool
        let seasonColumn: String?
        let streams: [Stream]
    }

    private struct Stream: Encodable {
        let name: String
        let kind: ReferenceStream.Kind
        let drift: Bool
        let p: Double
        let pHolm: Double
        let movedAtLeast: Double
        let tv: Double?
        let psi: Double?
        let js: Double?
        let ks: Double?
        let labels: [String]
        let reference: [Double]
        let data: [Double]
        let counts: [UInt64]

        init(_ finding: BatchTest.Finding) {
            func number(_ value: Double) -> Double? { value.isFinite ? value : nil }
            name = finding.stream.name
            kind = finding.stream.kind
            drift = finding.isDrift
            p = finding.probability
            pHolm = finding.adjusted
            movedAtLeast = finding.movedAtLeast
            tv = number(finding.effect.totalVariation)
            psi = number(finding.effect.populationStability)
            js = number(finding.effect.jensenShannon)
            ks = number(finding.effect.kolmogorovSmirnov)
            labels = finding.stream.labels
            reference = finding.stream.probabilities
            data = finding.shares
            counts = finding.counts
        }
    }

    /// The report as one JSON object, streams in the order of their chances.
    ///
    /// - Throws: `EncodingError`.
    package func json() throws -> String {
        try jsonText(
            Report(
                model: model,
                version: version,
                file: path,
                rows: test.rows,
                holdoutRows: holdoutRows,
                level: test.settings.level,
                tolerance: test.settings.tolerance,
                drift: isDrift,
                seasonColumn: seasonColumn,
                streams: test.ranked.map(Stream.init)
            )
        )
    }
}

/// One JSON object on one line, its keys in snake case and in order.
func jsonText(_ value: some Encodable) throws -> String {
    let encoder = JSONEncoder()
    encoder.outputFormatting = [.sortedKeys, .withoutEscapingSlashes]
    encoder.keyEncodingStrategy = .convertToSnakeCase
    return String(decoding: try encoder.encode(value), as: UTF8.self)
}

/// A text filled up with spaces; a longer one keeps one space behind it.
func filled(_ text: String, _ width: Int) -> String {
    text + String(repeating: " ", count: max(text.isEmpty ? 0 : 1, width - text.count))
}

/// A number with so many digits after the point; "–" for none.
func decimal(_ value: Double, _ digits: Int) -> String {
    guard value.isFinite, abs(value) < 1e12 else { return "–" }
    return (value < 0 ? "-" : "") + fixed(abs(value), digits)
}

/// A chance with two digits: 0.031, 2.4e-07, 0 only when it is below what a number can hold.
func chance(_ value: Double) -> String {
    guard value.isFinite else { return "–" }
    if value >= 0.001 || value == 0 { return decimal(value, 3) }
    var (digits, exponent) = (value, 0)
    while digits < 1 {
        digits *= 10
        exponent += 1
    }
    return "\(decimal(digits, 1))e-\(exponent < 10 ? "0" : "")\(exponent)"
}
