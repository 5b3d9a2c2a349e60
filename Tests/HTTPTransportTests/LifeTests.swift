import HTTPTransport
import NIOCore
import NIOEmbedded
import Telemetry
import Testing

/// How connections begin, wait and end; the clock moves only when a test moves it.
@Suite("Life of a connection")
struct LifeTests {
    @Test("a client that leaves before its answer is told of once, one that stays never")
    func abandoned() throws {
        let connection = try Connection()
        try connection.send(get("/later"))
        connection.responder.promise?.succeed(HTTPResponse(status: .ok))
        #expect(try connection.answers().map(\.status) == [200])
        try connection.send(get("/later"))
        #expect(connection.responder.abandoned == 0)
        connection.channel.close(promise: nil)
        connection.channel.embeddedEventLoop.run()
        #expect(connection.responder.abandoned == 1)
        #expect(connection.metricsText().contains(#"http_response_status_code="499""#))
    }

    @Test("a head that comes slowly is given up after its time, however steadily it comes")
    func slowHead() throws {
        let connection = try Connection()
        connection.advance(seconds: 5)
        let bytes = Array(get("/echo", "X: \(String(repeating: "y", count: 99))\r\n").utf8)
        for byte in bytes.prefix(9) {
            try connection.send([byte])
            #expect(connection.channel.isActive)
            connection.advance(seconds: 1)
        }
        #expect(try connection.received().text.isEmpty)
        connection.advance(seconds: 1)
        let answers = try connection.answers()
        #expect(answers.map(\.status) == [408])
        #expect(answers.first?.closes == true)
        connection.advance(seconds: 10)
        #expect(!connection.channel.isActive)
        #expect(connection.responder.admitted.isEmpty)
    }

    @Test("a connection that never says anything is closed without a word")
    func silent() throws {
        let connection = try Connection()
        connection.advance(seconds: 9.9)
        #expect(connection.channel.isActive)
        connection.advance(seconds: 0.2)
        #expect(!connection.channel.isActive)
        #expect(try connection.received().text.isEmpty)
    }

    @Test("a kept connection waits for its idle time from the last answer")
    func idle() throws {
        let connection = try Connection()
        for _ in 0..<3 {
            try connection.send(get("/echo"))
            connection.advance(seconds: 59)
            #expect(connection.channel.isActive)
        }
        connection.advance(seconds: 1)
        #expect(!connection.channel.isActive)
        #expect(try connection.answers().map(\.status) == [200, 200, 200])
    }

    @Test("a body that stops coming is given up")
    func stoppedBody() throws {
        let connection = try Connection()
        try connection.send(String(post("/echo", "abc").dropLast()))
        connection.advance(seconds: 9)
        #expect(try connection.received().text.isEmpty)
        connection.advance(seconds: 1)
        #expect(try connection.answers().map(\.status) == [408])
        connection.advance(seconds: 5)
        #expect(!connection.channel.isActive)
    }

    @Test("a body that only trickles is given up although it never stops")
    func tricklingBody() throws {
        let connection = try Connection(bodyBytesMax: 10_000)
        try connection.send(
            String(post("/echo", String(repeating: "a", count: 5000)).dropLast(5000))
        )
        var seconds = 0
        while try connection.received().text.isEmpty, seconds < 100 {
            try connection.send(String(repeating: "a", count: 24))
            connection.advance(seconds: 1)
            seconds += 1
        }
        // 24 bytes a second earn a tenth of a second each second: 10 / 0.9 seconds.
        #expect(seconds == 12 || seconds == 11)
    }

    @Test("a body at a fair rate may take longer than the idle time")
    func fairBody() throws {
        let connection = try Connection(bodyBytesMax: 20_000)
        let body = String(repeating: "a", count: 20_000)
        try connection.send(String(post("/echo", body).dropLast(20_000)))
        for _ in 0..<40 {
            try connection.send(String(repeating: "a", count: 500))
            connection.advance(seconds: 1)
        }
        #expect(try connection.answers().map(\.status) == [200])
    }

    @Test("the last request that a connection may carry is told so")
    func requestLimit() throws {
        var limits = TransportLimits()
        limits.requestsPerConnectionMax = 3
        let connection = try Connection(limits: limits)
        try connection.send(String(repeating: get("/echo"), count: 5))
        let answers = try connection.answers()
        #expect(answers.map(\.closes) == [false, false, true])
        connection.advance(seconds: 10)
        #expect(!connection.channel.isActive)
        #expect(connection.responder.requests.count == 3)
    }

    @Test("an old connection is ended with its next answer")
    func ageLimit() throws {
        let connection = try Connection()
        for _ in 0..<62 {
            try connection.send(get("/echo"))
            connection.advance(seconds: 59.5)
        }
        #expect(
            try connection.answers().map(\.closes) == Array(repeating: false, count: 61) + [true]
        )
    }

    @Test(
        "a client and a responder can ask for the end",
        arguments: [
            get("/echo", "Connection: close\r\n"), get("/echo", "Connection: x, Close\r\n"),
            get("/last"),
        ]
    )
    func askedToClose(_ request: String) throws {
        let connection = try Connection()
        try connection.send(request)
        #expect(try connection.answers().map(\.closes) == [true])
        #expect(!connection.channel.isActive)
    }

    @Test("requests behind one that ends the connection are not acted on")
    func pipelinedBehindClose() throws {
        let connection = try Connection()
        try connection.send(get("/last") + get("/echo"))
        #expect(try connection.answers().count == 1)
        #expect(connection.responder.requests.count == 1)
    }

    @Test("after an error a client may go on sending for a while, and then is read no more")
    func linger() throws {
        var limits = TransportLimits()
        limits.lingerBytesMax = 100
        let connection = try Connection(limits: limits)
        let counter = ReadCounter()
        try connection.channel.pipeline.syncOperations.addHandler(counter, position: .first)
        try connection.send("nonsense\r\n\r\n")
        #expect(counter.reads == 1)
        try connection.send(String(repeating: "x", count: 99))
        #expect(counter.reads == 2)
        try connection.send("x")
        #expect(counter.reads == 2)
        // Held up, the client finds the answer; what it does then, or time, ends the connection.
        #expect(connection.channel.isActive)
        connection.advance(seconds: 5.1)
        #expect(!connection.channel.isActive)
        let patient = try Connection(limits: limits)
        try patient.send("nonsense\r\n\r\n")
        patient.advance(seconds: 4.9)
        #expect(patient.channel.isActive)
        patient.advance(seconds: 0.2)
        #expect(!patient.channel.isActive)
    }

    // MARK: Answers that come later

    @Test("an answer that comes later holds up the next request, and nothing is read meanwhile")
    func later() throws {
        let connection = try Connection()
        let counter = ReadCounter()
        try connection.channel.pipeline.syncOperations.addHandler(counter, position: .first)
        try connection.send(get("/later") + post("/echo", "x"))
        #expect(counter.reads == 0)
        #expect(connection.responder.requests.count == 1)
        #expect(connection.metrics.activeRequests == 1)
        connection.advance(seconds: 1000)
        #expect(connection.channel.isActive)
        connection.responder.promise?.succeed(HTTPResponse(status: .accepted))
        #expect(try connection.answers().map(\.status) == [202, 200])
        #expect(counter.reads == 1)
        #expect(connection.metrics.activeRequests == 0)
    }

    @Test("an answer that fails is a 500 that says nothing of the reason")
    func laterFails() throws {
        let connection = try Connection()
        try connection.send(get("/later") + get("/echo"))
        connection.responder.promise?.fail(ChannelError.eof)
        let answers = try connection.answers()
        #expect(answers.map(\.status) == [500, 200])
        let name = answers[0].fields["x-request-id"] ?? ""
        #expect(answers[0].body.contains(#""code":"internal","request_id":"\#(name)""#))
        #expect(!answers[0].body.contains("eof"))
    }

    @Test("a client that leaves before its answer is counted as 499")
    func leavesEarly() throws {
        let log = try LogFile()
        let connection = try Connection(accessLog: AccessLog(sink: log.sink))
        try connection.send(get("/later"))
        try connection.channel.close().wait()
        connection.responder.promise?.succeed(HTTPResponse(status: .ok))
        connection.channel.embeddedEventLoop.run()
        let lines = try log.lines()
        #expect(lines.count == 1)
        #expect(lines.first?.contains(#""http.response.status_code":499"#) == true)
        #expect(connection.metrics.activeRequests == 0)
        #expect(connection.metrics.openConnections == 0)
    }

    @Test("a client that has sent all it will still gets its answer")
    func halfClosed() throws {
        let connection = try Connection()
        try connection.send(get("/later"))
        connection.channel.pipeline.fireUserInboundEventTriggered(ChannelEvent.inputClosed)
        #expect(connection.channel.isActive)
        connection.responder.promise?.succeed(HTTPResponse(status: .ok))
        #expect(try connection.answers().map(\.status) == [200])
        #expect(!connection.channel.isActive)
    }

    // MARK: Clients that do not read

    @Test("while a client does not take its answers, no further request is acted on")
    func backpressure() throws {
        let connection = try Connection()
        connection.channel.isWritable = false
        connection.channel.pipeline.fireChannelWritabilityChanged()
        try connection.send(get("/echo") + get("/echo"))
        #expect(connection.responder.requests.isEmpty)
        connection.channel.isWritable = true
        connection.channel.pipeline.fireChannelWritabilityChanged()
        #expect(try connection.answers().count == 2)
    }

    @Test("a client that never takes its answers is given up")
    func neverReads() throws {
        let connection = try Connection()
        connection.channel.isWritable = false
        connection.channel.pipeline.fireChannelWritabilityChanged()
        connection.advance(seconds: 29)
        #expect(connection.channel.isActive)
        connection.advance(seconds: 1)
        #expect(!connection.channel.isActive)
    }

    // MARK: Draining and the limit of connections

    @Test("draining closes idle connections at once and others after their answer")
    func drain() throws {
        let connection = try Connection()
        let busy = EmbeddedChannel(loop: connection.channel.embeddedEventLoop)
        try connection.open(busy)
        try busy.writeInbound(ByteBuffer(string: get("/later")))
        let drained = connection.services.drain()
        #expect(!connection.channel.isActive)
        #expect(busy.isActive)
        #expect(connection.metrics.openConnections == 1)
        connection.responder.promise?.succeed(HTTPResponse(status: .ok))
        connection.channel.embeddedEventLoop.run()
        let answer = try #require(try busy.readOutbound(as: ByteBuffer.self))
        #expect(try Answer.read(String(buffer: answer)).map(\.closes) == [true])
        #expect(!busy.isActive)
        try drained.wait()
    }

    @Test("a connection that comes while draining is closed")
    func openWhileDraining() throws {
        let connection = try Connection()
        _ = connection.services.drain()
        let late = EmbeddedChannel(loop: connection.channel.embeddedEventLoop)
        try connection.open(late)
        #expect(!late.isActive)
    }

    @Test("beyond the limit of connections the longest idle one makes room, a busy one never")
    func connectionLimit() throws {
        var limits = TransportLimits()
        limits.connectionsMax = 2
        let connection = try Connection(limits: limits)
        let loop = connection.channel.embeddedEventLoop
        let others = (0..<3).map { _ in EmbeddedChannel(loop: loop) }
        connection.advance(seconds: 1)
        try connection.open(others[0])
        connection.advance(seconds: 1)
        try connection.send(get("/echo"))
        connection.advance(seconds: 1)
        try connection.open(others[1])
        #expect([connection.channel, others[0], others[1]].map(\.isActive) == [true, false, true])
        try connection.send(get("/later"))
        try others[1].writeInbound(ByteBuffer(string: get("/later")))
        try connection.open(others[2])
        #expect([connection.channel, others[1], others[2]].map(\.isActive) == [true, true, false])
        #expect(connection.metrics.openConnections == 2)
    }
}
