import Glibc
import NIOCore
import Synchronization

extension EventLoop {
    /// Keeps the loop from doing anything while the body runs.
    func whileBlocked(_ body: () async throws -> Void) async throws {
        let gate = Gate()
        let blocked = submit { gate.wait() }
        do {
            try await body()
        } catch {
            gate.open()
            throw error
        }
        gate.open()
        try await blocked.get()
    }
}

/// Holds a thread until it is opened.
private final class Gate: Sendable {
    private let isOpen = Atomic(false)

    func open() { isOpen.store(true, ordering: .releasing) }

    func wait() {
        while !isOpen.load(ordering: .acquiring) { sched_yield() }
    }
}
