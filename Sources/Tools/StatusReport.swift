internal import FoundationEssentials

/// The answer of `/status`, and how it is told to a person.
package struct StatusReport: Sendable {
    private let answer: Answer

    /// Reads the answer.
    ///
    /// - Throws: `DecodingError` for what is none.
    package init(json: [UInt8]) throws {
        let decoder = JSONDecoder()
        decoder.keyDecodingStrategy = .convertFromSnakeCase
        answer = try decoder.decode(Answer.self, from: Data(json))
    }

    private struct Answer: Decodable {
        let version: String
        let started: Int64
        let logLevel: String
        let traffic: Traffic
        let models: [Model]
    }

    private struct Traffic: Decodable {
        let secondsPerPoint: Int
        let requestsPerSecond: [Double]
        let errorsPerSecond: [Double]
        let latencySeconds: [String: Double]?
    }

    private struct Model: Decodable {
        let name: String
        let version: Int?
        let since: String?
        let scores: Scores?
        let problem: String?
        let retrain: Retrain?
        let drift: Drift?
        let release: Release?
        let watch: Release?
        let pinned: Int?
        let journal: [Entry]
    }

    private struct Release: Decodable {
        let version: Int
        let stage: String
        let rows: Int
        let labels: Int
        let agreement: Double?
        let previous: Int?
        let comparedLabels: Int?
    }

    private struct Scores: Decodable {
        let accuracy: Double?
        let meanAbsoluteError: Double?
    }

    private struct Retrain: Decodable {
        let running: String?
        let stage: String?
        let next: Int64?
        let last: Last?
        let lastFailure: String?
    }

    private struct Last: Decodable {
        let result: String
        let reason: String
    }

    private struct Drift: Decodable {
        let rows: UInt64
        let evidence: Double
        let threshold: Double
        let alarm: String?
        let cause: String?
        let quietRows: UInt64?
        let streams: [Stream]
    }

    private struct Stream: Decodable {
        let name: String
        let evidence: Double
        let psi: Double?
        let tv: Double?
        let tolerance: Double
    }

    private struct Entry: Decodable {
        let time: String
        let event: String
        let version: Int
        let actor: String
        let reason: String
    }

    /// The report for a terminal.
    package var text: String {
        let started = Date(timeIntervalSince1970: Double(answer.started)).formatted(.iso8601)
        var lines = ["leeway \(answer.version), up since \(started), log level \(answer.logLevel)"]
        lines.append(contentsOf: Self.text(answer.traffic))
        for model in answer.models {
            lines.append("")
            lines.append(contentsOf: Self.text(model))
        }
        return lines.joined(separator: "\n")
    }

    private static func text(_ traffic: Traffic) -> [String] {
        let requests = traffic.requestsPerSecond
        guard let now = requests.last else { return [] }
        let minutes = fixed(Double(requests.count * traffic.secondsPerPoint) / 60, 1)
        var lines = ["requests  \(Sparkline.of(requests)) \(fixed(now, 1))/s, last \(minutes) min"]
        if traffic.errorsPerSecond.contains(where: { $0 > 0 }),
            let now = traffic.errorsPerSecond.last
        {
            lines.append("errors    \(Sparkline.of(traffic.errorsPerSecond)) \(fixed(now, 1))/s")
        }
        if let latency = traffic.latencySeconds {
            let parts = [("50", "p50"), ("90", "p90"), ("99", "p99")].compactMap { share, key in
                latency[key].map { "\(share) % in \(fixed($0 * 1000, 2)) ms" }
            }
            lines.append("latency   \(parts.joined(separator: ", "))")
        }
        return lines
    }

    private static func text(_ model: Model) -> [String] {
        var lines = [head(model)]
        if let problem = model.problem { lines.append("  refused   \(problem)") }
        if let retrain = model.retrain { lines.append(contentsOf: text(retrain)) }
        if let drift = model.drift { lines.append(contentsOf: text(drift)) }
        if let pinned = model.pinned { lines.append("  pinned    version \(pinned)") }
        if let release = model.release {
            let agreement = release.agreement.map { ", agreement \(fixed($0, 3))" } ?? ""
            lines.append(
                "  release   version \(release.version), \(release.stage): \(release.rows) rows, "
                    + "\(release.labels) labels\(agreement)"
            )
        }
        if let watch = model.watch {
            lines.append(
                "  watched   version \(watch.version) beside version \(watch.previous ?? 0): "
                    + "\(watch.rows) rows, \(watch.labels) labels, "
                    + "\(watch.comparedLabels ?? 0) of them compared"
            )
        }
        for (index, entry) in model.journal.enumerated() {
            let title = index == 0 ? "  journal   " : "            "
            lines.append(
                "\(title)\(entry.time) \(entry.event) \(entry.version) by \(entry.actor): "
                    + entry.reason
            )
        }
        return lines
    }

    private static func head(_ model: Model) -> String {
        guard let version = model.version else { return "\(model.name): no version yet" }
        let score =
            model.scores?.accuracy.map { ", accuracy \(fixed($0, 4))" }
            ?? model.scores?.meanAbsoluteError.map { ", mean absolute error \(fixed($0, 4))" } ?? ""
        return "\(model.name): version \(version)\(score), live since \(model.since ?? "?")"
    }

    private static func text(_ retrain: Retrain) -> [String] {
        var lines: [String] = []
        if let running = retrain.running {
            lines.append("  retrain   running (\(running)): \(retrain.stage ?? "starting")")
        }
        if let last = retrain.last { lines.append("  last run  \(last.result): \(last.reason)") }
        if let failure = retrain.lastFailure { lines.append("  failed    \(failure)") }
        if let next = retrain.next {
            let time = Date(timeIntervalSince1970: Double(next)).formatted(.iso8601)
            lines.append("  next run  \(time)")
        }
        return lines
    }

    private static func text(_ drift: Drift) -> [String] {
        let cause = drift.cause.map { ": " + $0.replacing("_", with: " ") } ?? ""
        let alarm = drift.alarm.map { "ALARM (\($0)\(cause))" } ?? "no alarm"
        var lines = [
            "  drift     \(alarm), evidence \(fixed(drift.evidence, 2)) of "
                + "\(fixed(drift.threshold, 2)) nats, \(drift.rows) rows"
        ]
        if let rows = drift.quietRows {
            lines.append("            passed: at rest for \(rows) rows; leeway drift ack when seen")
        }
        for stream in drift.streams where stream.evidence > 0 || (stream.psi ?? 0) >= 0.1 {
            let share = drift.threshold > 0 ? stream.evidence / drift.threshold : 0
            let psi = stream.psi.map { fixed($0, 3) } ?? "–"
            let tv = stream.tv.map { fixed($0, 3) } ?? "–"
            lines.append(
                "            \(Sparkline.bar(share)) \(stream.name): evidence "
                    + "\(fixed(stream.evidence, 2)), PSI \(psi), distance \(tv) "
                    + "(leeway \(fixed(stream.tolerance, 3)))"
            )
        }
        return lines
    }
}

/// Figures drawn with block characters.
package enum Sparkline {
    private static let blocks: [Character] = ["▁", "▂", "▃", "▄", "▅", "▆", "▇", "█"]

    /// A series as one character a figure, from 0 to its largest.
    package static func of(_ values: [Double]) -> String {
        let largest = values.filter(\.isFinite).max() ?? 0
        return String(values.map { block(largest > 0 ? $0 / largest : 0) })
    }

    /// A share from 0 to 1 as a bar of ten characters.
    package static func bar(_ share: Double) -> String {
        let filled = share.isFinite ? Int((min(max(share, 0), 1) * 10).rounded()) : 0
        return String(repeating: "█", count: filled) + String(repeating: "░", count: 10 - filled)
    }

    private static func block(_ share: Double) -> Character {
        guard share.isFinite else { return blocks[0] }
        return blocks[min(max(Int(share * Double(blocks.count)), 0), blocks.count - 1)]
    }
}
