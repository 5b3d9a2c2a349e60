/// Remembers which hosts are in trouble, so that they are left alone for a while.
///
/// After ``failuresMax`` downloads in a row that failed for a passing reason a host's circuit opens:
/// it is not asked until a pause is over. Then one download tries it; when that fails, the pause is
/// twice as long. A success closes the circuit. Knows no clock.
package struct CircuitBreaker: Sendable, Equatable, Codable {
    /// Downloads in a row that may fail.
    package static let failuresMax = 5
    /// The first pause, in seconds.
    package static let pauseSeconds: Int64 = 900
    /// The longest pause, in seconds.
    package static let pauseSecondsMax: Int64 = 86_400

    private struct Trouble: Sendable, Equatable, Codable {
        var failures: Int
        var until: Int64
    }

    private var format = 1
    private var hosts: [String: Trouble] = [:]

    /// All circuits closed.
    package init() {}

    /// How many seconds a host is still to be left alone; nil when it may be asked.
    package func secondsLeft(_ host: String, now: Int64) -> Int64? {
        guard let trouble = hosts[host], trouble.failures >= Self.failuresMax else { return nil }
        // A clock that was set back must not keep a circuit open for ever.
        let left = min(
            trouble.until.subtractingReportingOverflow(now).partialValue,
            Self.pauseSecondsMax
        )
        return left > 0 ? left : nil
    }

    /// A download from the host succeeded.
    package mutating func succeeded(_ host: String) { hosts[host] = nil }

    /// A download from the host failed, for a reason that may pass.
    package mutating func failed(_ host: String, now: Int64) {
        var trouble = hosts[host] ?? Trouble(failures: 0, until: 0)
        trouble.failures = min(trouble.failures, 1 << 20) + 1
        let doublings = min(max(trouble.failures - Self.failuresMax, 0), 20)
        let pause = min(Self.pauseSeconds << Int64(doublings), Self.pauseSecondsMax)
        trouble.until = now.addingReportingOverflow(pause).partialValue
        hosts[host] = trouble
        // Hosts that are not configured any more are forgotten at some time.
        if hosts.count > 1000, let oldest = hosts.min(by: { $0.value.until < $1.value.until }) {
            hosts[oldest.key] = nil
        }
    }
}
