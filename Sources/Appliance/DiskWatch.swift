internal import Files
internal import Logging
internal import Retraining
internal import Telemetry

/// Tells how much room is left on the disk of the state directory, before it runs out.
struct DiskWatch: Sendable {
    private let path: String
    private let bytesMin: Int
    private let free: Gauge
    private let logger: Logger

    private static let interval = Duration.seconds(10)

    /// - Throws: `TelemetryError` when a metric's name is taken.
    init(_ parts: ApplianceParts) throws {
        path = parts.settings.state
        bytesMin = parts.settings.diskFreeBytesMin
        logger = parts.logging.logger("disk")
        free = try parts.registry.gauge(
            "leeway_state_free_bytes",
            help: "Free bytes on the disk of the state directory."
        ).series()
        try parts.registry.gauge(
            "leeway_state_free_limit_bytes",
            help: "Free bytes below which no retrain starts."
        ).series().set(Double(bytesMin))
        free.set((try? Folder.freeBytes(path)).map { Double($0) } ?? 0)
    }

    /// Watches until it is cancelled.
    var job: Job { Job("disk") { await run() } }

    private func run() async {
        var wasLow = false
        while !Task.isCancelled {
            if let bytes = try? Folder.freeBytes(path) {
                free.set(Double(bytes))
                let isLow = bytes < bytesMin
                if isLow != wasLow { tell(isLow, bytes) }
                wasLow = isLow
            }
            try? await Task.sleep(for: Self.interval)
        }
    }

    private func tell(_ isLow: Bool, _ bytes: Int) {
        logger.log(
            level: isLow ? .warning : .notice,
            isLow ? "disk nearly full" : "disk has room again",
            metadata: ["file.path": "\(path)", "disk.free_bytes": "\(bytes)"]
        )
    }
}

extension Settings {
    /// Refuses to begin what would fill the disk.
    ///
    /// - Throws: `RetrainingError.diskLow`, or `FileError` when the disk cannot be asked.
    func checkDisk() throws {
        guard diskFreeBytesMin > 0 else { return }
        try Folder.make(state)
        let bytes = try Folder.freeBytes(state)
        guard bytes >= diskFreeBytesMin else {
            throw RetrainingError.diskLow(
                path: state,
                freeBytes: bytes,
                bytesMin: diskFreeBytesMin
            )
        }
    }
}
