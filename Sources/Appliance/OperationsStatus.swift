internal import Drift
internal import FoundationEssentials
internal import Logging
internal import ModelStore
internal import Retraining
internal import Serving
internal import Telemetry

/// The answer of `/status`: what somebody wants to know at a glance.
struct ApplianceStatus: Encodable, Sendable {
    let version: String
    /// Unix seconds.
    let started: Int64
    let logLevel: String
    let traffic: TrafficHistory.Report
    let models: [Model]

    enum CodingKeys: String, CodingKey {
        case version, started, traffic, models
        case logLevel = "log_level"
    }

    /// One model.
    struct Model: Encodable, Sendable {
        let name: String
        let ready: Bool
        let version: Int?
        let digest: String?
        let since: String?
        let created: Date?
        let scores: Scores?
        let problem: String?
        let retrain: RetrainingSupervisor.Status?
        let drift: Drift?
        /// The candidate on its way; nil when there is none.
        let release: ReleaseSummary?
        /// The version that answers everybody and may still be taken back; nil when there is none.
        let watch: ReleaseSummary?
        /// The version that automation leaves in its place; nil when none is pinned.
        let pinned: Int?
        /// The newest entries, the newest first.
        let journal: [JournalEntry]
    }

    /// The monitor of a model.
    struct Drift: Encodable, Sendable {
        let rows: UInt64
        let evidence: Double
        let threshold: Double
        let alarm: DriftSeverity?
        let cause: DriftFinding?
        /// Rows since what raised the alarm is back at rest; nil while it lasts.
        let quietRows: UInt64?
        /// Those with the most evidence, the strongest first.
        let streams: [Stream]

        static let streamsMax = 8

        private enum CodingKeys: String, CodingKey {
            case rows, evidence, threshold, alarm, cause, streams
            case quietRows = "quiet_rows"
        }

        init(_ report: DriftReport) {
            let summary = report.summary
            rows = summary.rows
            evidence = summary.evidence
            threshold = summary.threshold
            alarm = report.verdict.level
            cause = report.verdict.cause
            quietRows = report.quietRows
            let byEvidence = summary.streams.sorted { left, right in
                (left.evidence, left.populationStability ?? 0)
                    > (right.evidence, right.populationStability ?? 0)
            }
            streams = byEvidence.prefix(Self.streamsMax).map {
                Stream(
                    name: $0.name,
                    evidence: $0.evidence,
                    psi: $0.populationStability,
                    tv: $0.totalVariation,
                    tolerance: $0.tolerance
                )
            }
        }
    }

    /// One stream that the monitor watches.
    struct Stream: Encodable, Sendable {
        let name: String
        let evidence: Double
        let psi: Double?
        let tv: Double?
        let tolerance: Double
    }
}

extension Operations {
    private static var journalMax: Int { 5 }

    /// Gathers what `/status` tells.
    func status() async -> ApplianceStatus {
        var models: [ApplianceStatus.Model] = []
        for (model, follower) in zip(parts.settings.models, followers) {
            let live = await follower.current
            let directory = parts.directories[model.name]
            let journal = (try? directory?.history(newest: Self.journalMax)) ?? []
            models.append(
                ApplianceStatus.Model(
                    name: model.name,
                    ready: live != nil,
                    version: live?.version,
                    digest: live?.digest,
                    since: live?.since.rfc3339,
                    created: live?.manifest.created,
                    scores: live?.manifest.training.scores,
                    problem: await follower.lastProblem,
                    retrain: await supervisor.status(of: model.name),
                    drift: await drift.report(of: model.name).map { ApplianceStatus.Drift($0) },
                    release: await releases.summary(of: model.name),
                    watch: await releases.watchSummary(of: model.name),
                    pinned: directory?.pinnedVersion(),
                    journal: journal.reversed()
                )
            )
        }
        return ApplianceStatus(
            version: ApplianceVersion.text,
            started: parts.started,
            logLevel: "\(parts.logging.levels.level)",
            traffic: traffic.report,
            models: models
        )
    }
}
