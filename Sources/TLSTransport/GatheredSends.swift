internal import NIOCore

/// Lets the answers that one event loop gives in one turn leave together, at the end of the turn.
///
/// When each is sent at once, a client that has many connections is woken for each of them, and it
/// is the server that pays for the waking. What is held has been written to its channel and lacks
/// the flush; whoever closes a channel flushes it first.
///
/// Nobody waits for company: an answer is held only when another connection was answered just
/// before, which is so on a busy loop, and never with one connection or with requests that take
/// long.
final class GatheredSends {
    private var held: [TLSHandler] = []
    private var lastSender: ObjectIdentifier?
    private var lastTime = NIODeadline.uptimeNanoseconds(0)

    /// Whether an answer that is sent now is to be held.
    func holds(_ handler: TLSHandler, _ now: NIODeadline) -> Bool {
        let sender = ObjectIdentifier(handler)
        let isBusy = lastSender != sender && now - lastTime < Self.distanceMax
        (lastSender, lastTime) = (sender, now)
        return isBusy
    }

    /// Holds what was written, until the end of the turn or until there is enough.
    func hold(_ handler: TLSHandler, _ eventLoop: any EventLoop) {
        held.append(handler)
        if held.count >= Self.heldMax { return flush() }
        guard held.count == 1 else { return }
        // The tasks of a loop follow all that it has read in a turn.
        eventLoop.assumeIsolated().execute { self.flush() }
    }

    private func flush() {
        // A flush may end a connection, and that have others answer: they are held anew.
        var due: [TLSHandler] = []
        swap(&due, &held)
        for handler in due { handler.flushHeld() }
        due.removeAll(keepingCapacity: true)
        if held.isEmpty { swap(&due, &held) }
    }

    /// Answers that leave together at the most.
    static let heldMax = 8
    /// How long before another connection was answered, for the loop to be busy.
    private static let distanceMax = TimeAmount.microseconds(200)
}

@available(*, unavailable)
extension GatheredSends: Sendable {}
