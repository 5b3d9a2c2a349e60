internal import Synchronization
package import Telemetry

/// Where traces are sent, and as whom.
package struct TraceTarget: Sendable, Equatable {
    /// The URL of an OTLP/HTTP receiver, with its path: `https://collector:4318/v1/traces`.
    package var url: String
    /// Certificate authorities (PEM) of the receiver in place of the system's.
    package var caFile: String?
    /// Further header fields, such as a key.
    package var headers: [(name: String, value: String)] = []
    /// The version of the service.
    package var version: String
    /// What tells replicas of the service apart.
    package var instance: String

    /// Names a receiver.
    package init(url: String, caFile: String?, version: String, instance: String) {
        self.url = url
        self.caFile = caFile
        self.version = version
        self.instance = instance
    }

    /// Compares all.
    package static func == (left: TraceTarget, right: TraceTarget) -> Bool {
        left.url == right.url && left.caFile == right.caFile && left.version == right.version
            && left.instance == right.instance
            && left.headers.elementsEqual(right.headers) { $0 == $1 }
    }
}

/// Sends what a collector has taken in to an OTLP/HTTP receiver, from a thread of its own.
///
/// A receiver that is away or busy is tried again, ever more slowly, with the same batch; what
/// gathers meanwhile is bounded, and what finds no room is counted.
package final class TraceExporter: Sendable {
    private let target: TraceTarget
    private let collector: TraceCollector
    private let isEnding = Atomic(false)

    private static let spansMax = 512
    private static let tickMilliseconds = 100
    private static let ticksPerExport = 10
    private static let ticksOfPauseMax = 300

    /// Makes an exporter; nothing is sent yet.
    package init(_ target: TraceTarget, _ collector: TraceCollector) {
        self.target = target
        self.collector = collector
    }

    /// Exports until the task is cancelled, and once more then.
    ///
    /// - Throws: ``TransferError`` when there is no thread or no libcurl to be had.
    package func run() async throws {
        try await withTaskCancellationHandler {
            try await BlockingThread.run { try self.exportAll() }
        } onCancel: {
            isEnding.store(true, ordering: .relaxed)
        }
    }

    private func exportAll() throws {
        var session = try HTTPSession(
            HTTPSessionSettings(
                caFile: target.caFile,
                // Whoever writes http:// wants it; a collector beside us mostly speaks no TLS.
                allowsPlaintext: true,
                bodyBytesMax: 64 << 10,
                connectSecondsMax: 5,
                totalSecondsMax: 10,
                userAgent: "leeway/\(target.version)"
            )
        )
        var waiting: [TraceSpan] = []
        var pause = 1
        while true {
            let ending = waitTicks(Self.ticksPerExport * pause)
            if waiting.isEmpty { waiting = collector.take() }
            while !waiting.isEmpty {
                let batch = Array(waiting.prefix(Self.spansMax))
                guard send(batch, &session) else { break }
                waiting.removeFirst(batch.count)
            }
            if ending {
                if !waiting.isEmpty { collector.metrics.dropped.add(UInt64(waiting.count)) }
                return
            }
            let isAway = !waiting.isEmpty
            pause = isAway ? min(pause * 2, Self.ticksOfPauseMax / Self.ticksPerExport) : 1
        }
    }

    /// Waits so many ticks, or until the end is asked for.
    private func waitTicks(_ count: Int) -> Bool {
        for _ in 0..<count {
            if isEnding.load(ordering: .relaxed) { return true }
            BlockingThread.sleep(.milliseconds(Self.tickMilliseconds))
        }
        return isEnding.load(ordering: .relaxed)
    }

    /// Sends one batch; false when it is worth trying again.
    private func send(_ batch: [TraceSpan], _ session: inout HTTPSession) -> Bool {
        let body = OTLPTraces.message(
            batch,
            service: "leeway",
            version: target.version,
            instance: target.instance
        )
        let outcome: TraceMetrics.Outcome
        do throws(TransferError) {
            let reply = try session.post(
                target.url,
                body: body,
                headers: [("Content-Type", OTLPTraces.contentType)] + target.headers
            )
            outcome = Self.outcome(reply.status)
        } catch {
            outcome = .unavailable
        }
        collector.metrics.sent(outcome, spans: batch.count)
        return outcome != .unavailable
    }

    /// The statuses that OTLP/HTTP names as worth another try.
    private static func outcome(_ status: Int) -> TraceMetrics.Outcome {
        switch status {
        case 200..<300: .accepted
        case 429, 502, 503, 504: .unavailable
        default: .refused
        }
    }
}
