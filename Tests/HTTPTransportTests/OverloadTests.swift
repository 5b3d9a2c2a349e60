import HTTPTransport
import NIOCore
import NIOEmbedded
import NIOPosix
import Telemetry
import Testing

/// What is given up when there is more to do than can be done, and what never is.
@Suite("Overload")
struct OverloadTests {
    @Test("a level holds from its share on, and ends only well below it")
    func levels() {
        typealias Level = OverloadState.Level
        #expect(Level.normal.next(used: 0.89) == .normal)
        #expect(Level.normal.next(used: 0.90) == .endingConnections)
        #expect(Level.normal.next(used: 0.95) == .shedding)
        #expect(Level.normal.next(used: 1.2) == .refusing)
        #expect(Level.refusing.next(used: 0.97) == .refusing)
        #expect(Level.refusing.next(used: 0.955) == .shedding)
        #expect(Level.shedding.next(used: 0.93) == .shedding)
        #expect(Level.shedding.next(used: 0.91) == .endingConnections)
        #expect(Level.endingConnections.next(used: 0.86) == .endingConnections)
        #expect(Level.endingConnections.next(used: 0.84) == .normal)
        #expect(Level.shedding.next(used: 0) == .normal)
        #expect(Level.normal.next(used: .nan) == .normal)
    }

    @Test("the lag is how long a timer is overdue; only a loop that worked as long is overloaded")
    func lag() {
        let limit: UInt64 = 100_000_000
        var watch = LagWatch()
        #expect(!watch.isWatching)
        #expect(watch.overdue(now: 1_000_000_000) == 0)
        #expect(watch.begin(now: 1_000_000_000, worked: 7) == 1_025_000_000)
        #expect(watch.isWatching)
        #expect(watch.overdue(now: 1_025_000_000) == 0)
        #expect(watch.overdue(now: 1_225_000_000) == 200_000_000)
        #expect(!watch.isOverloaded(now: 1_125_000_000, nanosecondsMax: limit, worked: .max))
        #expect(watch.isOverloaded(now: 1_125_000_001, nanosecondsMax: limit, worked: limit + 8))
        #expect(!watch.isOverloaded(now: 9_000_000_000, nanosecondsMax: limit, worked: limit + 7))
        #expect(watch.ran(now: 1_225_000_001) == 200_000_001)
        #expect(!watch.isWatching)
        #expect(watch.overdue(now: 9_000_000_000) == 0)
        #expect(!watch.isOverloaded(now: 9_000_000_000, nanosecondsMax: limit, worked: .max))
    }

    @Test("requests beyond those that a loop may owe are shed, vital ones never")
    func pendingAnswers() throws {
        var limits = TransportLimits()
        limits.pendingAnswersMax = 1
        let connection = try Connection(limits: limits)
        let other = EmbeddedChannel(loop: connection.channel.embeddedEventLoop)
        try connection.open(other)
        try connection.send(get("/later"))
        let promise = try #require(connection.responder.promise)
        try other.writeInbound(ByteBuffer(string: get("/echo") + get("/vital")))
        let shed = try Answer.read(Self.text(of: other))
        #expect(shed.map(\.status) == [503, 200])
        #expect(shed.first?.fields["retry-after"] == "1")
        #expect(shed.first?.body.contains(#""code":"overloaded""#) == true)
        #expect(shed.first?.closes == false)
        promise.succeed(HTTPResponse(status: .ok))
        #expect(try connection.answers().map(\.status) == [200])
        try other.writeInbound(ByteBuffer(string: get("/echo")))
        #expect(try Answer.read(Self.text(of: other)).map(\.status) == [200])
        let text = connection.metricsText()
        #expect(text.contains(#"shed_total{listener="api",reason="pending_answers"} 1"#))
        #expect(text.contains(#"rejected_total{listener="api",reason="overloaded"} 1"#))
    }

    @Test("an answer that is owed counts as given when its client leaves")
    func pendingAnswersOfTheGone() throws {
        var limits = TransportLimits()
        limits.pendingAnswersMax = 1
        let connection = try Connection(limits: limits)
        let other = EmbeddedChannel(loop: connection.channel.embeddedEventLoop)
        try connection.open(other)
        try connection.send(get("/later"))
        connection.channel.close(promise: nil)
        connection.responder.promise?.succeed(HTTPResponse(status: .ok))
        connection.channel.embeddedEventLoop.run()
        try other.writeInbound(ByteBuffer(string: get("/echo")))
        #expect(try Answer.read(Self.text(of: other)).map(\.status) == [200])
    }

    @Test("each level gives up more, and vital requests are answered at all of them")
    func resources() throws {
        let overload = OverloadState()
        let connection = try Connection(overload: overload)
        overload.level = .shedding
        try connection.send(get("/echo"))
        let answers = try connection.answers()
        #expect(answers.map(\.status) == [503])
        #expect(answers.first?.closes == true)
        #expect(!connection.channel.isActive)

        overload.level = .endingConnections
        let second = EmbeddedChannel(loop: connection.channel.embeddedEventLoop)
        try connection.open(second)
        try second.writeInbound(ByteBuffer(string: get("/echo")))
        let ended = try Answer.read(Self.text(of: second))
        #expect(ended.map(\.status) == [200])
        #expect(ended.first?.closes == true)

        overload.level = .normal
        let third = EmbeddedChannel(loop: connection.channel.embeddedEventLoop)
        try connection.open(third)
        overload.level = .shedding
        try third.writeInbound(ByteBuffer(string: get("/vital")))
        #expect(try Answer.read(Self.text(of: third)).map(\.status) == [200])

        overload.level = .refusing
        let fourth = EmbeddedChannel(loop: connection.channel.embeddedEventLoop)
        try connection.open(fourth)
        #expect(!fourth.isActive)
        #expect(connection.metricsText().contains(#"reason="overloaded"} 1"#))
    }

    @Test("one address has its own limit of connections, and another address another")
    func addressLimit() throws {
        var limits = TransportLimits()
        limits.connectionsPerAddressMax = 2
        let connection = try Connection(limits: limits)
        let loop = connection.channel.embeddedEventLoop
        let others = (0..<5).map { _ in EmbeddedChannel(loop: loop) }
        try connection.open(others[0])
        try connection.open(others[1])
        #expect([others[0], others[1]].map(\.isActive) == [true, false])
        try connection.open(others[2], from: "192.0.2.8")
        #expect(others[2].isActive)
        // The end of a connection makes room for one of the same address.
        others[0].close(promise: nil)
        loop.run()
        try connection.open(others[3], from: "::ffff:192.0.2.7")
        try connection.open(others[4], from: "192.0.2.7")
        #expect([others[3], others[4]].map(\.isActive) == [true, false])
        #expect(
            connection.metricsText().contains(
                #"connections_closed_total{listener="api",reason="address_limit"} 2"#
            )
        )
        for channel in [connection.channel, others[2], others[3]] { channel.close(promise: nil) }
        loop.run()
        #expect(connection.addresses.clientCount == 0)
    }

    @Test("the addresses of one IPv6 network are one client's")
    func addressNetwork() throws {
        var limits = TransportLimits()
        limits.connectionsPerAddressMax = 1
        let connection = try Connection(limits: limits)
        let loop = connection.channel.embeddedEventLoop
        let expected = [("2001:db8:1:2::3", true), ("2001:db8:1:2:ffff::4", false)]
        for (address, isTaken) in expected + [("2001:db8:1:3::3", true), ("::1", true)] {
            let channel = EmbeddedChannel(loop: loop)
            try connection.open(channel, from: address)
            #expect(channel.isActive == isTaken, "\(address)")
        }
    }

    @Test("a request that has waited too long for its loop is shed, one that has not is answered")
    func queueTime() async throws {
        let group = MultiThreadedEventLoopGroup(numberOfThreads: 1)
        let clients = MultiThreadedEventLoopGroup(numberOfThreads: 1)
        var limits = TransportLimits()
        limits.queueSecondsMax = 0.001
        let server = try ServerTests.server(group: group, limits: limits)
        let address = try await server.start()
        let connections = try await [
            ServerTests.connect(clients, address), ServerTests.connect(clients, address),
        ]
        for connection in connections { _ = try await connection.ask(get("/echo"), 1) }
        // Both requests are there before the loop looks, and each keeps it for longer than a
        // request may wait, so that the second one has waited too long by then.
        let blocked = Gate()
        await withCheckedContinuation { continuation in
            group.next().execute {
                continuation.resume()
                blocked.waitForRelease()
            }
        }
        for connection in connections {
            try await connection.channel.writeAndFlush(ByteBuffer(string: get("/slow")))
        }
        blocked.letGo()
        var statuses: [Int] = []
        for connection in connections {
            await connection.firstAnswer()
            statuses += try connection.taken().map(\.status)
        }
        #expect(statuses.sorted() == [200, 503])
        #expect(try await connections[0].ask(get("/echo"), 1).map(\.status) == [200])
        _ = await server.drain(seconds: 10)
        try await group.shutdownGracefully()
        try await clients.shutdownGracefully()
    }

    /// All that a channel in memory has sent.
    static func text(of channel: EmbeddedChannel) throws -> String {
        channel.embeddedEventLoop.run()
        var text = ""
        while let buffer = try channel.readOutbound(as: ByteBuffer.self) {
            text += String(buffer: buffer)
        }
        return text
    }
}
