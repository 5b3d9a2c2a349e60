import Features
import ModelStore
import ModelTestSupport
import Serving
import Telemetry
import Testing

@Suite("Feedback") struct FeedbackTests {
    /// What the tests read of an answer to several labels.
    private struct Answers: Decodable {
        struct Result: Decodable, Equatable {
            let requestIdentifier: String
            let row: Int
            let status: String
            let model: String?
            let version: String?
            let correct: Bool?
            let expected: String?

            enum CodingKeys: String, CodingKey {
                case requestIdentifier = "request_id"
                case row, status, model, version, correct, expected
            }
        }

        let joined: Int
        let results: [Result]
    }

    private func identifier(_ answer: WebClient.Answer) throws -> String {
        try Prediction(answer).requestIdentifier
    }

    private func label(_ client: WebClient, _ body: String) async throws -> WebClient.Answer {
        try await client.ask("POST", "/feedback", body)
    }

    private func batch(_ client: WebClient, _ items: [String]) async throws -> Answers {
        let answer = try await label(client, #"{"feedback":[\#(items.joined(separator: ","))]}"#)
        #expect(answer.status == 200)
        return try StoreJSON.decode(Answers.self, from: Array(answer.body.utf8), path: answer.body)
    }

    private func item(_ request: String, _ label: String, _ more: String = "") -> String {
        #"{"request_id":"\#(request)","label":\#(label)\#(more)}"#
    }

    private func metric(_ bench: ServingBench, _ name: String) -> String {
        var bytes: [UInt8] = []
        bench.registry.write(.text, into: &bytes)
        let text = String(decoding: bytes, as: UTF8.self)
        let line = text.split(separator: "\n").first { $0.hasPrefix(name + " ") }
        return line.map { String($0.dropFirst(name.count + 1)) } ?? "none"
    }

    @Test("a label finds its row on whichever loop, once")
    func single() async throws {
        try await ServingBench.run { bench, client in
            try await bench.publish()
            let others = [try await bench.connect(), try await bench.connect(), client]
            for (index, other) in others.enumerated() {
                let request = try identifier(try await other.predict(Body.image(index)))
                let body = item(request, index == 1 ? "\"top\"" : "\(index)")
                let answer = try await label(client, body)
                #expect(answer.status == 200, "\(answer)")
                #expect(
                    answer.body == #"{"request_id":"\#(request)","row":0,"status":"joined","#
                        + #""model":"lines","version":"1","correct":\#(index != 1)}"# + "\n"
                )
                let again = try await label(client, body)
                #expect(again.status == 409)
                #expect(try Refusal(again).code == "feedback_repeated")
            }
            #expect(
                metric(bench, #"leeway_feedback_items_total{model="lines",result="joined"}"#) == "3"
            )
            let rows = #"leeway_feedback_rows_total{model="lines",version="1",outcome="#
            #expect(metric(bench, rows + #""right"}"#) == "2")
            #expect(metric(bench, rows + #""wrong"}"#) == "1")
            let accuracy = metric(
                bench,
                #"leeway_feedback_accuracy_ratio{model="lines",version="1"}"#
            )
            #expect(accuracy.hasPrefix("0.6666"))
            await others[0].close()
            await others[1].close()
        }
    }

    @Test("what is not known, and what is no label, is told and counted")
    func refused() async throws {
        try await ServingBench.run { bench, client in
            try await bench.publish()
            let request = try identifier(try await client.predict(Body.image(0)))
            let cases = [
                (item("nobody", "1"), 404, "feedback_unknown"),
                (item(request, "1", #","row":1"#), 404, "feedback_unknown"),
                (item(request, "1", #","model":"other""#), 404, "feedback_unknown"),
                (item(request, "3"), 400, "feedback_label_invalid"),
                (item(request, "-1"), 400, "feedback_label_invalid"),
                (item(request, "0.5"), 400, "feedback_label_invalid"),
                (item(request, "\"left\""), 400, "feedback_label_invalid"),
                (#"{"request_id":"a"}"#, 400, "missing_key"),
                (item(request, "true"), 400, "wrong_type"),
            ]
            for (body, status, code) in cases {
                let answer = try await label(client, body)
                #expect(answer.status == status, "\(body)")
                #expect(try Refusal(answer).code == code)
            }
            // None of that closed the row.
            #expect(try await label(client, item(request, "\"top\"")).status == 200)
            #expect(
                metric(bench, #"leeway_feedback_items_total{model="none",result="unknown"}"#) == "3"
            )
            let invalid = #"leeway_feedback_items_total{model="lines",result="label_invalid"}"#
            #expect(metric(bench, invalid) == "4")
        }
    }

    @Test("rows of a request have labels of their own, and several labels come at once")
    func several() async throws {
        try await ServingBench.run { bench, client in
            try await bench.publish()
            let image = #"{"image":[\#(Body.row(0)),\#(Body.row(1)),\#(Body.row(2))]}"#
            let request = try identifier(
                try await client.ask(
                    "POST",
                    "/predict",
                    image,
                    fields: "X-Request-Id: order-7\r\n"
                )
            )
            #expect(request == "order-7")
            let answers = try await batch(
                client,
                [
                    item("order-7", "\"bottom\"", #","row":2"#), item("order-7", "1"),
                    item("order-7", "0"), item("order-8", "0"),
                    item("order-7", "\"up\"", #","row":1"#),
                ]
            )
            #expect(answers.joined == 2)
            #expect(
                answers.results.map(\.status)
                    == ["joined", "joined", "repeated", "unknown", "label_invalid"]
            )
            #expect(answers.results.map(\.row) == [2, 0, 0, 0, 1])
            #expect(answers.results.map(\.correct) == [true, false, nil, nil, nil])
            #expect(answers.results[4].expected?.contains("top, middle, bottom") == true)
        }
    }

    @Test("labels that come after a swap are those of the version that answered")
    func afterSwap() async throws {
        try await ServingBench.run { bench, client in
            try await bench.publish(2)
            let first = try identifier(try await client.predict(Body.image(0)))
            try await bench.publish(3)
            let second = try identifier(try await client.predict(Body.image(1)))
            let answers = try await batch(client, [item(first, "0"), item(second, "0")])
            #expect(answers.results.map(\.version) == ["1", "2"])
            for (version, accuracy) in [("1", "1"), ("2", "0")] {
                let name = #"leeway_feedback_accuracy_ratio{model="lines",version="\#(version)"}"#
                #expect(metric(bench, name) == accuracy)
            }
            // Figures of the two newest versions are kept.
            try await bench.publish(4)
            let third = try identifier(try await client.predict(Body.image(1)))
            #expect(try await batch(client, [item(third, "1")]).joined == 1)
            let gone = #"leeway_feedback_accuracy_ratio{model="lines",version="1"}"#
            #expect(metric(bench, gone) == "none")
        }
    }

    @Test("labelled rows are handed on with their raw values, to be kept")
    func captured() async throws {
        try await ServingBench.run { bench, client in
            try await bench.publish()
            let request = try identifier(try await client.predict(Body.image(2)))
            _ = try await batch(client, [item(request, "1"), item(request, "1")])
            let row = try #require(bench.captured.all.first)
            #expect(bench.captured.all.count == 1)
            #expect(row.model == "lines" && row.version == 1 && row.truth == 1)
            #expect(row.raw == [5, 5, 5, 5, 5, 5, 250, 250, 250])
        }
    }

    @Test("figures are those of the definitions, over all loops")
    func figures() async throws {
        try await ServingBench.run { bench, client in
            try await bench.publish()
            var tally: [(probabilities: [Double], truth: Int)] = []
            for (line, truth) in [(0, 0), (1, 2), (2, 2), (0, 1)] {
                let answer = try await client.predict(Body.image(line))
                let prediction = try Prediction(answer)
                tally.append((try #require(prediction.probabilities), truth))
                let body = item(prediction.requestIdentifier, "\(truth)")
                #expect(try await label(client, body).status == 200)
            }
            let brier = tally.reduce(0.0) { sum, row in
                row.probabilities.indices.reduce(sum) {
                    let error = row.probabilities[$1] - ($1 == row.truth ? 1 : 0)
                    return $0 + error * error
                }
            }
            let found = metric(bench, #"leeway_feedback_brier_score{model="lines",version="1"}"#)
            #expect(abs((Double(found) ?? -1) - brier / 4) < 1e-5)
            let window = #"leeway_feedback_window_rows{model="lines",version="1"}"#
            #expect(metric(bench, window) == "4")
        }
    }

    /// Has eight rows predicted in one request and labelled, all of them right or all wrong.
    private func eight(_ client: WebClient, _ name: String, right: Bool) async throws {
        let rows = (0..<8).map { Body.row($0 % 3) }.joined(separator: ",")
        let answer = try await client.ask(
            "POST",
            "/predict",
            #"{"image":[\#(rows)]}"#,
            fields: "X-Request-Id: \(name)\r\n"
        )
        #expect(answer.status == 200)
        let items = (0..<8).map { row in
            item(name, "\((right ? row : row + 1) % 3)", #","row":\#(row)"#)
        }
        #expect(try await batch(client, items).joined == 8)
    }

    @Test("labels that show harm raise the alarm once, and it ends when acknowledged")
    func harm() async throws {
        try await ServingBench.run { bench, client in
            try await bench.publish()
            let version = #"model="lines",version="1"}"#
            // 450 of 900 wrong on the hold-out: at most 0.552 with probability 0.999.
            let limit = Double(metric(bench, "leeway_model_feedback_error_limit_ratio{" + version))
            #expect(abs((limit ?? 0) - 0.572) < 0.002)
            try await eight(client, "good", right: true)
            #expect(metric(bench, "leeway_model_feedback_evidence_nats{" + version) == "0")
            #expect(bench.harms.all.isEmpty)
            for name in ["bad-1", "bad-2", "bad-3"] {
                try await eight(client, name, right: false)
            }
            let harm = try #require(bench.harms.all.first)
            #expect(bench.harms.all.count == 1)
            #expect(harm.model == "lines")
            #expect(harm.report.version == 1)
            #expect(harm.report.isRaised)
            #expect(harm.report.changedAfterRow == 8)
            #expect(harm.report.metadata(model: "lines")["feedback.rows"] != nil)
            #expect(metric(bench, "leeway_model_feedback_alarm{" + version) == "1")
            #expect(metric(bench, "leeway_model_feedback_alarms_total{" + version) == "1")
            let bound = #"leeway_model_feedback_error_ratio{model="lines",version="1",bound="#
            let bounds = ["lower", "mean", "upper"].compactMap {
                Double(metric(bench, bound + "\"\($0)\"}"))
            }
            #expect(bounds.count == 3 && bounds == bounds.sorted())

            await bench.feedback.acknowledge(model: "lines", version: 1)
            #expect(metric(bench, "leeway_model_feedback_alarm{" + version) == "0")
            #expect(await bench.feedback.report(model: "lines", version: 1)?.isRaised == false)
            #expect(await bench.feedback.report(model: "lines", version: 2) == nil)
        }
    }

    @Test("each version is tested against its own hold-out, and old ones are forgotten")
    func versions() async throws {
        try await ServingBench.run { bench, client in
            for sharpness in [Float(2), 3, 4] { try await bench.publish(sharpness) }
            try await eight(client, "newest", right: true)
            #expect(await bench.feedback.report(model: "lines", version: 3)?.rows == 8)
            #expect(await bench.feedback.report(model: "lines", version: 1) == nil)
            let limit = #"leeway_model_feedback_error_limit_ratio{model="lines",version="1"}"#
            #expect(metric(bench, limit) == "none")
        }
    }
}
