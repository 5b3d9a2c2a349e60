package import Glibc

/// Files that are read and replaced as a whole.
package enum WholeFile {
    /// Reads a file.
    ///
    /// - Parameters:
    ///   - path: The file.
    ///   - bytesMax: The most that is read.
    /// - Returns: All of the file's bytes.
    /// - Throws: ``FileError``; ``FileError/isMissing`` tells a file that is not there.
    package static func read(_ path: String, bytesMax: Int) throws(FileError) -> [UInt8] {
        let file = try OpenFile(path, flags: O_RDONLY)
        return try file.readToEnd(bytesMax: bytesMax)
    }

    /// Writes a new file and waits until it is on the disk.
    ///
    /// - Throws: ``FileError``, also when the path exists.
    package static func create(
        _ path: String,
        _ bytes: [UInt8],
        mode: mode_t = 0o644
    ) throws(FileError) {
        let file = try OpenFile(path, flags: O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW, mode: mode)
        try file.write(bytes)
        try file.synchronise()
    }

    /// Puts new content in a file's place: readers and a crash see the old or the new, whole.
    ///
    /// Temporary file in the same folder, `fsync`, `rename`, `fsync` of the folder.
    ///
    /// - Throws: ``FileError``; the old file then stands as it was.
    package static func replace(
        _ path: String,
        _ bytes: [UInt8],
        mode: mode_t = 0o644
    ) throws(FileError) {
        let temporary = temporaryName(path)
        do {
            try create(temporary, bytes, mode: mode)
            try Folder.rename(temporary, to: path)
        } catch {
            _ = unsafe unlink(temporary)
            throw error
        }
        try Folder.synchronise(Folder.parent(of: path))
    }

    /// Writes a new file, which nobody ever sees in part, and waits until it is on the disk.
    ///
    /// Temporary file in the same folder, `fsync`, `link`, `fsync` of the folder.
    ///
    /// - Throws: ``FileError``, also when anything is at the path; it then stays as it was.
    package static func add(
        _ path: String,
        _ bytes: [UInt8],
        mode: mode_t = 0o644
    ) throws(FileError) {
        let temporary = temporaryName(path)
        defer { _ = unsafe unlink(temporary) }
        try create(temporary, bytes, mode: mode)
        _ = try retryingInterrupts("create", path) { unsafe link(temporary, path) }
        try Folder.synchronise(Folder.parent(of: path))
    }

    private static func temporaryName(_ path: String) -> String {
        "\(path)\(temporaryInfix)\(getpid())-\(UInt32.random(in: 0...UInt32.max))"
    }

    /// What marks the name of a file that is not finished; ``Folder/sweep(_:)`` removes such.
    package static let temporaryInfix = ".tmp-"
}
