import Files
import FoundationEssentials
import ModelStore
import ModelTestSupport
import Testing

/// A candidate's way from stage to stage, a pin, and what a crash between two files leaves.
@Suite("Staged release") struct StagedReleaseTests {
    private let note = ReleaseNote(actor: "server", reason: "enough", time: later)

    /// A store with a stable version 1 and a candidate 2.
    private func bench(_ stage: StagedRelease.Stage = .shadow) throws -> Bench {
        let bench = try Bench(versions: 1)
        try bench.store.stageTiny(stage, sharpness: 3)
        return bench
    }

    private func release(_ bench: Bench) throws -> StagedRelease {
        try #require(try bench.store.stagedRelease())
    }

    @Test("a candidate is written while the current version stays")
    func staged() throws {
        let bench = try bench()
        #expect(try bench.store.current()?.version == 1)
        let found = try release(bench)
        #expect(found.version == 2 && found.stage == .shadow)
        #expect(try found.digest == bench.store.manifestDigest(of: 2))
        #expect(try bench.journal() == ["published 1", "staged 2"])
        #expect(try bench.store.history().last?.stage == .shadow)
    }

    @Test("it comes to the canary and then to everybody, each with its line in the journal")
    func forward() throws {
        let bench = try bench()
        let shadow = try release(bench)
        let canary = try #require(try bench.store.advance(shadow, to: .canary, note))
        #expect(canary.stage == .canary && canary.since == later)
        #expect(try bench.store.stagedRelease() == canary)
        #expect(try bench.store.current()?.version == 1)
        #expect(try bench.store.complete(canary, note))
        #expect(try bench.store.current()?.version == 2)
        #expect(try bench.store.stagedRelease() == nil)
        #expect(
            try bench.journal() == ["published 1", "staged 2", "advanced 2", "promoted 2"]
        )
        let last = try #require(try bench.store.history().last)
        #expect(last.previous == 1 && last.actor == "server" && last.reason == "enough")
        // A rollback finds the version that it has replaced.
        #expect(try bench.store.rollBack(actor: "a", reason: "r", now: later) == 1)
    }

    @Test("one that is taken back leaves the current version, and its folder")
    func back() throws {
        let bench = try bench(.canary)
        let canary = try release(bench)
        #expect(try bench.store.withdraw(canary, note))
        #expect(try bench.store.current()?.version == 1)
        #expect(try bench.store.stagedRelease() == nil)
        #expect(try bench.store.versions() == [1, 2])
        let last = try #require(try bench.store.history().last)
        #expect(last.event == .rolledBack && last.version == 1 && last.previous == 2)
    }

    @Test("a decision on a stage that somebody else has changed is not taken")
    func changed() throws {
        let bench = try bench()
        let old = try release(bench)
        _ = try bench.store.advance(old, to: .canary, note)
        let journal = try bench.journal()
        #expect(try bench.store.advance(old, to: .canary, note) == nil)
        #expect(try bench.store.complete(old, note) == false)
        #expect(try bench.store.withdraw(old, note) == false)
        #expect(try bench.journal() == journal)
    }

    @Test(
        "an operator's promotion ends the release: of the candidate for it, of another against it"
    )
    func promoted() throws {
        for version in [1, 2] {
            let bench = try bench(.canary)
            try bench.store.promote(version, actor: "a", reason: "r", now: later)
            #expect(try bench.store.stagedRelease() == nil)
            #expect(try bench.store.current()?.version == version)
            try bench.store.recover(now: later)
            #expect(try bench.store.current()?.version == version)
        }
    }

    @Test("an operator's rollback takes the candidate back first, and only then the version before")
    func rolledBack() throws {
        let bench = try Bench(versions: 2)
        try bench.store.stageTiny(.canary, sharpness: 9)
        #expect(try bench.store.rollBack(actor: "a", reason: "r", now: later) == 2)
        #expect(try bench.store.stagedRelease() == nil)
        #expect(try bench.store.rollBack(actor: "a", reason: "r", now: later) == 1)
    }

    @Test("a new candidate takes the place of the one before, and so does a publication")
    func superseded() throws {
        let bench = try bench(.canary)
        try bench.store.stageTiny(.shadow, sharpness: 4)
        #expect(try release(bench).version == 3)
        try bench.store.publishTiny(sharpness: 5)
        #expect(try bench.store.stagedRelease() == nil)
        #expect(try bench.store.current()?.version == 4)
    }

    @Test("no pruning removes the candidate, the pinned version, or what a rollback needs")
    func pruned() throws {
        let bench = try Bench(versions: 3)
        _ = try bench.store.pin(1, note)
        try bench.store.unpin(note)
        try bench.store.promote(3, actor: "a", reason: "r", now: later)
        try bench.store.stageTiny(.shadow, sharpness: 9)
        #expect(bench.store.heldVersions() == [4])
        try bench.store.prune(Retention(keep: 0), actor: "a", now: later)
        #expect(try bench.store.versions() == [1, 3, 4])
        #expect(try bench.store.pin(nil, note) == 3)
        #expect(bench.store.heldVersions() == [3])
    }

    // MARK: Crashes

    /// The files as they were, and as they are after a step.
    private func crash(
        _ bench: Bench,
        keeping path: String,
        _ step: () throws -> Void
    ) throws {
        let before = try? WholeFile.read(path, bytesMax: 4096)
        try step()
        if let before { try WholeFile.replace(path, before) } else { try Folder.remove(path) }
    }

    @Test("a crash between the journal and the file of the stage is rolled forward")
    func crashes() throws {
        // A candidate is written; the file is not there yet.
        var bench = try bench()
        try Folder.remove(bench.store.stagedPath)
        try bench.store.settleRelease()
        #expect(try release(bench).version == 2)
        #expect(try release(bench).stage == .shadow)
        // It has advanced; the file says shadow.
        try crash(bench, keeping: bench.store.stagedPath) {
            _ = try bench.store.advance(release(bench), to: .canary, note)
        }
        #expect(try release(bench).stage == .shadow)
        try bench.store.settleRelease()
        #expect(try release(bench).stage == .canary)
        // It was taken back; the file still says canary.
        try crash(bench, keeping: bench.store.stagedPath) {
            let canary = try release(bench)
            #expect(try bench.store.withdraw(canary, note))
        }
        try bench.store.settleRelease()
        #expect(try bench.store.stagedRelease() == nil)
        #expect(try bench.store.current()?.version == 1)
        // It was promoted; neither pointer nor file know.
        bench = try self.bench(.canary)
        try crash(bench, keeping: bench.store.pointerPath) {
            try crash(bench, keeping: bench.store.stagedPath) {
                let canary = try release(bench)
                #expect(try bench.store.complete(canary, note))
            }
        }
        #expect(try bench.store.current()?.version == 1)
        try bench.store.settleRelease()
        #expect(try bench.store.current()?.version == 2)
        #expect(try bench.store.stagedRelease() == nil)
    }

    @Test("every cut of the stage's file is mended from the journal")
    func damaged() throws {
        let bench = try bench(.canary)
        let whole = try WholeFile.read(bench.store.stagedPath, bytesMax: 4096)
        let right = try release(bench)
        for count in stride(from: 0, to: whole.count, by: 7) {
            try WholeFile.replace(bench.store.stagedPath, Array(whole.prefix(count)))
            #expect(throws: StoreError.self) { try bench.store.stagedRelease() }
            #expect(bench.store.heldVersions().isEmpty)
            try bench.store.recover(now: later)
            #expect(try bench.store.stagedRelease() == right)
        }
    }

    @Test("settling a store that is in order changes nothing")
    func settled() throws {
        let bench = try bench(.canary)
        let (journal, staged) = (try bench.journal(), try bench.store.stagedRelease())
        try bench.store.settleRelease()
        #expect(try bench.journal() == journal)
        #expect(try bench.store.stagedRelease() == staged)
    }

    // MARK: The pin

    @Test("a pin ends the release and stops every step of automation, and of operators")
    func pin() throws {
        let bench = try bench(.canary)
        let old = try release(bench)
        #expect(try bench.store.pin(nil, note) == 1)
        #expect(bench.store.pinnedVersion() == 1)
        #expect(try bench.store.stagedRelease() == nil)
        #expect(try bench.store.complete(old, note) == false)
        let refusal = code { try bench.store.promote(2, actor: "a", reason: "r", now: later) }
        #expect(refusal == "version_pinned")
        #expect(try bench.store.current()?.version == 1)
        #expect(try bench.store.unpin(note) == 1)
        #expect(try bench.store.unpin(note) == nil)
        try bench.store.promote(2, actor: "a", reason: "r", now: later)
        #expect(
            try bench.journal() == [
                "published 1", "staged 2", "rolled_back 1", "pinned 1", "unpinned 1", "promoted 2",
            ]
        )
    }

    @Test("a version that is not current is made so by pinning it, once it is verified")
    func pinOther() throws {
        let bench = try Bench(versions: 3)
        #expect(try bench.store.pin(1, note) == 1)
        #expect(try bench.store.current()?.version == 1)
        #expect(code { _ = try bench.store.pin(2, note) } == "version_pinned")
        try bench.store.unpin(note)
        try bench.store.overwrite(ModelBundle.networkName, of: 2, [1])
        #expect(code { _ = try bench.store.pin(2, note) } == "digest_mismatch")
        #expect(bench.store.pinnedVersion() == nil)
        let empty = try Bench()
        #expect(code { _ = try empty.store.pin(nil, note) } == "store_empty")
    }

    @Test("a held version is kept and nothing more")
    func held() throws {
        let bench = try Bench(versions: 1)
        _ = try bench.store.pin(nil, note)
        _ = try bench.store.publish(TinyModel.draft("lines", sharpness: 7), as: .held) {
            JournalEntry(
                time: later,
                event: .held,
                version: $0,
                previous: $1,
                actor: "schedule",
                reason: "r",
                digest: $2
            )
        }
        #expect(try bench.store.current()?.version == 1)
        #expect(try bench.store.versions() == [1, 2])
        try bench.store.recover(now: later)
        #expect(try bench.store.current()?.version == 1)
    }

    @Test("a version that answers everybody is taken back to the one before, unless others decided")
    func takeBack() throws {
        let bench = try bench(.canary)
        #expect(try bench.store.origin() == nil)
        #expect(try bench.store.complete(release(bench), note))
        let origin = try #require(try bench.store.origin())
        #expect(origin.version == 2 && origin.previous == 1 && origin.actor == "server")
        #expect(origin.event == .promoted && origin.time == later)
        // A candidate that comes and goes changes nothing of that.
        try bench.store.stageTiny(.shadow, sharpness: 4)
        #expect(try bench.store.origin() == origin)
        #expect(try bench.store.withdraw(release(bench), note))
        #expect(try bench.store.origin() == origin)
        // One that is on its way is out of its release.
        try bench.store.stageTiny(.shadow, sharpness: 5)
        _ = try bench.store.pin(nil, note)
        #expect(try !bench.store.takeBack(origin, note))
        try bench.store.unpin(note)
        try bench.store.stageTiny(.shadow, sharpness: 6)
        #expect(try bench.store.takeBack(origin, note))
        #expect(try bench.store.current()?.version == 1)
        #expect(try bench.store.stagedRelease() == nil)
        #expect(try bench.store.history().last?.previous == 2)
        // Now another version is current, and not by a step forward.
        #expect(try bench.store.origin() == nil)
        #expect(try !bench.store.takeBack(origin, note))
    }

    @Test("where the version before is damaged, the current one stays")
    func takeBackDamaged() throws {
        let bench = try bench(.canary)
        #expect(try bench.store.complete(release(bench), note))
        let origin = try #require(try bench.store.origin())
        try bench.store.overwrite(ModelBundle.networkName, of: 1, [1, 2, 3])
        #expect(throws: StoreError.self) { try bench.store.takeBack(origin, note) }
        #expect(try bench.store.current()?.version == 2)
        #expect(try bench.journal().last == "promoted 2")
    }
}
