import ModelStore
import ModelTestSupport
import NIOCore
import Serving
import Testing

/// Predictions that the batcher computes, over the wire; its thread is held where something has to
/// happen meanwhile.
@Suite("Batching") struct BatchingTests {
    private let queue = BatchSettings(mode: .queue)

    /// A request in the words of the Open Inference Protocol that waits for a millisecond.
    private static let tensor =
        #"{"parameters":{"timeout":1000},"inputs":[{"name":"image","shape":[1,9],"#
        + #""datatype":"UINT8","data":\#(Body.row(0))}]}"#

    /// Waits until so many requests are the batcher's.
    private func waitForPending(_ bench: ServingBench, _ count: Int) async {
        let line = #"leeway_batch_pending_requests{model="lines"} \#(count)"#
        while bench.registry.lines("leeway_batch_pending_requests") != [line] {
            await Task.yield()
        }
    }

    private func dropped(_ bench: ServingBench) -> [String] {
        bench.registry.lines("leeway_batch_dropped_total").filter { !$0.hasSuffix(" 0") }
    }

    @Test("an answer is the same, bit for bit, whoever computes it")
    func equal() async throws {
        var answers: [[Double]?] = []
        for mode in [BatchSettings.Mode.inline, .queue] {
            try await ServingBench.run(batching: BatchSettings(mode: mode)) { bench, client in
                try await bench.publish()
                let answer = try await client.predict(Body.image(1))
                #expect(answer.status == 200)
                answers.append(try Prediction(answer).probabilities)
                let place = mode == .inline ? "event_loop" : "batcher"
                #expect(
                    bench.registry.lines("leeway_prediction_requests_total").contains(
                        #"leeway_prediction_requests_total{model="lines",place="\#(place)"} 1"#
                    )
                )
                await waitForPending(bench, 0)
            }
        }
        #expect(answers[0] == answers[1])
    }

    @Test("many rows of a small network go to the batcher, few do not")
    func byRows() async throws {
        // A row takes longer than a nanosecond: but one of them may, and with it two more.
        let settings = BatchSettings(mode: .auto, inlineNanosecondsMax: 1_000_000_000)
        try await ServingBench.run(batching: settings) { bench, client in
            try await bench.publish()
            let rows = #"{"image":[\#(Body.row(0)),\#(Body.row(1)),\#(Body.row(2))]}"#
            #expect(try await client.predict(rows).status == 200)
            #expect(
                bench.registry.lines("leeway_batch_rows_count").allSatisfy { $0.hasSuffix(" 0") }
            )
        }
        let strict = BatchSettings(mode: .auto, inlineNanosecondsMax: 1)
        try await ServingBench.run(batching: strict) { bench, client in
            try await bench.publish()
            let rows = #"{"image":[\#(Body.row(0)),\#(Body.row(1)),\#(Body.row(2))]}"#
            let found = try Prediction(await client.predict(rows))
            #expect(found.predictions?.map(\.class) == [0, 1, 2])
            #expect(
                bench.registry.lines("leeway_batch_rows_sum")
                    == [#"leeway_batch_rows_sum{model="lines"} 3"#]
            )
        }
    }

    @Test("a request is answered by the version that it began with, also across a swap")
    func swap() async throws {
        try await ServingBench.run(batching: queue) { bench, client in
            try await bench.publish(1)
            let raw = (0..<9).map { $0 / 3 == 1 ? Float(250) : 5 }
            let expected = try [1, 4].map {
                try TinyModel.answers(TinyModel.network(sharpness: $0), TinyModel.schema(), raw)
            }
            async let early: WebClient.Answer = {
                let second = try await bench.connect()
                defer { Task { await second.close() } }
                return try await second.predict(Body.image(1))
            }()
            try await bench.worker.whileBlocked {
                await waitForPending(bench, 1)
                try await bench.publish(4)
            }
            let first = try Prediction(try await early)
            #expect(first.version == "1")
            #expect(first.probabilities?.map { Float($0) } == expected[0])
            let later = try Prediction(await client.predict(Body.image(1)))
            #expect(later.version == "2")
            #expect(later.probabilities?.map { Float($0) } == expected[1])
        }
    }

    @Test("a request whose time has passed is answered with 504, and its rows are not computed")
    func deadline() async throws {
        try await ServingBench.run(batching: queue) { bench, client in
            try await bench.publish()
            try await bench.worker.whileBlocked {
                let answer = try await client.predict(Body.image(0), query: "?timeout=1000")
                #expect(answer.status == 504)
                #expect(try Refusal(answer).code == "deadline_exceeded")
                let field = "X-Envoy-Expected-Rq-Timeout-Ms: 1\r\n"
                let other = try await client.ask("POST", "/predict", Body.image(0), fields: field)
                #expect(other.status == 504)
                let tensor = try await client.ask("POST", "/v2/models/lines/infer", Self.tensor)
                #expect(tensor.status == 504)
                #expect(try Refusal(tensor).error.hasPrefix("deadline: "))
            }
            #expect(
                dropped(bench)
                    == [#"leeway_batch_dropped_total{model="lines",reason="deadline"} 3"#]
            )
            #expect(try await client.predict(Body.image(0), query: "?timeout=0").status == 200)
            #expect(
                bench.registry.lines("leeway_batch_rows_sum")
                    == [#"leeway_batch_rows_sum{model="lines"} 1"#]
            )
        }
    }

    @Test(
        "a time that is no number of microseconds is refused by name",
        arguments: ["-1", "x", ""]
    )
    func badDeadline(_ value: String) async throws {
        try await ServingBench.run(batching: queue) { bench, client in
            try await bench.publish()
            let answer = try await client.predict(Body.image(0), query: "?timeout=\(value)")
            #expect(answer.status == 400)
            #expect(try Refusal(answer).error.hasPrefix("timeout: "))
        }
    }

    @Test("what a client that has left asked for is not computed")
    func clientGone() async throws {
        let tls = try BenchTLS()
        try await ServingBench.run(batching: queue, tls: tls.listener) { bench, _ in
            try await bench.publish()
            try await bench.worker.whileBlocked {
                let gone = try await bench.connect(authority: tls.authority)
                let asked = Task { try? await gone.predict(Body.image(0)) }
                await waitForPending(bench, 1)
                await gone.close()
                await waitForPending(bench, 0)
                _ = await asked.value
            }
            #expect(
                dropped(bench)
                    == [#"leeway_batch_dropped_total{model="lines",reason="client_gone"} 1"#]
            )
            #expect(bench.registry.lines("leeway_batch_rows_sum").allSatisfy { $0.hasSuffix(" 0") })
        }
    }

    @Test("what would wait too long is refused with 503, and later requests are answered")
    func overload() async throws {
        let hasty = BatchSettings(mode: .queue, rowsMax: 1, queueNanosecondsMax: 1)
        try await ServingBench.run(batching: hasty) { bench, client in
            try await bench.publish()
            let others = [try await bench.connect(), try await bench.connect()]
            try await bench.worker.whileBlocked {
                // As long as itself, any request may wait.
                let asked = others.map { other in Task { try await other.predict(Body.image(0)) } }
                await waitForPending(bench, 2)
                let refused = try await client.predict(Body.image(0))
                #expect(refused.status == 503)
                #expect(refused.fields["retry-after"] == "1")
                #expect(try Refusal(refused).code == "overloaded")
                #expect(try await client.ask("GET", "/livez").status == 200)
                #expect(try await client.ask("GET", "/readyz").status == 200)
                for task in asked { task.cancel() }
            }
            await waitForPending(bench, 0)
            #expect(
                dropped(bench)
                    == [#"leeway_batch_dropped_total{model="lines",reason="queue_time"} 1"#]
            )
            #expect(try await client.predict(Body.image(0)).status == 200)
            for other in others { await other.close() }
        }
    }

    @Test("the parts of an answer are told in Server-Timing, the wait for the batcher among them")
    func serverTiming() async throws {
        try await ServingBench.run(batching: queue) { bench, client in
            try await bench.publish()
            let answer = try await client.predict(Body.image(0))
            let parts = answer.fields["server-timing"]?.split(separator: ", ") ?? []
            let names = parts.map { $0.prefix { $0 != ";" } }
            #expect(names == ["parse", "queue", "compute", "monitor", "serialise"])
            #expect(parts.allSatisfy { Double($0.drop { $0 != "=" }.dropFirst()) != nil })
        }
        try await ServingBench.run { bench, client in
            try await bench.publish()
            #expect(try await client.predict(Body.image(0)).fields["server-timing"] == nil)
        }
    }
}
