internal import NIOCore
internal import Synchronization

/// Lets so many handshakes run at a time; the others wait in line, in the order of their arrival.
///
/// A handshake is what any stranger can make us compute and keep memory for. One in line costs
/// neither: nothing is read from it, and its time runs all the same. When many clients come back at
/// once, each is served in its turn, where a refusal would only make it come again.
package final class TLSHandshakeGate: Sendable {
    /// How many handshakes run at a time.
    package let handshakesMax: Int

    private struct Waiter {
        let loop: any EventLoop
        let admit: @Sendable () -> Void
    }

    private struct State {
        var running = 0
        var lastTicket: UInt64 = 0
        var waiting: [UInt64: Waiter] = [:]
        /// Tickets in their order; those that are not waiting any more are skipped.
        var line = CircularBuffer<UInt64>()
    }

    private let state = Mutex(State())

    /// Makes a gate; one is shared by all event loops of a listener.
    package init(handshakesMax: Int) {
        self.handshakesMax = max(1, handshakesMax)
    }

    /// The handshakes that run, and those in line.
    package var counts: (running: Int, waiting: Int) {
        state.withLock { ($0.running, $0.waiting.count) }
    }

    /// Asks to begin a handshake.
    ///
    /// - Parameters:
    ///   - loop: The event loop of the connection.
    ///   - admit: Called on the loop when its turn comes, unless it may begin at once.
    /// - Returns: The ticket to ``leave(_:)`` with, and whether the handshake may begin at once.
    func enter(
        _ loop: any EventLoop,
        admit: @escaping @Sendable () -> Void
    ) -> (ticket: UInt64, isAdmitted: Bool) {
        state.withLock { state in
            state.lastTicket += 1
            let ticket = state.lastTicket
            if state.running < handshakesMax {
                state.running += 1
                return (ticket, true)
            }
            state.waiting[ticket] = Waiter(loop: loop, admit: admit)
            state.line.append(ticket)
            return (ticket, false)
        }
    }

    /// Gives a place back, in the line or behind it; each ticket once.
    func leave(_ ticket: UInt64) {
        let next = state.withLock { state -> Waiter? in
            if state.waiting.removeValue(forKey: ticket) != nil { return nil }
            state.running -= 1
            while let first = state.line.popFirst() {
                guard let waiter = state.waiting.removeValue(forKey: first) else { continue }
                state.running += 1
                return waiter
            }
            return nil
        }
        // Never called back at once: the one who leaves is in the middle of something.
        if let next { next.loop.execute(next.admit) }
    }
}
