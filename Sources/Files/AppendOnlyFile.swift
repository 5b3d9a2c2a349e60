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
        try Self.cutUnfinished(file)
        try file.write(line + [Self.lineFeed])
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
        let bytes = try Self.cutUnfinished(file)
        if bytes > 0 { try file.synchronise() }
        return bytes
    }

    /// Visits the whole lines, the newest first, until a visit says that it is enough.
    ///
    /// However long the file is, a block of it and a line are in memory. Of a line longer than
    /// ``lineBytesMax`` no more than its end is shown.
    ///
    /// - Parameter visit: Takes a line without its line feed; false ends the visits.
    /// - Throws: ``FileError``; a file that does not exist has no lines.
    package func visitNewestFirst(_ visit: (ArraySlice<UInt8>) -> Bool) throws(FileError) {
        let file: OpenFile
        do {
            file = try OpenFile(path, flags: O_RDONLY)
        } catch {
            if error.isMissing { return }
            throw error
        }
        var end = try file.size()
        // The end of a line that begins before what has been read.
        var rest: ArraySlice<UInt8> = []
        // What follows the last line feed of all is no whole line.
        var isWhole = false
        while end > 0 {
            let start = max(0, end - Self.blockBytes)
            var block = ArraySlice(try file.read(start..<end) + rest)
            while let feed = block.lastIndex(of: Self.lineFeed) {
                let line = block[(feed + 1)...]
                if isWhole, !line.isEmpty, !visit(line) { return }
                block = block[..<feed]
                isWhole = true
            }
            rest = isWhole ? block.suffix(Self.lineBytesMax) : []
            end = start
        }
        if !rest.isEmpty { _ = visit(rest) }
    }

    /// Cuts off what follows the last line feed.
    ///
    /// - Returns: Bytes cut off.
    @discardableResult
    private static func cutUnfinished(_ file: borrowing OpenFile) throws(FileError) -> Int {
        let size = try file.size()
        var end = size
        while end > 0 {
            let start = max(0, end - (end == size ? 1 : blockBytes))
            if let feed = try file.read(start..<end).lastIndex(of: lineFeed) {
                end = start + feed + 1
                break
            }
            end = start
        }
        if end < size { try file.truncate(to: end) }
        return size - end
    }

    /// The most that is shown of one line.
    package static let lineBytesMax = 1 << 20
    private static let blockBytes = 1 << 16
    private static let lineFeed = UInt8(ascii: "\n")
}
