import HTTPTransport
import ModelStore
import ModelTestSupport
import Serving
import TLSTransport
import TestSupport
import Testing

@Suite("Predictions over HTTP", .serialized) struct PredictionTests {
    @Test("one row: class, label, probabilities, model, version and request id, in this order")
    func single() async throws {
        try await ServingBench.run { bench, client in
            try await bench.publish()
            let answer = try await client.ask(
                "POST",
                "/predict",
                Body.image(2),
                fields: "X-Request-Id: mine-1\r\n"
            )
            #expect(answer.status == 200)
            #expect(answer.fields["content-type"] == "application/json")
            #expect(answer.fields["x-request-id"] == "mine-1")
            #expect(answer.body.hasPrefix(#"{"class":2,"label":"bottom","probabilities":["#))
            #expect(
                answer.body.hasSuffix(
                    #"],"model":"lines","version":"1","request_id":"mine-1"}"# + "\n"
                )
            )
            let found = try Prediction(answer).probabilities ?? []
            let raw = (0..<9).map { $0 / 3 == 2 ? Float(250) : 5 }
            let expected = try TinyModel.answers(TinyModel.network(), TinyModel.schema(), raw)
            // What is written reads back as the same bits.
            #expect(found.map { Float($0) } == expected)
        }
    }

    @Test("several rows come back as predictions in their order, each with the bits it has alone")
    func batch() async throws {
        try await ServingBench.run { bench, client in
            try await bench.publish()
            let rows = [1, 0, 2].map { Body.row($0) }.joined(separator: ",")
            let answer = try await client.predict(#"{"image":[\#(rows)]}"#)
            let found = try Prediction(answer)
            #expect(found.predictions?.map(\.class) == [1, 0, 2])
            #expect(found.predictions?.map(\.label) == ["middle", "top", "bottom"])
            #expect(found.class == nil)
            for (row, line) in zip(found.predictions ?? [], [1, 0, 2]) {
                let alone = try Prediction(await client.predict(Body.image(line)))
                #expect(row.probabilities == alone.probabilities)
            }
        }
    }

    @Test("an image may be flat, in lines, or in a batch of either, and scaled or not")
    func forms() async throws {
        try await ServingBench.run { bench, client in
            try await bench.publish()
            let expected = try Prediction(await client.predict(Body.image(1))).probabilities
            for body in [
                #"{"image":\#(Body.lines(1))}"#, #" {"scaled" : false, "image":\#(Body.row(1))} "#,
                #"{"image":\#(Body.row(1)),"model":"lines"}"#,
            ] {
                #expect(try Prediction(await client.predict(body)).probabilities == expected)
            }
            let batch = try await client.predict(#"{"image":[\#(Body.lines(1))]}"#)
            #expect(try Prediction(batch).predictions?.first?.probabilities == expected)
            let one = try await client.predict(#"{"image":[\#(Body.row(1))]}"#)
            #expect(try Prediction(one).predictions?.count == 1)
            let scaled = try await client.predict(
                #"{"scaled":true,"image":[0,0,0,1,1,1,0,0,0]}"#
            )
            let raw = try await client.predict(#"{"image":[0,0,0,255,255,255,0,0,0]}"#)
            #expect(try Prediction(scaled).probabilities == Prediction(raw).probabilities)
        }
    }

    @Test(
        "bodies that are wrong, and what each is told",
        arguments: [
            ("", 400, "malformed_json", "body"),
            ("{", 400, "malformed_json", "body"),
            ("hello", 400, "malformed_json", "at byte 0"),
            ("[1,2]", 400, "wrong_type", "at byte 0"),
            ("{}", 400, "missing_key", "send {\"image\""),
            (#"{"features":[1]}"#, 400, "unknown_key", "at byte 1"),
            (#"{"image":1}"#, 400, "wrong_type", "image: expected"),
            (#"{"image":"\#("x")"}"#, 400, "wrong_type", "at byte 9"),
            (#"{"image":null}"#, 400, "wrong_type", "image"),
            (#"{"image":[]}"#, 400, "no_rows", "image"),
            (#"{"image":[1,2,3]}"#, 400, "wrong_length", "expected 9"),
            (#"{"image":[1,2,3,4,5,6,7,8,9,10]}"#, 400, "wrong_length", "image"),
            (#"{"image":[1,2,3,4,"5",6,7,8,9]}"#, 400, "wrong_type", "image[4]"),
            (#"{"image":[1,2,3,4,NaN,6,7,8,9]}"#, 400, "malformed_json", "byte 18"),
            (#"{"image":[1,2,3,4,1e99,6,7,8,9]}"#, 400, "number_overflow", "image[4]"),
            (#"{"image":[[1,2,3],[4,5],[7,8,9]]}"#, 400, "wrong_length", "image[1]"),
            (#"{"image":[[[[[[[[[[1]]]]]]]]]]}"#, 400, "wrong_type", "nested"),
            (#"{"image":[1],"image":[1]}"#, 400, "wrong_length", "image"),
            (#"{"image":[1,2,3,4,5,6,7,8,9],"image":[1]}"#, 400, "repeated_key", "byte"),
            (#"{"image":[1,2,3,4,5,6,7,8,9],"scaled":1}"#, 400, "wrong_type", "scaled"),
            (#"{"image":[1,2,3,4,5,6,7,8,9]} x"#, 400, "malformed_json", "byte"),
            (#"{"image":[1,2,3,4,5,6,7,8,9],"model":"other"}"#, 404, "model_unknown", "other"),
            (#"{"image":[1,2,3,4,5,6,7,8,3e38]}"#, 400, "answer_not_finite", "row 0"),
        ]
    )
    func badBody(body: String, status: Int, code: String, words: String) async throws {
        try await ServingBench.run { bench, client in
            try await bench.publish(1e35)
            let answer = try await client.predict(body)
            let refusal = try Refusal(answer)
            #expect(answer.status == status, "\(answer)")
            #expect(refusal.code == code, "\(answer)")
            #expect(refusal.error.contains(words), "\(answer)")
            let line = #"leeway_prediction_failures_total{code="\#(code)"} 1"#
            #expect(bench.registry.lines(line).count == 1)
            // The connection and the next request are none the worse for it.
            #expect(try await client.predict(Body.image(0)).status == 200)
        }
    }

    @Test("more rows or bytes than the limit are refused with 413")
    func tooMuch() async throws {
        try await ServingBench.run { bench, client in
            try await bench.publish()
            let rows = [String](repeating: Body.row(0), count: 9).joined(separator: ",")
            let answer = try await client.predict(#"{"image":[\#(rows)]}"#)
            #expect(answer.status == 413)
            #expect(try Refusal(answer).code == "too_many_rows")
            #expect(try Refusal(answer).error.contains("at most 8"))
            let long = try await client.predict(String(repeating: " ", count: 5000))
            #expect(long.status == 413)
        }
    }

    @Test("paths and methods: 404, and 405 with what is allowed")
    func routes() async throws {
        try await ServingBench.run { bench, client in
            try await bench.publish()
            for path in ["/x", "/predict/", "/Predict", "/metrics", "/status", "/admin/retrain"] {
                let answer = try await client.ask("POST", path)
                #expect(answer.status == 404, "\(path)")
                #expect(try Refusal(answer).code == "path_unknown")
            }
            for method in ["GET", "PUT", "DELETE", "PATCH"] {
                let answer = try await client.ask(method, "/predict")
                #expect(answer.status == 405)
                #expect(answer.fields["allow"] == "POST")
                #expect(try Refusal(answer).code == "method_not_allowed")
            }
            let answer = try await client.ask("POST", "/livez")
            #expect(answer.status == 405)
            #expect(answer.fields["allow"] == "GET, HEAD")
        }
    }

    @Test("before the first version predictions and readiness say 503, and liveness 200")
    func notReady() async throws {
        try await ServingBench.run { bench, client in
            await bench.follower.look()
            let answer = try await client.predict(Body.image(0))
            #expect(answer.status == 503)
            #expect(answer.fields["retry-after"] == "1")
            #expect(try Refusal(answer).code == "model_not_ready")
            #expect(try await client.ask("GET", "/livez").body == "{\"live\":true}\n")
            let waiting = try await client.ask("GET", "/readyz")
            #expect(waiting.status == 503)
            #expect(waiting.body == "{\"ready\":false,\"reason\":\"no version yet: lines\"}\n")
            try await bench.publish()
            let ready = try await client.ask("GET", "/readyz")
            #expect(ready.status == 200)
            #expect(ready.body == "{\"ready\":true}\n")
            bench.settings.beginDraining()
            let draining = try await client.ask("GET", "/readyz")
            #expect(draining.status == 503)
            #expect(draining.body.contains("shutting down"))
            #expect(try await client.ask("GET", "/livez").status == 200)
            #expect(try await client.predict(Body.image(0)).status == 200)
        }
    }

    @Test("the query or the body names the model; without a default one must")
    func models() async throws {
        try await ServingBench.run(["lines", "others"], defaultModel: nil) { bench, client in
            try await bench.publish(2, model: 0)
            let nameless = try await client.predict(Body.image(0))
            #expect(nameless.status == 400)
            #expect(try Refusal(nameless).code == "model_ambiguous")
            #expect(try Refusal(nameless).error.contains("lines, others"))
            let byQuery = try await client.predict(Body.image(0), query: "?model=lines")
            #expect(try Prediction(byQuery).model == "lines")
            let named = #"{"model":"lines","image":\#(Body.row(0))}"#
            #expect(try Prediction(await client.predict(named)).model == "lines")
            let unknown = try await client.predict(Body.image(0), query: "?model=third")
            #expect(unknown.status == 404)
            #expect(try Refusal(unknown).code == "model_unknown")
            let waiting = try await client.predict(Body.image(0), query: "?model=others")
            #expect(waiting.status == 503)
            #expect(try await client.ask("GET", "/readyz").body.contains("others"))
            // The query and the body must not disagree.
            let torn = try await client.predict(named, query: "?model=others")
            #expect(torn.status == 503)
            try await bench.publish(2, model: 1)
            #expect(try await client.predict(named, query: "?model=others").status == 404)
            #expect(try await client.ask("GET", "/readyz").status == 200)
        }
    }

    @Test("among several models the default answers when none is named")
    func defaultModel() async throws {
        try await ServingBench.run(["others", "lines"], defaultModel: "lines") { bench, client in
            try await bench.publish(2, model: 0)
            try await bench.publish(2, model: 1)
            #expect(try Prediction(await client.predict(Body.image(0))).model == "lines")
            let other = #"{"model":"others","image":\#(Body.row(0))}"#
            #expect(try Prediction(await client.predict(other)).model == "others")
        }
    }

    @Test("where a token is set, predictions need it and health does not")
    func token() async throws {
        try await ServingBench.run(token: "secret") { bench, client in
            try await bench.publish()
            for fields in ["", "Authorization: Bearer wrong\r\n", "Authorization: secret\r\n"] {
                let answer = try await client.ask("POST", "/predict", Body.image(0), fields: fields)
                #expect(answer.status == 401)
                #expect(answer.fields["www-authenticate"]?.hasPrefix("Bearer") == true)
            }
            let answer = try await client.ask(
                "POST",
                "/predict",
                Body.image(0),
                fields: "Authorization: bearer secret\r\n"
            )
            #expect(answer.status == 200)
            #expect(try await client.ask("GET", "/readyz").status == 200)
        }
    }

    @Test("over TLS the answer is the same, and plain text is refused on that port")
    func tls() async throws {
        let tls = try BenchTLS()
        try await ServingBench.run(tls: tls.listener) { bench, plain in
            try await bench.publish()
            let client = try await bench.connect(authority: tls.authority)
            #expect(try Prediction(await client.predict(Body.image(1))).label == "middle")
            #expect(try await plain.predict(Body.image(1)).status == 400)
            await client.close()
        }
    }

    @Test("rows are counted by version and class, with confidence and phases")
    func metrics() async throws {
        try await ServingBench.run { bench, client in
            try await bench.publish()
            for line in [0, 1, 1] { _ = try await client.predict(Body.image(line)) }
            let registry = bench.registry
            #expect(
                registry.lines("leeway_predictions_total").sorted() == [
                    #"leeway_predictions_total{model="lines",version="1",class="bottom"} 0"#,
                    #"leeway_predictions_total{model="lines",version="1",class="middle"} 2"#,
                    #"leeway_predictions_total{model="lines",version="1",class="top"} 1"#,
                ]
            )
            #expect(
                registry.lines("leeway_prediction_confidence_ratio_count") == [
                    #"leeway_prediction_confidence_ratio_count{model="lines"} 3"#
                ]
            )
            #expect(registry.lines("leeway_prediction_phase_duration_seconds_count").count == 5)
            #expect(
                registry.lines("leeway_model_ready") == [
                    #"leeway_model_ready{model="lines"} 1"#
                ]
            )
            _ = try await client.predict(#"{"image":[999,0,0,-1,0,0,0,0,0]}"#)
            #expect(
                registry.lines("leeway_data_unusual_values_total").contains(
                    #"leeway_data_unusual_values_total{model="lines",kind="out_of_range"} 2"#
                )
            )
        }
    }
}
