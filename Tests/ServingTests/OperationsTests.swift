import HTTPTransport
import ModelTestSupport
import NIOCore
import NIOPosix
import Serving
import Telemetry
import Testing

/// The `operations` listener with actions that only note what they were asked.
@Suite("Operations listener") struct OperationsTests {
    struct Asked: Sendable, Equatable {
        let action: String
        let model: String?
        var version: Int?
    }

    private static func actions(_ asked: Seen<Asked>) -> OperationsActions {
        let done = OperationsActions.Result(status: 200, json: Array("{}".utf8))
        return OperationsActions(
            metrics: { format in
                if format != .text { return Array("in the form \(format)\n".utf8) }
                let padding = String(repeating: "# as long as real ones\n", count: 100)
                return Array("# HELP a b\n# TYPE a gauge\n\(padding)a 1\n".utf8)
            },
            status: { OperationsActions.Result(status: 200, json: Array(#"{"models":[]}"#.utf8)) },
            drift: { format, model in
                if format == "png" { return OperationsActions.Result(png: [0x89, 0x50]) }
                let name = model ?? "lines"
                return OperationsActions.Result(status: 200, json: Array(#"{"\#(name)":{}}"#.utf8))
            },
            retrain: { model, caller in
                asked.append(Asked(action: "retrain by \(caller.actor)", model: model))
                return OperationsActions.Result(status: 202, json: done.body)
            },
            promote: { model, version, caller in
                asked.append(
                    Asked(
                        action: "promote as \(caller.requestName)",
                        model: model,
                        version: version
                    )
                )
                return version == 7
                    ? OperationsActions.Result(
                        status: 404,
                        json: Array(#"{"code":"version_missing"}"#.utf8)
                    ) : done
            },
            rollback: { model, _ in
                asked.append(Asked(action: "rollback", model: model))
                return done
            },
            pin: { model, version, _ in
                asked.append(Asked(action: "pin", model: model, version: version))
                return done
            },
            unpin: { model, _ in
                asked.append(Asked(action: "unpin", model: model))
                return done
            },
            load: { model, _ in
                asked.append(Asked(action: "load", model: model))
                return done
            },
            unload: { model, _ in
                asked.append(Asked(action: "unload", model: model))
                return done
            },
            acknowledge: { model, _ in
                asked.append(Asked(action: "acknowledge", model: model))
                return done
            },
            logLevel: { level, _ in
                asked.append(Asked(action: "log level", model: level))
                return done
            },
            denied: { path, _ in asked.append(Asked(action: "denied \(path)", model: nil)) }
        )
    }

    private static func run(
        token: String? = nil,
        callers: AccessFile? = nil,
        models: [ModelState] = [ModelState(name: "lines", version: 3)],
        _ body: (WebClient, Seen<Asked>) async throws -> Void
    ) async throws {
        try await serve(token: token, callers: callers, models: models) { group, port, asked in
            let client = try await WebClient.connect(group, port: port)
            try await body(client, asked)
            await client.close()
        }
    }

    /// Serves while the body runs.
    static func serve(
        token: String? = nil,
        callers: AccessFile? = nil,
        models: [ModelState] = [ModelState(name: "lines", version: 3)],
        tls: ListenerTLS? = nil,
        _ body: (any EventLoopGroup, _ port: Int, Seen<Asked>) async throws -> Void
    ) async throws {
        let group = MultiThreadedEventLoopGroup(numberOfThreads: 1)
        let asked = Seen<Asked>()
        do {
            let table = try EndpointTable(.operations)
            let settings = ServingSettings(
                models: ["lines"],
                defaultModel: "lines",
                watchedModels: [],
                bodyBytesMax: 1024,
                rowsMax: 1
            )
            let access = AccessControl(try AccessMetrics(MetricRegistry(shards: 1)))
            access.use(
                try access.prepare(
                    callers,
                    tokens: token.map { [.operations: Array($0.utf8)] } ?? [:]
                )
            )
            let actions = actions(asked)
            let server = try HTTPServer(
                settings: .patient("operations", table.routes),
                address: HTTPServer.Address(host: "127.0.0.1", port: 0),
                group: group,
                tls: tls,
                metrics: HTTPMetrics(registry: MetricRegistry(shards: 1), listener: "operations"),
                makeResponder: { loop, _ in
                    OperationsLoop(
                        settings: settings,
                        table: table,
                        actions: actions,
                        models: { models },
                        gate: access.gate(.operations, on: loop, shard: 0),
                        eventLoop: loop
                    )
                }
            )
            try await body(group, try await server.start().port, asked)
            _ = await server.drain(seconds: 5)
        } catch {
            try await group.shutdownGracefully()
            throw error
        }
        try await group.shutdownGracefully()
    }

    @Test("metrics come in the form that the scraper likes best, under its type")
    func negotiation() async throws {
        try await Self.run { client, _ in
            let open = "application/openmetrics-text;version=1.0.0;q=0.9, */*;q=0.1"
            let answer = try await client.ask("GET", "/metrics", fields: "Accept: \(open)\r\n")
            #expect(
                answer.fields["content-type"]
                    == "application/openmetrics-text; version=1.0.0; charset=utf-8"
            )
            #expect(answer.fields["vary"] == "Accept")
            #expect(answer.body == "in the form openMetrics\n")
        }
    }

    @Test("the level of the log can be changed, and whoever lacks the key is told of")
    func logLevel() async throws {
        try await Self.run(token: "a-long-enough-token") { client, asked in
            let path = "/admin/log-level?level=debug"
            let refused = try await client.ask("POST", path)
            #expect(refused.status == 401)
            let key = "Authorization: Bearer a-long-enough-token\r\n"
            let done = try await client.ask("POST", path, fields: key)
            #expect(done.status == 200)
            let wanted = [
                Asked(action: "denied /admin/log-level", model: nil),
                Asked(action: "log level", model: "debug"),
            ]
            #expect(asked.all == wanted)
        }
    }

    @Test("metrics are text of the version that Prometheus reads")
    func metrics() async throws {
        try await Self.run { client, _ in
            let answer = try await client.ask("GET", "/metrics")
            #expect(answer.status == 200)
            #expect(answer.fields["content-type"] == "text/plain; version=0.0.4; charset=utf-8")
            #expect(answer.body.hasSuffix("a 1\n"))
            for _ in 0..<10 { #expect(try await client.ask("GET", "/metrics").status == 200) }
        }
    }

    @Test("metrics are compressed for a client that takes gzip, short answers never")
    func compressed() async throws {
        try await Self.run { client, _ in
            let plain = try await client.ask("GET", "/metrics")
            #expect(plain.fields["vary"] == "Accept-Encoding")
            #expect(plain.fields["content-encoding"] == nil)
            let wish = "Accept-Encoding: gzip\r\n"
            let coded = try await client.ask("GET", "/metrics", fields: wish)
            #expect(coded.fields["content-encoding"] == "gzip")
            let length = try #require(coded.fields["content-length"].flatMap { Int($0) })
            #expect(length < plain.body.utf8.count / 4)
            let status = try await client.ask("GET", "/status", fields: wish)
            #expect(status.fields["content-encoding"] == nil)
            #expect(status.body == "{\"models\":[]}\n")
        }
    }

    @Test("status and drift are one JSON object on a line")
    func reports() async throws {
        try await Self.run { client, _ in
            let status = try await client.ask("GET", "/status")
            #expect(status.status == 200)
            #expect(status.fields["content-type"] == "application/json")
            #expect(status.body == "{\"models\":[]}\n")
            #expect(try await client.ask("GET", "/drift").body == "{\"lines\":{}}\n")
            let named = try await client.ask("GET", "/drift?format=pixels&model=other")
            #expect(named.body == "{\"other\":{}}\n")
            let picture = try await client.ask("GET", "/drift?format=png")
            #expect(picture.status == 200)
            #expect(picture.fields["content-type"] == "image/png")
            #expect(picture.fields["content-length"] == "2")
        }
    }

    @Test("what changes state is asked for with model, version and caller")
    func actions() async throws {
        try await Self.run { client, asked async throws -> Void in
            #expect(try await client.ask("POST", "/admin/retrain?model=lines").status == 202)
            #expect(
                try await client.ask(
                    "POST",
                    "/admin/promote?model=a%20b&version=3",
                    fields: "X-Request-Id: mine\r\n"
                ).status == 200
            )
            #expect(try await client.ask("POST", "/admin/rollback").status == 200)
            #expect(try await client.ask("POST", "/admin/drift/acknowledge?model=x").status == 200)
            #expect(
                asked.all == [
                    Asked(action: "retrain by 127.0.0.1", model: "lines"),
                    Asked(action: "promote as mine", model: "a b", version: 3),
                    Asked(action: "rollback", model: nil),
                    Asked(action: "acknowledge", model: "x"),
                ]
            )
        }
    }

    @Test("a promotion needs a number, and a version that is not there is 404")
    func promote() async throws {
        try await Self.run { client, asked in
            for query in ["", "?version=", "?version=abc", "?version=99999999999999999999"] {
                let answer = try await client.ask("POST", "/admin/promote\(query)")
                #expect(answer.status == 400)
                #expect(try Refusal(answer).code == "parameter_invalid")
            }
            #expect(asked.all.isEmpty)
            let answer = try await client.ask("POST", "/admin/promote?version=7")
            #expect(answer.status == 404)
            #expect(answer.body.contains("version_missing"))
        }
    }

    @Test("with a token set, everything but health needs it")
    func token() async throws {
        try await Self.run(token: "secret") { client, asked in
            for (method, path) in [
                ("GET", "/metrics"), ("GET", "/status"), ("GET", "/drift"),
                ("POST", "/admin/retrain"), ("POST", "/admin/promote?version=1"),
                ("POST", "/admin/rollback"), ("POST", "/admin/drift/acknowledge"),
            ] {
                for wrong in ["", "Authorization: Bearer secres\r\n", "Authorization: Bearer\r\n"] {
                    let answer = try await client.ask(method, path, fields: wrong)
                    #expect(answer.status == 401, "\(path)")
                    let code = wrong.contains("secres") ? "key_unknown" : "unauthorized"
                    #expect(answer.fields["www-authenticate"]?.hasPrefix("Bearer") == true)
                    #expect(try Refusal(answer).code == code)
                }
                let right = "Authorization: Bearer secret\r\n"
                #expect(try await client.ask(method, path, fields: right).status < 300, "\(path)")
            }
            let denied = asked.all.filter { $0.action.hasPrefix("denied ") }
            #expect(denied.count == 21)
            #expect(asked.all.count - denied.count == 4)
            #expect(try await client.ask("GET", "/livez").status == 200)
            #expect(try await client.ask("GET", "/readyz").status == 200)
        }
    }

    @Test("a key needs the scope to operate, and is named in the journal")
    func callers() async throws {
        let made = try ["pager": "operate", "shop": "predict,feedback"].mapValues { scopes in
            try KeysMaker.make(scopes)
        }
        let lines = made.map { name, made in
            made.line.replacing("caller", with: name, maxReplacements: 1)
        }
        let file = try AccessFile(lines.joined(separator: "\n"))
        try await Self.run(callers: file) { client, asked in
            func status(_ name: String, _ path: String) async throws -> Int {
                let key = made[name]?.key ?? ""
                let fields = "Authorization: Bearer \(key)\r\n"
                return try await client.ask("POST", path, fields: fields).status
            }
            for (name, path, expected) in [
                ("shop", "/admin/retrain", 403), ("nobody", "/admin/retrain", 401),
                ("shop", "/nothing", 404), ("pager", "/admin/retrain", 202),
            ] {
                let found = try await status(name, path)
                #expect(found == expected)
            }
            let done = asked.all.map(\.action).filter { !$0.hasPrefix("denied ") }
            #expect(done == ["retrain by pager@127.0.0.1"])
        }
    }

    /// Makes keys of one name.
    private enum KeysMaker {
        static func make(_ scopes: String) throws -> AccessKey {
            var random = SystemRandomNumberGenerator()
            return try AccessKey.make(name: "caller", scopes: scopes, limits: [], using: &random)
        }
    }

    @Test("health is told here, too, and predictions are not")
    func health() async throws {
        try await Self.run(models: [ModelState(name: "lines")]) { client, _ in
            #expect(try await client.ask("GET", "/livez").body == "{\"live\":true}\n")
            let ready = try await client.ask("GET", "/readyz")
            #expect(ready.status == 503)
            #expect(ready.body.contains("no version yet: lines"))
            #expect(try await client.ask("POST", "/predict", "{}").status == 404)
        }
    }

    @Test("the repository is told, loaded and unloaded in the words of the protocol")
    func repository() async throws {
        let models = [
            ModelState(name: "lines", version: 3),
            ModelState(name: "a b", problem: "the manifest is gone"),
            ModelState(name: "off", isUnloaded: true),
        ]
        try await Self.run(models: models) { client, asked async throws -> Void in
            let index = try await client.ask("POST", "/v2/repository/index")
            #expect(
                index.body
                    == #"[{"name":"lines","version":"3","state":"READY","reason":""},"#
                    + #"{"name":"a b","state":"UNAVAILABLE","reason":"the manifest is gone"},"#
                    + #"{"name":"off","state":"UNAVAILABLE","reason":"unloaded"}]"# + "\n"
            )
            let ready = try await client.ask("POST", "/v2/repository/index", #"{"ready":true}"#)
            #expect(!ready.body.contains("UNAVAILABLE"))
            let torn = #"{"ready":true,"ready":true}"#
            #expect(try await client.ask("POST", "/v2/repository/index", torn).status == 400)
            for (path, status) in [
                ("/v2/models/lines/ready", 200), ("/v2/models/lines/versions/3/ready", 200),
                ("/v2/models/lines/versions/2/ready", 404), ("/v2/models/a%20b/ready", 503),
                ("/v2/models/off/ready", 503), ("/v2/models/else/ready", 404), ("/v2", 200),
                ("/v2/", 200), ("/v2/health/ready", 503), ("/v2/health/live", 200),
            ] {
                #expect(try await client.ask("GET", path).status == status, "\(path)")
            }
            let load = "/v2/repository/models/a%20b/load"
            #expect(try await client.ask("POST", load).status == 200)
            let unload = #"{"parameters":{"unload_dependents":false}}"#
            let path = "/v2/repository/models/lines/unload"
            #expect(try await client.ask("POST", path, unload).status == 200)
            let config = #"{"parameters":{"config":"{}"}}"#
            let refused = try await client.ask("POST", load, config)
            #expect(try Refusal(refused).code == "parameter_invalid")
            #expect(
                asked.all == [
                    Asked(action: "load", model: "a b"), Asked(action: "unload", model: "lines"),
                ]
            )
        }
    }

    @Test("the wrong method is told which is right")
    func methods() async throws {
        try await Self.run { client, asked in
            for path in ["/metrics", "/status", "/drift"] {
                let answer = try await client.ask("POST", path)
                #expect(answer.status == 405)
                #expect(answer.fields["allow"] == "GET, HEAD")
            }
            for path in ["/admin/retrain", "/admin/promote", "/admin/rollback"] {
                let answer = try await client.ask("GET", path)
                #expect(answer.status == 405)
                #expect(answer.fields["allow"] == "POST")
            }
            #expect(asked.all.isEmpty)
        }
    }

    @Test("each path stands on its listeners, and health on both, without a key")
    func listeners() throws {
        for listener in Listener.allCases {
            let labels = try EndpointTable(listener).routes.labels.dropFirst()
            let expected = Set(
                Endpoint.all.filter { $0.listeners.contains(listener) }.map(\.pattern)
            )
            #expect(Set(labels) == expected)
        }
        for path in ["/livez", "/readyz"] {
            let endpoint = try #require(Endpoint.all.first { $0.pattern == path })
            #expect(endpoint.listeners == Set(Listener.allCases))
            #expect(endpoint.scope == nil)
        }
        // What changes state is for operators, and not where clients come.
        for endpoint in Endpoint.all where endpoint.pattern.hasPrefix("/admin") {
            #expect(endpoint.listeners == [.operations])
            #expect(endpoint.scope == .operate)
        }
    }
}
