internal import Files
internal import Glibc

/// Words for a person who watches: progress, addresses, how to stop.
///
/// The server's console is standard output, since standard error is its log and stays pure; a
/// command's console is standard error, since standard output is its report.
enum Console: Sendable {
    case standardOutput, standardError

    /// Whether a person sees it rather than a file or a pipe.
    var isTerminal: Bool {
        isatty(self == .standardOutput ? STDOUT_FILENO : STDERR_FILENO) == 1
    }

    /// Writes a text; a closed terminal is no reason to stop.
    func write(_ text: String) {
        let bytes = Array(text.utf8)
        switch self {
        case .standardOutput:
            try? OpenFile.standardOutput { file throws(FileError) in try file.write(bytes) }
        case .standardError:
            try? OpenFile.standardError { file throws(FileError) in try file.write(bytes) }
        }
    }
}
