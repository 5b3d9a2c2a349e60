internal import Files
internal import Synchronization
internal import Telemetry

/// Whether a child still gets somewhere: it tells an event now and then, or it computes.
///
/// A read that hangs, a deadlock and a stopped process do neither. A trainer that is starved by a
/// busy server computes little, but more than a thousandth of a core.
package struct ProgressRule: Sendable, Equatable {
    /// Seconds without progress after which it is stalled.
    package let secondsMax: Int
    /// When it last got somewhere, and what it had computed until then.
    private var since: Duration
    private var ticks: UInt64 = 0

    /// Begins to watch.
    ///
    /// - Parameters:
    ///   - secondsMax: Seconds without progress after which it is stalled.
    ///   - now: The time, since some moment.
    package init(secondsMax: Int, now: Duration) {
        self.secondsMax = secondsMax
        since = now
    }

    /// Takes note of an event.
    ///
    /// - Parameters:
    ///   - now: The time.
    ///   - ticks: The child's processor time so far, in clock ticks of 10 ms.
    package mutating func told(at now: Duration, ticks: UInt64) {
        (since, self.ticks) = (now, ticks)
    }

    /// Whether it has not got anywhere for too long.
    ///
    /// - Parameters:
    ///   - now: The time.
    ///   - ticks: The child's processor time so far, in clock ticks of 10 ms.
    /// - Returns: Whether it is stalled.
    package mutating func isStalled(at now: Duration, ticks: UInt64) -> Bool {
        let (wanted, overflow) = self.ticks.addingReportingOverflow(ticksMin)
        if !overflow && ticks >= wanted { (since, self.ticks) = (now, ticks) }
        return now - since >= .seconds(secondsMax)
    }

    /// Clock ticks that a thousandth of a core makes in the time.
    private var ticksMin: UInt64 { max(1, UInt64(max(0, secondsMax)) / 10) }
}

/// Watches one child by that rule.
final class ChildProgress: Sendable {
    private struct State {
        var identifier: Int32?
        var rule: ProgressRule
    }

    private let begin: ContinuousClock.Instant
    private let state: Mutex<State>
    /// How often to ask.
    let period: Duration

    init(secondsMax: Int, now: ContinuousClock.Instant) {
        begin = now
        period = .milliseconds(min(1000, secondsMax * 250))
        state = Mutex(State(rule: ProgressRule(secondsMax: secondsMax, now: .zero)))
    }

    /// Names the process.
    func started(_ identifier: Int32) { state.withLock { $0.identifier = identifier } }

    /// Takes note of an event.
    func told(at now: ContinuousClock.Instant) {
        state.withLock { $0.rule.told(at: now - begin, ticks: Self.ticks($0.identifier)) }
    }

    /// Whether it has not got anywhere for too long.
    func isStalled(at now: ContinuousClock.Instant) -> Bool {
        state.withLock { $0.rule.isStalled(at: now - begin, ticks: Self.ticks($0.identifier)) }
    }

    /// The processor time of a process, all its threads together, in clock ticks; 0 when it is gone.
    private static func ticks(_ identifier: Int32?) -> UInt64 {
        guard let identifier,
            let stat = try? WholeFile.read("/proc/\(identifier)/stat", bytesMax: 4096)
        else { return 0 }
        let nothing: [UInt8] = []
        return ProcessReading(stat: stat.span, status: nothing.span, limits: nothing.span)
            .processorTicks ?? 0
    }
}
