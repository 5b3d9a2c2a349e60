package import Glibc

/// One open file, closed when its owner goes away.
package struct OpenFile: ~Copyable {
    /// The path it was opened by, for error messages.
    package let path: String
    private let descriptor: Int32

    /// Opens a file; the descriptor is not inherited by child processes.
    ///
    /// - Parameters:
    ///   - path: The file.
    ///   - flags: The `O_…` flags; `O_CLOEXEC` is added.
    ///   - mode: The permissions of a file that this call creates.
    /// - Throws: ``FileError/failed(operation:path:errorNumber:)``.
    package init(_ path: String, flags: Int32, mode: mode_t = 0o600) throws(FileError) {
        descriptor = try retryingInterrupts("open", path) {
            unsafe open(path, flags | O_CLOEXEC, mode)
        }
        self.path = path
    }

    private init(path: String, descriptor: Int32) {
        self.path = path
        self.descriptor = descriptor
    }

    /// Lends a descriptor of standard error of its own, so that closing it closes nothing else.
    ///
    /// - Parameter body: What to do with it.
    /// - Throws: ``FileError``, also when standard error is closed.
    package static func standardError(
        _ body: (borrowing OpenFile) throws(FileError) -> Void
    ) throws(FileError) {
        try lend(STDERR_FILENO, "standard error", body)
    }

    /// Lends a descriptor of standard output of its own, so that closing it closes nothing else.
    ///
    /// - Parameter body: What to do with it.
    /// - Throws: ``FileError``, also when standard output is closed.
    package static func standardOutput(
        _ body: (borrowing OpenFile) throws(FileError) -> Void
    ) throws(FileError) {
        try lend(STDOUT_FILENO, "standard output", body)
    }

    private static func lend(
        _ number: Int32,
        _ name: String,
        _ body: (borrowing OpenFile) throws(FileError) -> Void
    ) throws(FileError) {
        let descriptor = try retryingInterrupts("duplicate", name) {
            fcntl(number, F_DUPFD_CLOEXEC, 3)
        }
        try body(OpenFile(path: name, descriptor: descriptor))
    }

    deinit {
        close(descriptor)
    }

    /// The number of bytes in the file now.
    ///
    /// - Throws: ``FileError/failed(operation:path:errorNumber:)``.
    package func size() throws(FileError) -> Int {
        var facts = stat()
        _ = try retryingInterrupts("stat", path) { unsafe fstat(descriptor, &facts) }
        return Int(facts.st_size)
    }

    /// Writes all of the bytes at the file's position.
    ///
    /// - Throws: ``FileError/failed(operation:path:errorNumber:)``; some bytes may be written then.
    package func write(_ bytes: [UInt8]) throws(FileError) {
        var written = 0
        while written < bytes.count {
            // Bounds: the kernel is given exactly the bytes of the slice.
            written += try retryingInterrupts("write", path) {
                unsafe bytes[written...].withUnsafeBytes { rest in
                    unsafe Glibc.write(descriptor, rest.baseAddress, rest.count)
                }
            }
        }
    }

    /// Reads the rest of the file.
    ///
    /// - Parameter bytesMax: The most that is read.
    /// - Returns: The bytes from the file's position to its end.
    /// - Throws: ``FileError/tooLarge(path:bytesMax:)`` when there is more.
    package func readToEnd(bytesMax: Int) throws(FileError) -> [UInt8] {
        let expected = try size()
        guard expected <= bytesMax else { throw .tooLarge(path: path, bytesMax: bytesMax) }
        var bytes = [UInt8](repeating: 0, count: expected + 1)
        var filled = 0
        while true {
            if filled == bytes.count {
                guard filled <= bytesMax else { throw .tooLarge(path: path, bytesMax: bytesMax) }
                bytes.append(contentsOf: repeatElement(0, count: max(filled, 4096)))
            }
            // Bounds: the kernel is given the part of the array that is still free.
            let count = try retryingInterrupts("read", path) {
                unsafe bytes.withUnsafeMutableBytes { buffer in
                    let free = unsafe UnsafeMutableRawBufferPointer(rebasing: buffer[filled...])
                    return unsafe Glibc.read(descriptor, free.baseAddress, free.count)
                }
            }
            if count == 0 { break }
            filled += count
        }
        guard filled <= bytesMax else { throw .tooLarge(path: path, bytesMax: bytesMax) }
        bytes.removeLast(bytes.count - filled)
        return bytes
    }

    /// Reads a part of the file, wherever its position is.
    ///
    /// - Parameter range: Offsets of bytes.
    /// - Returns: The bytes; fewer where the file has become shorter.
    /// - Throws: ``FileError/failed(operation:path:errorNumber:)``.
    package func read(_ range: Range<Int>) throws(FileError) -> [UInt8] {
        var bytes = [UInt8](repeating: 0, count: range.count)
        var filled = 0
        while filled < bytes.count {
            // Bounds: the kernel is given the part of the array that is still free.
            let count = try retryingInterrupts("read", path) {
                unsafe bytes.withUnsafeMutableBytes { buffer in
                    let free = unsafe UnsafeMutableRawBufferPointer(rebasing: buffer[filled...])
                    let offset = off_t(range.lowerBound + filled)
                    return unsafe pread(descriptor, free.baseAddress, free.count, offset)
                }
            }
            if count == 0 { break }
            filled += count
        }
        bytes.removeLast(bytes.count - filled)
        return bytes
    }

    /// Cuts the file to a length.
    ///
    /// - Throws: ``FileError/failed(operation:path:errorNumber:)``.
    package func truncate(to bytes: Int) throws(FileError) {
        _ = try retryingInterrupts("truncate", path) { ftruncate(descriptor, off_t(bytes)) }
    }

    /// Waits until the file's bytes are on the disk.
    ///
    /// An error here is final: the kernel may have dropped the pages, so the file must be
    /// discarded and never synchronised again.
    ///
    /// - Throws: ``FileError/failed(operation:path:errorNumber:)``.
    package func synchronise() throws(FileError) {
        _ = try retryingInterrupts("fsync", path) { fsync(descriptor) }
    }

    /// Takes the file's advisory lock, held until the owner goes away.
    ///
    /// - Parameter waiting: Whether to wait for another holder.
    /// - Throws: ``FileError/locked(path:)`` when another holds it and `waiting` is false.
    package func lock(waiting: Bool) throws(FileError) {
        do {
            _ = try retryingInterrupts("lock", path) {
                flock(descriptor, waiting ? LOCK_EX : LOCK_EX | LOCK_NB)
            }
        } catch {
            if case .failed(_, _, EWOULDBLOCK) = error { throw .locked(path: path) }
            throw error
        }
    }
}
