internal import Drift
internal import Logging
internal import Telemetry

extension ModelHealth {
    /// What a log line tells of the verdict.
    func metadata(
        model: String,
        version: Int,
        digest: String,
        _ monitor: DriftMonitor
    ) -> Logger.Metadata {
        let attribution = DriftAttribution(monitor, clock: clock)
        var metadata: Logger.Metadata = [
            "event.name": "drift.alarm", "model": "\(model)", "model.version": "\(version)",
            "model.digest": "\(digest)", "drift.level": "\(verdict.level?.rawValue ?? "none")",
            "drift.cause": "\(verdict.cause?.rawValue ?? "none")",
            "drift.reason": "\(verdict.reason)", "drift.evidence": "\(monitor.evidence)",
            "drift.threshold": "\(monitor.threshold)", "drift.row": "\(monitor.rows)",
        ]
        if let alarm = monitor.alarm {
            let streams = alarm.suspects.map(\.stream).joined(separator: ",")
            metadata["drift.streams"] = "\(streams)"
        }
        if let change = attribution.change {
            metadata["drift.changed_after_row"] = "\(change.afterRow)"
            metadata["drift.rows_ago"] = "\(change.rowsAgo)"
            if let seconds = change.seconds {
                let time = WallTime(nanosecondsSinceEpoch: Int64(seconds * 1e9))
                metadata["drift.since"] = "\(time.rfc3339)"
            }
        }
        if let estimate = performance?.estimate, let cbpe = estimate.cbpe {
            metadata["drift.estimated_accuracy"] = "\(cbpe.accuracy)"
            metadata["drift.holdout_accuracy"] = "\(estimate.holdoutAccuracy)"
        }
        return metadata
    }
}
