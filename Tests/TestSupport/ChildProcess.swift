import Glibc
import Synchronization

/// A program that a test starts, with our end of its input and its output.
///
/// Its input ends when this object goes away or this process ends, however that happens.
package final class ChildProcess: Sendable {
    /// The program could not be started, or ended badly.
    package struct Failure: Error, CustomStringConvertible {
        /// What happened.
        package let description: String
    }

    private let process: pid_t
    private let input: Int32
    private let output: Int32
    private let isReaped = Mutex(false)

    /// Starts a program found by the search path; its errors go where ours go.
    package init(_ arguments: [String]) throws {
        // Two programs started at once would inherit each other's pipes.
        (process, input, output) = try Self.starting.withLock { _ in try Self.start(arguments) }
    }

    deinit {
        close(input)
        close(output)
        _ = try? end()
    }

    /// The first line that the program writes.
    package func readLine() throws -> String {
        var line: [UInt8] = []
        var byte: UInt8 = 0
        // Bounds: one byte is read into one byte.
        while unsafe read(output, &byte, 1) == 1 {
            if byte == UInt8(ascii: "\n") { return String(decoding: line, as: UTF8.self) }
            line.append(byte)
        }
        throw Failure(description: "the program ended before it wrote a line")
    }

    /// Waits until the program ended well.
    package func waitForSuccess() throws {
        let status = try end()
        guard status == 0 else { throw Failure(description: "the program ended with \(status)") }
    }

    /// Runs a program to its good end.
    package static func run(_ arguments: [String]) throws {
        try ChildProcess(arguments).waitForSuccess()
    }

    /// Whether a program is in the search path.
    package static func isThere(_ name: String) -> Bool {
        let path = unsafe getenv("PATH").map { unsafe String(cString: $0) } ?? "/usr/bin:/bin"
        return path.split(separator: ":").contains { unsafe access("\($0)/\(name)", X_OK) == 0 }
    }

    @discardableResult
    private func end() throws -> Int32 {
        try isReaped.withLock { isReaped in
            if isReaped { return 0 }
            isReaped = true
            var status: Int32 = 0
            while unsafe waitpid(process, &status, 0) < 0 {
                guard errno == EINTR else { throw Failure(description: "waitpid: errno \(errno)") }
            }
            return status
        }
    }

    private static let starting = Mutex(())

    private static func start(_ arguments: [String]) throws -> (pid_t, Int32, Int32) {
        let (childInput, ourOutput) = try makePipe()
        let (ourInput, childOutput) = try makePipe()
        defer {
            close(childInput)
            close(childOutput)
        }
        var actions = unsafe posix_spawn_file_actions_t()
        unsafe posix_spawn_file_actions_init(&actions)
        defer { unsafe posix_spawn_file_actions_destroy(&actions) }
        unsafe posix_spawn_file_actions_adddup2(&actions, childInput, 0)
        unsafe posix_spawn_file_actions_adddup2(&actions, childOutput, 1)
        var words = unsafe arguments.map { unsafe strdup($0) }
        defer { unsafe words.forEach { unsafe free($0) } }
        unsafe words.append(nil)
        var process: pid_t = 0
        // Bounds: `words` ends with nil, as the call wants it.
        let result = unsafe posix_spawnp(&process, arguments[0], &actions, nil, words, environ)
        guard result == 0 else {
            throw Failure(description: "start \(arguments[0]): errno \(result)")
        }
        return (process, ourOutput, ourInput)
    }

    private static func makePipe() throws -> (read: Int32, write: Int32) {
        var ends: [Int32] = [0, 0]
        // Bounds: the call writes two numbers.
        guard unsafe pipe(&ends) == 0 else { throw Failure(description: "pipe: errno \(errno)") }
        for end in ends { _ = fcntl(end, F_SETFD, FD_CLOEXEC) }
        return (ends[0], ends[1])
    }
}
