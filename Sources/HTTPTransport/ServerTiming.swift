/// How long the parts of an answer took, as the field `Server-Timing` tells it (W3C Server Timing).
///
/// In microseconds; what takes longer than an hour counts as an hour.
package struct ServerTiming: Sendable, Equatable {
    /// Reading the body.
    package var parse: UInt32
    /// Waiting for a turn.
    package var queue: UInt32
    /// The network's own work.
    package var compute: UInt32
    /// Counting for metrics and for the drift monitor.
    package var monitor: UInt32
    /// Writing the answer's body.
    package var serialise: UInt32

    /// Takes the parts, in nanoseconds.
    package init(
        parse: UInt64,
        queue: UInt64,
        compute: UInt64,
        monitor: UInt64,
        serialise: UInt64
    ) {
        self.parse = Self.microseconds(parse)
        self.queue = Self.microseconds(queue)
        self.compute = Self.microseconds(compute)
        self.monitor = Self.microseconds(monitor)
        self.serialise = Self.microseconds(serialise)
    }

    private static func microseconds(_ nanoseconds: UInt64) -> UInt32 {
        UInt32(min(nanoseconds / 1000, 3_600_000_000))
    }

    /// Appends the field, after a line that has no end yet; times are milliseconds.
    func write(to head: inout HeadWriter) {
        head.write("\r\nServer-Timing: parse;dur=")
        head.write(thousandths: parse)
        head.write(", queue;dur=")
        head.write(thousandths: queue)
        head.write(", compute;dur=")
        head.write(thousandths: compute)
        head.write(", monitor;dur=")
        head.write(thousandths: monitor)
        head.write(", serialise;dur=")
        head.write(thousandths: serialise)
    }
}
