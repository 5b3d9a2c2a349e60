package import Logging

/// Which names the fields of a JSON log line have.
package enum LogFieldNames: String, Sendable, CaseIterable {
    /// OpenTelemetry's log data model.
    case otel
    /// Elastic Common Schema.
    case ecs
}

/// Metadata keys that have a place of their own in a log line.
package enum LogKey {
    /// The number of a request, which its answer carries, too.
    package static let requestIdentifier = "request.id"
    /// The trace of a request, 32 hexadecimal digits.
    package static let traceIdentifier = "trace.id"
    /// The span within the trace, 16 hexadecimal digits.
    package static let spanIdentifier = "span.id"
}

/// How serious a log line is, in OpenTelemetry's and ECS' words.
struct LogSeverity: Sendable {
    /// The upper-case word that OpenTelemetry's `SeverityText` has here.
    let text: StaticString
    /// OpenTelemetry's `SeverityNumber`, 1 to 24.
    let number: Int
    /// The lower-case word of ECS' `log.level`.
    let word: StaticString

    init(_ level: Logger.Level) {
        (text, number, word) =
            switch level {
            case .trace: ("TRACE", 1, "trace")
            case .debug: ("DEBUG", 5, "debug")
            case .info: ("INFO", 9, "info")
            case .notice: ("NOTICE", 10, "notice")
            case .warning: ("WARN", 13, "warning")
            case .error: ("ERROR", 17, "error")
            case .critical: ("FATAL", 21, "critical")
            }
    }
}

extension JSONLine {
    /// Begins a log record: when, how serious, what, and which trace.
    ///
    /// Members added after it are the record's attributes (in OpenTelemetry's form within
    /// `Attributes`, in ECS' form beside the others), so their names must be those of the semantic
    /// conventions. ``finish()`` closes all.
    ///
    /// - Parameters:
    ///   - names: The form of the record.
    ///   - time: When it happened.
    ///   - level: How serious it is.
    ///   - body: What happened, a constant.
    ///   - scope: The part of the program that says so.
    ///   - trace: The trace that it belongs to.
    ///   - span: This process' own span in the trace; by default the caller's.
    package mutating func beginRecord(
        _ names: LogFieldNames,
        time: WallTime,
        level: Logger.Level,
        body: StaticString,
        scope: StaticString,
        trace: TraceContext? = nil,
        span: UInt64? = nil
    ) {
        let severity = LogSeverity(level)
        switch names {
        case .otel:
            member("Timestamp", time)
            addSeverity(names, severity, body: body)
            if let trace {
                member("TraceId", trace.identifier)
                member("SpanId", hexadecimal: span ?? trace.parentIdentifier)
            }
            addScope(names, scope)
            beginObject("Attributes")
        case .ecs:
            member("@timestamp", time)
            addSeverity(names, severity, body: body)
            addScope(names, scope)
            if let trace {
                member("trace.id", trace.identifier)
                member("span.id", hexadecimal: span ?? trace.parentIdentifier)
            }
        }
    }

    fileprivate mutating func addSeverity(
        _ names: LogFieldNames,
        _ severity: LogSeverity,
        body: StaticString
    ) {
        switch names {
        case .otel:
            member("SeverityText", constant: severity.text)
            member("SeverityNumber", severity.number)
            member("Body", constant: body)
        case .ecs:
            member("log.level", constant: severity.word)
            member("message", constant: body)
            member("ecs.version", constant: Self.ecsVersion)
        }
    }

    fileprivate mutating func addScope(_ names: LogFieldNames, _ scope: StaticString) {
        switch names {
        case .otel:
            beginObject("InstrumentationScope")
            member("Name", constant: scope)
            endObject()
        case .ecs:
            member("log.logger", constant: scope)
        }
    }

    /// Begins a log record of a kind that was prepared before.
    ///
    /// - Parameters:
    ///   - kind: What is the same in all records of its kind.
    ///   - time: When it happened.
    ///   - trace: The trace that it belongs to.
    ///   - span: This process' own span in the trace; by default the caller's.
    package mutating func beginRecord(
        _ kind: LogRecordKind,
        time: WallTime,
        trace: TraceContext? = nil,
        span: UInt64? = nil
    ) {
        switch kind.names {
        case .otel:
            member("Timestamp", time)
            members(kind.severity)
            if let trace {
                member("TraceId", trace.identifier)
                member("SpanId", hexadecimal: span ?? trace.parentIdentifier)
            }
            members(kind.scope)
            beginObject("Attributes")
        case .ecs:
            member("@timestamp", time)
            members(kind.severity)
            members(kind.scope)
            if let trace {
                member("trace.id", trace.identifier)
                member("span.id", hexadecimal: span ?? trace.parentIdentifier)
            }
        }
    }

    /// The version of ECS whose names are used.
    static let ecsVersion: StaticString = "8.11.0"
}

/// What is the same in all log records of one kind, written out once.
package struct LogRecordKind: Sendable {
    let names: LogFieldNames
    let severity: RenderedMembers
    let scope: RenderedMembers

    /// Writes it out.
    ///
    /// - Parameters:
    ///   - names: The form of the records.
    ///   - level: How serious they are.
    ///   - body: What happened, a constant.
    ///   - scope: The part of the program that says so.
    package init(
        _ names: LogFieldNames,
        level: Logger.Level,
        body: StaticString,
        scope: StaticString
    ) {
        self.names = names
        severity = RenderedMembers { $0.addSeverity(names, LogSeverity(level), body: body) }
        self.scope = RenderedMembers { $0.addScope(names, scope) }
    }
}
