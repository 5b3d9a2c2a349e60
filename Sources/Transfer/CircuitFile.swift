internal import Files
internal import FoundationEssentials
internal import Synchronization

/// The circuits of a model's sources, kept in a file, since each retrain is a process of its own.
package final class CircuitFile: Sendable {
    private let path: String
    private let now: @Sendable () -> Int64
    private let breaker: Mutex<CircuitBreaker>

    /// Reads the file; one that is missing or cannot be read means that all is well.
    ///
    /// - Parameters:
    ///   - path: The file.
    ///   - now: Unix seconds.
    package init(_ path: String, now: @escaping @Sendable () -> Int64) {
        self.path = path
        self.now = now
        let bytes = try? WholeFile.read(path, bytesMax: 1 << 20)
        let saved = bytes.flatMap { try? JSONDecoder().decode(CircuitBreaker.self, from: Data($0)) }
        breaker = Mutex(saved ?? CircuitBreaker())
    }

    /// How many seconds the host of a URL is still to be left alone; nil when it may be asked.
    func secondsLeft(_ url: TransferURL) -> Int64? {
        guard let origin = url.origin else { return nil }
        let now = now()
        return breaker.withLock { $0.secondsLeft(origin, now: now) }
    }

    /// Takes note of how a download from the host of a URL ended.
    func note(_ url: TransferURL, succeeded: Bool) {
        guard let origin = url.origin else { return }
        let now = now()
        let changed = breaker.withLock { breaker -> CircuitBreaker? in
            let before = breaker
            if succeeded { breaker.succeeded(origin) } else { breaker.failed(origin, now: now) }
            return breaker == before ? nil : breaker
        }
        // What cannot be written is forgotten with this process, and no more.
        guard let changed, let text = try? JSONEncoder().encode(changed) else { return }
        try? Folder.make(Folder.parent(of: path))
        try? WholeFile.replace(path, Array(text), mode: 0o600)
    }
}
