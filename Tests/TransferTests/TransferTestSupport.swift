import Digest
import Files
import Logging
import Synchronization
import TestSupport
import Transfer

/// What a test downloads with: a folder of its own, the attempts made, and waits that take no time.
final class DownloadBench: Sendable {
    let folder: TemporaryDirectory
    let downloader: Downloader
    private let record: Record

    private final class Record: Sendable {
        let attempts = Mutex<[DownloadAttempt]>([])
        let waits = Mutex<[Duration]>([])
    }

    init(
        caFile: String? = nil,
        limits: DownloadLimits = DownloadLimits(connectSecondsMax: 5, totalSecondsMax: 30),
        retry: RetryPolicy = .never,
        circuits: CircuitFile? = nil
    ) throws {
        let record = Record()
        folder = try TemporaryDirectory()
        downloader = try Downloader(
            settings: DownloadSettings(
                caFile: caFile ?? DataServer.shared().caFile,
                proxy: "",
                limits: limits,
                retry: retry
            ),
            circuits: circuits,
            logger: silentLogger,
            onAttempt: { attempt in record.attempts.withLock { $0.append(attempt) } },
            sleep: { wait in
                try Task.checkCancellation()
                record.waits.withLock { $0.append(wait) }
            }
        )
        self.record = record
    }

    var target: String { folder.path("data.bin") }
    var attempts: [DownloadAttempt] { record.attempts.withLock { $0 } }
    var waits: [Duration] { record.waits.withLock { $0 } }
    /// The names in the folder of the target.
    var names: [String] { (try? Folder.list(folder.path)) ?? [] }
    /// The target's content; nil when it is not there.
    var content: [UInt8]? { try? WholeFile.read(target, bytesMax: 1 << 24) }

    /// Downloads from one mirror.
    func download(_ mirrors: String...) async throws -> DownloadOutcome {
        try await downloader.download(DownloadRequest(mirrors: mirrors, target: target))
    }

    /// The error of a download that must fail.
    func failure(_ mirrors: String...) async -> TransferError? {
        do throws(TransferError) {
            _ = try await downloader.download(DownloadRequest(mirrors: mirrors, target: target))
            return nil
        } catch {
            return error
        }
    }
}

/// A clock that is set by hand; Unix seconds.
final class Clock: Sendable {
    private let seconds = Mutex<Int64>(1000)
    var now: Int64 { seconds.withLock { $0 } }
    func set(_ now: Int64) { seconds.withLock { $0 = now } }
}

/// The digest of bytes.
func digest(_ bytes: [UInt8]) throws -> Digest256 { try SHA256Digest.of(bytes) }

/// A logger that says nothing.
let silentLogger = Logger(label: "test") { _ in SwiftLogNoOpLogHandler() }

/// Bytes that differ from place to place.
func sample(_ count: Int, seed: Int = 1) -> [UInt8] {
    (0..<count).map { UInt8(truncatingIfNeeded: ($0 &* $0 &+ seed) >> 2) }
}

/// What a closure on another thread has seen.
final class Collected<Element: Sendable>: Sendable {
    private let elements = Mutex<[Element]>([])

    var all: [Element] { elements.withLock { $0 } }

    func append(_ element: Element) {
        elements.withLock { $0.append(element) }
    }
}
