/// The brain of a download: which mirror is tried when.
///
/// Knows no clock and no network.
///
/// All mirrors are tried in their order before any wait; one that failed for good is left out from
/// then on; one that asked for time (`Retry-After`) is left out until its time is over.
package struct MirrorPlan: Sendable {
    /// What to do next.
    package enum Step: Sendable, Equatable {
        /// Try this mirror, and report with ``failed(isTransient:retryAfterSeconds:)`` if in vain.
        case attempt(mirror: Int)
        /// Wait, then ask again.
        case wait(milliseconds: Int)
        /// Nothing is left to try.
        case giveUp
    }

    private let policy: RetryPolicy
    // Mirrors that have not failed for good, in order, each with the time it asked for.
    private var mirrors: [(index: Int, notBeforeMilliseconds: Int)]
    private var round = 0
    private var position = 0
    private var waitedMilliseconds = 0
    private var attempted: Int?

    /// Starts with all mirrors.
    package init(mirrorCount: Int, policy: RetryPolicy) {
        self.policy = policy
        mirrors = (0..<max(0, mirrorCount)).map { ($0, 0) }
    }

    /// The next step; after an attempt that was not reported as failed it is the next mirror.
    ///
    /// - Parameters:
    ///   - random: Where the jitter comes from.
    ///   - elapsedMilliseconds: Since the downloader was made, waits and transfers together.
    /// - Returns: What to do.
    package mutating func next(
        random: inout some RandomNumberGenerator,
        elapsedMilliseconds: Int = 0
    ) -> Step {
        while position < mirrors.count {
            let mirror = mirrors[position]
            position += 1
            if mirror.notBeforeMilliseconds <= waitedMilliseconds {
                attempted = position - 1
                return .attempt(mirror: mirror.index)
            }
        }
        return endRound(&random, elapsedMilliseconds)
    }

    /// Reports that the attempt just made failed.
    ///
    /// - Parameters:
    ///   - isTransient: Whether the mirror is worth another round.
    ///   - retryAfterSeconds: What the server asked for; nonsense is cut to 0...cap.
    package mutating func failed(isTransient: Bool, retryAfterSeconds: Int? = nil) {
        guard let slot = attempted else { return }
        attempted = nil
        guard isTransient else {
            mirrors.remove(at: slot)
            position -= 1
            return
        }
        let secondsMax = max(0, policy.capMilliseconds) / 1000
        let asked = min(max(retryAfterSeconds ?? 0, 0), secondsMax) * 1000
        mirrors[slot].notBeforeMilliseconds = waitedMilliseconds + asked
    }

    private mutating func endRound(
        _ random: inout some RandomNumberGenerator,
        _ elapsedMilliseconds: Int
    ) -> Step {
        guard let earliest = mirrors.map(\.notBeforeMilliseconds).min() else { return .giveUp }
        guard round + 1 < policy.roundsMax else { return .giveUp }
        let jitter = Int.random(in: 0...policy.jitterMillisecondsMax(round: round), using: &random)
        let wait = max(jitter, earliest - waitedMilliseconds)
        guard wait <= policy.waitMillisecondsMax - waitedMilliseconds else { return .giveUp }
        if let window = policy.windowMilliseconds, wait > window - elapsedMilliseconds {
            return .giveUp
        }
        round += 1
        position = 0
        waitedMilliseconds += wait
        return .wait(milliseconds: wait)
    }
}
