import Drift
import Files
import HTTPTransport
import ModelStore
import ModelTestSupport
import NIOCore
import Serving
import Telemetry
import TestSupport
import Testing

/// A candidate's way to the clients, on a real listener.
@Suite("Release", .timeLimit(.minutes(10))) struct ReleaseTests {
    /// Every request is shadowed; the stages are short.
    private static func staging(_ change: (inout StagingSettings) -> Void = { _ in })
        -> StagingSettings
    {
        var settings = StagingSettings()
        (settings.shadowRows, settings.shadowShare) = (6, 1)
        (settings.canaryRows, settings.canaryShare) = (10, 0.5)
        settings.stickyField = "x-user"
        change(&settings)
        return settings
    }

    private static let canary = "leeway-release: canary\r\n"
    private static let stable = "Leeway-Release: STABLE\r\n"

    private func version(
        _ client: WebClient,
        _ target: String = "/predict",
        line: Int = 0,
        fields: String = ""
    ) async throws -> String {
        let answer = try await client.ask("POST", target, Body.image(line), fields: fields)
        try #require(answer.status == 200, "\(answer)")
        return try Prediction(answer).version
    }

    private func look(_ bench: ServingBench) async {
        await bench.releases.look()
        await bench.follower.look()
    }

    private func events(_ bench: ServingBench) throws -> [String] {
        try bench.store.history().map { "\($0.event.rawValue) \($0.version)" }
    }

    private func decisions(_ bench: ServingBench) -> [String] {
        bench.registry.lines("leeway_release_decisions_total").filter { !$0.hasSuffix(" 0") }
            .sorted()
    }

    @Test("from the shadow by the canary to everybody, and each step is in journal and metrics")
    func wholeWay() async throws {
        try await ServingBench.run(staging: Self.staging()) { bench, client in
            try await bench.publish(2)
            try bench.store.stageTiny(.shadow, sharpness: 3)
            await bench.follower.look()
            for line in 0..<6 {
                // Nobody sees the candidate's answers, not even who asks for them.
                #expect(try await version(client, line: line % 3, fields: Self.canary) == "1")
            }
            await bench.releases.look()
            let shadow = try #require(await bench.releases.summary(of: "lines"))
            #expect(shadow.stage == "shadow" && shadow.rows == 6 && shadow.agreement == 1)
            // The candidate is sharper, so it is surer.
            #expect(try #require(shadow.confidenceShift) > 0)
            await bench.follower.look()
            let begun = try #require(await bench.releases.summary(of: "lines"))
            #expect(begun.stage == "canary" && begun.rows == 0)

            for line in 0..<10 {
                #expect(try await version(client, line: line % 3, fields: Self.canary) == "2")
                #expect(try await version(client, fields: Self.stable) == "1")
            }
            await look(bench)
            #expect(try await version(client, fields: Self.stable) == "2")
            #expect(await bench.follower.current?.version == 2)
            #expect(await bench.releases.summary(of: "lines") == nil)
            #expect(try bench.store.stagedRelease() == nil)
            #expect(
                try events(bench) == ["published 1", "staged 2", "advanced 2", "promoted 2"]
            )
            #expect(try bench.store.history().last?.actor == "server")
            #expect(bench.live.all == [1, 2])
            #expect(
                decisions(bench)
                    == ["advanced", "begun", "completed"].map {
                        #"leeway_release_decisions_total{model="lines",decision="\#($0)","#
                            + #"reason="passed"} 1"#
                    }
            )
            #expect(bench.registry.lines("leeway_release_stage{").first?.hasSuffix(" 0") == true)
            let answered = bench.registry.lines("leeway_release_requests_total")
            #expect(answered.contains { $0.contains("candidate") && $0.hasSuffix(" 10") })
            #expect(answered.contains { $0.contains("stable") && $0.hasSuffix(" 10") })
        }
    }

    @Test("with no candidate nobody is routed, and the words for one mean nothing")
    func none() async throws {
        try await ServingBench.run(staging: Self.staging()) { bench, client in
            try await bench.publish(2)
            #expect(try await version(client, fields: Self.canary) == "1")
            let label = try await client.ask(
                "POST",
                "/v1/models/lines/labels/canary:predict",
                #"{"instances":[\#(Body.row(0))]}"#
            )
            #expect(label.status == 404)
            #expect(try Refusal(label).code == "label_unknown")
        }
    }

    @Test("a client that is named always meets the same version, and half of the clients each")
    func sticky() async throws {
        try await ServingBench.run(staging: Self.staging { $0.canaryRows = 10_000 }) {
            bench,
            client in
            try await bench.publish(2)
            try bench.store.stageTiny(.canary, sharpness: 3)
            await bench.follower.look()
            let other = try await bench.connect()
            var canaries = 0
            for user in 0..<60 {
                let fields = "X-User: user-\(user)\r\n"
                let first = try await version(client, fields: fields)
                // Another connection, most likely on the other loop.
                #expect(try await version(other, fields: fields) == first)
                canaries += first == "2" ? 1 : 0
            }
            await other.close()
            // 60 fair coins: outside of this less than once in 10,000 times; and the hash is fixed.
            #expect((15...45).contains(canaries))
            // A key stands in for a name; without either the request's own identifier decides.
            let key = "X-API-Key: abc\r\n"
            let first = try await version(client, fields: key)
            for _ in 0..<5 { #expect(try await version(client, fields: key) == first) }
            var anonymous = Set<String>()
            for _ in 0..<60 { anonymous.insert(try await version(client)) }
            #expect(anonymous == ["1", "2"])
        }
    }

    @Test("a path that names a version or a label gets it in every dialect")
    func named() async throws {
        try await ServingBench.run(staging: Self.staging { $0.canaryRows = 10_000 }) {
            bench,
            client in
            try await bench.publish(2)
            try bench.store.stageTiny(.canary, sharpness: 3)
            await bench.follower.look()
            let instances = #"{"instances":[\#(Body.row(0))]}"#
            let tensors =
                #"{"inputs":[{"name":"image","shape":[1,9],"datatype":"FP32","data":\#(Body.row(0))}]}"#
            let paths = [
                ("/v1/models/lines/labels/canary:predict", instances, 2),
                ("/v1/models/lines/labels/stable:predict", instances, 1),
                ("/v1/models/lines/labels/current:predict", instances, 1),
                ("/v1/models/lines/versions/2:predict", instances, 2),
                ("/v1/models/lines/versions/1:predict", instances, 1),
                ("/v2/models/lines/versions/2/infer", tensors, 2),
                ("/v2/models/lines/versions/1/infer", tensors, 1),
            ]
            let schema = try TinyModel.schema()
            for (path, body, expected) in paths {
                let answer = try await client.ask("POST", path, body, fields: Self.stable)
                #expect(answer.status == 200, "\(path) \(answer)")
                let network = try TinyModel.network(sharpness: Float(expected + 1))
                let raw = (0..<9).map { Float($0 / 3 == 0 ? 250 : 5) }
                let wanted = TinyModel.answers(network, schema, raw)[0]
                // What is sure to a part in a million tells the two apart.
                #expect(
                    answer.body.contains("\(wanted)".prefix(7)),
                    "\(path) \(answer.body) \(wanted)"
                )
            }
            // What is told of the model is told of the stable version.
            let status = try await client.ask("GET", "/v1/models/lines")
            #expect(status.body.contains(#""version":"1""#))
            let canary = try await client.ask("GET", "/v2/models/lines/versions/2/ready")
            #expect(canary.status == 200)
        }
    }

    @Test("a candidate whose answers are no numbers is taken back")
    func errors() async throws {
        try await ServingBench.run(staging: Self.staging { $0.canaryRows = 10_000 }) {
            bench,
            client in
            try await bench.publish(2)
            try bench.store.stageTiny(.canary, sharpness: 1e28)
            await bench.follower.look()
            let large = #"{"image":[1e30,1,1,1,1,1,1,1,1]}"#
            for _ in 0..<3 {
                let bad = try await client.ask("POST", "/predict", large, fields: Self.canary)
                #expect(bad.status == 400)
                #expect(try Refusal(bad).code == "answer_not_finite")
                let good = try await client.ask("POST", "/predict", large, fields: Self.stable)
                #expect(good.status == 200)
                // A client's own mistake is nobody else's fault.
                _ = try await client.ask("POST", "/predict", "{}", fields: Self.canary)
            }
            await look(bench)
            #expect(try await version(client, fields: Self.canary) == "1")
            let last = try #require(try bench.store.history().last)
            #expect(last.event == .rolledBack && last.previous == 2)
            #expect(last.reason == "errors: 3 of 3 requests failed, of the stable version's 0 of 3")
            #expect(decisions(bench).contains { $0.contains(#""withdrawn",reason="errors""#) })
        }
    }

    @Test("in the shadow the same is seen without any client that meets it")
    func shadowErrors() async throws {
        try await ServingBench.run(staging: Self.staging { $0.shadowRows = 10_000 }) {
            bench,
            client in
            try await bench.publish(2)
            try bench.store.stageTiny(.shadow, sharpness: 1e28)
            await bench.follower.look()
            for _ in 0..<3 {
                let answer = try await client.predict(#"{"image":[1e30,1,1,1,1,1,1,1,1]}"#)
                #expect(answer.status == 200)
            }
            await look(bench)
            #expect(try bench.store.history().last?.reason.hasPrefix("errors: 3 of 3") == true)
            #expect(try bench.store.stagedRelease() == nil)
        }
    }

    @Test("a candidate that labels prove wrong is taken back within the stated number of them")
    func feedback() async throws {
        try await ServingBench.run(staging: Self.staging { $0.canaryRows = 10_000 }) {
            bench,
            client in
            try await bench.publish(2)
            // It takes the darkest line for the brightest.
            try bench.store.stageTiny(.canary, sharpness: -3)
            await bench.follower.look()
            var labels = 0
            while try bench.store.stagedRelease() != nil, labels < 100 {
                for fields in [Self.stable, Self.canary] {
                    let answer = try await client.ask(
                        "POST",
                        "/predict",
                        Body.image(labels % 3),
                        fields: fields
                    )
                    let request = try Prediction(answer).requestIdentifier
                    let body = #"{"request_id":"\#(request)","label":\#(labels % 3)}"#
                    #expect(try await client.ask("POST", "/feedback", body).status == 200)
                }
                labels += 1
            }
            // Every row of the candidate is wrong: 14 in the simulation with one in ten on each side.
            #expect(labels <= 12)
            await bench.follower.look()
            #expect(try await version(client, fields: Self.canary) == "1")
            let last = try #require(try bench.store.history().last)
            #expect(
                last.event == .rolledBack
                    && last.reason.hasPrefix("feedback: after \(labels) labels")
            )
            #expect(try bench.store.current()?.version == 1)
        }
    }

    @Test("a candidate whose own reference the traffic leaves is taken back")
    func drift() async throws {
        let drift = try DriftSettings(tolerance: 0.02, falseAlarmInterval: 1000)
        try await ServingBench.run(
            staging: Self.staging { $0.canaryRows = 10_000 },
            drift: drift
        ) { bench, client in
            try await bench.publish(2)
            try bench.store.stageTiny(.canary, sharpness: 3)
            await bench.follower.look()
            // One and the same image, over and over.
            for _ in 0..<400 where try bench.store.stagedRelease() != nil {
                _ = try await version(client, fields: Self.canary)
                await bench.releases.look()
            }
            #expect(try bench.store.history().last?.reason.hasPrefix("drift: ") == true)
        }
    }

    @Test("a candidate that does not pass its checks is taken back before anybody meets it")
    func invalid() async throws {
        try await ServingBench.run(staging: Self.staging()) { bench, client in
            try await bench.publish(2)
            try bench.store.stageTiny(.canary, sharpness: 3)
            try bench.store.overwrite(ModelBundle.networkName, of: 2, [1, 2, 3])
            await bench.follower.look()
            #expect(try await version(client, fields: Self.canary) == "1")
            #expect(try bench.store.stagedRelease() == nil)
            #expect(try bench.store.history().last?.reason.hasPrefix("invalid: ") == true)
            for _ in 0..<3 { await look(bench) }
            #expect(try events(bench) == ["published 1", "staged 2", "rolled_back 1"])
        }
    }

    @Test("an operator's word ends a release, and so does unloading the model for a while")
    func operators() async throws {
        try await ServingBench.run(staging: Self.staging { $0.canaryRows = 10_000 }) {
            bench,
            client in
            try await bench.publish(2)
            try bench.store.stageTiny(.canary, sharpness: 3)
            await bench.follower.look()
            #expect(try await version(client, fields: Self.canary) == "2")
            try await bench.follower.unload()
            #expect(try await client.predict(Body.image(0)).status == 503)
            #expect(await bench.releases.summary(of: "lines") == nil)
            #expect(await bench.follower.load() == nil)
            #expect(try await version(client, fields: Self.canary) == "2")
            _ = try bench.store.rollBack(actor: "a", reason: "r", now: TinyModel.created)
            await look(bench)
            #expect(try await version(client, fields: Self.canary) == "1")
            #expect(decisions(bench).contains { $0.contains(#""withdrawn",reason="operator""#) })
            try bench.store.stageTiny(.shadow, sharpness: 4)
            await bench.follower.look()
            try bench.store.promote(3, actor: "a", reason: "r", now: TinyModel.created)
            await look(bench)
            #expect(try await version(client) == "3")
            #expect(decisions(bench).contains { $0.contains(#""completed",reason="operator""#) })
        }
    }

    @Test("while a version is pinned nothing moves by itself")
    func pinned() async throws {
        try await ServingBench.run(staging: Self.staging { $0.shadowRows = 0 }) { bench, client in
            try await bench.publish(2)
            let note = ReleaseNote(actor: "a", reason: "r", time: TinyModel.created)
            _ = try bench.store.pin(nil, note)
            try bench.store.stageTiny(.shadow, sharpness: 3)
            for _ in 0..<3 { await look(bench) }
            #expect(try bench.store.stagedRelease()?.stage == .shadow)
            try bench.store.unpin(note)
            for _ in 0..<2 { await look(bench) }
            #expect(try bench.store.stagedRelease()?.stage == .canary)
            #expect(try await version(client, fields: Self.canary) == "2")
        }
    }

    @Test("stages last for the time that is asked for, by the clock that the file remembers")
    func seconds() async throws {
        let staging = Self.staging { ($0.shadowRows, $0.shadowSeconds) = (0, 60) }
        try await ServingBench.run(staging: staging) { bench, _ in
            try await bench.publish(2)
            try bench.store.stageTiny(.shadow, sharpness: 3)
            for _ in 0..<3 { await look(bench) }
            #expect(try bench.store.stagedRelease()?.stage == .shadow)
            bench.later.append(59)
            await look(bench)
            #expect(try bench.store.stagedRelease()?.stage == .shadow)
            bench.later.append(1)
            await look(bench)
            #expect(try bench.store.stagedRelease()?.stage == .canary)
        }
    }

    @Test("a start in the middle of a stage goes on with it, and mends what a crash left")
    func restart() async throws {
        try await ServingBench.run(staging: Self.staging { $0.canaryRows = 10_000 }) {
            bench,
            client in
            // All of this was there before the first look.
            try bench.store.publishTiny(sharpness: 2)
            try bench.store.stageTiny(.shadow, sharpness: 3)
            let shadow = try WholeFile.read(bench.store.stagedPath, bytesMax: 4096)
            let note = ReleaseNote(actor: "a", reason: "r", time: TinyModel.created)
            let release = try #require(try bench.store.stagedRelease())
            _ = try bench.store.advance(release, to: .canary, note)
            // The crash came between the journal and the file.
            try WholeFile.replace(bench.store.stagedPath, shadow)
            await bench.follower.look()
            #expect(try await version(client, fields: Self.canary) == "2")
            #expect(try await version(client, fields: Self.stable) == "1")
            // What cannot be read is no candidate, and nothing else happens.
            try WholeFile.replace(bench.store.stagedPath, Array("{".utf8))
            await look(bench)
            #expect(try await version(client, fields: Self.canary) == "1")
        }
    }

    @Test("requests during the whole way are all answered, each by one of the two versions")
    func underLoad() async throws {
        let staging = Self.staging { ($0.shadowRows, $0.canaryRows) = (40, 60) }
        try await ServingBench.run(staging: staging) { bench, _ in
            try await bench.publish(2)
            let seen = Seen<String>()
            let schema = try TinyModel.schema()
            let raw = (0..<9).map { Float($0 / 3 == 1 ? 250 : 5) }
            let wanted = try (1...2).map {
                TinyModel.answers(try TinyModel.network(sharpness: Float($0 + 1)), schema, raw)
            }
            try await withThrowingTaskGroup(of: Void.self) { tasks in
                for _ in 0..<3 {
                    tasks.addTask {
                        let client = try await bench.connect()
                        var last = "1"
                        for number in 0..<100_000 {
                            let answer = try await client.ask(
                                "POST",
                                "/predict",
                                Body.image(1),
                                fields: "X-User: \(number)\r\n"
                            )
                            let found = try Prediction(answer)
                            last = found.version
                            seen.append(last)
                            let index = try #require(Int(last)) - 1
                            let bits = found.probabilities?.map { Float($0) }
                            #expect(bits == wanted[index])
                            if await bench.follower.current?.version == 2 { break }
                        }
                        await client.close()
                    }
                }
                try bench.store.stageTiny(.shadow, sharpness: 3)
                while await bench.follower.current?.version != 2 {
                    await look(bench)
                    await Task.yield()
                }
                try await tasks.waitForAll()
            }
            #expect(Set(seen.all) == ["1", "2"])
            #expect(
                try events(bench) == ["published 1", "staged 2", "advanced 2", "promoted 2"]
            )
        }
    }
}
