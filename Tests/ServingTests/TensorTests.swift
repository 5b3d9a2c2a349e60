import ModelStore
import ModelTestSupport
import Serving
import Testing

/// The Open Inference Protocol over a real connection.
@Suite("Predictions by /infer", .serialized) struct TensorTests {
    static let path = "/v2/models/lines/infer"

    struct Inference: Decodable {
        struct Output: Decodable {
            struct Parameters: Decodable { let binary_data_size: Int? }
            let name: String
            let datatype: String
            let shape: [Int]
            let data: [Double]?
            let parameters: Parameters?
        }

        let model_name: String
        let model_version: String
        let id: String?
        let outputs: [Output]

        init(_ text: String) throws {
            self = try StoreJSON.decode(Self.self, from: Array(text.utf8), path: text)
        }
    }

    private static func input(
        _ rest: String,
        name: String = "image",
        shape: String = "[1,9]",
        type: String = "UINT8"
    ) -> String {
        #"{"inputs":[{"name":"\#(name)","shape":\#(shape),"datatype":"\#(type)",\#(rest)}]}"#
    }

    @Test("the answer names model, version, id and both outputs, with /predict's probabilities")
    func json() async throws {
        try await ServingBench.run { bench, client in
            try await bench.publish()
            let expected = try Prediction(await client.predict(Body.image(1)))
            let body =
                #"{"id":"a\"b","inputs":[{"name":"image","shape":[2,9],"datatype":"FP32","#
                + #""data":[[\#(Body.row(1).dropFirst().dropLast())],\#(Body.row(2))]}]}"#
            let answer = try await client.ask("POST", Self.path, body)
            #expect(answer.status == 200, "\(answer)")
            #expect(answer.fields["content-type"] == "application/json")
            #expect(answer.fields["inference-header-content-length"] == nil)
            let found = try Inference(answer.body)
            #expect(found.model_name == "lines")
            #expect(found.model_version == "1")
            #expect(found.id == "a\"b")
            #expect(found.outputs.map(\.name) == ["probabilities", "class"])
            #expect(found.outputs.map(\.datatype) == ["FP32", "INT64"])
            #expect(found.outputs.map(\.shape) == [[2, 3], [2]])
            #expect(found.outputs[0].data?.prefix(3).map { $0 } == expected.probabilities)
            #expect(found.outputs[1].data == [1, 2])
        }
    }

    @Test(
        "any shape of the right product is taken, flat or nested, members in any order",
        arguments: [
            #"{"inputs":[{"name":"image","shape":[9],"datatype":"INT64","data":ROW}]}"#,
            #"{"inputs":[{"name":"image","shape":[1,9],"datatype":"FP64","data":[ROW]}]}"#,
            #"{"inputs":[{"name":"image","shape":[1,3,3],"datatype":"UINT16","data":ROW}]}"#,
            #"{"inputs":[{"name":"image","shape":[3,3],"datatype":"UINT8","data":LINES}]}"#,
            #"{"inputs":[{"name":"image","shape":[1,1,3,3],"datatype":"INT16","data":[[LINES]]}]}"#,
            #"{"inputs":[{"data":[LINES],"datatype":"UINT8","shape":[1,3,3],"name":"image"}]}"#,
            #"{"x":[{}],"inputs":[{"data":ROW,"y":{},"datatype":"INT32","shape":[9],"name":"image","parameters":{"content_type":"np"}}]}"#,
            #"{"parameters":{"priority":3,"timeout":100000},"inputs":[{"name":"image","shape":[1,9],"datatype":"UINT32","data":ROW}],"outputs":[]}"#,
        ]
    )
    func forms(body: String) async throws {
        try await ServingBench.run { bench, client in
            try await bench.publish()
            let expected = try Prediction(await client.predict(Body.image(1)))
            let text = body.split(separator: "ROW", omittingEmptySubsequences: false)
                .joined(separator: Body.row(1))
                .split(separator: "LINES", omittingEmptySubsequences: false)
                .joined(separator: Body.lines(1))
            let answer = try await client.ask("POST", Self.path, text)
            #expect(answer.status == 200, "\(answer)")
            #expect(try Inference(answer.body).outputs[0].data == expected.probabilities)
        }
    }

    @Test("binary in and out, per output or for all, and a raw request")
    func binary() async throws {
        try await ServingBench.run { bench, client in
            try await bench.publish()
            let expected = try Prediction(await client.predict(Body.image(0)))
            // The pixels are below 128, so that they are text of one byte each.
            let pixels = String(repeating: "}", count: 3) + String(repeating: "\u{1}", count: 6)
            let small = try Prediction(
                await client.predict(#"{"image":[125,125,125,1,1,1,1,1,1]}"#)
            )
            #expect(small.class == expected.class)
            let header = Self.input(#""parameters":{"binary_data_size":9}"#)
            let length = "Inference-Header-Content-Length: \(header.utf8.count)\r\n"
            let json = try await client.ask("POST", Self.path, header + pixels, fields: length)
            #expect(json.status == 200, "\(json)")
            #expect(try Inference(json.body).outputs[0].data == small.probabilities)
            for (asked, outputs) in [
                (#""parameters":{"binary_data_output":true}"#, [12, 8]),
                (
                    #""outputs":[{"name":"class","parameters":{"binary_data":true}}]"#, [8]
                ),
                (
                    #""outputs":[{"name":"probabilities","parameters":{"classification":2}}],"#
                        + #""parameters":{"binary_data_output":true}"#, nil
                ),
            ] as [(String, [Int]?)] {
                let head = "{\(asked)," + header.dropFirst()
                let length = "Inference-Header-Content-Length: \(head.utf8.count)\r\n"
                let answer = try await client.ask("POST", Self.path, head + pixels, fields: length)
                try Self.checkBinary(answer, outputs)
            }
            let raw = try await client.ask(
                "POST",
                Self.path,
                pixels,
                fields: "Inference-Header-Content-Length: 0\r\n"
            )
            try Self.checkBinary(raw, [12, 8])
        }
    }

    private static func checkBinary(_ answer: WebClient.Answer, _ sizes: [Int]?) throws {
        #expect(answer.status == 200, "\(answer)")
        #expect(answer.fields["content-type"] == "application/octet-stream")
        let field = answer.fields["inference-header-content-length"]
        let length = try #require(field.flatMap { Int($0) })
        let found = try Inference(String(answer.body.prefix(length)))
        #expect(found.outputs.allSatisfy { $0.data == nil })
        let stated = found.outputs.compactMap { $0.parameters?.binary_data_size }
        if let sizes { #expect(stated == sizes) }
        let whole = answer.fields["content-length"].flatMap { Int($0) }
        #expect(whole == length + stated.reduce(0, +))
    }

    @Test("classes are told as value, index and label, best first")
    func classification() async throws {
        try await ServingBench.run { bench, client in
            try await bench.publish()
            let body =
                #"{"outputs":[{"name":"probabilities","parameters":{"classification":9}}],"#
                + Self.input(#""data":\#(Body.row(2))"#).dropFirst()
            let answer = try await client.ask("POST", Self.path, body)
            #expect(answer.status == 200, "\(answer)")
            #expect(answer.body.contains(#""datatype":"BYTES","shape":[1,3],"data":[""#))
            #expect(answer.body.contains(#":2:bottom","#))
            let classes = answer.body.split(separator: "\"data\":[\"")[1].split(separator: "\",\"")
            #expect(classes.count == 3)
            #expect(classes[0].hasSuffix(":2:bottom"))
        }
    }

    @Test("the version in the path must be the one that answers")
    func versions() async throws {
        try await ServingBench.run { bench, client in
            try await bench.publish()
            let body = Self.input(#""data":\#(Body.row(2))"#)
            for (path, status) in [
                ("/v2/models/lines/versions/1/infer", 200),
                ("/v2/models/%6Cines/versions/1/infer", 200),
                ("/v2/models/lines/versions/7/infer", 404),
                ("/v2/models/others/infer", 404),
                ("/v2/models/lines/infer/", 404),
            ] {
                #expect(try await client.ask("POST", path, body).status == status, "\(path)")
            }
        }
    }
}
