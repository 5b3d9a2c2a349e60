import Files
import ModelStore
import ModelTestSupport
import Retraining
import TestSupport
import Testing
import Transfer

@Suite("Mirrors") struct MirrorTests {
    private func mirror(_ url: String, _ sha256: String? = nil) -> RetrainingPlan.Mirror {
        RetrainingPlan.Mirror(url: url, sha256: sha256)
    }

    @Test("a mirror whose file has the wrong digest is passed over")
    func wrongDigest() async throws {
        let shop = try Workshop()
        var plan = try shop.images()
        let good = TinyData.images(90)
        let demanded = try digest(good)
        let stale = try shop.put("stale", TinyData.images(90, seed: 77))
        // The digest is of the decompressed bytes, in capitals or not.
        let right = try shop.put("right", TinyData.packed(good))
        plan.train.features = [mirror(stale, demanded), mirror(right, demanded.uppercased())]
        #expect(try await shop.run(plan).version == 1)
        let manifest = try ActiveModel.current(of: shop.store).bundle.manifest
        #expect(manifest.data.sources["train.features"] == demanded)
    }

    @Test("mirrors with one demand are one request: the second is asked when the first is wrong")
    func sameDemand() async throws {
        let shop = try Workshop()
        var plan = try shop.images()
        let demanded = try digest(TinyData.images(90))
        let stale = try shop.put("stale", TinyData.images(90, seed: 77))
        let right = try shop.put("right", TinyData.images(90))
        plan.train.features = [mirror(stale, demanded), mirror(right, demanded)]
        #expect(try await shop.run(plan).version == 1)
        #expect(shop.attempts.all.prefix(2).map(\.result) == ["check_refused", "downloaded"])
    }

    @Test("a mirror that is gone is passed over, and the order of the mirrors counts")
    func order() async throws {
        let shop = try Workshop()
        var plan = try shop.images()
        let other = try shop.put("other", TinyData.images(90, seed: 77))
        plan.train.features = [mirror(shop.url("nowhere"))] + plan.train.features + [mirror(other)]
        try await shop.run(plan)
        let manifest = try ActiveModel.current(of: shop.store).bundle.manifest
        #expect(try manifest.data.sources["train.features"] == digest(TinyData.images(90)))
    }

    @Test("when every mirror is wrong the run fails with all reasons, and nothing changes")
    func allWrong() async throws {
        let shop = try Workshop()
        var plan = try shop.images()
        try await shop.run(plan)
        let demanded = String(repeating: "ab", count: 32)
        let good = plan.train.features[0].url
        plan.train.features = [mirror(good, demanded)]
        #expect(await shop.code(plan) == "download_check_refused")
        plan.train.features = [mirror(good, demanded), mirror(shop.url("nowhere"), demanded)]
        #expect(await shop.code(plan) == "download_mirrors_failed")
        plan.train.features = [mirror(good, demanded), mirror(shop.url("nowhere"))]
        #expect(await shop.code(plan) == "download_mirrors_failed")
        await #expect {
            try await shop.run(plan)
        } throws: { error in
            "\(error)".contains(demanded) && "\(error)".contains("nowhere")
        }
        #expect(try shop.journal() == ["published 1 manual"])
        #expect(try ActiveModel.current(of: shop.store).version == 1)
    }

    @Test(
        "over https unchanged data costs one request a file that is answered with 304",
        .enabled(if: DataServer.isPossible, "\(DataServer.wants)")
    )
    func https() async throws {
        let server = try DataServer()
        let shop = try Workshop(caFile: server.caFile)
        var plan = try shop.images()
        func serve(_ name: String) throws -> [RetrainingPlan.Mirror] {
            let path = shop.folder.path("data/\(name)")
            try server.put(name, WholeFile.read(path, bytesMax: 1 << 20))
            return [mirror(server.url("files/\(name)?t=all"))]
        }
        plan.train = RetrainingPlan.Source(
            features: try serve("train-images"),
            labels: try serve("train-labels")
        )
        plan.test = RetrainingPlan.Source(
            features: try serve("test-images"),
            labels: try serve("test-labels")
        )
        #expect(try await shop.run(plan).version == 1)
        #expect(shop.attempts.all.map(\.status) == [200, 200, 200, 200])
        #expect(try await shop.run(plan, .schedule).result == .unchanged)
        #expect(shop.attempts.all.suffix(4).map(\.status) == [304, 304, 304, 304])
        #expect(shop.attempts.all.suffix(4).map(\.bytes) == [0, 0, 0, 0])
        #expect(try server.log("all").count == 8)
        // Fresh data come, and only they.
        try server.put("train-images", TinyData.images(90, seed: 5))
        #expect(try await shop.run(plan, .schedule).version == 2)
        #expect(shop.attempts.all.suffix(4).map(\.status) == [200, 304, 304, 304])
    }
}
