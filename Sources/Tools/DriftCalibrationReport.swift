extension DriftCalibration {
    /// Streams that the terminal report shows.
    private static let streamsShown = 15

    /// The report for a terminal.
    package var text: String {
        var lines = ["model \(model), version \(version): \(rows) rows of \(files.count) files"]
        lines.append(contentsOf: files.map { "  \($0.path): \($0.rows) rows" })
        if let isSeasonal {
            lines.append(
                isSeasonal
                    ? "each row compared with its hour of the week"
                    : "a file has no time: all rows compared with all hours of the week together"
            )
        }
        lines.append("")
        lines.append(told(configured, name: "configured tolerance"))
        if let silent {
            lines.append(told(silent, name: "least silent tolerance"))
        } else {
            lines.append(
                "no tolerance up to \(decimal(Self.toleranceMax, 1)) keeps them silent: "
                    + "some of this is drift or bad data"
            )
        }
        let width = (streams.prefix(Self.streamsShown).map(\.name.count).max() ?? 6) + 2
        lines.append("")
        lines.append(
            filled("stream", width) + filled("TV", 8) + filled("worst \(Self.windowRows) rows", 18)
                + "sampling error"
        )
        for stream in streams.prefix(Self.streamsShown) {
            lines.append(
                filled(stream.name, width) + filled(decimal(stream.totalVariation, 3), 8)
                    + filled(decimal(stream.windowMax, 3), 18) + decimal(stream.samplingError, 3)
            )
        }
        if streams.count > Self.streamsShown {
            lines.append("and \(streams.count - Self.streamsShown) more streams (--json shows all)")
        }
        return lines.joined(separator: "\n")
    }

    private func told(_ trial: Trial, name: String) -> String {
        let start = "\(name) \(decimal(trial.tolerance, 3)): "
        guard let row = trial.alarmRow else {
            return start + "silent, greatest evidence \(decimal(trial.evidence, 1)) nats"
        }
        return start + "ALARM at row \(row): \(trial.suspects.joined(separator: ", "))"
    }

    private struct Report: Encodable {
        let model: String
        let version: Int
        let rows: Int
        let files: [File]
        let configured: TrialReport
        let silent: TrialReport?
        let streams: [StreamReport]
    }

    private struct File: Encodable {
        let file: String
        let rows: Int
    }

    private struct TrialReport: Encodable {
        let tolerance: Double
        let evidenceNats: Double
        let alarmRow: UInt64?
        let suspects: [String]

        init(_ trial: Trial) {
            tolerance = trial.tolerance
            evidenceNats = trial.evidence
            alarmRow = trial.alarmRow
            suspects = trial.suspects
        }
    }

    private struct StreamReport: Encodable {
        let name: String
        let tv: Double
        let tvWorstWindow: Double
        let samplingError: Double
    }

    /// The report as one JSON object.
    ///
    /// - Throws: `EncodingError`.
    package func json() throws -> String {
        try jsonText(
            Report(
                model: model,
                version: version,
                rows: rows,
                files: files.map { File(file: $0.path, rows: $0.rows) },
                configured: TrialReport(configured),
                silent: silent.map(TrialReport.init),
                streams: streams.map {
                    StreamReport(
                        name: $0.name,
                        tv: $0.totalVariation,
                        tvWorstWindow: $0.windowMax,
                        samplingError: $0.samplingError
                    )
                }
            )
        )
    }
}
