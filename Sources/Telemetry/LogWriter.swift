import Glibc
import Synchronization

/// Why a line did not reach the log.
package enum LogDropReason: String, CaseIterable, Sendable {
    /// The ring was full: lines come faster than they can be written.
    case full
    /// The line was longer than the ring takes.
    case tooLarge = "too_large"
    /// The reader of the pipe is gone.
    case brokenPipe = "broken_pipe"
    /// The disk or the quota is full.
    case noSpace = "no_space"
    /// The descriptor failed in another way.
    case failed
    /// The log was shut down before the line came, or before it could be written.
    case shutdown
}

/// What the threads that log share with the thread that writes.
final class LogWriter: Sendable {
    private static let batchBytes = 1 << 16
    /// How long lines are gathered after a write before the next one, in milliseconds.
    private static let gatherMilliseconds: Int32 = 10

    private let ring: LogRing
    /// Where lines go now; the writing thread alone replaces it.
    private let output: Atomic<Int32>
    /// A file that takes its place with the next batch; -1 for none.
    private let replacement = Atomic<Int32>(-1)
    private let ownsOutput: Atomic<Bool>
    /// The reading end of a pipe; a byte in it ends the writer's sleep.
    private let bell: Int32
    private let bellRope: Int32
    private let flushNanosecondsMax: UInt64
    private let chunkBytes: Atomic<Int>
    private let sleeping = Atomic<Bool>(false)
    private let rung = Atomic<Bool>(false)
    private let closing = Atomic<Bool>(false)
    /// When flushing gives up, in nanoseconds of the monotonic clock.
    private let flushDeadline = Atomic<UInt64>(.max)
    /// One cell for each ``LogDropReason``, in the order of its cases.
    private let drops = AtomicCells(rows: 1, width: LogDropReason.allCases.count)
    /// Lines and bytes written.
    private let written = AtomicCells(rows: 1, width: 2)

    init(
        descriptor: Int32,
        isOwned: Bool = false,
        capacityBytes: Int,
        flushSecondsMax: Int
    ) throws(TelemetryError) {
        var ends: InlineArray<2, Int32> = [-1, -1]
        var span = ends.mutableSpan
        // Bounds: the call fills exactly two descriptors.
        guard unsafe span.withUnsafeMutableBufferPointer({ unsafe pipe($0.baseAddress) }) == 0
        else {
            throw .logSink(operation: "pipe", errorNumber: errno)
        }
        bell = ends[0]
        bellRope = ends[1]
        for end in [bell, bellRope] {
            _ = fcntl(end, F_SETFD, FD_CLOEXEC)
            _ = fcntl(end, F_SETFL, O_NONBLOCK)
        }
        ring = LogRing(capacityBytes: capacityBytes)
        output = Atomic(descriptor)
        ownsOutput = Atomic(isOwned)
        flushNanosecondsMax = UInt64(max(flushSecondsMax, 0)) &* 1_000_000_000
        chunkBytes = Atomic(Self.chunkBytes(of: descriptor))
    }

    private static func chunkBytes(of descriptor: Int32) -> Int {
        var facts = stat()
        let isFile = unsafe fstat(descriptor, &facts) == 0 && facts.st_mode & S_IFMT == S_IFREG
        // What `poll` calls writable takes a page without blocking, and not more for sure.
        return isFile ? batchBytes : 4096
    }

    deinit {
        if ownsOutput.load(ordering: .relaxed) { _ = close(output.load(ordering: .relaxed)) }
        let unused = replacement.load(ordering: .relaxed)
        if unused >= 0 { _ = close(unused) }
        _ = close(bell)
        _ = close(bellRope)
    }

    // MARK: For the threads that log

    func submit(_ bytes: Span<UInt8>) -> Bool {
        if closing.load(ordering: .relaxed) { return refuse(.shutdown) }
        guard bytes.count <= ring.recordBytesMax else { return refuse(.tooLarge) }
        guard ring.push(bytes) else { return refuse(.full) }
        // Pairs with the fence in `sleep`: either this thread sees that the writer sleeps, or the
        // writer sees the record.
        atomicMemoryFence(ordering: .sequentiallyConsistent)
        if sleeping.load(ordering: .relaxed) || ring.usedBytes > ring.capacity / 2 { wake() }
        return true
    }

    func dropped(_ reason: LogDropReason) -> UInt64 { drops.load(0, Self.index(reason)) }

    var isTerminal: Bool { isatty(output.load(ordering: .relaxed)) == 1 }

    /// Has the writer go on in another file, which is its own from now on.
    func replaceOutput(by descriptor: Int32) {
        let skipped = replacement.exchange(descriptor, ordering: .acquiringAndReleasing)
        if skipped >= 0 { _ = close(skipped) }
        rung.store(false, ordering: .relaxed)
        wake()
    }

    var linesWritten: UInt64 { written.load(0, 0) }

    var bytesWritten: UInt64 { written.load(0, 1) }

    /// Asks the writing thread to write what there is, and to end.
    func beginShutdown() {
        flushDeadline.store(Self.now() &+ flushNanosecondsMax, ordering: .relaxed)
        closing.store(true, ordering: .releasing)
        rung.store(false, ordering: .relaxed)
        wake()
    }

    private func refuse(_ reason: LogDropReason) -> Bool {
        drops.addShared(1, 0, Self.index(reason))
        return false
    }

    private static func index(_ reason: LogDropReason) -> Int {
        LogDropReason.allCases.firstIndex(of: reason) ?? 0
    }

    /// Ends the writer's sleep; a system call only for the first who asks.
    private func wake() {
        guard !rung.exchange(true, ordering: .acquiringAndReleasing) else { return }
        var byte: UInt8 = 1
        _ = unsafe Glibc.write(bellRope, &byte, 1)
    }

    // MARK: For the thread that writes

    /// Writes lines until the log is shut down and empty; the body of the thread.
    func run() {
        var batch: [UInt8] = []
        batch.reserveCapacity(Self.batchBytes + JSONLine.bytesMax)
        var lineIsOpen = false
        while true {
            batch.removeAll(keepingCapacity: true)
            if takeReplacement() { lineIsOpen = false }
            if lineIsOpen { batch.append("\n") }
            let lines = ring.take(into: &batch, bytesMax: Self.batchBytes)
            if lines > 0 {
                lineIsOpen = write(batch, lines: UInt64(lines) + (lineIsOpen ? 1 : 0))
                gather()
            } else if closing.load(ordering: .acquiring), isFlushed {
                return
            } else {
                sleep()
            }
        }
    }

    /// Goes on in the file that was handed over, if one was.
    private func takeReplacement() -> Bool {
        let next = replacement.exchange(-1, ordering: .acquiringAndReleasing)
        guard next >= 0 else { return false }
        let old = output.exchange(next, ordering: .relaxed)
        if ownsOutput.exchange(true, ordering: .relaxed) { _ = close(old) }
        chunkBytes.store(Self.chunkBytes(of: next), ordering: .relaxed)
        return true
    }

    /// Whether nothing is left to write, or the time for it is over.
    private var isFlushed: Bool {
        ring.usedBytes == 0 || Self.now() >= flushDeadline.load(ordering: .relaxed)
    }

    /// Lets lines gather, so that a busy server neither writes nor rings for each of them.
    private func gather() {
        guard !closing.load(ordering: .relaxed), ring.usedBytes < ring.capacity / 2 else { return }
        wait(milliseconds: Self.gatherMilliseconds)
    }

    private func sleep() {
        sleeping.store(true, ordering: .relaxed)
        atomicMemoryFence(ordering: .sequentiallyConsistent)
        // A record that is reserved but not complete keeps this thread from a long sleep.
        let isIdle = ring.usedBytes == 0 && !closing.load(ordering: .acquiring)
        wait(milliseconds: isIdle ? -1 : 1)
        sleeping.store(false, ordering: .relaxed)
    }

    private func wait(milliseconds: Int32) {
        var waits = pollfd(fd: bell, events: Int16(POLLIN), revents: 0)
        if unsafe poll(&waits, 1, milliseconds) > 0 { answerBell() }
    }

    private func answerBell() {
        var bytes: UInt64 = 0
        _ = unsafe read(bell, &bytes, MemoryLayout<UInt64>.size)
        _ = rung.exchange(false, ordering: .acquiringAndReleasing)
    }

    /// Writes all bytes, or counts the lines that the descriptor does not take.
    ///
    /// - Parameters:
    ///   - bytes: Whole lines.
    ///   - lines: How many line feeds are among them.
    /// - Returns: Whether the log now ends within a line.
    private func write(_ bytes: [UInt8], lines: UInt64) -> Bool {
        let descriptor = output.load(ordering: .relaxed)
        let chunkBytes = chunkBytes.load(ordering: .relaxed)
        var done = 0
        while done < bytes.count {
            guard waitUntilWritable() else {
                drop(bytes[done...], .shutdown)
                break
            }
            let size = min(chunkBytes, bytes.count - done)
            // Bounds: `done + size` is not above the array's count.
            let (count, errorNumber) = unsafe bytes.withUnsafeBytes { buffer in
                let base = buffer.baseAddress
                let count = unsafe base.map { unsafe Glibc.write(descriptor, $0 + done, size) }
                return (count ?? 0, errno)
            }
            if count >= 0 {
                done += count
                written.addShared(UInt64(count), 0, 1)
            } else if errorNumber != EINTR && errorNumber != EAGAIN {
                drop(bytes[done...], Self.reason(errorNumber))
                break
            }
        }
        let isWhole = done == bytes.count
        written.addShared(isWhole ? lines : Self.lines(bytes[..<done]), 0, 0)
        return done > 0 ? bytes[done - 1] != UInt8(ascii: "\n") : false
    }

    /// Waits for the descriptor; false when the log is closing and the time is over.
    private func waitUntilWritable() -> Bool {
        while true {
            var waits: InlineArray<2, pollfd> = [
                pollfd(
                    fd: output.load(ordering: .relaxed),
                    events: Int16(POLLOUT),
                    revents: 0
                ),
                pollfd(fd: bell, events: Int16(POLLIN), revents: 0),
            ]
            let isClosing = closing.load(ordering: .acquiring)
            // Bounds: two entries, as the count says.
            var span = waits.mutableSpan
            _ = unsafe span.withUnsafeMutableBufferPointer {
                unsafe poll($0.baseAddress, 2, isClosing ? millisecondsLeft : -1)
            }
            if waits[1].revents != 0 { answerBell() }
            if waits[0].revents != 0 { return true }
            if isClosing, millisecondsLeft == 0 { return false }
        }
    }

    private var millisecondsLeft: Int32 {
        let now = Self.now()
        let end = flushDeadline.load(ordering: .relaxed)
        return now >= end ? 0 : Int32(clamping: (end - now) / 1_000_000 + 1)
    }

    private func drop(_ bytes: ArraySlice<UInt8>, _ reason: LogDropReason) {
        drops.addShared(Self.lines(bytes), 0, Self.index(reason))
    }

    private static func lines(_ bytes: ArraySlice<UInt8>) -> UInt64 {
        bytes.reduce(0) { $1 == UInt8(ascii: "\n") ? $0 + 1 : $0 }
    }

    private static func reason(_ errorNumber: Int32) -> LogDropReason {
        switch errorNumber {
        case EPIPE: .brokenPipe
        case ENOSPC, EDQUOT: .noSpace
        default: .failed
        }
    }

    /// Nanoseconds of the monotonic clock.
    private static func now() -> UInt64 {
        var time = timespec()
        guard unsafe clock_gettime(CLOCK_MONOTONIC, &time) == 0 else { return 0 }
        return UInt64(time.tv_sec) &* 1_000_000_000 &+ UInt64(time.tv_nsec)
    }
}
