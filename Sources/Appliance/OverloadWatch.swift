internal import HTTPTransport
internal import Logging
internal import Telemetry

/// Tells the listener for predictions what to give up while memory or descriptors run short.
struct OverloadWatch: Sendable {
    /// What the listener is told.
    let state = OverloadState()
    private let memoryBytesMax: UInt64?
    private let gauges: [(level: OverloadState.Level, gauge: Gauge)]
    private let logger: Logger

    private static let interval = Duration.milliseconds(250)

    /// - Throws: `TelemetryError` when the metric's name is taken.
    init(_ parts: ApplianceParts) throws {
        let wanted = parts.settings.memoryBytesMax
        memoryBytesMax = wanted > 0 ? UInt64(wanted) : ProcessUsage.containerBytesMax()
        logger = parts.logging.logger("overload")
        let levels: [(level: OverloadState.Level, name: String)] = [
            (.endingConnections, "end_connections"), (.shedding, "shed_requests"),
            (.refusing, "refuse_connections"),
        ]
        let family = try parts.registry.stateSet(
            "leeway_overload_state",
            help: "Whether predictions are given less because memory or descriptors run short.",
            states: levels.map(\.name)
        )
        gauges = zip(levels, family.series()).map { ($0.level, $1) }
    }

    /// Watches until it is cancelled.
    func run() async {
        while !Task.isCancelled {
            look()
            try? await Task.sleep(for: Self.interval)
        }
    }

    private func look() {
        let memory = share(ProcessUsage.residentBytes(), of: memoryBytesMax)
        let descriptors = share(ProcessUsage.descriptors(), of: ProcessUsage.descriptorsMax())
        let before = state.level
        let level = before.next(used: max(memory, descriptors))
        state.level = level
        for entry in gauges { entry.gauge.set(level >= entry.level ? 1 : 0) }
        guard level != before else { return }
        logger.log(
            level: level > before ? .warning : .notice,
            "overload level changed",
            metadata: [
                "overload.level": "\(level)", "memory.used_ratio": "\(memory)",
                "descriptors.used_ratio": "\(descriptors)",
            ]
        )
    }

    private func share(_ used: UInt64?, of most: UInt64?) -> Double {
        guard let used, let most, most > 0 else { return 0 }
        return Double(used) / Double(most)
    }
}
