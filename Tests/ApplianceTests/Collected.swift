import Logging
import Synchronization

/// Keeps what is logged, as `text key=value …`.
final class Collected: Sendable {
    private let kept = Mutex<[String]>([])

    var lines: [String] { kept.withLock { $0 } }

    var logger: Logger {
        Logger(label: "test") { _ in Handler(collected: self) }
    }

    private struct Handler: LogHandler {
        let collected: Collected
        var logLevel = Logger.Level.trace
        var metadata: Logger.Metadata = [:]

        init(collected: Collected) { self.collected = collected }

        subscript(metadataKey key: String) -> Logger.Metadata.Value? {
            get { metadata[key] }
            set { metadata[key] = newValue }
        }

        func log(event: LogEvent) {
            let metadata = (event.metadata ?? [:]).sorted { $0.key < $1.key }
            let words = metadata.map { "\($0.key)=\($0.value)" }
            let line = (["\(event.message)"] + words).joined(separator: " ")
            collected.kept.withLock { $0.append(line) }
        }
    }
}
