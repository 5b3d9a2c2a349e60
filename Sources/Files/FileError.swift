import Glibc

/// What can go wrong between this process and its disk.
package enum FileError: Error, Equatable, Sendable, CustomStringConvertible {
    /// A system call on a path failed with this `errno`.
    case failed(operation: String, path: String, errorNumber: Int32)
    /// The file holds more bytes than the caller is ready to read.
    case tooLarge(path: String, bytesMax: Int)
    /// Another process holds the lock.
    case locked(path: String)

    /// A stable word for labels and JSON.
    package var code: String {
        switch self {
        case .failed(_, _, ENOENT): "file_missing"
        case .failed(_, _, ENOSPC), .failed(_, _, EDQUOT): "disk_full"
        case .failed: "file_failed"
        case .tooLarge: "file_too_large"
        case .locked: "file_locked"
        }
    }

    /// Whether the path does not exist.
    package var isMissing: Bool {
        if case .failed(_, _, ENOENT) = self { true } else { false }
    }

    /// Whether something is at a path where nothing should be.
    package var isPresent: Bool {
        if case .failed(_, _, EEXIST) = self { true } else { false }
    }

    /// What failed, why, and where.
    package var description: String {
        switch self {
        case .failed(let operation, let path, let errorNumber):
            "\(operation) \(path): \(Self.reason(errorNumber))"
        case .tooLarge(let path, let bytesMax):
            "read \(path): the file is larger than the limit of \(bytesMax) bytes"
        case .locked(let path):
            "lock \(path): another process holds it"
        }
    }

    /// The system's words for an `errno`.
    private static func reason(_ errorNumber: Int32) -> String {
        // Bounds: glibc's strerror gives a zero-ended string that is this thread's own.
        let words = unsafe strerror(errorNumber).map { unsafe String(cString: $0) } ?? "error"
        return "\(words) (errno \(errorNumber))"
    }
}

/// Calls again while a signal interrupts; throws what `errno` says after any other failure.
func retryingInterrupts<Result: SignedInteger>(
    _ operation: String,
    _ path: String,
    _ call: () -> Result
) throws(FileError) -> Result {
    while true {
        let result = call()
        if result >= 0 { return result }
        guard errno == EINTR else {
            throw FileError.failed(operation: operation, path: path, errorNumber: errno)
        }
    }
}
