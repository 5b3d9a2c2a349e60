import Features
import ModelStore
import ModelTestSupport
import Testing

@Suite("Explained answers") struct ExplainTests {
    private struct Explained: Decodable {
        struct Facts: Decodable {
            let method: String
            let baseline: String?
            let steps: Int?
            let error: Double?

            enum CodingKeys: String, CodingKey {
                case method, baseline, steps
                case error = "completeness_error"
            }
        }

        struct Row: Decodable {
            let attributions: [Double]?
        }

        let attributions: [Double]?
        let predictions: [Row]?
        let explanation: Facts?
    }

    private func explained(_ answer: WebClient.Answer) throws -> Explained {
        #expect(answer.status == 200, "\(answer)")
        return try StoreJSON.decode(
            Explained.self,
            from: Array(answer.body.utf8),
            path: answer.body
        )
    }

    private func body(_ parameters: String, image: String = Body.row(1)) -> String {
        #"{"image":\#(image),"parameters":{\#(parameters)}}"#
    }

    @Test("shares of the logit add up to what it differs by from that of a black image")
    func integrated() async throws {
        try await ServingBench.run { bench, client in
            try await bench.publish(2)
            let answer = try explained(
                try await client.predict(body(#""explain":"integrated_gradients""#))
            )
            let shares = try #require(answer.attributions)
            // The network is linear: each pixel of the bright line counts twice its brightness.
            let expected = (0..<9).map { $0 / 3 == 1 ? 2 * 250.0 / 255 : 0 }
            for (share, value) in zip(shares, expected) { #expect(abs(share - value) < 1e-5) }
            let facts = try #require(answer.explanation)
            #expect(facts.method == "integrated_gradients" && facts.baseline == "zeros")
            #expect(facts.steps == 64 && (facts.error ?? 1) < 1e-5)
        }
    }

    @Test("slopes are of the class that is chosen, by label or index")
    func gradient() async throws {
        try await ServingBench.run { bench, client in
            try await bench.publish(2)
            for (chosen, line) in [
                ("", 1), (#","explain_class":"top""#, 0), (#","explain_class":2"#, 2),
            ] {
                let answer = try explained(
                    try await client.predict(body(#""explain":"gradient"\#(chosen)"#))
                )
                #expect(answer.attributions == (0..<9).map { $0 / 3 == line ? 2.0 : 0 })
                #expect(answer.explanation?.method == "gradient")
                #expect(answer.explanation?.error == nil)
            }
        }
    }

    @Test("each row of several is explained, and an answer that was not asked for it is not")
    func several() async throws {
        try await ServingBench.run { bench, client in
            try await bench.publish(2)
            let images = "[\(Body.row(0)),\(Body.row(2))]"
            let answer = try explained(
                try await client.predict(body(#""explain":"gradient""#, image: images))
            )
            let rows = try #require(answer.predictions)
            #expect(rows.map { $0.attributions?.firstIndex(of: 2) } == [0, 6])
            let plain = try explained(try await client.predict(Body.image(0)))
            #expect(plain.attributions == nil && plain.explanation == nil)
        }
    }

    @Test("what cannot be explained is refused by name")
    func refused() async throws {
        try await ServingBench.run { bench, client in
            try await bench.publish(2)
            for parameters in [
                #""explain":"shap""#, #""explain":1"#, #""explain":"gradient","explain_class":3"#,
                #""explain":"gradient","explain_class":"left""#,
                #""explain":"gradient","explain":"gradient""#,
            ] {
                let answer = try await client.predict(body(parameters))
                #expect(answer.status == 400, "\(parameters)")
                #expect(try Refusal(answer).error.contains("explain"))
            }
        }
    }

    @Test("the V2 protocol gives attributions as one more output, in JSON and in binary form")
    func tensors() async throws {
        try await ServingBench.run { bench, client in
            try await bench.publish(2)
            let input =
                #""inputs":[{"name":"image","shape":[1,9],"datatype":"FP32","data":\#(Body.row(1))}]"#
            let text = try await client.ask(
                "POST",
                "/v2/models/lines/infer",
                #"{"parameters":{"explain":"gradient"},\#(input)}"#
            )
            #expect(text.status == 200)
            #expect(
                text.body.contains(
                    #"{"name":"attributions","datatype":"FP32","shape":[1,9],"#
                        + #""parameters":{"method":"gradient"},"data":[0.0,0.0,0.0,2.0,2.0,2.0,0.0,0.0,0.0]}"#
                )
            )
            let binary = try await client.ask(
                "POST",
                "/v2/models/lines/infer",
                #"{"parameters":{"explain":"gradient","binary_data_output":true},\#(input)}"#
            )
            #expect(binary.status == 200)
            #expect(
                binary.body.contains(#""parameters":{"method":"gradient","binary_data_size":36}"#)
            )
        }
    }
}
