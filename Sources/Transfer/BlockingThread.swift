internal import Glibc

/// A thread for work that blocks, such as an ``HTTPSession``'s, awaited like any other work.
package enum BlockingThread {
    /// Runs a body on a new thread.
    ///
    /// - Throws: What the body throws, or ``TransferError/library(operation:reason:)``.
    package static func run(_ body: @escaping @Sendable () throws -> Void) async throws {
        try await withCheckedThrowingContinuation { continuation in
            let work = Work { continuation.resume(with: Result { try body() }) }
            var thread = pthread_t()
            let retained = unsafe Unmanaged.passRetained(work)
            let code = unsafe pthread_create(
                &thread,
                nil,
                { context in
                    // The one reference that was retained for this thread is taken over.
                    if let context = unsafe context {
                        unsafe Unmanaged<Work>.fromOpaque(context).takeRetainedValue().run()
                    }
                    return nil
                },
                unsafe retained.toOpaque()
            )
            guard code == 0 else {
                unsafe retained.release()
                let reason = "errno \(code)"
                continuation.resume(
                    throwing: TransferError.library(operation: "start a thread", reason: reason)
                )
                return
            }
            _ = pthread_detach(thread)
        }
    }

    /// Sleeps on this thread.
    package static func sleep(_ duration: Duration) {
        let (seconds, attoseconds) = duration.components
        var time = timespec(tv_sec: Int(seconds), tv_nsec: Int(attoseconds / 1_000_000_000))
        _ = unsafe nanosleep(&time, nil)
    }

    private final class Work: Sendable {
        let run: @Sendable () -> Void
        init(_ run: @escaping @Sendable () -> Void) { self.run = run }
    }
}
