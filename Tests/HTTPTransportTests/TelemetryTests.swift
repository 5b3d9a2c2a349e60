import HTTPTransport
import NIOCore
import NIOEmbedded
import Telemetry
import Testing

@Suite("Metrics and access log")
struct TelemetryTests {
    static func exposition(_ registry: MetricRegistry) -> [String] {
        var bytes: [UInt8] = []
        registry.write(.text, into: &bytes)
        return String(decoding: bytes, as: UTF8.self).split(separator: "\n").map(String.init)
    }

    @Test("requests are counted by method, route and status; raw paths never get into labels")
    func requestMetrics() throws {
        let connection = try Connection()
        try connection.send(
            post("/echo", "abc") + post("/echo", "abcd") + get("/canary-path")
                + "BREW /echo HTTP/1.1\r\nHost: a\r\n\r\n" + get("/refused") + "nonsense\r\n\r\n"
        )
        let lines = Self.exposition(connection.registry)
        func count(_ method: String, _ route: String, _ status: Int) -> String? {
            let labels =
                #"listener="api",http_request_method="\#(method)",http_route="\#(route)",http_response_status_code="\#(status)""#
            let name = "http_server_request_duration_seconds_count{\(labels)} "
            return lines.first { $0.hasPrefix(name) }.map { String($0.dropFirst(name.count)) }
        }
        #expect(count("POST", "/echo", 200) == "2")
        #expect(count("GET", "other", 200) == "1")
        #expect(count("_OTHER", "/echo", 200) == "1")
        #expect(count("GET", "other", 404) == "1")
        #expect(count("_OTHER", "other", 400) == "1")
        #expect(
            lines.contains(
                #"http_server_request_body_size_bytes_sum{listener="api",http_route="/echo"} 7"#
            )
        )
        #expect(
            lines.contains(
                #"leeway_http_requests_rejected_total{listener="api",reason="malformed_request_line"} 1"#
            )
        )
        #expect(!lines.contains { $0.contains("canary-path") })
    }

    @Test("connections are counted when they begin, while they are open, and by why they ended")
    func connectionMetrics() throws {
        let connection = try Connection()
        let second = EmbeddedChannel(loop: connection.channel.embeddedEventLoop)
        try connection.open(second)
        connection.advance(seconds: 5)
        try connection.send(get("/last"))
        #expect(connection.metrics.openConnections == 1)
        connection.advance(seconds: 5)
        let lines = Self.exposition(connection.registry)
        let closed = "leeway_http_connections_closed_total{listener=\"api\",reason="
        #expect(lines.contains("leeway_http_connections_opened_total{listener=\"api\"} 2"))
        #expect(lines.contains("leeway_http_connections{listener=\"api\"} 0"))
        #expect(lines.contains("\(closed)\"keep_alive_ended\"} 1"))
        #expect(lines.contains("\(closed)\"idle\"} 1"))
        #expect(lines.contains("\(closed)\"client\"} 0"))
    }

    @Test("two listeners share the families")
    func twoListeners() throws {
        let registry = MetricRegistry(shards: 1)
        _ = try HTTPMetrics(registry: registry, listener: "api")
        _ = try HTTPMetrics(registry: registry, listener: "operations")
        let lines = Self.exposition(registry)
        #expect(lines.contains("leeway_http_connections{listener=\"operations\"} 0"))
        #expect(lines.filter { $0.hasPrefix("# TYPE leeway_http_connections gauge") }.count == 1)
    }

    @Test("a line of the access log says who, what and how long")
    func accessLine() throws {
        let log = try LogFile()
        let connection = try Connection(accessLog: AccessLog(sink: log.sink))
        let fields =
            "X-Request-Id: abc\r\nUser-Agent: test \"1\"\r\n"
            + "traceparent: 00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01\r\n"
        try connection.send(post("/echo", "12345", fields))
        let line = try #require(log.lines().first)
        let expected = [
            #"{"Timestamp":"1994-11-06T08:49:37.000000Z","SeverityText":"INFO","SeverityNumber":9,"Body":"request","#,
            #""TraceId":"0af7651916cd43dd8448eb211c80319c","SpanId":""#,
            #""Attributes":{"listener":"api","request_id":"abc","http.request.method":"POST","http.route":"/echo","url.path":"/echo","#,
            #""network.protocol.version":"1.1","user_agent.original":"test \"1\"","http.response.status_code":200,"#,
            #""http.request.body.size":5,"http.response.body.size":7,"duration_s":0,"#,
            #""requests_on_connection":1,"connection_id":1,"client.address":"192.0.2.7"}}"#,
        ]
        for part in expected { #expect(line.contains(part), "\(line)") }
    }

    @Test("what a responder knows of the model is in the line")
    func modelInLine() throws {
        let log = try LogFile()
        let connection = try Connection(accessLog: AccessLog(sink: log.sink))
        try connection.send(get("/later"))
        var response = HTTPResponse(status: .serviceUnavailable)
        response.log.model = "fashion"
        response.log.version = "3"
        response.log.rows = 2
        response.log.inferNanoseconds = 1500
        response.log.errorCode = "not_ready"
        connection.responder.promise?.succeed(response)
        connection.channel.embeddedEventLoop.run()
        let line = try #require(log.lines().first)
        let expected =
            #""model.name":"fashion","model.version":"3","batch.size":2,"infer_s":0.0000015,"error.type":"not_ready""#
        #expect(line.contains(expected), "\(line)")
        #expect(line.contains(#""SeverityText":"ERROR","SeverityNumber":17"#))
    }

    @Test("nothing secret of a request gets into the log or into an error's answer")
    func secrets() throws {
        let log = try LogFile()
        let connection = try Connection(accessLog: AccessLog(sink: log.sink))
        let fields = "Authorization: Bearer canary-1\r\nCookie: canary-2\r\nX-Api-Key: canary-3\r\n"
        try connection.send(post("/echo?key=canary-4", "body canary-5", fields))
        try connection.send(post("/refused?key=canary-4", "body canary-5", fields))
        _ = try connection.received()
        try connection.send("POST /canary-6{} HTTP/1.1\r\n\(fields)\r\n")
        let answer = try connection.received().text
        #expect(answer.hasPrefix("HTTP/1.1 400 "))
        let lines = try log.lines()
        #expect(lines.count == 3)
        #expect(!(lines.joined() + answer).contains("canary"))
    }

    @Test("a path that needs escaping and a very long one stay one line of JSON")
    func hostilePath() throws {
        let log = try LogFile()
        let connection = try Connection(accessLog: AccessLog(sink: log.sink))
        try connection.send(
            get("/\(String(repeating: "a", count: 7000))", "User-Agent: \u{1b}[0m\r\n")
        )
        try connection.send(get("/b", "User-Agent: \u{e9}\t\r\n"))
        let lines = try log.lines()
        // The first has a control character and is refused; the second is fine.
        #expect(lines.count == 1)
        #expect(
            lines.allSatisfy { $0.hasPrefix("{") && $0.hasSuffix("}}") && $0.utf8.count < 8192 }
        )
    }

    @Test("a flood of refusals leaves twenty lines a second, and is counted")
    func refusals() throws {
        let log = try LogFile()
        let overload = OverloadState()
        let connection = try Connection(accessLog: AccessLog(sink: log.sink), overload: overload)
        overload.level = .shedding
        for _ in 0..<25 {
            let channel = EmbeddedChannel(loop: connection.channel.embeddedEventLoop)
            try connection.open(channel)
            try channel.writeInbound(ByteBuffer(string: get("/echo")))
        }
        #expect(try log.lines().count == 20)
        let lines = Self.exposition(connection.registry)
        #expect(lines.contains(#"leeway_http_access_log_sampled_out_total{listener="api"} 5"#))
    }

    @Test("sampling leaves out the ordinary, never a failure or a slow request, and counts it")
    func sampling() throws {
        let log = try LogFile()
        var settings = AccessLog.Settings()
        settings.sampleEvery = 10
        settings.slowSeconds = 2
        let connection = try Connection(accessLog: AccessLog(sink: log.sink, settings: settings))
        try connection.send(String(repeating: get("/echo"), count: 25))
        try connection.send(get("/later"))
        connection.advance(seconds: 2)
        connection.responder.promise?.succeed(HTTPResponse(status: .ok))
        try connection.send(get("/later"))
        connection.responder.promise?.fail(ChannelError.eof)
        connection.channel.embeddedEventLoop.run()
        #expect(try log.lines().count == 4)
        let lines = Self.exposition(connection.registry)
        #expect(lines.contains(#"leeway_http_access_log_sampled_out_total{listener="api"} 23"#))
    }
}
