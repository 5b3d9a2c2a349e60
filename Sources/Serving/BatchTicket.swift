internal import Synchronization

/// Who has a job now: its loop, which may withdraw it, or the batcher, which has begun it.
///
/// The two sides agree by one atomic word, so that neither waits for the other.
package final class BatchTicket: Sendable {
    private enum State: UInt8 {
        case waiting, begun, withdrawn
    }

    private let state = Atomic(State.waiting.rawValue)

    /// The job waits.
    package init() {}

    /// Whether the job waits for its turn.
    package var isWaiting: Bool { state.load(ordering: .relaxed) == State.waiting.rawValue }

    /// The batcher begins the job.
    ///
    /// - Returns: False when it was withdrawn.
    package func begin() -> Bool { leave(for: .begun) }

    /// The loop no longer wants the job.
    ///
    /// - Returns: Whether it still waited; if not, its result will come and is thrown away.
    package func withdraw() -> Bool { leave(for: .withdrawn) }

    private func leave(for next: State) -> Bool {
        state.compareExchange(
            expected: State.waiting.rawValue,
            desired: next.rawValue,
            ordering: .acquiringAndReleasing
        ).exchanged
    }
}
