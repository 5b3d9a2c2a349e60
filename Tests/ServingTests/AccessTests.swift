import Digest
import Features
import ModelTestSupport
import NIOCore
import NIOPosix
import Serving
import Telemetry
import Testing

@Suite("Access by keys") struct AccessTests {
    private static let keys = ["shop", "reader", "slow", "pager"].map { "\($0)-0123456789abcdef" }

    private static func line(_ name: String, _ scopes: String, _ more: String = "") throws -> String
    {
        let digest = try SHA256Digest.of(Array("\(name)-0123456789abcdef".utf8)).hex
        return "\(name) \(scopes) sha256:\(digest) \(more)\n"
    }

    private static func callers() throws -> AccessFile {
        try AccessFile(
            line("shop", "predict,feedback") + line("reader", "predict")
                + line("slow", "predict", "rate=0.001 burst=2") + line("pager", "operate")
        )
    }

    private static func shown(_ name: String) -> String {
        "Authorization: Bearer \(name)-0123456789abcdef\r\n"
    }

    private func count(_ bench: ServingBench, _ caller: String, _ result: String) -> UInt64 {
        let family = try? bench.registry.counter(
            "leeway_access_requests_total",
            help: "Requests to listeners that ask for a credential, by caller and decision; "
                + "caller is none for those without a valid one.",
            labels: ["caller", "result"],
            seriesMax: 3 * AccessFile.callersMax + 16
        )
        return family?.series([caller, result]).value ?? 0
    }

    @Test("a key opens what its scopes name, in either header, and nothing else")
    func scopes() async throws {
        try await ServingBench.run(callers: Self.callers()) { bench, client in
            try await bench.publish()
            func status(_ fields: String, _ path: String = "/predict") async throws -> Int {
                try await client.ask("POST", path, Body.image(1), fields: fields).status
            }
            #expect(try await status(Self.shown("reader")) == 200)
            #expect(try await status("X-API-Key: reader-0123456789abcdef\r\n") == 200)
            #expect(try await status("AUTHORIZATION: bearer shop-0123456789abcdef\r\n") == 200)
            #expect(try await status("") == 401)
            #expect(try await status("Authorization: Basic c2hvcDpzaG9w\r\n") == 401)
            // A wrong key beside a right one is wrong, and so is a right one that stands twice.
            let right = "X-API-Key: shop-0123456789abcdef\r\n"
            #expect(try await status("Authorization: Bearer nobody\r\n" + right) == 401)
            #expect(try await status(right + right) == 401)
            #expect(try await status(Self.shown("pager")) == 403)
            #expect(try await status(Self.shown("reader"), "/feedback") == 403)
            #expect(try await status(Self.shown("shop"), "/feedback") == 400)
            for path in ["/livez", "/readyz"] {
                #expect(try await client.ask("GET", path).status == 200)
            }
            #expect(count(bench, "reader", "allowed") == 2 && count(bench, "shop", "allowed") == 2)
            #expect(count(bench, "reader", "forbidden") == 1)
            #expect(count(bench, "none", "missing") == 2 && count(bench, "none", "unknown") == 2)
        }
    }

    @Test("refusals say what is missing in the words of RFC 6750, and never repeat the key")
    func refusals() async throws {
        try await ServingBench.run(callers: Self.callers()) { bench, client in
            try await bench.publish()
            let cases = [
                ("", 401, "unauthorized", "Bearer"),
                (
                    "X-API-Key: nobody-knows\r\n", 401, "key_unknown",
                    "Bearer error=\"invalid_token\""
                ),
                (
                    Self.shown("pager"), 403, "forbidden",
                    "Bearer error=\"insufficient_scope\", scope=\"predict\""
                ),
            ]
            for (fields, status, code, challenge) in cases {
                let answer = try await client.ask("POST", "/predict", "{}", fields: fields)
                #expect(answer.status == status)
                #expect(answer.fields["www-authenticate"] == challenge)
                #expect(try Refusal(answer).code == code)
                #expect(!answer.body.contains("nobody") && !answer.body.contains("0123456789"))
            }
        }
    }

    @Test("beyond its rate a caller waits, and others do not")
    func rates() async throws {
        try await ServingBench.run(callers: Self.callers()) { bench, client in
            try await bench.publish()
            func ask(_ name: String) async throws -> WebClient.Answer {
                try await client.ask(
                    "POST",
                    "/predict",
                    Body.image(0),
                    fields: Self.shown(name)
                )
            }
            for _ in 0..<2 { #expect(try await ask("slow").status == 200) }
            // A connection to another loop does not help.
            for other in [client, try await bench.connect(), try await bench.connect()] {
                let answer = try await other.ask(
                    "POST",
                    "/predict",
                    Body.image(0),
                    fields: Self.shown("slow")
                )
                #expect(answer.status == 429)
                #expect(try Refusal(answer).code == "rate_limited")
                let wait = answer.fields["retry-after"].flatMap { Int($0) } ?? 0
                #expect((900...1000).contains(wait))
                if other !== client { await other.close() }
            }
            #expect(try await ask("reader").status == 200)
            #expect(count(bench, "slow", "limited") == 3)
        }
    }

    @Test("new rules are used from the next request on, and fill nobody's bucket")
    func replaced() async throws {
        try await ServingBench.run(callers: Self.callers()) { bench, client in
            try await bench.publish()
            func status(_ name: String) async throws -> Int {
                try await client.ask("POST", "/predict", Body.image(0), fields: Self.shown(name))
                    .status
            }
            for _ in 0..<2 { #expect(try await status("slow") == 200) }
            let file = try AccessFile(
                Self.line("slow", "predict", "rate=0.001 burst=2") + Self.line("shop", "feedback")
            )
            bench.access.use(try bench.access.prepare(file, tokens: [:]))
            // The loops get the rules as a message; what they take after it finds it.
            for loop in bench.group.makeIterator() { try await loop.submit {}.get() }
            #expect(try await status("slow") == 429)
            #expect(try await status("reader") == 401)
            #expect(try await status("shop") == 403)
            bench.access.use(try bench.access.prepare(nil, tokens: [:]))
            for loop in bench.group.makeIterator() { try await loop.submit {}.get() }
            #expect(try await client.predict(Body.image(0)).status == 200)
        }
    }

    @Test("a listener's token stands beside the callers of the file")
    func token() async throws {
        let token = "a-token-of-the-listener"
        try await ServingBench.run(token: token, callers: Self.callers()) { bench, client in
            try await bench.publish()
            for fields in ["Authorization: Bearer \(token)\r\n", Self.shown("shop")] {
                let answer = try await client.ask("POST", "/predict", Body.image(0), fields: fields)
                #expect(answer.status == 200)
            }
            #expect(count(bench, "token", "allowed") == 1)
        }
    }
}
