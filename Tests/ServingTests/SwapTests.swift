import Files
import ModelStore
import ModelTestSupport
import NIOPosix
import NeuralNetwork
import Serving
import Telemetry
import Testing

@Suite("Swaps") struct SwapTests {
    @Test("every answer during swaps is of exactly one version, and none fails")
    func underLoad() async throws {
        try await ServingBench.run { bench, first in
            try await bench.publish(1)
            // What each version answers to this image is known beforehand.
            let raw = (0..<9).map { $0 / 3 == 1 ? Float(250) : 5 }
            let expected = try (1...6).map {
                try TinyModel.answers(
                    TinyModel.network(sharpness: Float($0)),
                    TinyModel.schema(),
                    raw
                )
            }
            let seen = Seen<Int>()
            try await withThrowingTaskGroup(of: Void.self) { tasks in
                for _ in 0..<4 {
                    tasks.addTask {
                        let client = try await bench.connect()
                        var version = 0
                        while version < 6 {
                            let answer = try await client.predict(Body.image(1))
                            #expect(answer.status == 200)
                            let found = try Prediction(answer)
                            let number = try #require(Int(found.version))
                            // No version comes back once a later one has answered.
                            #expect(number >= version)
                            version = number
                            seen.append(version)
                            let bits = found.probabilities?.map { Float($0) }
                            #expect(bits == expected[version - 1])
                        }
                        await client.close()
                    }
                }
                for sharpness in 2...6 { try await bench.publish(Float(sharpness)) }
                try await tasks.waitForAll()
            }
            #expect(Set(seen.all).contains(6))
            #expect(bench.live.all == [1, 2, 3, 4, 5, 6])
            #expect(
                bench.registry.lines("leeway_model_swaps_total").sorted() == [
                    #"leeway_model_swaps_total{model="lines",result="refused"} 0"#,
                    #"leeway_model_swaps_total{model="lines",result="swapped"} 6"#,
                ]
            )
        }
    }

    @Test("a version that fails its checks is refused, and the old one goes on")
    func refused() async throws {
        try await ServingBench.run { bench, client in
            try await bench.publish()
            try bench.store.publishTiny(sharpness: 5)
            try bench.store.overwrite(ModelBundle.networkName, of: 2, Array("rubbish".utf8))
            for _ in 0..<3 { await bench.follower.look() }
            #expect(try Prediction(await client.predict(Body.image(0))).version == "1")
            #expect(await bench.follower.current?.version == 1)
            #expect(await bench.follower.lastProblem?.contains("damaged") == true)
            // It is counted once, however often it is looked at.
            #expect(
                bench.registry.lines("leeway_model_swaps_total").sorted() == [
                    #"leeway_model_swaps_total{model="lines",result="refused"} 1"#,
                    #"leeway_model_swaps_total{model="lines",result="swapped"} 1"#,
                ]
            )
            try await bench.publish(3)
            #expect(try Prediction(await client.predict(Body.image(0))).version == "3")
            #expect(await bench.follower.lastProblem == nil)
        }
    }

    @Test("a version that does not answer as it did in training is refused")
    func selfTest() async throws {
        try await ServingBench.run { bench, client in
            try await bench.publish()
            try bench.store.publishTiny(sharpness: 5)
            let other = try TinyModel.network(sharpness: 0.5).encoded()
            try bench.store.forge(ModelBundle.networkName, of: 2, other)
            try bench.store.point(to: 2)
            await bench.follower.look()
            #expect(await bench.follower.lastProblem?.contains("self-test row") == true)
            #expect(try Prediction(await client.predict(Body.image(0))).version == "1")
        }
    }

    @Test("a pointer that is damaged or gone changes nothing for a server that has a version")
    func damagedPointer() async throws {
        try await ServingBench.run { bench, client in
            try await bench.publish()
            for bytes in [Array("rubbish".utf8), []] as [[UInt8]] {
                try WholeFile.replace(bench.store.pointerPath, bytes)
                await bench.follower.look()
                #expect(try await client.predict(Body.image(0)).status == 200)
            }
            try Folder.remove(bench.store.pointerPath)
            await bench.follower.look()
            #expect(try await client.predict(Body.image(0)).status == 200)
        }
    }

    @Test("a start with a damaged pointer serves the newest version that passes its checks")
    func fallback() async throws {
        try await ServingBench.run { bench, client in
            for sharpness in 2...4 { try bench.store.publishTiny(sharpness: Float(sharpness)) }
            try bench.store.overwrite(ModelBundle.networkName, of: 3, [])
            try WholeFile.replace(bench.store.pointerPath, Array("rubbish".utf8))
            await bench.follower.look()
            #expect(try Prediction(await client.predict(Body.image(0))).version == "2")
            let entry = try #require(try bench.store.history().last)
            #expect(entry.event == .fellBack)
            #expect(entry.version == 2)
            #expect(entry.actor == "server")
            #expect(
                bench.registry.lines("leeway_model_fallback") == [
                    #"leeway_model_fallback{model="lines"} 1"#
                ]
            )
            // A good version ends it.
            try await bench.publish(3)
            #expect(
                bench.registry.lines("leeway_model_fallback") == [
                    #"leeway_model_fallback{model="lines"} 0"#
                ]
            )
        }
    }

    @Test("a start without a pointer serves the newest version that passes its checks")
    func lostPointer() async throws {
        try await ServingBench.run { bench, client in
            for sharpness in 2...3 { try bench.store.publishTiny(sharpness: Float(sharpness)) }
            try Folder.remove(bench.store.pointerPath)
            await bench.follower.look()
            #expect(try Prediction(await client.predict(Body.image(0))).version == "2")
            #expect(try bench.store.history().last?.event == .fellBack)
            // Once is enough.
            for _ in 0..<3 { await bench.follower.look() }
            #expect(bench.live.all == [2])
        }
    }

    @Test("how long each swap held each event loop is measured")
    func heldLoops() async throws {
        try await ServingBench.run { bench, _ in
            for sharpness in 2...4 { try await bench.publish(Float(sharpness)) }
            let swaps = 3 * bench.group.makeIterator().reduce(0) { count, _ in count + 1 }
            #expect(
                bench.registry.lines("leeway_model_swap_loop_duration_seconds_count") == [
                    #"leeway_model_swap_loop_duration_seconds_count{model="lines"} \#(swaps)"#
                ]
            )
        }
    }

    @Test("a version that a request still holds is let go of later, and not by the request")
    func retired() async throws {
        try await ServingBench.run { bench, _ in
            bench.holder.isWanted = true
            try await bench.publish()
            bench.holder.isWanted = false
            weak let first = bench.holder.model
            try await bench.publish(3)
            #expect(first != nil)
            // Who held it is not the last to let go of it: the follower is.
            bench.holder.model = nil
            #expect(first != nil)
            await bench.follower.look()
            #expect(first == nil)
        }
    }

    @Test("when no version passes its checks, that is told once, and a good one ends it")
    func nothingToServe() async throws {
        try await ServingBench.run { bench, client in
            await bench.follower.look()
            #expect(bench.nothing.all.isEmpty)
            try bench.store.publishTiny()
            try bench.store.overwrite(ModelBundle.networkName, [])
            for _ in 0..<3 { await bench.follower.look() }
            #expect(bench.nothing.all.count == 1)
            #expect(try await client.predict(Body.image(0)).status == 503)
            try await bench.publish()
            #expect(try Prediction(await client.predict(Body.image(0))).version == "2")
            #expect(bench.nothing.all.count == 1)
        }
    }

    @Test("a promotion and a rollback by anybody are followed")
    func followed() async throws {
        try await ServingBench.run { bench, client in
            for sharpness in 2...3 { try await bench.publish(Float(sharpness)) }
            try bench.store.promote(1, actor: "a", reason: "r", now: TinyModel.created)
            await bench.follower.look()
            #expect(try Prediction(await client.predict(Body.image(0))).version == "1")
            _ = try bench.store.rollBack(actor: "a", reason: "r", now: TinyModel.created)
            await bench.follower.look()
            #expect(try Prediction(await client.predict(Body.image(0))).version == "2")
            #expect(bench.live.all == [1, 2, 1, 2])
        }
    }

    @Test("a look without a change swaps nothing")
    func idle() async throws {
        try await ServingBench.run { bench, _ in
            try await bench.publish()
            for _ in 0..<5 { await bench.follower.look() }
            #expect(bench.live.all == [1])
        }
    }

    @Test("a version's counters stay for a last scrape, and go away with the next swap")
    func series() async throws {
        try await ServingBench.run { bench, client in
            try await bench.publish(2)
            _ = try await client.predict(Body.image(0))
            try await bench.publish(3)
            let info = bench.registry.lines("leeway_model_info")
            #expect(info.count == 1)
            #expect(info.first?.contains(#"version="2""#) == true)
            #expect(bench.registry.lines("leeway_predictions_total").count == 6)
            try await bench.publish(2)
            let predictions = bench.registry.lines("leeway_predictions_total")
            #expect(predictions.count == 6)
            #expect(!predictions.contains { $0.contains(#"version="1""#) })
        }
    }

    @Test("what answers is told with digest, time and manifest")
    func current() async throws {
        try await ServingBench.run { bench, _ in
            #expect(await bench.follower.current == nil)
            try await bench.publish()
            let live = try #require(await bench.follower.current)
            #expect(live.version == 1)
            #expect(try live.digest == bench.store.manifestDigest(of: 1))
            #expect(live.since.secondsSinceEpoch == 1_795_466_160)
            #expect(live.manifest.labels == TinyData.labels)
        }
    }
}
