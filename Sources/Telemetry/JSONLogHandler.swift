package import Logging

/// Writes what the program logs through swift-log as one JSON object a line.
package struct JSONLogHandler: LogHandler {
    /// The least serious level that is written: the logger's own, or that of all.
    package var logLevel: Logger.Level {
        get { ownLevel ?? levels.level }
        set { ownLevel = newValue }
    }

    private var ownLevel: Logger.Level?
    private let levels: LogLevelSwitch
    /// What every line of this logger carries.
    package var metadata: Logger.Metadata = [:]
    /// What every line takes from its surroundings, such as the request it belongs to.
    package var metadataProvider: Logger.MetadataProvider?

    private let label: String
    private let fields: LogFieldNames
    private let sink: LogSink
    private let counts: LogMessageCounts?
    private let clock: @Sendable () -> WallTime

    /// Makes a handler.
    ///
    /// - Parameters:
    ///   - label: The logger's label, the scope of its lines.
    ///   - fields: The form of the lines.
    ///   - sink: Where lines go.
    ///   - level: The least serious level that is written, where there is no switch.
    ///   - levels: The level of all loggers that have it, changed while they are in use.
    ///   - counts: Counts the lines by level.
    ///   - clock: Gives the time of a line.
    package init(
        label: String,
        fields: LogFieldNames = .otel,
        sink: LogSink,
        level: Logger.Level = .info,
        levels: LogLevelSwitch? = nil,
        counts: LogMessageCounts? = nil,
        clock: @escaping @Sendable () -> WallTime = WallTime.now
    ) {
        self.label = label
        self.fields = fields
        self.sink = sink
        self.counts = counts
        self.clock = clock
        self.levels = levels ?? LogLevelSwitch(level)
    }

    /// Reads or changes one key of the logger's metadata.
    package subscript(metadataKey key: String) -> Logger.Metadata.Value? {
        get { metadata[key] }
        set { metadata[key] = newValue }
    }

    /// Queues a line; never waits.
    package func log(event: LogEvent) {
        counts?.add(event.level)
        let metadata = event.merged(with: metadata, metadataProvider)
        var line = JSONLine()
        switch fields {
        case .otel: writeOTel(event, metadata, &line)
        case .ecs: writeECS(event, metadata, &line)
        }
        sink.submit(line)
    }

    private func writeOTel(
        _ event: LogEvent,
        _ metadata: Logger.Metadata,
        _ line: inout JSONLine
    ) {
        let severity = LogSeverity(event.level)
        line.member("Timestamp", clock())
        line.member("SeverityText", constant: severity.text)
        line.member("SeverityNumber", severity.number)
        line.member("Body", event.message.description, bytesMax: Self.bodyBytesMax)
        if let trace = metadata[LogKey.traceIdentifier] { line.member("TraceId", "\(trace)") }
        if let span = metadata[LogKey.spanIdentifier] { line.member("SpanId", "\(span)") }
        line.beginObject("InstrumentationScope")
        line.member("Name", label)
        line.endObject()
        line.beginObject("Attributes")
        if let error = event.error {
            line.member("exception.type", "\(type(of: error))")
            line.member("exception.message", "\(error)", bytesMax: Self.bodyBytesMax)
        }
        if event.level >= .error {
            line.member("code.file.path", event.file)
            line.member("code.line.number", UInt64(event.line))
        }
        line.members(metadata)
        line.endObject()
    }

    private func writeECS(
        _ event: LogEvent,
        _ metadata: Logger.Metadata,
        _ line: inout JSONLine
    ) {
        line.member("@timestamp", clock())
        line.member("log.level", constant: LogSeverity(event.level).word)
        line.member("message", event.message.description, bytesMax: Self.bodyBytesMax)
        line.member("ecs.version", constant: JSONLine.ecsVersion)
        line.member("log.logger", label)
        if let trace = metadata[LogKey.traceIdentifier] { line.member("trace.id", "\(trace)") }
        if let span = metadata[LogKey.spanIdentifier] { line.member("span.id", "\(span)") }
        if let error = event.error {
            line.member("error.type", "\(type(of: error))")
            line.member("error.message", "\(error)", bytesMax: Self.bodyBytesMax)
        }
        if event.level >= .error {
            line.member("log.origin.file.name", event.file)
            line.member("log.origin.file.line", UInt64(event.line))
        }
        line.beginObject("labels")
        line.members(metadata)
        line.endObject()
    }

    /// How much of a message or an error is written, so that the metadata has room, too.
    private static let bodyBytesMax = 4096
}

extension LogEvent {
    /// The line's metadata: the logger's own, then the provider's, then the event's.
    func merged(
        with own: Logger.Metadata,
        _ provider: Logger.MetadataProvider?
    ) -> Logger.Metadata {
        var merged = own
        if let provided = provider?.get() { merged.merge(provided) { $1 } }
        if let metadata { merged.merge(metadata) { $1 } }
        return merged
    }
}

extension JSONLine {
    /// Adds metadata in the order of its keys, without what has a place of its own.
    mutating func members(_ metadata: Logger.Metadata) {
        for (key, value) in metadata.sorted(by: { $0.key < $1.key }) {
            if key == LogKey.traceIdentifier || key == LogKey.spanIdentifier { continue }
            member(key: key, value)
        }
    }

    private mutating func member(key: String, _ value: Logger.Metadata.Value) {
        switch value {
        case .string(let text): member(key: key, text)
        case .stringConvertible(let value): member(key: key, value.description)
        case .array(let values):
            beginArray(key: key)
            for value in values { element("\(value)") }
            endArray()
        case .dictionary(let values):
            beginObject(key: key)
            for (key, value) in values.sorted(by: { $0.key < $1.key }) { member(key: key, value) }
            endObject()
        }
    }
}
