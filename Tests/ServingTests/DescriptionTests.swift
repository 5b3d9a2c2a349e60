import ModelStore
import ModelTestSupport
import Serving
import Testing

/// What models tell of themselves, and what becomes of one that is unloaded.
@Suite("Models described", .serialized) struct DescriptionTests {
    @Test("metadata, status and configuration are whole, and the same for the version's path")
    func descriptions() async throws {
        try await ServingBench.run { bench, client in
            try await bench.publish()
            let metadata = try await client.ask("GET", "/v2/models/lines")
            #expect(
                metadata.body.hasPrefix(
                    #"{"name":"lines","versions":["1"],"platform":"leeway_mlp","#
                        + #""inputs":[{"name":"image","datatype":"FP32","shape":[-1,9]}],"#
                        + #""outputs":[{"name":"probabilities","datatype":"FP32","shape":[-1,3]},"#
                        + #"{"name":"class","datatype":"INT64","shape":[-1]}],"#
                )
            )
            #expect(
                try await client.ask("GET", "/v2/models/lines/versions/1").body == metadata.body
            )
            let server = try await client.ask("GET", "/v2")
            #expect(server.body.hasPrefix(#"{"name":"leeway","version":""#))
            #expect(server.body.contains(#""binary_tensor_data""#))
            let status = try await client.ask("GET", "/v1/models/lines")
            #expect(status.body.contains(#""model_version_status":[{"version":"1","#))
            #expect(status.body.contains(#""ready":true"#))
            let signatures = try await client.ask("GET", "/v1/models/lines/metadata")
            #expect(signatures.body.contains(#"{"size":"9","name":""}"#))
            let configuration = try await client.ask("GET", "/v2/models/lines/config")
            #expect(configuration.body.contains(#""data_type":"TYPE_FP32","dims":[9]"#))
            for path in ["/v1/models", "/v2/models"] {
                #expect(try await client.ask("GET", path).body == "{\"models\":[\"lines\"]}\n")
            }
            #expect(try await client.ask("GET", "/").body == "{\"status\":\"alive\"}\n")
            for path in [
                "/v2/models/lines/ready", "/v2/health/live", "/v2/health/ready", "/ping",
                "/v1/models/lines/labels/stable",
            ] {
                #expect(try await client.ask("GET", path).status == 200, "\(path)")
            }
            for path in [
                "/v2/models/else", "/v2/models/lines/versions/2/ready", "/v1/models/else",
                "/v1/models/lines/versions/2/metadata", "/v1/models/lines/labels/canary",
            ] {
                #expect(try await client.ask("GET", path).status == 404, "\(path)")
            }
        }
    }

    @Test("statistics count answers, rows and refusals over all loops")
    func statistics() async throws {
        try await ServingBench.run { bench, client in
            try await bench.publish()
            let path = "/v2/models/lines/stats"
            let before = try await client.ask("GET", path)
            #expect(before.body.contains(#""last_inference":0,"inference_count":0"#))
            let rows = "[\(Body.row(0)),\(Body.row(1))]"
            let others = [try await bench.connect(), try await bench.connect()]
            for client in [client] + others {
                #expect(try await client.predict(#"{"image":\#(rows)}"#).status == 200)
                #expect(try await client.predict("{}").status == 400)
            }
            for path in [path, "/v2/models/stats", "/v2/models/lines/versions/1/stats"] {
                let after = try await client.ask("GET", path)
                #expect(after.body.contains(#""inference_count":6,"execution_count":3"#))
                #expect(after.body.contains(#""success":{"count":3,"ns":"#))
                #expect(after.body.contains(#""fail":{"count":3,"ns":"#))
                #expect(!after.body.contains(#""last_inference":0"#))
            }
            for other in others { await other.close() }
        }
    }

    @Test("an unloaded model answers 503 without making the server unready, until it is loaded")
    func unloading() async throws {
        try await ServingBench.run { bench, client in
            try await bench.publish()
            #expect(try await client.predict(Body.image(0)).status == 200)
            try await bench.follower.unload()
            let refused = try await client.predict(Body.image(0))
            #expect(refused.status == 503)
            #expect(try Refusal(refused).code == "model_unloaded")
            #expect(try await client.ask("GET", "/v2/models/lines/ready").status == 503)
            #expect(try await client.ask("GET", "/readyz").status == 200)
            let index = try await client.ask("POST", "/v2/repository/index")
            #expect(index.body.contains(#""state":"UNAVAILABLE","reason":"unloaded""#))
            // What is published meanwhile waits.
            try await bench.publish(3)
            #expect(try await client.predict(Body.image(0)).status == 503)
            #expect(bench.follower.state.isUnloaded)
            #expect(await bench.follower.load() == nil)
            #expect(try Prediction(await client.predict(Body.image(0))).version == "2")
            #expect(bench.follower.state.version == 2)
        }
    }

    @Test("the description is of OpenAPI 3.1 and has every path with the model's name in it")
    func description() async throws {
        try await ServingBench.run { bench, client in
            let empty = try await client.ask("GET", "/openapi.json")
            #expect(!empty.body.contains("/v2/models/lines"))
            try await bench.publish()
            let answer = try await client.ask("GET", "/openapi.json")
            #expect(answer.status == 200)
            let text = answer.body
            #expect(text.hasPrefix(#"{"openapi":"3.1.0","#))
            for endpoint in Endpoint.all where endpoint.listeners.contains(.api) {
                let path = endpoint.pattern.split(
                    separator: "{model}",
                    omittingEmptySubsequences: false
                ).joined(separator: "lines")
                #expect(text.contains("\"\(path)\":{\""), "\(path)")
            }
            #expect(!text.contains("{model}"))
            #expect(text.contains(#""example":{"image":["#))
        }
    }

    @Test("changes of the repository are no business of this listener")
    func elsewhere() async throws {
        try await ServingBench.run { bench, client in
            try await bench.publish()
            for path in ["load", "unload"] {
                let answer = try await client.ask("POST", "/v2/repository/models/lines/\(path)")
                #expect(answer.status == 404)
            }
        }
    }
}
