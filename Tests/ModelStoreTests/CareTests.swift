import Files
import FoundationEssentials
import ModelStore
import ModelTestSupport
import NeuralNetwork
import TestSupport
import Testing

/// Retention, repair, and versions that travel as one file.
@Suite("Store care") struct CareTests {
    private func repair(_ bench: Bench) throws -> RepairReport {
        try bench.store.repair(actor: "ada", now: later)
    }

    @Test("old versions go by their age, and what is needed stays however old")
    func age() throws {
        let bench = try Bench(versions: 5)
        let retention = Retention(keep: 10, days: 1)
        let day: TimeInterval = 86_400
        #expect(try bench.store.surplus(retention, now: later) == [])
        let next = TinyModel.created.addingTimeInterval(day + 1)
        #expect(try bench.store.surplus(retention, now: next) == [1, 2, 3])
        #expect(try bench.store.prune(retention, actor: "schedule", now: next) == [1, 2, 3])
        #expect(try bench.store.versions() == [4, 5])
        #expect(try bench.journal().suffix(3) == ["pruned 1", "pruned 2", "pruned 3"])
        #expect(try bench.store.history().last?.actor == "schedule")
        let never = Retention(keep: 10)
        #expect(try bench.store.surplus(never, now: next.addingTimeInterval(1e9)) == [])
    }

    @Test("without a pointer nothing is removed")
    func noPointer() throws {
        let bench = try Bench(versions: 4)
        try Folder.remove(bench.store.pointerPath)
        #expect(try bench.store.prune(Retention(keep: 1), actor: "a", now: later) == [])
        #expect(try bench.store.protectedVersions() == [1, 2, 3, 4])
    }

    @Test("a store in order is left as it is")
    func nothingToRepair() throws {
        let bench = try Bench(versions: 2)
        let before = try bench.names()
        let report = try repair(bench)
        var expected = RepairReport()
        (expected.currentBefore, expected.current) = (2, 2)
        #expect(report == expected)
        #expect(try bench.names() == before)
        #expect(try bench.journal() == ["published 1", "published 2"])
    }

    @Test("a damaged version is put aside, and its number is never given again")
    func quarantine() throws {
        let bench = try Bench(versions: 3)
        try bench.store.overwrite(ModelBundle.networkName, of: 2, [1])
        let report = try repair(bench)
        #expect(report.quarantined.map(\.version) == [2])
        #expect(report.quarantined.first?.problem.contains("damaged") == true)
        #expect(report.current == 3)
        #expect(try bench.store.versions() == [1, 3])
        let folder = try #require(report.quarantined.first?.folder)
        #expect(try Folder.list(folder).count == 5)
        #expect(try bench.journal().last == "quarantined 2")
        #expect(try bench.store.publishTiny() == 4)
    }

    @Test("when the current version is damaged, the newest valid one takes its place")
    func currentDamaged() throws {
        let bench = try Bench(versions: 3)
        try bench.store.overwrite("report.json", of: 3, [])
        let report = try repair(bench)
        #expect((report.currentBefore, report.current) == (3, 2))
        #expect(try bench.store.current()?.version == 2)
        #expect(try bench.journal().suffix(2) == ["quarantined 3", "rolled_back 2"])
        #expect(try bench.store.publishTiny() == 4)
        try bench.store.recover(now: later)
        #expect(try bench.store.current()?.version == 4)
    }

    @Test("when nothing valid is left, nothing is current, and the next version is")
    func nothingLeft() throws {
        let bench = try Bench(versions: 2)
        for version in 1...2 { try bench.store.overwrite("report.json", of: version, []) }
        let report = try repair(bench)
        #expect(report.quarantined.map(\.version) == [1, 2])
        #expect(try bench.store.versions() == [])
        #expect(try bench.store.publishTiny() == 3)
        #expect(try bench.store.current()?.version == 3)
    }

    @Test("a pointer to bytes that its version does not have goes to a valid one")
    func wrongDigest() throws {
        let bench = try Bench(versions: 2)
        let zeros = String(repeating: "0", count: 64)
        try WholeFile.replace(bench.store.pointerPath, Array("2 \(zeros)\n".utf8))
        _ = try repair(bench)
        let pointer = try #require(try bench.store.current())
        #expect(pointer.version == 2)
        #expect(try pointer.manifestSHA256 == bench.store.manifestDigest(of: 2))
    }

    @Test("half a line of the journal is cut off, and what is no entry is counted")
    func journal() throws {
        let bench = try Bench(versions: 1)
        let path = "\(bench.store.path)/journal.jsonl"
        try AppendOnlyFile(path).append(Array("rubbish".utf8))
        let whole = try WholeFile.read(path, bytesMax: 1 << 20)
        try WholeFile.replace(path, whole + Array(#"{"event":"pu"#.utf8))
        let report = try repair(bench)
        #expect(report.journalBytesCut == 12)
        #expect(report.journalLinesUnreadable == 1)
        #expect(try WholeFile.read(path, bytesMax: 1 << 20) == whole)
    }

    @Test("unfinished files are swept")
    func sweep() throws {
        let bench = try Bench(versions: 1)
        let mark = WholeFile.temporaryInfix
        try Folder.make("\(bench.store.folder(of: 2))\(mark)1")
        try WholeFile.create("\(bench.store.pointerPath)\(mark)2", [1])
        #expect(try repair(bench).removed == ["current\(mark)2", "versions/2\(mark)1"])
        #expect(try repair(bench).removed == [])
    }

    // MARK: Versions as one file

    private func exported(_ bench: Bench, _ version: Int = 1) throws -> [UInt8] {
        try VersionArchive(version, in: bench.store).encoded()
    }

    private func add(_ bytes: [UInt8], to bench: Bench) throws -> Int {
        try VersionArchive(decoding: bytes, path: "there.tar")
            .add(to: bench.store, actor: "ada", now: later)
    }

    @Test("a version comes into another store bit for bit, under the next number")
    func travel() throws {
        let (here, there) = (try Bench(versions: 3), try Bench(versions: 1))
        #expect(try add(exported(here, 3), to: there) == 2)
        #expect(try there.store.current()?.version == 1)
        for name in fileNames.dropFirst() {
            #expect(try there.store.bytes(name, of: 2) == here.store.bytes(name, of: 3))
        }
        let entry = try #require(try there.store.history().last)
        #expect(entry.event == .imported)
        #expect(
            try entry.reason.contains("version 3, manifest \(here.store.manifestDigest(of: 3))")
        )
        #expect(
            try there.names() == ["current", "journal.jsonl", "release-lock", "versions", "1", "2"]
        )
        try there.store.promote(2, actor: "a", reason: "r", now: later)
        #expect(try there.store.active(2).version == 2)
    }

    @Test("a version comes into an empty store")
    func travelToNothing() throws {
        let (here, there) = (try Bench(versions: 1), try Bench())
        #expect(try add(exported(here), to: there) == 1)
        #expect(try there.store.current() == nil)
    }

    @Test("another model's version is refused")
    func otherModel() throws {
        let bench = try Bench(versions: 1)
        let other = ModelDirectory(state: bench.folder.path, model: "other")
        let archive = try VersionArchive(decoding: exported(bench), path: "there.tar")
        #expect(
            code { _ = try archive.add(to: other, actor: "a", now: later) } == "bundle_malformed"
        )
        #expect(try other.versions() == [])
    }

    @Test("a damaged version is not exported")
    func exportDamaged() throws {
        let bench = try Bench(versions: 1)
        try bench.store.overwrite(ModelBundle.referenceName, [0])
        #expect(code { _ = try exported(bench) } == "digest_mismatch")
    }

    @Test("each byte of each file is covered by the manifest's digests")
    func damaged() throws {
        let bench = try Bench(versions: 1)
        let tar = try TarFile(decoding: exported(bench))
        for (index, entry) in tar.entries.enumerated() where entry.name != "manifest.json" {
            for place in stride(from: 0, to: entry.bytes.count, by: 97) {
                var changed = tar
                changed.entries[index].bytes[place] ^= 1
                let bytes = try changed.encoded(folder: "lines-1", unixSeconds: 0)
                #expect(code { _ = try add(bytes, to: bench) } == "digest_mismatch")
            }
        }
        #expect(try bench.names() == ["current", "journal.jsonl", "release-lock", "versions", "1"])
    }

    @Test("a file too few, one too many, and a forged self-test are refused, and nothing stays")
    func forged() throws {
        let bench = try Bench(versions: 1)
        let tar = try TarFile(decoding: exported(bench))
        for index in tar.entries.indices {
            var fewer = tar
            fewer.entries.remove(at: index)
            let bytes = try fewer.encoded(folder: "lines-1", unixSeconds: 0)
            #expect(code { _ = try add(bytes, to: bench) } == "bundle_malformed")
        }
        var more = tar
        more.entries.append(TarFile.Entry(name: "run.sh", bytes: [1]))
        let bytes = try more.encoded(folder: "lines-1", unixSeconds: 0)
        #expect(code { _ = try add(bytes, to: bench) } == "bundle_malformed")
        // Its digests are right, but it does not answer as it did in training.
        let other = try Bench(versions: 1)
        try other.store.forge(
            ModelBundle.networkName,
            TinyModel.network(sharpness: 0.5).encoded()
        )
        let files = try fileNames.map { TarFile.Entry(name: $0, bytes: try other.store.bytes($0)) }
        let forged = try TarFile(entries: files).encoded(folder: "lines-1", unixSeconds: 0)
        #expect(code { _ = try add(forged, to: bench) } == "self_test_failed")
        #expect(try bench.names() == ["current", "journal.jsonl", "release-lock", "versions", "1"])
    }
}
