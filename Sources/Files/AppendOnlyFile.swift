import Glibc

/// A file of lines that is only ever added to; a line cut short by a crash is dropped.
package struct AppendOnlyFile: Sendable {
    /// The file; made by the first append.
    package let path: String

    /// Names the file; nothing is opened yet.
    package init(_ path: String) {
        self.path = path
    }

    /// Adds one line and waits until it is on the disk.
    ///
    /// Writers of several processes take turns by the file's lock. What a crash left of an
    /// unfinished line is cut off first, so that every line in the file is whole.
    ///
    /// - Parameter line: The line's bytes, without a line feed.
    /// - Throws: ``FileError``.
    package func append(_ line: [UInt8]) throws(FileError) {
        let isNew = !Folder.exists(path)
        let file = try OpenFile(path, flags: O_RDWR | O_CREAT | O_APPEND, mode: 0o644)
        try file.lock(waiting: true)
        let bytes = try file.readToEnd(bytesMax: Self.bytesMax)
        let whole = (bytes.lastIndex(of: UInt8(ascii: "\n")) ?? -1) + 1
        if whole < bytes.count { try file.truncate(to: whole) }
        try file.write(line + [UInt8(ascii: "\n")])
        try file.synchronise()
        if isNew { try Folder.synchronise(Folder.parent(of: path)) }
    }

    /// Cuts off what a crash left of an unfinished line.
    ///
    /// - Returns: Bytes cut off.
    /// - Throws: ``FileError``.
    @discardableResult
    package func repair() throws(FileError) -> Int {
        guard Folder.exists(path) else { return 0 }
        let file = try OpenFile(path, flags: O_RDWR)
        try file.lock(waiting: true)
        let bytes = try file.readToEnd(bytesMax: Self.bytesMax)
        let whole = (bytes.lastIndex(of: UInt8(ascii: "\n")) ?? -1) + 1
        guard whole < bytes.count else { return 0 }
        try file.truncate(to: whole)
        try file.synchronise()
        return bytes.count - whole
    }

    /// The whole lines in the file, oldest first; none when the file does not exist.
    ///
    /// - Throws: ``FileError``.
    package func lines() throws(FileError) -> [ArraySlice<UInt8>] {
        do {
            let bytes = try WholeFile.read(path, bytesMax: Self.bytesMax)
            let whole = bytes[..<((bytes.lastIndex(of: UInt8(ascii: "\n")) ?? -1) + 1)]
            return whole.split(separator: UInt8(ascii: "\n"))
        } catch {
            if error.isMissing { return [] }
            throw error
        }
    }

    /// No journal of ours grows past this; a larger file is refused rather than read.
    private static let bytesMax = 64 << 20
}
