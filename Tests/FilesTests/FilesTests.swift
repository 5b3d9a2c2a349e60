import Files
import Glibc
import TestSupport
import Testing

@Suite("Files") struct FilesTests {
    let directory: String
    private let owner: Box

    /// Keeps the uncopyable directory for the life of the suite's instance.
    private final class Box {
        let directory: TemporaryDirectory
        init() throws { directory = try TemporaryDirectory() }
    }

    init() throws {
        owner = try Box()
        directory = owner.directory.path
    }

    @Test("a replaced file holds the new bytes and leaves no temporary behind")
    func replace() throws {
        let path = "\(directory)/pointer"
        try WholeFile.replace(path, [1, 2])
        try WholeFile.replace(path, [3])
        #expect(try WholeFile.read(path, bytesMax: 10) == [3])
        #expect(try Folder.list(directory) == ["pointer"])
    }

    @Test("a replacement that fails leaves the old file and no temporary")
    func replaceFails() throws {
        let folder = "\(directory)/target"
        try Folder.make("\(folder)/full")
        #expect(throws: FileError.self) { try WholeFile.replace(folder, [1]) }
        #expect(Folder.isFolder("\(folder)/full"))
        #expect(try Folder.list(directory) == ["target"])
    }

    @Test("an added file is whole, and nothing that is there is touched")
    func add() throws {
        let path = "\(directory)/export"
        try WholeFile.add(path, [1, 2])
        #expect(try WholeFile.read(path, bytesMax: 10) == [1, 2])
        let error = #expect(throws: FileError.self) { try WholeFile.add(path, [3]) }
        #expect(error?.isPresent == true)
        #expect(throws: FileError.self) { try WholeFile.add("\(directory)/none/file", [3]) }
        #expect(try WholeFile.read(path, bytesMax: 10) == [1, 2])
        #expect(try Folder.list(directory) == ["export"])
    }

    @Test("a file over the limit is refused, one at the limit is read")
    func limit() throws {
        let path = "\(directory)/file"
        try WholeFile.create(path, [UInt8](repeating: 7, count: 100))
        #expect(try WholeFile.read(path, bytesMax: 100).count == 100)
        #expect(throws: FileError.tooLarge(path: path, bytesMax: 99)) {
            try WholeFile.read(path, bytesMax: 99)
        }
    }

    @Test("a file without a length, such as one of /proc, is read to its end")
    func procFile() throws {
        #expect(try WholeFile.read("/proc/self/stat", bytesMax: 1 << 20).count > 20)
        #expect(throws: FileError.self) { try WholeFile.read("/proc/self/maps", bytesMax: 50) }
    }

    @Test("a missing file says so by name")
    func missing() throws {
        let path = "\(directory)/none"
        do {
            _ = try WholeFile.read(path, bytesMax: 1)
            Issue.record("a missing file was read")
        } catch {
            #expect(error.isMissing)
            #expect(error.code == "file_missing")
            #expect(error.description.contains("none"))
            #expect(error.description.contains("No such file"))
        }
    }

    @Test("folders are made with their parents, listed in order, and removed with their content")
    func folders() throws {
        try Folder.make("\(directory)/a/b/c")
        try WholeFile.create("\(directory)/a/b/z", [])
        #expect(try Folder.list("\(directory)/a/b") == ["c", "z"])
        try Folder.remove("\(directory)/a")
        #expect(!Folder.exists("\(directory)/a"))
        try Folder.remove("\(directory)/a")
    }

    @Test("a sweep removes what interrupted writes left, and nothing else")
    func sweep() throws {
        try Folder.make("\(directory)/7.tmp-12")
        try WholeFile.create("\(directory)/7.tmp-12/part", [1])
        try WholeFile.create("\(directory)/7", [1])
        #expect(try Folder.sweep(directory) == ["7.tmp-12"])
        #expect(try Folder.list(directory) == ["7"])
    }

    /// The whole lines of a journal, oldest first.
    private func lines(_ journal: AppendOnlyFile, newest count: Int = .max) throws -> [String] {
        var lines: [String] = []
        try journal.visitNewestFirst { line in
            lines.append(String(decoding: line, as: UTF8.self))
            return lines.count < count
        }
        return lines.reversed()
    }

    private func write(_ bytes: [UInt8], after journal: AppendOnlyFile) throws {
        try OpenFile(journal.path, flags: O_WRONLY | O_APPEND).write(bytes)
    }

    @Test("a journal drops the line that a crash cut short, and keeps the rest")
    func journal() throws {
        let journal = AppendOnlyFile("\(directory)/journal")
        #expect(try lines(journal).isEmpty)
        try journal.append(Array("one".utf8))
        try write(Array("tw".utf8), after: journal)
        #expect(try lines(journal) == ["one"])
        try journal.append(Array("three".utf8))
        #expect(try lines(journal) == ["one", "three"])
        try write(Array("fo".utf8), after: journal)
        #expect(try journal.repair() == 2)
        #expect(try journal.repair() == 0)
        #expect(try lines(journal) == ["one", "three"])
    }

    @Test("a journal of many blocks is read from its end, lines across their borders too")
    func longJournal() throws {
        let journal = AppendOnlyFile("\(directory)/journal")
        let written = (0..<400).map { String(repeating: "\($0) ", count: 1 + $0 * 7 % 501) }
        let text = written.map { $0 + "\n" }.joined()
        try WholeFile.create(journal.path, Array(text.utf8))
        #expect(text.utf8.count > 5 << 16)
        #expect(try lines(journal) == written)
        #expect(try lines(journal, newest: 3) == Array(written.suffix(3)))
        // Unfinished for longer than a block.
        try write([UInt8](repeating: 0x61, count: 200_000), after: journal)
        #expect(try lines(journal) == written)
        try journal.append(Array("last".utf8))
        #expect(try lines(journal) == written + ["last"])
    }

    @Test("of a line without end the end is shown, and the others stay readable")
    func damagedJournal() throws {
        let journal = AppendOnlyFile("\(directory)/journal")
        try journal.append(Array("one".utf8))
        let zeros = [UInt8](repeating: 0, count: 3 << 20)
        try write(zeros + [0x0A], after: journal)
        try journal.append(Array("two".utf8))
        let found = try lines(journal)
        #expect(found.count == 3)
        #expect((found.first, found.last) == ("one", "two"))
        #expect(found[1].utf8.count >= AppendOnlyFile.lineBytesMax)
        #expect(found[1].utf8.count < AppendOnlyFile.lineBytesMax + 1 << 17)
    }

    @Test("a second holder of a lock is refused until the first lets go")
    func lock() throws {
        let path = "\(directory)/lock"
        try hold(path) {
            #expect(throws: FileError.locked(path: path)) { try hold(path) {} }
        }
        try hold(path) {}
    }

    private func hold(_ path: String, _ body: () throws -> Void) throws {
        let file = try OpenFile(path, flags: O_RDWR | O_CREAT)
        try file.lock(waiting: false)
        try body()
        _ = try file.size()
    }

    @Test(
        "the parent of a path",
        arguments: [
            ("/a/b", "/a"), ("/a", "/"), ("a", "."), ("a/b/c", "a/b"), ("/a/b/", "/a"),
        ]
    )
    func parent(path: String, parent: String) {
        #expect(Folder.parent(of: path) == parent)
    }

    @Test("a stamp tells that a file was written, replaced, or is behind another link")
    func stamps() throws {
        let folder = try TemporaryDirectory()
        let (file, other, link) = (folder.path("a"), folder.path("b"), folder.path("link"))
        #expect(FileStamp(file) == nil)
        try WholeFile.create(file, [1])
        let first = try #require(FileStamp(file))
        #expect(FileStamp(file) == first)
        try WholeFile.replace(file, [2])
        let second = try #require(FileStamp(file))
        #expect(second != first)
        try WholeFile.create(other, [2])
        try #require(unsafe symlink(file, link) == 0)
        #expect(FileStamp(link) == second)
        try Folder.remove(link)
        try #require(unsafe symlink(other, link) == 0)
        #expect(FileStamp(link) != second)
    }
}
