internal import Files
import Glibc
internal import Synchronization

/// What a retraining process does to itself so that serving never waits for it.
package enum BackgroundProcess {
    private static let isLow = Atomic(false)

    /// Takes the idle scheduling class and becomes the first to be killed when memory is short.
    ///
    /// What the system refuses is left as it is: a slower server is better than no retrain.
    package static func lowerPriority() {
        isLow.store(true, ordering: .relaxed)
        // The class is one of threads: those that are there already keep theirs, later ones inherit.
        // One that comes while they are listed is found by the second look.
        for _ in 0..<2 {
            let threads = (try? Folder.list("/proc/self/task"))?.compactMap { Int32($0) } ?? [0]
            for thread in threads { lowerPriority(of: thread) }
        }
        if let file = try? OpenFile("/proc/self/oom_score_adj", flags: O_WRONLY) {
            try? file.write(Array("500".utf8))
        }
    }

    /// Lets waiting threads of usual priority go first; called between pieces of work.
    ///
    /// A thread of the idle class that has waited long is owed a little time, which the kernel gives
    /// it at once, up to the next tick: 4 ms, for which a request waits. One that gives way often has
    /// that little time taken from it in as little pieces. With nobody waiting it costs next to
    /// nothing.
    static func giveWay() {
        if isLow.load(ordering: .relaxed) { sched_yield() }
    }

    private static func lowerPriority(of thread: Int32) {
        var parameters = sched_param()
        // SCHED_IDLE (5) is a macro of the kernel's headers that does not reach Swift.
        _ = unsafe sched_setscheduler(thread, 5, &parameters)
        _ = setpriority(__priority_which_t(PRIO_PROCESS.rawValue), id_t(thread), 19)
    }

    /// Limits what this process may have of private writable memory, its heap and stacks.
    ///
    /// An allocation beyond the limit ends the process; the version that was current still is.
    ///
    /// - Parameter bytes: The limit (`RLIMIT_DATA`); 0 leaves it as it is.
    package static func limitMemory(_ bytes: Int) {
        guard bytes > 0 else { return }
        var limit = rlimit()
        let resource = __rlimit_resource_t(RLIMIT_DATA.rawValue)
        guard unsafe getrlimit(resource, &limit) == 0 else { return }
        limit.rlim_cur = min(limit.rlim_max, rlim_t(bytes))
        limit.rlim_max = limit.rlim_cur
        _ = unsafe setrlimit(resource, &limit)
    }

    /// Ends this process when its parent has gone: when standard input reaches its end.
    ///
    /// The version on disk is the old or the new one at every moment, so that a sudden end
    /// loses nothing.
    package static func endWithParent() {
        var thread = pthread_t()
        _ = unsafe pthread_create(
            &thread,
            nil,
            { _ in
                var byte: UInt8 = 0
                // Bounds: one byte is read into one byte.
                while true {
                    let count = unsafe read(STDIN_FILENO, &byte, 1)
                    if count == 0 { _exit(143) }
                    if count < 0 && errno != EINTR { return nil }
                }
            },
            nil
        )
        _ = pthread_detach(thread)
    }
}
