import FoundationEssentials
import ModelStore
import ModelTestSupport
import Retraining
import Testing

/// Runs whose candidate is not served at once.
@Suite("Staged runs") struct StagedRunTests {
    private func shop() async throws -> (Workshop, RetrainingPlan) {
        let shop = try Workshop()
        var plan = try shop.images()
        plan.release = .staged(.shadow)
        return (shop, plan)
    }

    private var note: ReleaseNote {
        ReleaseNote(actor: "a", reason: "r", time: Date(timeIntervalSince1970: 0))
    }

    @Test("the first version is served at once, the next one is a candidate beside it")
    func staged() async throws {
        let (shop, plan) = try await shop()
        #expect(try await shop.run(plan).result == .published)
        let outcome = try await shop.run(plan)
        #expect(outcome.result == .staged)
        #expect(!outcome.published && outcome.version == 2)
        #expect(try shop.store.current()?.version == 1)
        let release = try #require(try shop.store.stagedRelease())
        #expect(release.version == 2 && release.stage == .shadow)
        #expect(try shop.journal() == ["published 1 manual", "staged 2 manual"])
        let line = try #require(try shop.store.history().last)
        #expect(line.candidate == outcome.evaluation && line.stage == .shadow)
        // What the next candidate has to stand up to is still the stable version.
        var other = plan
        (other.hidden, other.release) = ([5], .staged(.canary))
        #expect(try await shop.run(other).version == 3)
        #expect(try shop.store.stagedRelease()?.version == 3)
        #expect(try shop.store.stagedRelease()?.stage == .canary)
        #expect(try shop.store.history().last?.previous == 1)
    }

    @Test("nothing is made anew that is on its way, or was taken back, unless by hand")
    func tried() async throws {
        let (shop, base) = try await shop()
        try await shop.run(base)
        var plan = base
        plan.hidden = [5]
        #expect(try await shop.run(plan, .schedule).result == .staged)
        let again = try await shop.run(plan, .schedule)
        #expect(again.result == .unchanged)
        #expect(again.reason.hasSuffix("version 2, which is on its way already"))
        let release = try #require(try shop.store.stagedRelease())
        #expect(try shop.store.withdraw(release, note))
        let back = try await shop.run(plan, .drift)
        #expect(back.result == .unchanged)
        #expect(back.reason.hasSuffix("version 2, which was taken back"))
        #expect(try await shop.run(plan, .manual).result == .staged)
        // Other data are another matter.
        try shop.put("train-images", TinyData.images(90, seed: 4))
        #expect(try await shop.run(plan, .schedule).version == 4)
    }

    @Test("while a version is pinned a candidate is kept and nothing more")
    func held() async throws {
        let (shop, plan) = try await shop()
        try await shop.run(plan)
        _ = try shop.store.pin(nil, note)
        for release in [RetrainingPlan.Release.immediate, .staged(.canary)] {
            var plan = plan
            plan.release = release
            let outcome = try await shop.run(plan)
            #expect(outcome.result == .held && !outcome.published)
        }
        #expect(try shop.store.current()?.version == 1)
        #expect(try shop.store.stagedRelease() == nil)
        #expect(try shop.store.versions() == [1, 2, 3])
        #expect(try shop.store.history().last?.event == .held)
        try shop.store.unpin(note)
        try shop.store.promote(3, actor: "a", reason: "r", now: note.time)
        #expect(try shop.store.current()?.version == 3)
    }

    @Test("a candidate that the gates refuse leaves the one on its way where it is")
    func refused() async throws {
        let (shop, plan) = try await shop()
        try await shop.run(plan)
        try await shop.run(plan)
        let release = try shop.store.stagedRelease()
        try shop.put("train-labels", TinyData.labels(TinyData.classes(90).map { ($0 + 1) % 3 }))
        #expect(try await shop.run(plan).result == .refused)
        #expect(try shop.store.stagedRelease() == release)
    }
}
