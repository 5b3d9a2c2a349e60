import ModelStore
import ModelTestSupport
import Serving
import Testing

/// KServe V1 and the REST interface of TensorFlow Serving.
@Suite("Predictions by :predict", .serialized) struct InstancesTests {
    private static let path = "/v1/models/lines:predict"

    private struct Rows: Decodable {
        let predictions: [[Double]]?
        let outputs: [[Double]]?
        let model: String
        let version: String

        init(_ answer: WebClient.Answer) throws {
            self = try StoreJSON.decode(
                Self.self,
                from: Array(answer.body.utf8),
                path: answer.body
            )
        }
    }

    @Test("instances and columns in every form give the probabilities that /predict gives")
    func forms() async throws {
        try await ServingBench.run { bench, client in
            try await bench.publish()
            let alone = try await [1, 0].asyncMap {
                try Prediction(await client.predict(Body.image($0))).probabilities ?? []
            }
            let (one, two) = (Body.row(1), Body.row(0))
            for body in [
                #"{"instances":[\#(one),\#(two)]}"#,
                #"{"instances":[\#(Body.lines(1)),{"image":\#(two)}]}"#,
                #"{"signature_name":"serving_default","instances":[\#(one),\#(two)]}"#,
                #"{"instances":[\#(one),\#(two)],"parameters":{"priority":1},"else":{"a":[1]}}"#,
            ] {
                let answer = try await client.ask("POST", Self.path, body)
                #expect(answer.status == 200, "\(answer)")
                #expect(try Rows(answer).predictions == alone, "\(body)")
                #expect(try Rows(answer).outputs == nil)
                #expect(try Rows(answer).version == "1")
            }
            for body in [
                #"{"inputs":[\#(one),\#(two)]}"#, #"{"inputs":{"image":[\#(one),\#(two)]}}"#,
            ] {
                let answer = try await client.ask("POST", Self.path, body)
                #expect(try Rows(answer).outputs == alone, "\(answer)")
                #expect(try Rows(answer).predictions == nil)
            }
        }
    }

    @Test(
        "the path names model and version, percent-encoded or not",
        arguments: [
            ("/v1/models/lines:predict", 200, ""),
            ("/v1/models/l%69nes:predict", 200, ""),
            ("/v1/models/lines/versions/1:predict", 200, ""),
            ("/v1/models/lines/versions/%31:predict", 200, ""),
            ("/v1/models/lines/labels/stable:predict", 200, ""),
            ("/v1/models/lines/labels/current:predict", 200, ""),
            ("/v1/models/lines/labels/canary:predict", 404, "label_unknown"),
            ("/v1/models/lines/versions/2:predict", 404, "version_not_live"),
            ("/v1/models/lines/versions/01:predict", 404, "version_not_live"),
            ("/v1/models/lines/versions/a:predict", 404, "version_not_live"),
            ("/v1/models/other:predict", 404, "model_unknown"),
            ("/v1/models/lines%2:predict", 400, "malformed_target"),
            ("/v1/models/lines%:predict", 400, "malformed_target"),
            ("/v1/models/lines%00:predict", 404, "model_unknown"),
            ("/v1/models/:predict", 404, "path_unknown"),
            ("/v1/models/lines:predicted", 404, "path_unknown"),
            ("/v1/models/li/nes:predict", 404, "path_unknown"),
            ("/v1/models/lines/versions/:predict", 404, "path_unknown"),
        ]
    )
    func paths(path: String, status: Int, code: String) async throws {
        try await ServingBench.run { bench, client in
            try await bench.publish()
            let answer = try await client.ask("POST", path, #"{"instances":[\#(Body.row(1))]}"#)
            #expect(answer.status == status, "\(answer)")
            if status != 200 { #expect(try Refusal(answer).code == code) }
        }
    }

    @Test(
        "bodies that are wrong, and what each is told",
        arguments: [
            ("{}", "missing_key", "instances"),
            (#"{"instances":[]}"#, "no_rows", "instances"),
            (#"{"instances":{}}"#, "wrong_type", "instances"),
            (#"{"instances":[1]}"#, "wrong_type", "instances[0]"),
            (#"{"instances":[[1,2]]}"#, "wrong_length", "instances[0]"),
            (#"{"instances":[{}]}"#, "wrong_type", "instances[0]"),
            (
                #"{"instances":[{"pixels":[1]}]}"#, "unknown_key",
                "instances[0]: unknown key \"pixels\""
            ),
            (#"{"inputs":{"pixels":[[1]]}}"#, "unknown_key", "inputs: unknown key \"pixels\""),
            (#"{"inputs":[],"instances":[]}"#, "no_rows", "inputs"),
            (#"{"signature_name":"other"}"#, "parameter_invalid", "serving_default"),
            (#"{"parameters":{"explane":1}}"#, "parameter_invalid", "explane"),
            (#"{"parameters":{"timeout":-1}}"#, "parameter_invalid", "parameters.timeout"),
            (#"{"parameters":{},"parameters":{}}"#, "repeated_key", "parameters"),
        ]
    )
    func badBody(body: String, code: String, words: String) async throws {
        try await ServingBench.run { bench, client in
            try await bench.publish()
            let answer = try await client.ask("POST", Self.path, body)
            #expect(answer.status == 400, "\(answer)")
            #expect(try Refusal(answer).code == code, "\(answer)")
            #expect(try Refusal(answer).error.contains(words), "\(answer)")
        }
    }

    @Test("rows as text or bytes, and answers as text for those who want it")
    func invocations() async throws {
        try await ServingBench.run { bench, client in
            try await bench.publish()
            let alone = try Prediction(await client.predict(Body.image(1))).probabilities ?? []
            let row = Body.row(1).dropFirst().dropLast()
            for (type, body) in [
                ("text/csv", "\(row)\r\n\(row)"),
                ("text/csv; header=present", "a,b\n\(row)\n\(row)\n"),
                ("application/json", #"{"instances":[[\#(row)],[\#(row)]]}"#),
            ] {
                let fields = "Content-Type: \(type)\r\n"
                let answer = try await client.ask("POST", "/invocations", body, fields: fields)
                #expect(answer.status == 200, "\(answer)")
                #expect(try Rows(answer).predictions == [alone, alone])
                let text = try await client.ask(
                    "POST",
                    "/invocations",
                    body,
                    fields: fields + "Accept: text/csv\r\n"
                )
                #expect(text.fields["content-type"] == "text/csv; charset=utf-8")
                let lines = text.body.split(separator: "\n").map {
                    $0.split(separator: ",").compactMap { Double($0) }
                }
                #expect(lines == [alone, alone])
            }
            let bytes = "}}}\u{1}\u{1}\u{1}\u{1}\u{1}\u{1}"
            let fields = "Content-Type: application/octet-stream\r\n"
            let plain = try await client.ask("POST", "/predict", bytes, fields: fields)
            #expect(try Prediction(plain).class == 0)
            let two = try await client.ask("POST", "/predict", bytes + bytes, fields: fields)
            #expect(try Prediction(two).predictions?.map(\.class) == [0, 0])
        }
    }

    @Test("a body of another type is refused by name")
    func mediaType() async throws {
        try await ServingBench.run { bench, client in
            try await bench.publish()
            for (type, status) in [
                ("application/json; charset=utf-8", 200), ("application/xml", 415),
                ("application/x-www-form-urlencoded", 200), ("text/plain", 415),
            ] {
                let answer = try await client.ask(
                    "POST",
                    Self.path,
                    #"{"instances":[\#(Body.row(1))]}"#,
                    fields: "Content-Type: \(type)\r\n"
                )
                #expect(answer.status == status, "\(type)")
                guard status == 415 else { continue }
                #expect(try Refusal(answer).code == "media_type_unsupported")
                #expect(try Refusal(answer).error.contains("application/json"))
            }
        }
    }
}

extension Array {
    /// The results of an asynchronous transformation, one after the other.
    func asyncMap<Result>(_ transform: (Element) async throws -> Result) async throws -> [Result] {
        var results: [Result] = []
        for element in self { results.append(try await transform(element)) }
        return results
    }
}
