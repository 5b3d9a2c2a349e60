internal import NeuralNetwork

/// Lines over the epochs, as SVG.
struct LineChart {
    let caption: String
    /// Each line's points; the first is drawn in the candidate's colour.
    let lines: [[(epoch: Int, value: Double)]]

    private static let (width, height, margin) = (360.0, 200.0, 44.0)
    private static let colours = ["#1f6feb", "#8250df"]

    /// The figure; empty without a finite point.
    var text: String {
        let points = lines.joined().filter(\.value.isFinite)
        guard let first = points.map(\.epoch).min(), let last = points.map(\.epoch).max(),
            let least = points.map(\.value).min(), let greatest = points.map(\.value).max()
        else { return "" }
        let (across, up) = (Double(max(1, last - first)), max(greatest - least, 1e-12))
        func place(_ epoch: Int, _ value: Double) -> String {
            let x = Self.margin + Double(epoch - first) / across * (Self.width - Self.margin - 8)
            let y = 8 + (greatest - value) / up * (Self.height - 32)
            return "\(Self.rounded(x)),\(Self.rounded(y))"
        }
        let drawn = lines.filter { !$0.isEmpty }.enumerated().map { index, line in
            let path = line.filter(\.value.isFinite).map { place($0.epoch, $0.value) }
            return "<polyline fill=\"none\" stroke=\"\(Self.colours[index % 2])\" "
                + "stroke-width=\"1.5\" points=\"\(path.joined(separator: " "))\"/>"
        }
        let (bottom, edge) = (Self.height - 24, Self.margin - 6)
        return Figure(
            width: Self.width,
            height: Self.height,
            caption: caption,
            body: drawn + [
                Figure.label(edge, 14, "end", PromotionRule.text(greatest)),
                Figure.label(edge, bottom, "end", PromotionRule.text(least)),
                Figure.label(Self.margin, Self.height - 6, "start", "\(first)"),
                Figure.label(Self.width - 8, Self.height - 6, "end", "\(last)"),
            ]
        ).text
    }

    static func rounded(_ value: Double) -> Double { (value * 10).rounded() / 10 }
}

/// How often answers are right by how sure they are, as SVG.
struct ReliabilityChart {
    let caption: String
    let bins: [ReliabilityBin]

    private static let (side, margin) = (220.0, 30.0)

    /// The figure.
    var text: String {
        let rows = bins.reduce(0) { $0 + $1.count }
        let width = Self.side / Double(max(1, bins.count))
        var body: [String] = []
        for (index, bin) in bins.enumerated() where bin.count > 0 {
            let share = Double(bin.correct) / Double(bin.count)
            let mean = bin.confidence / Double(bin.count)
            // The more rows, the darker the bar.
            let weight = 0.25 + 0.75 * (Double(bin.count) / Double(max(1, rows))).squareRoot()
            let height = share * Self.side
            let left = LineChart.rounded(Self.margin + Double(index) * width)
            body.append(
                "<rect x=\"\(left)\" y=\"\(LineChart.rounded(Self.side + 8 - height))\" "
                    + "width=\"\(LineChart.rounded(width - 1))\" "
                    + "height=\"\(LineChart.rounded(height))\" fill=\"#1f6feb\" "
                    + "fill-opacity=\"\(LineChart.rounded(weight))\"><title>\(bin.count) rows, "
                    + "confidence \(PromotionRule.text(mean)), right \(PromotionRule.text(share))"
                    + "</title></rect>"
            )
        }
        let (bottom, right) = (Self.side + 8, Self.margin + Self.side)
        body += [
            "<line x1=\"\(Self.margin)\" y1=\"\(bottom)\" x2=\"\(right)\" y2=\"8\" "
                + "stroke=\"#59636e\" stroke-dasharray=\"3 3\"/>",
            Figure.label(Self.margin - 4, 16, "end", "1"),
            Figure.label(Self.margin - 4, bottom, "end", "0"),
            Figure.label(Self.margin, bottom + 14, "start", "0"),
            Figure.label(right, bottom + 14, "end", "confidence 1"),
        ]
        return Figure(
            width: right + 8,
            height: bottom + 20,
            caption: "\(caption), \(rows) rows",
            body: body
        ).text
    }
}

/// A change for the better or the worse, as a bar to the right or the left.
struct DifferenceBar {
    private let change: Double?

    init(_ change: Double?) { self.change = change }

    /// The bar; empty where there is nothing to compare with.
    var text: String {
        guard let change, change.isFinite else { return "" }
        let length = LineChart.rounded(min(abs(change), 0.5) * 160)
        let colour = change < 0 ? "#b3261e" : "#1a7f37"
        let left = change < 0 ? 80 - length : 80
        return "<svg width=\"160\" height=\"12\" role=\"img\"><rect x=\"\(left)\" y=\"2\" "
            + "width=\"\(length)\" height=\"8\" fill=\"\(colour)\"/><line x1=\"80\" y1=\"0\" "
            + "x2=\"80\" y2=\"12\" stroke=\"#59636e\"/></svg>"
    }
}

/// Which classes were taken for which, as a table.
struct ConfusionTable {
    let matrix: ConfusionMatrix
    let labels: [String]

    /// The table: a line a true class, a column a predicted one.
    var text: String {
        let names = (0..<matrix.classes).map { index in
            ReportPage.escaped(labels.indices.contains(index) ? labels[index] : "\(index)")
        }
        let head = names.map { "<th>\($0)</th>" }.joined()
        let lines = names.indices.map { truth -> String in
            let total = names.indices.reduce(0) { $0 + matrix[truth: truth, predicted: $1] }
            let cells = names.indices.map { predicted in
                let count = matrix[truth: truth, predicted: predicted]
                let share = Double(count) / Double(max(1, total))
                let shade = min(70, Int(share * 100))
                let colour = truth == predicted ? "31,111,235" : "179,38,30"
                return count == 0
                    ? "<td></td>"
                    : "<td style=\"background:rgba(\(colour),\(shade)%)\">\(count)</td>"
            }
            return "<tr><th>\(names[truth])</th>\(cells.joined())</tr>"
        }
        return """
            <div class="scroll"><table class="m">
            <tr><th>true \\ predicted</th>\(head)</tr>
            \(lines.joined(separator: "\n"))
            </table></div>
            """
    }
}

/// A picture with a caption.
private struct Figure {
    let width: Double
    let height: Double
    let caption: String
    let body: [String]

    var text: String {
        let words = ReportPage.escaped(caption)
        return "<figure><svg width=\"\(width)\" height=\"\(height)\" role=\"img\" "
            + "aria-label=\"\(words)\">\n\(body.joined(separator: "\n"))\n</svg>"
            + "<figcaption>\(words)</figcaption></figure>"
    }

    static func label(_ x: Double, _ y: Double, _ anchor: String, _ text: String) -> String {
        "<text x=\"\(x)\" y=\"\(y)\" text-anchor=\"\(anchor)\">\(text)</text>"
    }
}
