import Files
import ModelStore
import ModelTestSupport
import Serving
import Testing

/// A version that answers everybody and may still be taken back, on a real listener.
@Suite("Watch after release", .timeLimit(.minutes(10))) struct WatchTests {
    /// No shadow, a short canary, and every request is compared afterwards.
    private static func staging(_ change: (inout StagingSettings) -> Void = { _ in })
        -> StagingSettings
    {
        var settings = StagingSettings()
        (settings.shadowRows, settings.canaryRows, settings.watchShare) = (0, 1, 1)
        change(&settings)
        return settings
    }

    private static let canary = "leeway-release: canary\r\n"

    /// A version whose answers are all wrong: it takes the darkest line for the brightest.
    private static let wrong: Float = -3

    private func look(_ bench: ServingBench) async {
        await bench.releases.look()
        await bench.follower.look()
    }

    /// Brings a candidate to everybody, by the server alone.
    private func release(_ bench: ServingBench, _ client: WebClient, sharpness: Float) async throws
    {
        let version = try bench.store.stageTiny(.canary, sharpness: sharpness)
        await bench.follower.look()
        _ = try await client.ask("POST", "/predict", Body.image(0), fields: Self.canary)
        await look(bench)
        try #require(try bench.store.current()?.version == version)
        try #require(await bench.follower.current?.version == version)
    }

    /// One prediction and its true label; whether labels or the version before come first alternates.
    private func label(_ bench: ServingBench, _ client: WebClient, _ number: Int) async throws {
        let answer = try await client.ask("POST", "/predict", Body.image(number % 3))
        let request = try Prediction(answer).requestIdentifier
        if number % 2 == 0 { await bench.releases.look() }
        let body = #"{"request_id":"\#(request)","label":\#(number % 3)}"#
        #expect(try await client.ask("POST", "/feedback", body).status == 200)
        await bench.releases.look()
    }

    private func decided(_ bench: ServingBench, _ decision: String, _ reason: String) -> Bool {
        bench.registry.lines("leeway_release_decisions_total").contains {
            $0.contains(#"decision="\#(decision)",reason="\#(reason)""#) && $0.hasSuffix(" 1")
        }
    }

    private func gauge(_ bench: ServingBench, _ name: String) -> String? {
        bench.registry.lines(name).first?.split(separator: " ").last.map(String.init)
    }

    @Test("one that labels prove wrong is taken back within the stated number of them")
    func feedback() async throws {
        try await ServingBench.run(staging: Self.staging()) { bench, client in
            try await bench.publish(2)
            try await release(bench, client, sharpness: Self.wrong)
            let watch = try #require(await bench.releases.watchSummary(of: "lines"))
            #expect(watch.version == 2 && watch.previous == 1 && watch.stage == "full")
            #expect(gauge(bench, "leeway_release_watched_version{") == "2")
            var labels = 0
            while try bench.store.current()?.version == 2, labels < 100 {
                try await label(bench, client, labels)
                labels += 1
            }
            // Every row is wrong that the version before gets right.
            #expect(labels <= 12)
            let last = try #require(try bench.store.history().last)
            #expect(last.event == .rolledBack && last.version == 1 && last.previous == 2)
            #expect(last.actor == "server")
            #expect(
                last.reason.hasPrefix("feedback: after \(labels) labels: wrong more often than ")
            )
            #expect(decided(bench, "withdrawn", "feedback"))
            let kept = try WholeFile.read(bench.store.withdrawalPath, bytesMax: 1 << 16)
            let text = String(decoding: kept, as: UTF8.self)
            #expect(text.contains(#""compared_labels" : \#(labels)"#), "\(text)")
            #expect(text.contains(#""error_difference" : 1"#), "\(text)")
            #expect(bench.store.withdrawnVersion == 2)
            // The version before answers, and is not watched in its turn.
            await look(bench)
            let answer = try await client.ask("POST", "/predict", Body.image(0))
            #expect(try Prediction(answer).version == "1")
            #expect(await bench.releases.watchSummary(of: "lines") == nil)
            #expect(gauge(bench, "leeway_release_watched_version{") == "0")
        }
    }

    @Test("a world in which both versions are wrong speaks against neither")
    func bothWrong() async throws {
        try await ServingBench.run(staging: Self.staging()) { bench, client in
            try await bench.publish(Self.wrong)
            try await release(bench, client, sharpness: -4)
            for number in 0..<60 { try await label(bench, client, number) }
            let watch = try #require(await bench.releases.watchSummary(of: "lines"))
            #expect(watch.comparedLabels == 60 && watch.errorDifference == 0)
            #expect(watch.agreement == 1)
            #expect(try bench.store.current()?.version == 2)
        }
    }

    @Test("what labels have shown survives a restart, for a candidate and for a version after it")
    func restart() async throws {
        try await ServingBench.run(staging: Self.staging()) { bench, client in
            try await bench.publish(2)
            try await release(bench, client, sharpness: Self.wrong)
            for number in 0..<4 { try await label(bench, client, number) }
            let before = try #require(await bench.releases.watchSummary(of: "lines"))
            #expect(before.comparedLabels == 4 && before.feedbackEvidence > 0)
            try await bench.follower.unload()
            #expect(await bench.releases.watchSummary(of: "lines") == nil)
            #expect(await bench.follower.load() == nil)
            let after = try #require(await bench.releases.watchSummary(of: "lines"))
            #expect(after.comparedLabels == 4 && after.labels == 4)
            #expect(after.feedbackEvidence == before.feedbackEvidence)
            // Of another version nothing is believed.
            try bench.store.promote(1, actor: "a", reason: "r", now: TinyModel.created)
            await look(bench)
            #expect(await bench.releases.watchSummary(of: "lines") == nil)
        }
    }

    @Test("a canary goes on with its labels after a restart")
    func canaryRestart() async throws {
        try await ServingBench.run(staging: Self.staging { $0.canaryRows = 10_000 }) {
            bench,
            client in
            try await bench.publish(2)
            try bench.store.stageTiny(.canary, sharpness: Self.wrong)
            await bench.follower.look()
            for fields in [Self.canary, "leeway-release: stable\r\n", Self.canary] {
                let answer = try await client.ask(
                    "POST",
                    "/predict",
                    Body.image(0),
                    fields: fields
                )
                let request = try Prediction(answer).requestIdentifier
                _ = try await client.ask(
                    "POST",
                    "/feedback",
                    #"{"request_id":"\#(request)","label":0}"#
                )
            }
            let before = try #require(await bench.releases.summary(of: "lines"))
            #expect(before.labels == 2 && before.stableLabels == 1 && before.feedbackEvidence > 0)
            try await bench.follower.unload()
            #expect(await bench.follower.load() == nil)
            let after = try #require(await bench.releases.summary(of: "lines"))
            #expect(after.labels == 2 && after.stableLabels == 1)
            #expect(after.feedbackEvidence == before.feedbackEvidence)
        }
    }

    @Test("one whose answers are no numbers is taken back")
    func errors() async throws {
        try await ServingBench.run(staging: Self.staging()) { bench, client in
            try await bench.publish(2)
            try await release(bench, client, sharpness: 1e28)
            for _ in 0..<3 {
                let bad = try await client.predict(#"{"image":[1e30,1,1,1,1,1,1,1,1]}"#)
                #expect(try Refusal(bad).code == "answer_not_finite")
            }
            await look(bench)
            #expect(try bench.store.current()?.version == 1)
            #expect(
                try bench.store.history().last?.reason
                    == "errors: 3 of 3 requests failed, of version 1's 0 of 0"
            )
        }
    }

    @Test("a pin stops it, and what was found counts when the pin is gone")
    func pinned() async throws {
        try await ServingBench.run(staging: Self.staging()) { bench, client in
            try await bench.publish(2)
            try await release(bench, client, sharpness: Self.wrong)
            let note = ReleaseNote(actor: "a", reason: "r", time: TinyModel.created)
            #expect(try bench.store.pin(nil, note) == 2)
            for number in 0..<30 { try await label(bench, client, number) }
            #expect(try bench.store.current()?.version == 2)
            try bench.store.unpin(note)
            await look(bench)
            #expect(try bench.store.current()?.version == 1)
        }
    }

    @Test("the watch ends when its time is over, and nothing is taken back from then on")
    func ends() async throws {
        try await ServingBench.run(staging: Self.staging { $0.watchSeconds = 60 }) {
            bench,
            client in
            try await bench.publish(2)
            try await release(bench, client, sharpness: Self.wrong)
            bench.later.append(59)
            await look(bench)
            #expect(await bench.releases.watchSummary(of: "lines") != nil)
            bench.later.append(1)
            await look(bench)
            #expect(await bench.releases.watchSummary(of: "lines") == nil)
            #expect(decided(bench, "confirmed", "passed"))
            for number in 0..<20 { try await label(bench, client, number) }
            #expect(try bench.store.current()?.version == 2)
        }
    }

    @Test("what a person has put in its place stays there, and so does the first version")
    func people() async throws {
        try await ServingBench.run(staging: Self.staging { $0.watchesImmediate = true }) {
            bench,
            client in
            try await bench.publish(2)
            #expect(await bench.releases.watchSummary(of: "lines") == nil)
            let version = try bench.store.stageTiny(.canary, sharpness: Self.wrong)
            try bench.store.promote(version, actor: "a", reason: "r", now: TinyModel.created)
            await look(bench)
            #expect(await bench.follower.current?.version == 2)
            #expect(await bench.releases.watchSummary(of: "lines") == nil)
        }
    }

    @Test(
        "a version that went live at once is watched where that is asked for",
        arguments: [true, false]
    )
    func immediate(_ isAsked: Bool) async throws {
        try await ServingBench.run(staging: Self.staging { $0.watchesImmediate = isAsked }) {
            bench,
            client in
            try await bench.publish(2)
            try await bench.publish(Self.wrong)
            for number in 0..<20 { try await label(bench, client, number) }
            #expect(try bench.store.current()?.version == (isAsked ? 1 : 2))
        }
    }

    @Test("where the version before cannot read the rows, the hold-out's own error decides")
    func otherRows() async throws {
        try await ServingBench.run(staging: Self.staging { $0.watchesImmediate = true }) {
            bench,
            client in
            var draft = try TinyModel.draft(sharpness: 2)
            draft.labels = ["a", "b", "c"]
            _ = try bench.store.publish(draft) { version, previous, digest in
                JournalEntry(
                    time: TinyModel.created,
                    event: .published,
                    version: version,
                    previous: previous,
                    actor: "manual",
                    reason: "test",
                    digest: digest
                )
            }
            await bench.follower.look()
            try await bench.publish(Self.wrong)
            var labels = 0
            while try bench.store.current()?.version == 2, labels < 100 {
                try await label(bench, client, labels)
                labels += 1
            }
            #expect(labels < 100)
            let words = "feedback: labels show more errors than its hold-out allows"
            #expect(try bench.store.history().last?.reason == words)
        }
    }
}
