internal import Digest
internal import Files
internal import Glibc

/// A file that is still coming in, beside the target whose place it will take.
///
/// Unless it is published it goes away with its owner; what a crash leaves has the mark that
/// `Folder.sweep` removes.
final class TemporaryDownload {
    /// Where it is.
    let path: String
    /// The bytes in it.
    private(set) var bytes = 0
    private var file: OpenFile?
    private var digest: SHA256Digest? = SHA256Digest()
    private var isPublished = false

    /// Makes the empty file.
    ///
    /// - Throws: ``FileError``.
    init(beside target: String) throws(FileError) {
        let mark = "\(getpid())-\(UInt32.random(in: 0...UInt32.max))"
        path = "\(target)\(WholeFile.temporaryInfix)\(mark)"
        file = try OpenFile(path, flags: O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW, mode: 0o600)
    }

    deinit {
        if !isPublished { _ = unsafe unlink(path) }
    }

    /// Adds bytes.
    ///
    /// - Throws: ``FileError``; the file is then of no use.
    func append(_ piece: RawSpan) throws(FileError) {
        // Bounds: the array is a copy of the lent bytes.
        let copy = unsafe piece.withUnsafeBytes { unsafe Array($0) }
        try file?.write(copy)
        digest?.update(copy.span)
        bytes += copy.count
    }

    /// Waits until all is on the disk, and closes the file.
    ///
    /// - Returns: The digest of the bytes.
    /// - Throws: ``TransferError``.
    func finish() throws(TransferError) -> Digest256 {
        do {
            try file?.synchronise()
        } catch {
            throw .disk(error)
        }
        file = nil
        do {
            return try (digest.take() ?? SHA256Digest()).finish()
        } catch {
            throw .library(operation: "digest \(path)", reason: "\(error)")
        }
    }

    /// Puts the finished file in the target's place.
    ///
    /// - Throws: ``FileError``.
    func publish(to target: String) throws(FileError) {
        try Folder.rename(path, to: target)
        isPublished = true
        try Folder.synchronise(Folder.parent(of: target))
    }
}

/// What is known of a file on this disk without its content.
enum FileFacts {
    /// The length of a regular file; nil when there is none at the path.
    static func regularFileBytes(_ path: String) -> Int? {
        var facts = stat()
        guard unsafe stat(path, &facts) == 0, facts.st_mode & S_IFMT == S_IFREG else { return nil }
        return Int(facts.st_size)
    }

    /// The digest of a file's content, read in constant memory; nil when it cannot be read.
    static func digest(of path: String) -> Digest256? {
        let descriptor = unsafe open(path, O_RDONLY | O_CLOEXEC)
        guard descriptor >= 0 else { return nil }
        defer { close(descriptor) }
        var digest = SHA256Digest()
        var buffer = [UInt8](repeating: 0, count: 256 << 10)
        while true {
            // Bounds: the kernel writes at most the buffer's length.
            let count = unsafe buffer.withUnsafeMutableBytes { buffer in
                unsafe read(descriptor, buffer.baseAddress, buffer.count)
            }
            if count == 0 { return try? digest.finish() }
            if count < 0 && errno == EINTR { continue }
            if count < 0 { return nil }
            digest.update(buffer.span.extracting(first: count))
        }
    }
}
