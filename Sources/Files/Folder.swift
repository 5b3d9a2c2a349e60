package import Glibc

/// Folders: made, listed, swept, and flushed so that a rename in them survives a power cut.
package enum Folder {
    /// Makes a folder and those above it that are missing.
    ///
    /// - Throws: ``FileError/failed(operation:path:errorNumber:)``.
    package static func make(_ path: String, mode: mode_t = 0o755) throws(FileError) {
        if unsafe mkdir(path, mode) == 0 { return }
        switch errno {
        case EEXIST where isFolder(path):
            return
        case ENOENT where parent(of: path) != path:
            try make(parent(of: path), mode: mode)
            if unsafe mkdir(path, mode) == 0 || errno == EEXIST { return }
            throw .failed(operation: "make folder", path: path, errorNumber: errno)
        default:
            throw .failed(operation: "make folder", path: path, errorNumber: errno)
        }
    }

    /// The names in a folder, sorted; without `.` and `..`.
    ///
    /// - Throws: ``FileError/failed(operation:path:errorNumber:)``.
    package static func list(_ path: String) throws(FileError) -> [String] {
        guard let folder = unsafe opendir(path) else {
            throw .failed(operation: "list", path: path, errorNumber: errno)
        }
        defer { unsafe closedir(folder) }
        var names: [String] = []
        while true {
            // The end and a failure both give nothing; only errno tells them apart.
            errno = 0
            guard let entry = unsafe readdir(folder) else {
                guard errno == 0 else {
                    throw .failed(operation: "list", path: path, errorNumber: errno)
                }
                break
            }
            // Bounds: d_name is a zero-ended string inside the entry that readdir lent us.
            let name = unsafe withUnsafePointer(to: &entry.pointee.d_name) { pointer in
                unsafe pointer.withMemoryRebound(to: CChar.self, capacity: 256) {
                    unsafe String(cString: $0)
                }
            }
            if name != "." && name != ".." { names.append(name) }
        }
        return names.sorted()
    }

    /// Whether the path is a folder.
    package static func isFolder(_ path: String) -> Bool {
        var facts = stat()
        return unsafe stat(path, &facts) == 0 && facts.st_mode & S_IFMT == S_IFDIR
    }

    /// Whether anything is at the path.
    package static func exists(_ path: String) -> Bool {
        unsafe access(path, F_OK) == 0
    }

    /// The bytes that a process without privileges may still write to the disk of a path.
    ///
    /// - Throws: ``FileError/failed(operation:path:errorNumber:)``.
    package static func freeBytes(_ path: String) throws(FileError) -> Int {
        var facts = statvfs()
        _ = try retryingInterrupts("ask the disk of", path) { unsafe statvfs(path, &facts) }
        let bytes = UInt64(facts.f_bavail).multipliedReportingOverflow(by: UInt64(facts.f_frsize))
        return bytes.overflow ? .max : Int(clamping: bytes.partialValue)
    }

    /// Renames a file or folder, replacing a file at the target in one step.
    ///
    /// - Throws: ``FileError/failed(operation:path:errorNumber:)``.
    package static func rename(_ source: String, to target: String) throws(FileError) {
        _ = try retryingInterrupts("rename", source) { unsafe Glibc.rename(source, target) }
    }

    /// Gives a file a second name in the same file system; the content is there once.
    ///
    /// - Throws: ``FileError/failed(operation:path:errorNumber:)``, also when the name is taken.
    package static func link(_ source: String, to target: String) throws(FileError) {
        _ = try retryingInterrupts("link", source) { unsafe Glibc.link(source, target) }
    }

    /// Waits until the folder's entries are on the disk.
    ///
    /// - Throws: ``FileError/failed(operation:path:errorNumber:)``.
    package static func synchronise(_ path: String) throws(FileError) {
        let folder = try OpenFile(path, flags: O_RDONLY | O_DIRECTORY)
        try folder.synchronise()
    }

    /// Removes a file, or a folder with all that is in it; nothing at the path is no error.
    ///
    /// - Throws: ``FileError/failed(operation:path:errorNumber:)``.
    package static func remove(_ path: String) throws(FileError) {
        if unsafe unlink(path) == 0 || errno == ENOENT { return }
        guard errno == EISDIR || errno == EPERM else {
            throw .failed(operation: "remove", path: path, errorNumber: errno)
        }
        for name in try list(path) {
            try remove("\(path)/\(name)")
        }
        guard unsafe rmdir(path) == 0 || errno == ENOENT else {
            throw .failed(operation: "remove", path: path, errorNumber: errno)
        }
    }

    /// Removes what an interrupted write left in a folder: entries with the temporary mark.
    ///
    /// - Returns: The names removed.
    /// - Throws: ``FileError/failed(operation:path:errorNumber:)``.
    @discardableResult
    package static func sweep(_ path: String) throws(FileError) -> [String] {
        var removed: [String] = []
        for name in try list(path) where name.contains(WholeFile.temporaryInfix) {
            try remove("\(path)/\(name)")
            removed.append(name)
        }
        return removed
    }

    /// The path of the folder that holds a path.
    package static func parent(of path: String) -> String {
        let parts = path.split(separator: "/", omittingEmptySubsequences: true)
        let parent = parts.dropLast().joined(separator: "/")
        if path.hasPrefix("/") { return "/" + parent }
        return parent.isEmpty ? "." : parent
    }
}
