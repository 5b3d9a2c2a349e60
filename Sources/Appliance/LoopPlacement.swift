package import NIOCore
internal import Synchronization
internal import Telemetry

/// Gives each event loop a processor of its own while a trainer runs.
///
/// The trainer is of the idle class and gives way to every loop; but a processor that it keeps busy
/// is never free, and the kernel calls waiting threads over only to one that is. Two loops that had
/// come to share a processor would stay there, one waiting for the other while the trainer has
/// another. Where there are fewer loops than processors, or more, they are left alone.
package final class LoopPlacement: Sendable {
    private let loops: [any EventLoop]
    private let processors: ProcessorSet?
    private let holders = Mutex(0)

    /// Takes the loops that share the processors of the calling thread.
    package init(_ loops: [any EventLoop]) {
        let processors = ProcessorSet.current
        self.loops = loops
        self.processors = processors?.numbers.count == loops.count ? processors : nil
    }

    /// Keeps the loops apart for the time of some work.
    ///
    /// - Parameter work: What goes on meanwhile; several may at a time.
    /// - Returns: What the work returns.
    /// - Throws: What the work throws.
    package func apart<Value>(_ work: () async throws -> Value) async rethrows -> Value {
        change(by: 1)
        defer { change(by: -1) }
        return try await work()
    }

    private func change(by step: Int) {
        guard let processors else { return }
        holders.withLock { holders in
            let wasHeld = holders > 0
            holders += step
            guard wasHeld != (holders > 0) else { return }
            // Told under the lock, so that the loops hear it in this order.
            for (loop, own) in zip(loops, processors.numbers) {
                let chosen = holders > 0 ? ProcessorSet([own]) : processors
                loop.execute { chosen.adopt() }
            }
        }
    }
}
