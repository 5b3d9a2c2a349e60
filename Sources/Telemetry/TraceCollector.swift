import Synchronization

/// Which requests are traced, decided when they are over.
package struct TraceSettings: Sendable, Equatable {
    /// One of so many requests that are neither slow nor failed.
    package var sampleEvery = 1000
    /// From here on a request is slow, and always traced.
    package var slowNanoseconds: UInt64 = 250_000_000
    /// Requests of one event loop and second that are traced because their callers wish it.
    package var askedPerSecondMax = 100

    /// Traces failed and slow requests, and one in a thousand.
    package init() {}
}

/// What is counted of traces, whether any are wanted or not.
package struct TraceMetrics: Sendable {
    /// How one request to the receiver ended.
    package enum Outcome: String, CaseIterable, Sendable {
        /// It took the spans.
        case accepted
        /// It will never take them.
        case refused
        /// It may take them later.
        case unavailable
    }

    /// Traces and spans that were lost before they could be sent.
    package let dropped: Counter
    private let spans: [Outcome: Counter]
    private let exports: [Outcome: Counter]

    /// Declares the families.
    ///
    /// - Throws: ``TelemetryError`` when a name is taken.
    package init(_ registry: MetricRegistry) throws(TelemetryError) {
        dropped = try registry.counter(
            "leeway_trace_dropped_total",
            help: "Traces and spans that were lost before they could be exported."
        ).series()
        let spans = try registry.counter(
            "leeway_trace_spans_total",
            help: "Spans sent to the collector of traces, by what became of them.",
            labels: ["result"]
        )
        let exports = try registry.counter(
            "leeway_trace_exports_total",
            help: "Requests to the collector of traces, by how they ended.",
            labels: ["result"]
        )
        self.spans = Dictionary(
            uniqueKeysWithValues: [Outcome.accepted, .refused].map {
                ($0, spans.series([$0.rawValue]))
            }
        )
        self.exports = Dictionary(
            uniqueKeysWithValues: Outcome.allCases.map { ($0, exports.series([$0.rawValue])) }
        )
    }

    /// Counts a request to the receiver with so many spans.
    package func sent(_ outcome: Outcome, spans count: Int) {
        exports[outcome]?.add()
        spans[outcome]?.add(UInt64(max(0, count)))
    }
}

/// Takes in what is traced until it is exported: a bounded buffer for each event loop, and one for
/// the rest.
package final class TraceCollector: Sendable {
    /// What is counted.
    package let metrics: TraceMetrics
    /// Which requests are traced.
    package let settings: TraceSettings
    private let buffers = Mutex<[TraceBuffer]>([])
    private let spans = Mutex<[TraceSpan]>([])
    private static let spansMax = 4096

    /// Makes a collector.
    ///
    /// - Parameters:
    ///   - settings: Which requests are traced.
    ///   - metrics: Where lost spans are counted.
    package init(_ settings: TraceSettings, _ metrics: TraceMetrics) {
        self.settings = settings
        self.metrics = metrics
    }

    /// A tracer for one event loop.
    package func makeTracer() -> LoopTracer {
        let buffer = TraceBuffer()
        buffers.withLock { $0.append(buffer) }
        return LoopTracer(settings: settings, buffer: buffer, dropped: metrics.dropped)
    }

    /// Takes spans of work in the background.
    package func add(_ new: [TraceSpan]) {
        let fits = spans.withLock { spans in
            guard spans.count + new.count <= Self.spansMax else { return false }
            spans.append(contentsOf: new)
            return true
        }
        if !fits { metrics.dropped.add(UInt64(new.count)) }
    }

    /// Gives what was taken in since the last call.
    package func take() -> [TraceSpan] {
        var taken = spans.withLock { spans in
            defer { spans = [] }
            return spans
        }
        for buffer in buffers.withLock({ $0 }) {
            for trace in buffer.take() { taken.append(contentsOf: trace.spans) }
        }
        return taken
    }
}

/// The traced requests of one event loop; full means that the exporter does not keep up.
final class TraceBuffer: Sendable {
    private static let tracesMax = 1024
    private let traces = Mutex<[RequestTrace]>([])

    /// Adds a trace, unless there is no room or the exporter is just taking them.
    func add(_ trace: RequestTrace) -> Bool {
        traces.withLockIfAvailable { traces in
            guard traces.count < Self.tracesMax else { return false }
            traces.append(trace)
            return true
        } ?? false
    }

    func take() -> [RequestTrace] {
        traces.withLock { traces in
            var taken: [RequestTrace] = []
            swap(&taken, &traces)
            return taken
        }
    }
}

/// Decides on one event loop which requests are traced, and keeps those.
package struct LoopTracer {
    private let settings: TraceSettings
    private let buffer: TraceBuffer
    private let dropped: Counter
    private var skipped = 0
    private var asked = 0
    private var askedSecond: UInt64 = 0

    init(settings: TraceSettings, buffer: TraceBuffer, dropped: Counter) {
        self.settings = settings
        self.buffer = buffer
        self.dropped = dropped
        // The first request after the start is one that is traced.
        skipped = max(0, settings.sampleEvery - 1)
    }

    /// Whether a request that is over is traced: it failed, was slow, was asked for, or is its turn.
    ///
    /// - Parameters:
    ///   - status: Of the answer.
    ///   - nanoseconds: How long it took.
    ///   - isAsked: Whether the caller traces it; heeded up to a rate, since anybody may say so.
    ///   - second: The second of a clock that does not go back.
    /// - Returns: Whether to keep it.
    package mutating func admits(
        status: Int,
        nanoseconds: UInt64,
        isAsked: Bool,
        second: UInt64
    ) -> Bool {
        if status >= 500 || nanoseconds >= settings.slowNanoseconds { return true }
        if isAsked {
            if second != askedSecond { (askedSecond, asked) = (second, 0) }
            asked += 1
            if asked <= settings.askedPerSecondMax { return true }
        }
        skipped += 1
        guard skipped >= settings.sampleEvery else { return false }
        skipped = 0
        return true
    }

    /// Keeps a request; never waits.
    package func keep(_ trace: RequestTrace) {
        if !buffer.add(trace) { dropped.add() }
    }
}
