package import Logging

/// Writes what the program logs as lines for people.
///
/// `2026-11-23T20:59:06.123456Z INFO    leeway.serving: model swapped model.version=4`. Control
/// characters are escaped as in the JSON form, so that a line stays a line.
package struct TextLogHandler: LogHandler {
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
    private let sink: LogSink
    private let colour: Bool
    private let counts: LogMessageCounts?
    private let clock: @Sendable () -> WallTime

    /// Makes a handler.
    ///
    /// - Parameters:
    ///   - label: The logger's label, the scope of its lines.
    ///   - sink: Where lines go.
    ///   - colour: Whether the level is coloured; for a terminal, see ``LogSink/isTerminal``.
    ///   - level: The least serious level that is written, where there is no switch.
    ///   - levels: The level of all loggers that have it, changed while they are in use.
    ///   - counts: Counts the lines by level.
    ///   - clock: Gives the time of a line.
    package init(
        label: String,
        sink: LogSink,
        colour: Bool,
        level: Logger.Level = .info,
        levels: LogLevelSwitch? = nil,
        counts: LogMessageCounts? = nil,
        clock: @escaping @Sendable () -> WallTime = WallTime.now
    ) {
        self.label = label
        self.sink = sink
        self.colour = colour
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
        let time = clock()
        var line = LineBuffer(capacity: Self.bytesMax)
        line.edit { writer in
            time.write(to: &writer)
            writer.write(UInt8(ascii: " "))
            write(event.level, to: &writer)
            write(label, to: &writer)
            writer.write(": ")
            write(event.message.description, to: &writer)
            if let error = event.error { write(key: "error", "\(error)", to: &writer) }
            for (key, value) in metadata.sorted(by: { $0.key < $1.key }) {
                write(key: key, "\(value)", to: &writer)
            }
            writer.write(UInt8(ascii: "\n"))
        }
        sink.submit(bytes: line.span)
    }

    private func write(_ level: Logger.Level, to line: inout LineWriter) {
        let severity = LogSeverity(level)
        if colour {
            switch level {
            case .trace, .debug: line.write("\u{1b}[2m")
            case .info, .notice: line.write("\u{1b}[32m")
            case .warning: line.write("\u{1b}[33m")
            case .error, .critical: line.write("\u{1b}[31m")
            }
        }
        line.write(severity.text)
        if colour { line.write("\u{1b}[0m") }
        for _ in severity.text.utf8CodeUnitCount..<7 { line.write(UInt8(ascii: " ")) }
    }

    private func write(_ text: String, to line: inout LineWriter) {
        line.write(controlsOf: text.utf8.span, limit: Self.partsBytesMax)
    }

    private func write(key: String, _ value: String, to line: inout LineWriter) {
        guard line.count < Self.partsBytesMax else { return }
        line.write(UInt8(ascii: " "))
        write(key, to: &line)
        line.write(UInt8(ascii: "="))
        let isPlain = value.utf8.allSatisfy { $0 > 0x20 && $0 != 0x22 && $0 != 0x5c && $0 != 0x3d }
        if isPlain, !value.isEmpty {
            write(value, to: &line)
        } else {
            line.write(UInt8(ascii: "\""))
            line.write(escaping: value.utf8.span, limit: Self.partsBytesMax)
            line.write(UInt8(ascii: "\""))
        }
    }

    private static let bytesMax = 8192
    /// Where texts are cut, so that a line stays below the size of a JSON line.
    private static let partsBytesMax = 8000
}
