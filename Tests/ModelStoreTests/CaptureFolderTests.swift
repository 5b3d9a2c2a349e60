import Features
import Files
import FoundationEssentials
import Glibc
import ModelStore
import TestSupport
import Testing

@Suite("Capture folder") final class CaptureFolderTests {
    private let folder: TemporaryDirectory
    private let start = Date(timeIntervalSince1970: 1_795_466_160)

    init() throws { folder = try TemporaryDirectory() }

    private func capture(bytesMax: Int = 1000, secondsMax: Double = 3600) -> CaptureFolder {
        CaptureFolder(
            state: folder.path,
            model: "lines",
            bytesMax: bytesMax,
            secondsMax: secondsMax
        )
    }

    /// A file of about so many bytes.
    private func file(_ bytes: Int) throws -> CapturedFile {
        let schema = try FeatureSchema(
            .table(
                TableLayout(
                    columns: [.numeric("a", scaling: .constant(divisor: 1))],
                    target: TargetColumn(name: "b", labels: nil)
                )
            )
        )
        // "a,b\n" and lines of nine bytes: "1.0,10.5\n".
        let row: (raw: [Float], truth: Double) = ([1], 10.5)
        let rows = Array(repeating: row, count: (bytes - 4) / 9)
        return try #require(CapturedFile.files(schema, labels: [], rows: rows).first)
    }

    private func names() throws -> [String] { try Folder.list(capture().path).sorted() }

    private func mode(_ path: String) -> mode_t {
        var facts = stat()
        return unsafe stat(path, &facts) == 0 ? facts.st_mode & 0o777 : 0
    }

    @Test("files are the owner's alone, and nothing is made before the first")
    func modes() throws {
        let capture = capture()
        try capture.prune(now: start)
        #expect(!Folder.exists(capture.path))
        try capture.add([file(100)], now: start)
        let name = try #require(names().first)
        #expect(name.hasPrefix("1795466160000-") && name.hasSuffix(".csv"))
        #expect(mode("\(capture.path)/\(name)") == 0o600)
        #expect(mode(capture.path) == 0o700)
        #expect(try WholeFile.read("\(capture.path)/\(name)", bytesMax: 1000) == file(100).bytes)
    }

    @Test("the oldest files make room for new ones")
    func size() throws {
        let capture = capture(bytesMax: 1000)
        for second in 0..<5 { try capture.add([file(400)], now: start + Double(second)) }
        #expect(try names().map { $0.prefix(13) } == ["1795466163000", "1795466164000"])
        // What is too large for the folder is refused, and takes nothing away.
        #expect(throws: StoreError.self) { try capture.add([file(1100)], now: start + 9) }
        #expect(try names().count == 2)
    }

    @Test("old files go away; what others put there stays, and what was left unfinished does not")
    func age() throws {
        let capture = capture(secondsMax: 60)
        try capture.add([file(100)], now: start)
        try capture.add([file(200)], now: start + 50)
        try WholeFile.create("\(capture.path)/notes.txt", [1])
        try WholeFile.create("\(capture.path)/1-2.csv\(WholeFile.temporaryInfix)9-9", [1])
        try capture.prune(now: start + 61)
        #expect(try names().map { $0.prefix(13) } == ["1795466210000", "notes.txt"])
        try capture.prune(now: start + 1000)
        #expect(try names() == ["notes.txt"])
    }
}
