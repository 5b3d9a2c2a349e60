internal import Drift
internal import Files

/// The report of a drift check as one HTML page that needs nothing beside it.
package struct DriftCheckPage: Sendable {
    private let check: DriftCheck

    /// Takes the report.
    package init(_ check: DriftCheck) { self.check = check }

    /// Writes the page, in place of a file that is there.
    ///
    /// - Throws: `FileError`.
    package func write(to path: String) throws {
        try WholeFile.replace(path, Array(html.utf8))
    }

    /// The page.
    package var html: String {
        """
        <!DOCTYPE html>
        <html lang="en"><head><meta charset="utf-8">
        <meta name="viewport" content="width=device-width, initial-scale=1">
        <title>Drift check: \(escaped(check.model))</title>
        <style>\(Self.style)</style></head><body>
        <h1 class="\(check.isDrift ? "bad" : "good")">\(escaped(check.verdict))</h1>
        <p>\(escaped(check.subject))</p>\(check.seasonNote.map { "<p>\(escaped($0))</p>" } ?? "")
        <p>p is the exact chance of a difference like this one without drift; “p, Holm” is the same \
        after correction for all streams; “moved ≥” is how far, in total variation, the stream has \
        moved at least (all streams at once, confidence \(decimal(1 - check.test.settings.level, 3))). \
        Bars: <span class="key reference"></span> hold-out, <span class="key data"></span> data.</p>
        <table><thead><tr><th>stream</th><th>p</th><th>p, Holm</th><th>moved ≥</th><th>TV</th>\
        <th>PSI</th><th>JS</th><th>KS</th></tr></thead><tbody>
        \(check.test.ranked.map(row).joined(separator: "\n"))
        </tbody></table>
        <div class="charts">
        \(check.test.ranked.map(chart).joined(separator: "\n"))
        </div></body></html>

        """
    }

    private static let style = """
        :root{color-scheme:light dark;--ink:#1c2430;--soft:#5b6675;--line:#d8dde4;--page:#fff;\
        --reference:#8a97a8;--data:#1769aa;--bad:#b3261e;--good:#1b7a43}
        @media(prefers-color-scheme:dark){:root{--ink:#e6eaf0;--soft:#a3adba;--line:#38414d;\
        --page:#14181e;--reference:#76859a;--data:#5cb0f2;--bad:#ff8a80;--good:#6fd39a}}
        body{font:15px/1.5 system-ui,sans-serif;color:var(--ink);background:var(--page);\
        max-width:72rem;margin:2rem auto;padding:0 1rem}
        h1{font-size:1.4rem}h1.bad,td.bad{color:var(--bad)}h1.good{color:var(--good)}
        table{border-collapse:collapse;display:block;overflow-x:auto;font-variant-numeric:tabular-nums}
        th,td{text-align:right;padding:.2rem .6rem;border-bottom:1px solid var(--line)}
        th:first-child,td:first-child{text-align:left}
        .charts{display:grid;grid-template-columns:repeat(auto-fill,minmax(20rem,1fr));gap:1.5rem;\
        margin-top:2rem}figure{margin:0}figcaption{font-weight:600}figcaption.bad{color:var(--bad)}
        svg{width:100%;height:auto}text{fill:var(--soft);font-size:10px}
        .reference{fill:var(--reference);background:var(--reference)}
        .data{fill:var(--data);background:var(--data)}
        .key{display:inline-block;width:.8em;height:.8em}
        """

    private func row(_ finding: BatchTest.Finding) -> String {
        let effect = finding.effect
        let cells = [
            chance(finding.probability), chance(finding.adjusted), decimal(finding.movedAtLeast, 3),
            decimal(effect.totalVariation, 3), decimal(effect.populationStability, 3),
            decimal(effect.jensenShannon, 3), decimal(effect.kolmogorovSmirnov, 3),
        ]
        let name = escaped(finding.stream.name)
        return "<tr><td\(finding.isDrift ? " class=\"bad\"" : "")>\(name)</td>"
            + cells.map { "<td>\($0)</td>" }.joined() + "</tr>"
    }

    /// Pairs of bars, one pair a bin, in a box of 320 × 120.
    private func chart(_ finding: BatchTest.Finding) -> String {
        let stream = finding.stream
        let shares = finding.shares
        let greatest = max(1e-9, max(shares.max() ?? 0, stream.probabilities.max() ?? 0))
        let step = 320 / Double(max(1, stream.binCount))
        func bar(_ share: Double, _ bin: Int, _ half: Double, _ kind: String) -> String {
            let height = share / greatest * 100
            let x = decimal(Double(bin) * step + step * (0.08 + half), 1)
            let label = "\(stream.labels[bin]): \(kind) \(decimal(share * 100, 2)) %"
            return "<rect class=\"\(kind)\" x=\"\(x)\" y=\"\(decimal(104 - height, 1))\" "
                + "width=\"\(decimal(step * 0.42, 1))\" height=\"\(decimal(height, 1))\">"
                + "<title>\(escaped(label))</title></rect>"
        }
        let bars = (0..<stream.binCount).map { bin in
            bar(stream.probabilities[bin], bin, 0, "reference")
                + bar(shares[bin], bin, 0.42, "data")
        }
        let ends = [stream.labels.first ?? "", stream.labels.last ?? ""].map { escaped($0) }
        let caption = "\(escaped(stream.name)), p = \(chance(finding.adjusted))"
        return
            "<figure><figcaption\(finding.isDrift ? " class=\"bad\"" : "")>\(caption)</figcaption>"
            + "<svg viewBox=\"0 0 320 120\" role=\"img\" aria-label=\"\(caption)\">\(bars.joined())"
            + "<text x=\"0\" y=\"117\">\(ends[0])</text>"
            + "<text x=\"320\" y=\"117\" text-anchor=\"end\">\(ends[1])</text></svg></figure>"
    }

    private func escaped(_ text: String) -> String {
        var safe = ""
        for character in text {
            switch character {
            case "&": safe += "&amp;"
            case "<": safe += "&lt;"
            case ">": safe += "&gt;"
            case "\"": safe += "&quot;"
            default: safe.append(character)
            }
        }
        return safe
    }
}
