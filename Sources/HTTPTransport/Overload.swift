internal import Glibc
internal import Synchronization

/// Why a request was shed; the label of `leeway_http_requests_shed_total`.
enum ShedReason: UInt8, CaseIterable {
    /// It waited too long for its event loop.
    case queueTime
    /// The loop owes as many answers as it may.
    case pendingAnswers
    /// The process nears its limit of memory or descriptors.
    case resources

    var label: String {
        switch self {
        case .queueTime: "queue_time"
        case .pendingAnswers: "pending_answers"
        case .resources: "resources"
        }
    }
}

/// What a listener takes on, told by whoever watches the memory and descriptors of the process.
package final class OverloadState: Sendable {
    /// Steps of giving things up; each includes those before.
    package enum Level: UInt8, Sendable, CaseIterable, Comparable {
        /// Nothing is given up.
        case normal
        /// Answers end their connections.
        case endingConnections
        /// Requests that are not vital are answered with 503.
        case shedding
        /// New connections are closed.
        case refusing

        /// Orders by how much is given up.
        package static func < (left: Level, right: Level) -> Bool {
            left.rawValue < right.rawValue
        }

        /// The share of a resource in use from which on a level holds, and below which it ends;
        /// the distance keeps it from coming and going at every reading.
        var share: (begin: Double, end: Double) {
            switch self {
            case .normal: (0, 0)
            case .endingConnections: (0.90, 0.85)
            case .shedding: (0.95, 0.92)
            case .refusing: (0.98, 0.96)
            }
        }

        /// The level that follows this one when so much of the scarcest resource is in use.
        ///
        /// - Parameter used: 0 for nothing, 1 for all.
        /// - Returns: the level.
        package func next(used: Double) -> Level {
            Level.allCases.last { level in
                used >= (level <= self ? level.share.end : level.share.begin)
            } ?? .normal
        }
    }

    private let value = Atomic<UInt8>(Level.normal.rawValue)

    /// Nothing is given up.
    package init() {}

    /// What is given up now.
    package var level: Level {
        get { Level(rawValue: value.load(ordering: .relaxed)) ?? .normal }
        set { value.store(newValue.rawValue, ordering: .relaxed) }
    }
}

/// Watches how late an event loop runs, by a timer that is set only while there is work.
///
/// Pure. While a timer that is due has not run, the loop is still busy with what was ready before
/// it was due; so a request that is looked at then has waited at least as long as it is overdue.
/// That is overload only if the loop has worked for as long: when the machine stood still or gave
/// its time to others, what has waited is soon answered.
package struct LagWatch: Sendable {
    private static let intervalNanoseconds: UInt64 = 25_000_000

    /// When the timer that is set is due; `nil` when none is.
    private var due: UInt64?
    private var workedBefore: UInt64 = 0

    /// Sets no timer yet.
    package init() {}

    /// Whether a timer is set.
    package var isWatching: Bool { due != nil }

    /// There is work, and no timer is set.
    ///
    /// - Parameters:
    ///   - now: the time.
    ///   - worked: the processor time of the loop's thread so far, in nanoseconds.
    /// - Returns: when the timer to be set is due.
    package mutating func begin(now: UInt64, worked: UInt64) -> UInt64 {
        workedBefore = worked
        let next = now &+ Self.intervalNanoseconds
        due = next
        return next
    }

    /// The timer ran.
    ///
    /// - Returns: how late, in nanoseconds.
    package mutating func ran(now: UInt64) -> UInt64 {
        defer { due = nil }
        return overdue(now: now)
    }

    /// How long the timer has been overdue, in nanoseconds.
    package func overdue(now: UInt64) -> UInt64 {
        guard let due, now > due else { return 0 }
        return now - due
    }

    /// Whether what is looked at now has waited too long behind other work.
    ///
    /// - Parameters:
    ///   - now: the time.
    ///   - nanosecondsMax: how long is too long.
    ///   - worked: as in ``begin(now:worked:)``; asked for only when it matters.
    /// - Returns: whether the request should be shed.
    package func isOverloaded(
        now: UInt64,
        nanosecondsMax: UInt64,
        worked: @autoclosure () -> UInt64
    ) -> Bool {
        guard overdue(now: now) > nanosecondsMax else { return false }
        return worked() &- workedBefore > nanosecondsMax
    }
}

/// The processor time of the calling thread.
package enum ThreadClock {
    /// Nanoseconds that the thread has run; a system call.
    package static func nanoseconds() -> UInt64 {
        var time = timespec()
        guard unsafe clock_gettime(CLOCK_THREAD_CPUTIME_ID, &time) == 0 else { return 0 }
        return UInt64(time.tv_sec) &* 1_000_000_000 &+ UInt64(time.tv_nsec)
    }
}
