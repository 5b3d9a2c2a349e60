import Glibc
import Synchronization

/// Where log lines go: a bounded queue, and a thread that writes it to a file descriptor.
///
/// A thread that logs never waits and makes no system call but, now and then, the one that wakes
/// the writer. What finds no room is dropped and counted. A descriptor that fails (reader gone,
/// disk full) costs the lines of that moment, never the process: `SIGPIPE` is blocked in the
/// writing thread. Use one sink for each descriptor.
package final class LogSink: Sendable {
    private let writer: LogWriter
    /// The file that is opened anew on request; nil when the descriptor is somebody else's.
    private let path: String?
    private let thread: Mutex<pthread_t?>

    /// Starts the writing thread.
    ///
    /// - Parameters:
    ///   - descriptor: Open for writing; it stays the caller's, who closes it after ``shutdown()``.
    ///   - capacityBytes: Room for lines that are not written yet; rounded up to a power of two.
    ///   - flushSecondsMax: How long ``shutdown()`` may write to a reader that does not read.
    /// - Throws: ``TelemetryError/logSink(operation:errorNumber:)``.
    package convenience init(
        descriptor: Int32,
        capacityBytes: Int = 1 << 20,
        flushSecondsMax: Int = 2
    ) throws(TelemetryError) {
        let writer = try LogWriter(
            descriptor: descriptor,
            capacityBytes: capacityBytes,
            flushSecondsMax: flushSecondsMax
        )
        try self.init(writer, path: nil)
    }

    /// Appends to a file, made when it is not there, readable by its owner and group.
    ///
    /// - Throws: ``TelemetryError/logSink(operation:errorNumber:)``.
    package convenience init(path: String) throws(TelemetryError) {
        let writer = try LogWriter(
            descriptor: Self.open(path),
            isOwned: true,
            capacityBytes: 1 << 20,
            flushSecondsMax: 2
        )
        try self.init(writer, path: path)
    }

    private static func open(_ path: String) throws(TelemetryError) -> Int32 {
        let flags = O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC | O_NOCTTY
        let descriptor = unsafe Glibc.open(path, flags, 0o640)
        guard descriptor >= 0 else { throw .logSink(operation: "open", errorNumber: errno) }
        return descriptor
    }

    /// Opens the file of the log anew, for whoever has moved the old one away.
    ///
    /// Lines that are queued may still go to the old file. When the new one cannot be opened, the
    /// old one stays in use.
    ///
    /// - Returns: Whether there is a file to open.
    /// - Throws: ``TelemetryError/logSink(operation:errorNumber:)``.
    @discardableResult
    package func reopen() throws(TelemetryError) -> Bool {
        guard let path else { return false }
        writer.replaceOutput(by: try Self.open(path))
        return true
    }

    private init(_ writer: LogWriter, path: String?) throws(TelemetryError) {
        self.writer = writer
        self.path = path
        var started = pthread_t()
        let context = unsafe Unmanaged.passRetained(writer)
        let result = unsafe pthread_create(&started, nil, writeLog, context.toOpaque())
        guard result == 0 else {
            unsafe context.release()
            throw .logSink(operation: "pthread_create", errorNumber: result)
        }
        thread = Mutex(started)
    }

    deinit {
        shutdown()
    }

    /// Queues a line; it is finished first.
    ///
    /// - Returns: Whether it found room; if not, it is counted in ``dropped(_:)``.
    @discardableResult
    package func submit(_ line: consuming JSONLine) -> Bool {
        line.finish()
        return writer.submit(line.span)
    }

    /// Queues the bytes of one line that ends with a line feed.
    ///
    /// - Returns: Whether it found room; if not, it is counted in ``dropped(_:)``.
    @discardableResult
    package func submit(bytes: Span<UInt8>) -> Bool {
        writer.submit(bytes)
    }

    /// Writes what is queued, ends the thread, and refuses lines from now on.
    ///
    /// May be called again.
    package func shutdown() {
        thread.withLock { thread in
            guard let running = thread else { return }
            thread = nil
            writer.beginShutdown()
            _ = pthread_join(running, nil)
        }
    }

    /// Whether the descriptor is a terminal, where colour is of use.
    package var isTerminal: Bool { writer.isTerminal }

    /// Lines lost for this reason.
    package func dropped(_ reason: LogDropReason) -> UInt64 { writer.dropped(reason) }

    /// Lines that the descriptor took.
    package var linesWritten: UInt64 { writer.linesWritten }

    /// Declares the log's own metrics; once for each registry.
    ///
    /// - Throws: ``TelemetryError`` when a name is taken.
    package func register(in registry: MetricRegistry) throws(TelemetryError) {
        let dropped = try registry.counter(
            "leeway_log_dropped_total",
            help: "Log lines that were not written, by reason.",
            labels: ["reason"]
        )
        let lines = try registry.counter(
            "leeway_log_lines_total",
            help: "Log lines written."
        ).series()
        let bytes = try registry.counter(
            "leeway_log_written_bytes_total",
            help: "Bytes of log lines written."
        ).series()
        let drops = LogDropReason.allCases.map { ($0, dropped.series([$0.rawValue])) }
        registry.onScrape { [writer] in
            for (reason, counter) in drops { counter.raise(to: writer.dropped(reason)) }
            lines.raise(to: writer.linesWritten)
            bytes.raise(to: writer.bytesWritten)
        }
    }
}

/// The body of the writing thread.
private func writeLog(_ context: UnsafeMutableRawPointer?) -> UnsafeMutableRawPointer? {
    guard let context = unsafe context else { return nil }
    // The context is the retained reference that `LogSink.init` handed over.
    let writer = unsafe Unmanaged<LogWriter>.fromOpaque(context).takeRetainedValue()
    // Signals are for other threads; and SIGPIPE must not end the process when a reader goes.
    var signals = sigset_t()
    unsafe sigfillset(&signals)
    unsafe pthread_sigmask(SIG_BLOCK, &signals, nil)
    nameThread("leeway-log")
    writer.run()
    return nil
}

/// Names the calling thread for `top -H` and the like; without /proc it has no effect.
private func nameThread(_ name: StaticString) {
    let descriptor = unsafe open("/proc/thread-self/comm", O_WRONLY | O_CLOEXEC)
    guard descriptor >= 0 else { return }
    // Bounds: the buffer is exactly the constant's bytes.
    name.withUTF8Buffer { _ = unsafe write(descriptor, $0.baseAddress, $0.count) }
    _ = close(descriptor)
}
