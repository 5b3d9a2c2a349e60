internal import HTTPTransport
internal import NIOCore
internal import Telemetry

/// How long the phases of one prediction took, in nanoseconds; each ends where the next begins.
struct PredictionTimes {
    var parse: UInt64
    var queue: UInt64 = 0
    var compute: UInt64 = 0
    var monitor: UInt64 = 0
    var serialise: UInt64 = 0
    private let start: NIODeadline
    /// When the last phase ended.
    private(set) var last: NIODeadline

    /// Begins now, with what was spent before.
    init(parse: UInt64 = 0) {
        self.parse = parse
        start = .now()
        last = start
    }

    /// The same for a trace.
    var phases: PhaseTimes {
        var phases = PhaseTimes()
        (phases.parse, phases.queue, phases.compute) = (parse, queue, compute)
        (phases.monitor, phases.serialise) = (monitor, serialise)
        return phases
    }

    /// Nanoseconds since it began.
    var sinceStart: UInt64 { UInt64(max(0, (NIODeadline.now() - start).nanoseconds)) }

    /// Ends the network's own work, to which the batcher may have contributed before.
    mutating func endCompute(_ metrics: ServedModelMetrics, _ shard: Int) {
        compute &+= lap()
        metrics.observe(.compute, compute, shard)
    }

    /// Ends a phase, and counts it.
    ///
    /// - Returns: Its nanoseconds.
    mutating func end(
        _ phase: AnswerMetrics.Phase,
        _ metrics: ServedModelMetrics,
        _ shard: Int
    ) -> UInt64 {
        let nanoseconds = lap()
        metrics.observe(phase, nanoseconds, shard)
        return nanoseconds
    }

    private mutating func lap() -> UInt64 {
        let now = NIODeadline.now()
        defer { last = now }
        return UInt64(max(0, (now - last).nanoseconds))
    }

    /// The same for the client.
    var header: ServerTiming {
        ServerTiming(
            parse: parse,
            queue: queue,
            compute: compute,
            monitor: monitor,
            serialise: serialise
        )
    }
}
