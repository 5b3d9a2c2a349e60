internal import FoundationEssentials
internal import Transfer

/// `leeway status`: what a running appliance says of itself, for a person.
package struct StatusView {
    /// Where the operations listener is.
    private let url: String
    private let settings: HTTPSessionSettings
    private let token: String?

    /// Names the listener.
    ///
    /// - Parameters:
    ///   - url: `https://host:port`.
    ///   - authorities: Certificate authorities of the server in PEM; nil for the system's.
    ///   - allowsPlaintext: Whether `http://` is allowed.
    ///   - token: The bearer token of the listener; nil for none.
    package init(url: String, authorities: String?, allowsPlaintext: Bool, token: String?) {
        self.url = url
        self.token = token
        settings = HTTPSessionSettings(
            caFile: authorities,
            allowsPlaintext: allowsPlaintext,
            connectSecondsMax: 5,
            totalSecondsMax: 10
        )
    }

    /// Asks and renders.
    ///
    /// - Parameter json: Whether the answer is given as it came.
    /// - Returns: The report.
    /// - Throws: `TransferError`, ``StatusError``.
    package func run(json: Bool) throws -> String {
        var session = try HTTPSession(settings)
        let headers = token.map { [(name: "Authorization", value: "Bearer \($0)")] } ?? []
        let reply = try session.get("\(url)/status", headers: headers)
        guard reply.status == 200 else {
            throw StatusError(
                status: reply.status,
                body: String(decoding: reply.body.prefix(300), as: UTF8.self)
            )
        }
        if json { return String(decoding: reply.body, as: UTF8.self).trimmedEnd }
        let decoder = JSONDecoder()
        decoder.keyDecodingStrategy = .convertFromSnakeCase
        return Self.text(try decoder.decode(Answer.self, from: Data(reply.body)))
    }

    private struct Answer: Decodable {
        let version: String
        let models: [Model]
    }

    private struct Model: Decodable {
        let name: String
        let ready: Bool
        let version: Int?
        let since: String?
        let created: String?
        let scores: Scores?
        let problem: String?
        let retrain: Retrain?
        let drift: Drift?
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
    }

    private static func text(_ answer: Answer) -> String {
        let models = answer.models.map { model -> String in
            var lines = [head(model)]
            if let problem = model.problem { lines.append("  refused   \(problem)") }
            if let retrain = model.retrain { lines.append(contentsOf: text(retrain)) }
            if let drift = model.drift {
                let alarm = drift.alarm.map { "ALARM (\($0))" } ?? "no alarm"
                lines.append(
                    "  drift     \(alarm), evidence \(rounded(drift.evidence)) of "
                        + "\(rounded(drift.threshold)) nats, \(drift.rows) rows"
                )
            }
            return lines.joined(separator: "\n")
        }
        return (["leeway \(answer.version)"] + models).joined(separator: "\n")
    }

    private static func head(_ model: Model) -> String {
        guard let version = model.version else { return "\(model.name): no version yet" }
        let score =
            model.scores?.accuracy.map { ", accuracy \(rounded($0))" }
            ?? model.scores?.meanAbsoluteError.map { ", mean absolute error \(rounded($0))" } ?? ""
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

    private static func rounded(_ value: Double) -> String {
        String((value * 10_000).rounded() / 10_000)
    }
}

/// The appliance answered, but not with its status.
package struct StatusError: Error, Sendable, CustomStringConvertible {
    /// The HTTP status.
    package let status: Int
    /// The beginning of the answer.
    package let body: String

    /// What is wrong.
    package var description: String { "the appliance answered \(status): \(body)" }
}

extension String {
    fileprivate var trimmedEnd: String {
        var text = self
        while text.last?.isWhitespace == true { text.removeLast() }
        return text
    }
}
