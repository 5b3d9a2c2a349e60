package import Logging

/// Counts what is logged, by level.
package struct LogMessageCounts: Sendable {
    private let counters: [Logger.Level: Counter]

    /// Declares `leeway_log_messages_total`, with every level from the start.
    ///
    /// - Throws: ``TelemetryError`` when the name is taken.
    package init(in registry: MetricRegistry) throws(TelemetryError) {
        let family = try registry.counter(
            "leeway_log_messages_total",
            help: "Messages logged, by level.",
            labels: ["level"]
        )
        var counters: [Logger.Level: Counter] = [:]
        for level in Logger.Level.allCases { counters[level] = family.series([level.rawValue]) }
        self.counters = counters
    }

    /// Counts a message.
    package func add(_ level: Logger.Level) { counters[level]?.add() }
}
