package import Logging
internal import Synchronization
package import Telemetry

/// A logger that says nothing.
package let quietLogger = Logger(label: "test") { _ in SwiftLogNoOpLogHandler() }

/// A clock that stands still until it is moved; seconds.
package final class ManualClock: Sendable {
    private let seconds: Mutex<Int64>

    /// Sets the clock.
    package init(_ seconds: Int64 = 1_795_466_160) { self.seconds = Mutex(seconds) }

    /// What it shows.
    package var now: Int64 { seconds.withLock { $0 } }

    /// Moves it.
    package func advance(_ step: Int64) { seconds.withLock { $0 += step } }
}

/// What closures on other threads have seen.
package final class Seen<Element: Sendable>: Sendable {
    private let elements = Mutex<[Element]>([])

    /// Nothing yet.
    package init() {}

    /// All so far, in their order.
    package var all: [Element] { elements.withLock { $0 } }

    /// Adds one.
    package func append(_ element: Element) { elements.withLock { $0.append(element) } }
}

extension MetricRegistry {
    /// The lines of the exposition that begin with a word, without comments.
    package func lines(_ word: String) -> [String] {
        var bytes: [UInt8] = []
        self.write(.text, into: &bytes)
        return String(decoding: bytes, as: UTF8.self).split(separator: "\n")
            .map(String.init).filter { $0.hasPrefix(word) }
    }
}
