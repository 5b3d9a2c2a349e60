package import Logging
import Synchronization

/// The least serious level that is written, which can be changed while the program runs.
package final class LogLevelSwitch: Sendable {
    /// The place of the level among all of them.
    private let place: Atomic<Int>

    /// Begins with a level.
    package init(_ level: Logger.Level) { place = Atomic(Self.place(level)) }

    /// The level now.
    package var level: Logger.Level {
        get {
            let (all, place) = (Logger.Level.allCases, place.load(ordering: .relaxed))
            return all.indices.contains(place) ? all[place] : .info
        }
        set { place.store(Self.place(newValue), ordering: .relaxed) }
    }

    private static func place(_ level: Logger.Level) -> Int {
        Logger.Level.allCases.firstIndex(of: level) ?? 0
    }
}
