/// The forms in which metrics are told to a scraper.
package enum ExpositionFormat: String, CaseIterable, Sendable {
    /// Prometheus' text format 0.0.4, which everything reads.
    case text
    /// OpenMetrics 1.0: with exemplars, units, infos and state sets.
    case openMetrics = "openmetrics"
    /// A stream of `io.prometheus.client.MetricFamily`: with exemplars and native histograms.
    case protobuf

    /// The value of `Content-Type` that belongs to the form.
    package var contentType: StaticString {
        switch self {
        case .text: "text/plain; version=0.0.4; charset=utf-8"
        case .openMetrics: "application/openmetrics-text; version=1.0.0; charset=utf-8"
        case .protobuf:
            """
            application/vnd.google.protobuf; proto=io.prometheus.client.MetricFamily; \
            encoding=delimited
            """
        }
    }

    /// The form that a client likes best, by the value of its `Accept` (RFC 9110 §12.5.1).
    ///
    /// A parameter that asks for another version or encoding than there is excludes the form; of two
    /// that are liked equally, it is the one that is named first. What cannot be served gets the
    /// text format: a scraper is better off with that than with a 406.
    package static func negotiated(accept: String) -> ExpositionFormat {
        var best: (format: ExpositionFormat, weight: Int)?
        var refused: Set<ExpositionFormat> = []
        for member in accept.utf8.split(separator: UInt8(ascii: ",")).prefix(membersMax) {
            guard let (format, weight) = wish(String(Substring(member))) else { continue }
            if weight == 0 { refused.insert(format) }
            if weight > best?.weight ?? 0 { best = (format, weight) }
        }
        guard let best, !refused.contains(best.format) else { return .text }
        return best.format
    }

    /// The most members of an `Accept` that are looked at.
    private static let membersMax = 32

    /// The form that one member means, and how much it is liked, in thousandths.
    private static func wish(_ member: String) -> (ExpositionFormat, Int)? {
        var parts = member.lowercased().split(separator: ";").map { trimmed($0) }
        guard !parts.isEmpty else { return nil }
        let type = parts.removeFirst()
        var parameters: [String: String] = [:]
        for part in parts {
            let pair = part.split(separator: "=", maxSplits: 1)
            guard pair.count == 2 else { continue }
            parameters[trimmed(pair[0])] = trimmed(pair[1]).filter { $0 != "\"" }
        }
        guard let format = format(type, parameters) else { return nil }
        return (format, weight(parameters["q"]))
    }

    private static func format(_ type: String, _ wants: [String: String]) -> ExpositionFormat? {
        switch type {
        case "application/openmetrics-text":
            // Whoever asks for the draft 0.0.1 reads 1.0.0 as well.
            ["1.0.0", "0.0.1"].contains(wants["version"] ?? "1.0.0") ? .openMetrics : nil
        case "application/vnd.google.protobuf":
            wants["proto"] == "io.prometheus.client.metricfamily"
                && wants["encoding"] == "delimited" ? .protobuf : nil
        case "text/plain":
            (wants["version"] ?? "0.0.4") == "0.0.4" ? .text : nil
        case "text/*", "*/*": .text
        default: nil
        }
    }

    /// A weight in thousandths; what is none counts as 1.
    private static func weight(_ text: String?) -> Int {
        guard let text, let value = Double(text), value.isFinite else { return 1000 }
        return Int((min(max(value, 0), 1) * 1000).rounded())
    }

    private static func trimmed(_ text: some StringProtocol) -> String {
        let isBlank: (Character) -> Bool = { $0 == " " || $0 == "\t" }
        return String(text.drop(while: isBlank).reversed().drop(while: isBlank).reversed())
    }
}

extension MetricRegistry {
    /// Runs the collectors and appends all families in a form.
    ///
    /// Families are in the order of their names and series in the order of their label values, so
    /// that two scrapes differ in numbers alone. Takes no lock that a hot path takes: counting goes
    /// on meanwhile.
    package func write(_ format: ExpositionFormat, into output: inout [UInt8]) {
        let families = collect()
        switch format {
        case .text: PrometheusText(isOpen: false).write(families, into: &output)
        case .openMetrics: PrometheusText(isOpen: true).write(families, into: &output)
        case .protobuf: PrometheusProtobuf.write(families, into: &output)
        }
    }
}
