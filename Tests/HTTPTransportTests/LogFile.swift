import Glibc
import Telemetry
import TestSupport
import Testing

/// A log that is written to a file and read back.
final class LogFile {
    let sink: LogSink
    private let folder: TemporaryDirectory
    private let descriptor: Int32

    init() throws {
        folder = try TemporaryDirectory()
        descriptor = unsafe open(folder.path("log"), O_RDWR | O_CREAT | O_CLOEXEC, 0o600)
        try #require(descriptor >= 0)
        sink = try LogSink(descriptor: descriptor)
    }

    deinit {
        sink.shutdown()
        close(descriptor)
    }

    /// Ends the log and gives its lines.
    func lines() throws -> [String] {
        sink.shutdown()
        try #require(lseek(descriptor, 0, SEEK_SET) == 0)
        var bytes: [UInt8] = []
        var block = [UInt8](repeating: 0, count: 65_536)
        while true {
            // Bounds: read fills at most the block's bytes.
            let count = unsafe block.withUnsafeMutableBytes {
                unsafe read(descriptor, $0.baseAddress, $0.count)
            }
            guard count > 0 else { break }
            bytes += block[..<count]
        }
        return String(decoding: bytes, as: UTF8.self).split(separator: "\n").map(String.init)
    }
}
