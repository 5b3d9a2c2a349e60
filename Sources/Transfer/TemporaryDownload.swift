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
        path = Self.newPath(target)
        let flags = O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW | O_APPEND
        file = try OpenFile(path, flags: flags, mode: 0o600)
    }

    /// Takes over the part of a file that an earlier attempt left, which is read once.
    ///
    /// - Throws: ``FileError``.
    init(taking part: String, beside target: String) throws(FileError) {
        path = Self.newPath(target)
        try Folder.rename(part, to: path)
        file = try OpenFile(path, flags: O_RDWR | O_APPEND | O_NOFOLLOW)
        let isRead = FileFacts.forEachPiece(of: path) { piece in
            digest?.update(piece)
            bytes += piece.count
        }
        guard isRead else { throw .failed(operation: "read", path: path, errorNumber: EIO) }
    }

    deinit {
        if !isPublished { _ = unsafe unlink(path) }
    }

    private static func newPath(_ target: String) -> String {
        let mark = "\(getpid())-\(UInt32.random(in: 0...UInt32.max))"
        return "\(target)\(WholeFile.temporaryInfix)\(mark)"
    }

    /// Forgets all bytes.
    ///
    /// - Throws: ``FileError``; the file is then of no use.
    func restart() throws(FileError) {
        try file?.truncate(to: 0)
        digest = SHA256Digest()
        bytes = 0
    }

    /// Puts what is there so far in the place of parts, to be taken over later.
    ///
    /// - Throws: ``FileError``.
    func suspend(to part: String) throws(FileError) {
        try file?.synchronise()
        file = nil
        try Folder.rename(path, to: part)
        isPublished = true
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
        var digest = SHA256Digest()
        guard forEachPiece(of: path, { digest.update($0) }) else { return nil }
        return try? digest.finish()
    }

    /// Gives a file's content to `body`, piece by piece; `false` when it cannot be read.
    static func forEachPiece(of path: String, _ body: (Span<UInt8>) -> Void) -> Bool {
        let descriptor = unsafe open(path, O_RDONLY | O_CLOEXEC)
        guard descriptor >= 0 else { return false }
        defer { close(descriptor) }
        var buffer = [UInt8](repeating: 0, count: 256 << 10)
        while true {
            // Bounds: the kernel writes at most the buffer's length.
            let count = unsafe buffer.withUnsafeMutableBytes { buffer in
                unsafe read(descriptor, buffer.baseAddress, buffer.count)
            }
            if count == 0 { return true }
            if count < 0 && errno == EINTR { continue }
            if count < 0 { return false }
            body(buffer.span.extracting(first: count))
        }
    }
}
