internal import Logging
internal import ModelStore
internal import Serving
internal import Telemetry

/// Tells who has changed the state of the appliance, or was kept from it.
///
/// Its lines are written at every level of the log; each is an event `audit.ACTION`.
struct AuditLog: Sendable {
    /// What somebody did or wanted to do.
    enum Action: String, CaseIterable {
        case retrain, promote, rollback, pin, unpin, load, unload, acknowledge, reload, swap, access
        case logLevel = "log_level"
    }

    /// What became of it.
    enum Outcome: String, CaseIterable {
        case accepted, refused
    }

    private let logger: Logger
    private let events: CounterFamily

    /// - Throws: `TelemetryError` when the metric's name is taken.
    init(_ logging: ApplianceLogging, _ registry: MetricRegistry) throws {
        logger = logging.auditLogger()
        events = try registry.counter(
            "leeway_audit_events_total",
            help: "Changes of the appliance's state that somebody asked for, by what became of it.",
            labels: ["action", "outcome"]
        )
        for action in Action.allCases {
            for outcome in Outcome.allCases {
                _ = events.series([action.rawValue, outcome.rawValue])
            }
        }
    }

    /// Tells that a caller of the operations listener did something, or was refused.
    func record(
        _ action: Action,
        _ outcome: Outcome,
        by caller: OperationsActions.Caller,
        _ facts: Logger.Metadata = [:]
    ) {
        var metadata = facts
        metadata["audit.actor"] = "\(caller.actor)"
        metadata["client.address"] = "\(caller.address)"
        metadata["request.id"] = "\(caller.requestName)"
        record(action, outcome, metadata)
    }

    /// Tells which version went live, and who wanted it so, as the journal has it.
    func swapped(_ model: ActiveModel, _ directory: ModelDirectory) {
        let entry = try? directory.lastEntry {
            $0.version == model.version && $0.event != .refused
        }
        record(
            .swap,
            .accepted,
            [
                "model": "\(model.name)", "model.version": "\(model.version)",
                "audit.by": "\(entry?.actor ?? "unknown")", "reason": "\(entry?.reason ?? "")",
                "journal.event": "\(entry?.event.rawValue ?? "")",
            ]
        )
    }

    /// Tells that somebody did something, or was refused.
    func record(_ action: Action, _ outcome: Outcome, _ facts: Logger.Metadata) {
        events.series([action.rawValue, outcome.rawValue]).add()
        var metadata = facts
        metadata["event.name"] = "audit.\(action.rawValue)"
        metadata["audit.outcome"] = "\(outcome.rawValue)"
        logger.log(level: outcome == .refused ? .warning : .notice, "audit", metadata: metadata)
    }
}
