import Files
import ModelStore
import ModelTestSupport
import TestSupport
import Testing

@Suite("Publication and promotion") struct PublicationTests {
    @Test("versions count from 1, the newest is current, and the journal says so")
    func publish() throws {
        let bench = try Bench(versions: 3)
        #expect(try bench.store.versions() == [1, 2, 3])
        #expect(try bench.store.current()?.version == 3)
        #expect(try bench.journal() == ["published 1", "published 2", "published 3"])
        #expect(try bench.store.history().map(\.previous) == [nil, 1, 2])
        let digest = try bench.store.manifestDigest(of: 3)
        #expect(try bench.store.history().last?.digest == digest)
        #expect(try bench.store.current()?.manifestSHA256 == digest)
        #expect(
            try bench.names() == [
                "current", "journal.jsonl", "release-lock", "versions", "1", "2", "3",
            ]
        )
    }

    @Test("what was published is read back as it was")
    func readBack() throws {
        let bench = try Bench(versions: 1)
        let draft = try TinyModel.draft()
        let model = try ActiveModel.current(of: bench.store)
        #expect(model.name == "lines")
        #expect(model.version == 1)
        #expect(model.bundle.network == draft.network)
        #expect(model.bundle.reference == draft.reference)
        #expect(model.bundle.selfTest == draft.selfTest)
        #expect(model.bundle.manifest.schema == draft.schema)
        #expect(model.bundle.manifest.labels == TinyData.labels)
        #expect(model.bundle.manifest.created == TinyModel.created)
        #expect(model.bundle.manifest.files.count == 4)
    }

    @Test("a version never changes: publishing, promoting and rolling back leave its bytes")
    func immutable() throws {
        let bench = try Bench(versions: 1)
        let before = try fileNames.map { try bench.store.bytes($0) }
        try bench.store.publishTiny(sharpness: 9)
        try bench.store.promote(1, actor: "test", reason: "test", now: later)
        _ = try bench.store.rollBack(actor: "test", reason: "test", now: later)
        #expect(try fileNames.map { try bench.store.bytes($0) } == before)
    }

    @Test("the same draft gives the same bytes, but for its number")
    func reproducible() throws {
        let (one, two) = (try Bench(versions: 1), try Bench(versions: 1))
        let (first, second) = (one.store, two.store)
        #expect(try first.manifestDigest(of: 1) == second.manifestDigest(of: 1))
    }

    @Test("an older version can be made current, and the answer is what it replaced")
    func promote() throws {
        let bench = try Bench(versions: 3)
        let before = try bench.store.promote(1, actor: "ada", reason: "better", now: later)
        #expect(before == 3)
        #expect(try bench.store.current()?.version == 1)
        let line = try #require(try bench.store.history().last)
        #expect(line.event == .promoted)
        #expect(line.actor == "ada")
        #expect(line.reason == "better")
        #expect(line.time == later)
    }

    @Test("a version that is not there, or is damaged, cannot be promoted, and nothing changes")
    func promoteRefused() throws {
        let bench = try Bench(versions: 2)
        try bench.store.overwrite(ModelBundle.networkName, Array("rubbish".utf8))
        let store = bench.store
        for (version, expected) in [(7, "version_missing"), (1, "digest_mismatch")] {
            let found = code {
                try store.promote(version, actor: "a", reason: "r", now: later)
            }
            #expect(found == expected)
        }
        #expect(try store.current()?.version == 2)
        #expect(try bench.journal() == ["published 1", "published 2"])
    }

    @Test("a promotion mends a pointer that is no pointer")
    func promoteMends() throws {
        let bench = try Bench(versions: 2)
        try WholeFile.replace(bench.store.pointerPath, Array("rubbish".utf8))
        #expect(try bench.store.promote(1, actor: "a", reason: "r", now: later) == nil)
        #expect(try bench.store.current()?.version == 1)
    }

    @Test("a rollback goes to what the current version replaced, not to the number below")
    func rollBack() throws {
        let bench = try Bench(versions: 3)
        try bench.store.promote(1, actor: "a", reason: "r", now: later)
        #expect(try bench.store.rollBack(actor: "a", reason: "r", now: later) == 3)
        #expect(try bench.store.current()?.version == 3)
        #expect(try bench.store.rollBack(actor: "a", reason: "r", now: later) == 2)
        #expect(try bench.store.rollBack(actor: "a", reason: "r", now: later) == 1)
        #expect(
            try bench.journal().suffix(3) == ["rolled_back 3", "rolled_back 2", "rolled_back 1"]
        )
    }

    @Test("the first version has nothing to go back to")
    func rollBackFirst() throws {
        let store = try Bench(versions: 1)
        let directory = store.store
        let found = code { _ = try directory.rollBack(actor: "a", reason: "r", now: later) }
        #expect(found == "nothing_to_roll_back")
        #expect(try store.journal() == ["published 1"])
    }

    @Test("an empty store has no version, and says so")
    func empty() throws {
        let bench = try Bench()
        let store = bench.store
        #expect(try store.versions() == [])
        #expect(try store.current() == nil)
        #expect(try store.history() == [])
        #expect(try store.prune(Retention(keep: 1), actor: "a", now: later) == [])
        #expect(ActiveModel.newestValid(of: store) == nil)
        #expect(code { _ = try ActiveModel.current(of: store) } == "store_empty")
        #expect(
            code { _ = try store.rollBack(actor: "a", reason: "r", now: later) } == "store_empty"
        )
    }

    @Test("pruning keeps the current version, its fallback, and so many besides")
    func prune() throws {
        let bench = try Bench(versions: 6)
        #expect(try bench.store.prune(Retention(keep: 3), actor: "a", now: later) == [1, 2])
        #expect(try bench.store.versions() == [3, 4, 5, 6])
        try bench.store.promote(3, actor: "a", reason: "r", now: later)
        // Current is 3, and a rollback would go to 6.
        #expect(try bench.store.prune(Retention(keep: 1), actor: "a", now: later) == [4, 5])
        #expect(try bench.store.versions() == [3, 6])
        #expect(try bench.store.rollBack(actor: "a", reason: "r", now: later) == 6)
        #expect(try bench.store.publishTiny() == 7)
    }

    @Test("the number of a version that was pruned is not given again")
    func numbersGrow() throws {
        let bench = try Bench(versions: 3)
        try bench.store.promote(1, actor: "a", reason: "r", now: later)
        try bench.store.prune(Retention(keep: 1), actor: "a", now: later)
        #expect(try bench.store.versions() == [1, 3])
        #expect(try bench.store.publishTiny() == 4)
    }

    @Test("only one process retrains a model")
    func lock() async throws {
        let bench = try Bench()
        let store = bench.store
        var first: OpenFile? = try store.lockForRetraining()
        #expect(code { _ = try store.lockForRetraining() } == "store_locked")
        let other = ModelDirectory(state: bench.folder.path, model: "other")
        #expect(code { _ = try other.lockForRetraining() } == "none")
        first = nil
        first = try await store.lockWhenFree()
        _ = consume first
    }

    @Test("the state of the drift monitor is kept and read")
    func driftState() throws {
        let bench = try Bench(versions: 1)
        #expect(bench.store.readDriftState() == nil)
        try bench.store.writeDriftState([1, 2, 3])
        #expect(bench.store.readDriftState() == [1, 2, 3])
    }
}
