internal import Glibc
internal import Logging
internal import Telemetry

/// The log of a process: one sink on standard error or a file, and the handlers that write to it.
struct ApplianceLogging: Sendable {
    /// Where the lines go.
    let sink: LogSink
    /// The least severe level that is written, now.
    let levels: LogLevelSwitch
    private let settings: LogSettings
    private let counts: LogMessageCounts?

    /// Starts the sink.
    ///
    /// - Parameters:
    ///   - settings: What is logged, and how.
    ///   - registry: Where lines are counted; nil for nowhere.
    /// - Throws: `TelemetryError`.
    init(_ settings: LogSettings, registry: MetricRegistry? = nil) throws {
        self.settings = settings
        levels = LogLevelSwitch(settings.level.level)
        sink =
            try settings.file.map { try LogSink(path: $0) } ?? LogSink(descriptor: STDERR_FILENO)
        if let registry {
            try sink.register(in: registry)
            counts = try LogMessageCounts(in: registry)
        } else {
            counts = nil
        }
    }

    /// A logger for what must be told whatever the level is.
    func auditLogger() -> Logger {
        var logger = logger("audit")
        logger.logLevel = .trace
        return logger
    }

    /// A logger for one part.
    func logger(_ part: String) -> Logger {
        let label = "leeway.\(part)"
        return Logger(label: label) { label -> any LogHandler in
            switch settings.format {
            case .json:
                JSONLogHandler(
                    label: label,
                    fields: settings.fields == .otel ? .otel : .ecs,
                    sink: sink,
                    levels: levels,
                    counts: counts
                )
            case .text:
                TextLogHandler(
                    label: label,
                    sink: sink,
                    colour: sink.isTerminal,
                    levels: levels,
                    counts: counts
                )
            }
        }
    }
}

extension LogSettings.Level {
    /// As swift-log has it; the words are the same.
    var level: Logger.Level { Logger.Level(rawValue: rawValue) ?? .info }
}
