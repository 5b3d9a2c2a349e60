internal import FoundationEssentials
internal import Synchronization
package import Retraining

/// Runs a replay and puts its figures into lines: one a second, and one at the end.
package struct ReplayJob: Sendable {
    private let plan: ReplayPlan
    private let data: LabelledRows
    private let json: Bool

    /// Takes what to send, and the form of the lines.
    package init(plan: ReplayPlan, data: LabelledRows, json: Bool) {
        self.plan = plan
        self.data = data
        self.json = json
    }

    /// Sends everything.
    ///
    /// - Parameter line: Called with each line.
    /// - Throws: ``ReplayError``; ``ReplayFailed`` at the end when a request was not answered.
    package func run(_ line: @escaping @Sendable (String) -> Void) async throws {
        let replay = try Replay(plan: plan, data: data)
        let failures = Failures()
        let total = replay.requestCount
        try await replay.run { report, sent in
            failures.add(report)
            if report.answered + report.failed == 0 { return }
            line(json ? Self.jsonLine(report) : Self.textLine(report, sent: sent, of: total))
        }
        let failed = failures.count
        guard failed.count == 0 else {
            throw ReplayFailed(count: failed.count, of: total, last: failed.last ?? "")
        }
    }

    private final class Failures: Sendable {
        private let state = Mutex((count: 0, last: String?.none))

        var count: (count: Int, last: String?) { state.withLock { $0 } }

        func add(_ report: ReplayTally.Report) {
            state.withLock { state in
                state.count += report.failed
                state.last = report.lastFailure ?? state.last
            }
        }
    }

    private static func jsonLine(_ report: ReplayTally.Report) -> String {
        let encoder = JSONEncoder()
        encoder.outputFormatting = [.sortedKeys]
        return (try? encoder.encode(report)).map { String(decoding: $0, as: UTF8.self) } ?? "{}"
    }

    private static func textLine(_ report: ReplayTally.Report, sent: Int, of total: Int) -> String {
        var parts = ["\(sent)/\(total)"]
        if let accuracy = report.accuracy { parts.append("accuracy \(fixed(accuracy, 4))") }
        if let error = report.meanAbsoluteError { parts.append("error \(fixed(error, 4))") }
        parts.append("median \(fixed(report.medianMilliseconds, 2)) ms")
        parts.append("p99 \(fixed(report.p99Milliseconds, 2)) ms")
        let versions = report.versions.keys.sorted { (Int($0) ?? 0) < (Int($1) ?? 0) }
        parts.append("version \(versions.joined(separator: ", "))")
        if report.failed > 0 {
            parts.append("FAILED \(report.failed): \(report.lastFailure ?? "")")
        }
        return parts.joined(separator: "  ")
    }
}

/// Some requests of a replay were not answered with a prediction.
package struct ReplayFailed: Error, Sendable, CustomStringConvertible {
    /// How many.
    package let count: Int
    /// Of how many.
    package let of: Int
    /// The last one in words.
    package let last: String

    /// What is wrong.
    package var description: String { "replay: \(count) of \(of) requests failed: \(last)" }
}
