import Files
import FoundationEssentials
import ModelStore
import ModelTestSupport
import Testing

/// What a crash can leave, made by hand, and what becomes of it.
@Suite("Recovery") struct RecoveryTests {
    /// Takes the last publication back to some step of it.
    private func undo(_ store: ModelDirectory, journal: Bool) throws {
        try store.point(to: 1)
        guard journal else { return }
        let path = "\(store.path)/journal.jsonl"
        let bytes = try WholeFile.read(path, bytesMax: 1 << 20)
        try WholeFile.replace(path, bytes.prefix { $0 != 0x0A } + [0x0A])
    }

    @Test("a crash after the journal and before the pointer is rolled forward")
    func journalBeforePointer() throws {
        let bench = try Bench(versions: 2)
        try undo(bench.store, journal: false)
        #expect(try bench.store.current()?.version == 1)
        try bench.store.recover(now: later)
        #expect(try bench.store.current()?.version == 2)
        #expect(try bench.journal() == ["published 1", "published 2"])
    }

    @Test("a crash before the journal leaves the old version, and the new one is noted")
    func versionBeforeJournal() throws {
        let bench = try Bench(versions: 2)
        try undo(bench.store, journal: true)
        try bench.store.recover(now: later)
        #expect(try bench.store.current()?.version == 1)
        #expect(try bench.journal() == ["published 1", "recovered 2"])
        #expect(try bench.store.publishTiny() == 3)
        #expect(try bench.store.history().last?.previous == 1)
    }

    @Test("a promotion that was decided is carried out, too")
    func promotion() throws {
        let bench = try Bench(versions: 2)
        try bench.store.promote(1, actor: "a", reason: "r", now: later)
        try bench.store.point(to: 2)
        try bench.store.recover(now: later)
        #expect(try bench.store.current()?.version == 1)
    }

    @Test("a refusal after a publication changes nothing")
    func refusal() throws {
        let bench = try Bench(versions: 2)
        try bench.store.record(
            JournalEntry(
                time: later,
                event: .refused,
                version: 0,
                previous: 2,
                actor: "a",
                reason: "r"
            )
        )
        try bench.store.recover(now: later)
        #expect(try bench.store.current()?.version == 2)
    }

    @Test("what a decision names but the disk has not is left alone")
    func decidedButGone() throws {
        let bench = try Bench(versions: 2)
        try bench.store.point(to: 1)
        try Folder.remove(bench.store.folder(of: 2))
        try bench.store.recover(now: later)
        #expect(try bench.store.current()?.version == 1)
    }

    @Test("unfinished files and folders are swept, and nothing else")
    func swept() throws {
        let bench = try Bench(versions: 1)
        let unfinished = "\(bench.store.folder(of: 2))\(WholeFile.temporaryInfix)17"
        try Folder.make(unfinished)
        try WholeFile.create("\(unfinished)/model.safetensors", [1])
        try WholeFile.create("\(bench.store.pointerPath)\(WholeFile.temporaryInfix)9", [1])
        try bench.store.recover(now: later)
        #expect(
            try bench.names() == ["current", "journal.jsonl", "release-lock", "versions", "1"]
        )
        #expect(try bench.store.current()?.version == 1)
    }

    @Test("half a line at the journal's end is cut off by the next one")
    func halfLine() throws {
        let bench = try Bench(versions: 1)
        let path = "\(bench.store.path)/journal.jsonl"
        let whole = try WholeFile.read(path, bytesMax: 1 << 20)
        try WholeFile.replace(path, whole + Array(#"{"event":"publ"#.utf8))
        #expect(try bench.journal() == ["published 1"])
        try bench.store.publishTiny()
        #expect(try bench.journal() == ["published 1", "published 2"])
    }

    @Test("lines of a later build are passed over")
    func strangeLine() throws {
        let bench = try Bench(versions: 1)
        let path = "\(bench.store.path)/journal.jsonl"
        try AppendOnlyFile(path).append(Array(#"{"event":"sung","version":1}"#.utf8))
        try AppendOnlyFile(path).append([0xFF, 0x00, 0x7B])
        #expect(try bench.journal() == ["published 1"])
        try bench.store.recover(now: later)
        #expect(try bench.store.publishTiny() == 2)
    }

    @Test("a pointer that is no pointer is mended by what the journal decided last")
    func garbagePointer() throws {
        let bench = try Bench(versions: 2)
        try WholeFile.replace(bench.store.pointerPath, Array("rubbish".utf8))
        try bench.store.recover(now: later)
        #expect(try bench.store.current()?.version == 2)
        try WholeFile.replace(bench.store.pointerPath, [])
        #expect(try bench.store.publishTiny() == 3)
        #expect(try bench.store.current()?.version == 3)
    }

    @Test("a pointer that is gone is made again")
    func missingPointer() throws {
        let bench = try Bench(versions: 2)
        try Folder.remove(bench.store.pointerPath)
        try bench.store.recover(now: later)
        #expect(try bench.store.current()?.version == 2)
    }

    @Test("a version's folder without a manifest stops no publication")
    func emptyVersion() throws {
        let bench = try Bench(versions: 1)
        try Folder.make(bench.store.folder(of: 5))
        #expect(try bench.store.publishTiny() == 6)
        #expect(try bench.store.current()?.version == 6)
    }

    @Test("what is no version number in the folder of versions is no version")
    func strangeNames() throws {
        let bench = try Bench(versions: 1)
        for name in ["0", "-1", "01", "2a", "99999999999999999999", "+3"] {
            try Folder.make("\(bench.store.path)/versions/\(name)")
        }
        #expect(try bench.store.versions() == [1])
        #expect(try bench.store.publishTiny() == 2)
    }

    @Test("the newest version that passes all checks stands in when the others are damaged")
    func newestValid() throws {
        let bench = try Bench(versions: 4)
        try bench.store.overwrite(ModelBundle.networkName, of: 4, [])
        try Folder.remove("\(bench.store.folder(of: 3))/\(ModelBundle.manifestName)")
        #expect(ActiveModel.newestValid(of: bench.store)?.version == 2)
        for version in 1...2 { try bench.store.overwrite("report.json", of: version, [0]) }
        #expect(ActiveModel.newestValid(of: bench.store) == nil)
    }
}
