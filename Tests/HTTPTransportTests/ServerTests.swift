import HTTPTransport
import NIOCore
import NIOPosix
import TLSTransport
import Telemetry
import TestSupport
import Testing

/// Real sockets on the loopback interface, each listener on a port of its own.
@Suite("Server")
struct ServerTests {
    static func server(
        group: MultiThreadedEventLoopGroup,
        limits: TransportLimits = .patient,
        tls: ListenerTLS? = nil,
        shards: Int = 2,
        port: Int = 0,
        gate: Gate = Gate()
    ) throws -> HTTPServer {
        let metrics = try HTTPMetrics(registry: MetricRegistry(shards: shards), listener: "api")
        return try HTTPServer(
            settings: ListenerSettings(
                name: "api",
                limits: limits,
                routes: try RouteTable(NotingResponder.routes)
            ),
            address: HTTPServer.Address(host: "127.0.0.1", port: port),
            group: group,
            tls: tls,
            metrics: metrics,
            makeResponder: { loop, _ in LoopResponder(eventLoop: loop, gate: gate) }
        )
    }

    /// Runs a test with a group of two loops, which is ended after it.
    static func withGroup(
        _ body: (MultiThreadedEventLoopGroup) async throws -> Void
    ) async throws {
        let group = MultiThreadedEventLoopGroup(numberOfThreads: 2)
        do {
            try await body(group)
        } catch {
            try await group.shutdownGracefully()
            throw error
        }
        try await group.shutdownGracefully()
    }

    static func connect(
        _ group: MultiThreadedEventLoopGroup,
        _ address: HTTPServer.Address,
        trusting authority: String? = nil
    ) async throws -> Client {
        let context = try authority.map {
            try TLSContext(client: TLSClientSettings(authoritiesFile: $0))
        }
        let inbox = Inbox()
        let channel = try await ClientBootstrap(group: group)
            .channelOption(.allowRemoteHalfClosure, value: context == nil)
            .channelInitializer { channel in
                channel.eventLoop.makeCompletedFuture {
                    let pipeline = channel.pipeline.syncOperations
                    if let context {
                        let handler = try TLSHandler(
                            context: context,
                            serverName: "localhost",
                            limits: .patient
                        )
                        try pipeline.addHandler(handler)
                    }
                    try pipeline.addHandler(InboxHandler(inbox))
                }
            }
            .connect(host: address.host, port: address.port).get()
        return Client(channel: channel, inbox: inbox)
    }

    @Test("many connections on two loops get all their answers")
    func manyConnections() async throws {
        try await Self.withGroup { group in
            let server = try Self.server(group: group)
            let address = try await server.start()
            #expect(address.port > 0)
            try await withThrowingTaskGroup(of: Void.self) { tasks in
                for number in 0..<8 {
                    tasks.addTask {
                        let client = try await Self.connect(group, address)
                        let request = post("/echo", "\(number)")
                        let answers = try await client.ask(
                            String(repeating: request, count: 50),
                            50
                        )
                        #expect(answers.map(\.body) == Array(repeating: "[\(number)]", count: 50))
                    }
                }
                try await tasks.waitForAll()
            }
            #expect(await server.drain(seconds: 10).cutOff == 0)
        }
    }

    @Test("a refused request's answer is read whole by a client that goes on sending")
    func lingeringClose() async throws {
        var limits = TransportLimits.patient
        limits.lingerSeconds = 3600
        try await Self.withGroup { group in
            let server = try Self.server(group: group, limits: limits)
            let client = try await Self.connect(group, try await server.start())
            let flood = String(repeating: "x", count: 300_000)
            let answers = try await client.readAll(
                after: "POST /echo HTTP/1.1\r\nbad field\r\n\r\n" + flood
            )
            #expect(answers.map(\.status) == [400])
            _ = await server.drain(seconds: 10)
        }
    }

    @Test("a refused client that sends more than is dropped still finds its answer")
    func lingeringFlood() async throws {
        var limits = TransportLimits.patient
        limits.lingerBytesMax = 100_000
        limits.lingerSeconds = 3600
        try await Self.withGroup { group in
            let server = try Self.server(group: group, limits: limits)
            let client = try await Self.connect(group, try await server.start())
            let flood =
                "POST /echo HTTP/1.1\r\nbad field\r\n\r\n" + String(repeating: "x", count: 1 << 25)
            client.channel.writeAndFlush(ByteBuffer(string: flood), promise: nil)
            #expect(try await client.readToEnd().map(\.status) == [400])
            _ = await server.drain(seconds: 10)
        }
    }

    @Test("a client that half-closes after its request gets its answer")
    func halfClose() async throws {
        try await Self.withGroup { group in
            let server = try Self.server(group: group)
            let client = try await Self.connect(group, try await server.start())
            let answers = try await client.readAll(after: get("/soon"), closingOutput: true)
            #expect(answers.map(\.status) == [200])
            _ = await server.drain(seconds: 10)
        }
    }

    @Test("draining lets an answer be finished and accepts nothing new")
    func drainFinishes() async throws {
        try await Self.withGroup { group in
            let gate = Gate()
            let server = try Self.server(group: group, gate: gate)
            let address = try await server.start()
            let client = try await Self.connect(group, address)
            let idle = try await Self.connect(group, address)
            _ = try await idle.ask(get("/echo"), 1)
            _ = try await client.ask(get("/echo"), 1)
            // The answer is given when draining is seen to close the idle connection.
            async let answer = client.readAll(after: get("/when-released"))
            await gate.waitUntilAsked()
            async let outcome = server.drain(seconds: 60)
            #expect(try await idle.readToEnd().isEmpty)
            await #expect(throws: (any Error).self) { try await Self.connect(group, address) }
            gate.release()
            #expect(try await answer.map(\.status) == [200])
            #expect(try await answer.first?.closes == true)
            #expect(await outcome.cutOff == 0)
        }
    }

    @Test("draining cuts off what is not finished at the deadline")
    func drainCutsOff() async throws {
        try await Self.withGroup { group in
            let server = try Self.server(group: group)
            let client = try await Self.connect(group, try await server.start())
            let first = String(post("/echo", "abc").dropLast())
            async let rest = client.readAll(after: get("/echo") + first)
            await client.firstAnswer()
            #expect(await server.drain(seconds: 0).cutOff == 1)
            #expect(try await rest.map(\.status) == [200])
        }
    }

    @Test("over TLS the same requests get the same answers, and the log knows the session")
    func encrypted() async throws {
        let folder = try TemporaryDirectory()
        let log = try LogFile()
        let made = try DevelopmentCertificate.ensure(
            in: folder.path,
            names: [],
            now: WallTime.now().nanosecondsSinceEpoch / 1_000_000_000
        )
        try await Self.withGroup { group in
            let context = try TLSContext(
                server: TLSServerSettings(
                    certificateFile: made.certificateFile,
                    keyFile: made.keyFile
                )
            )
            let metrics = try HTTPMetrics(registry: MetricRegistry(shards: 2), listener: "api")
            let gate = Gate()
            let server = try HTTPServer(
                settings: ListenerSettings(
                    name: "api",
                    limits: .patient,
                    routes: try RouteTable([])
                ),
                address: HTTPServer.Address(host: "127.0.0.1", port: 0),
                group: group,
                tls: ListenerTLS(source: context, limits: .patient),
                metrics: metrics,
                accessLog: AccessLog(sink: log.sink),
                makeResponder: { loop, _ in LoopResponder(eventLoop: loop, gate: gate) }
            )
            let client = try await Self.connect(
                group,
                try await server.start(),
                trusting: made.authorityFile
            )
            let body = String(repeating: "0123456789", count: 5000)
            let answers = try await client.ask(
                post("/echo", body) + get("/soon") + get("/large"),
                3
            )
            #expect(answers.map(\.body.utf8.count) == [50_002, 2, 200_000])
            let refused = try await client.readAll(after: "nonsense\r\n\r\n" + body)
            #expect(refused.map(\.status) == [400])
            for answer in answers + refused {
                #expect(answer.fields["strict-transport-security"] == "max-age=63072000")
                #expect(answer.fields["x-content-type-options"] == "nosniff")
            }
            _ = await server.drain(seconds: 10)
        }
        let lines = try log.lines()
        #expect(lines.count == 4)
        #expect(
            lines.allSatisfy { $0.contains(#""tls.protocol.version":"1.3","tls.cipher":"TLS_"#) }
        )
    }

    @Test("a browser is not told to come by HTTPS only where that is not demanded")
    func notDemanded() async throws {
        let folder = try TemporaryDirectory()
        let made = try DevelopmentCertificate.ensure(
            in: folder.path,
            names: [],
            now: WallTime.now().nanosecondsSinceEpoch / 1_000_000_000
        )
        try await Self.withGroup { group in
            let context = try TLSContext(
                server: TLSServerSettings(
                    certificateFile: made.certificateFile,
                    keyFile: made.keyFile
                )
            )
            for tls in [nil, ListenerTLS(source: context, limits: .patient, isDemanded: false)] {
                let server = try Self.server(group: group, tls: tls)
                let client = try await Self.connect(
                    group,
                    try await server.start(),
                    trusting: tls.map { _ in made.authorityFile }
                )
                let answers = try await client.ask(get("/soon"), 1)
                #expect(answers.first?.fields["strict-transport-security"] == nil)
                #expect(answers.first?.fields["x-content-type-options"] == "nosniff")
                _ = await server.drain(seconds: 10)
            }
        }
    }

    @Test("plain HTTP on an encrypted port is told to use https")
    func plainOnEncrypted() async throws {
        let folder = try TemporaryDirectory()
        let made = try DevelopmentCertificate.ensure(
            in: folder.path,
            names: [],
            now: WallTime.now().nanosecondsSinceEpoch / 1_000_000_000
        )
        try await Self.withGroup { group in
            let context = try TLSContext(
                server: TLSServerSettings(
                    certificateFile: made.certificateFile,
                    keyFile: made.keyFile
                )
            )
            let server = try Self.server(
                group: group,
                tls: ListenerTLS(source: context, limits: .patient)
            )
            let client = try await Self.connect(group, try await server.start())
            let answers = try await client.readAll(after: get("/echo"))
            #expect(answers.map(\.status) == [400])
            #expect(answers.first?.body.contains("tls_required") == true)
            _ = await server.drain(seconds: 10)
        }
    }

    @Test("an address that is taken, too few shards and a second start are each their own error")
    func startErrors() async throws {
        try await Self.withGroup { group in
            let server = try Self.server(group: group)
            let address = try await server.start()
            let second = try Self.server(group: group, port: address.port)
            await #expect { try await second.start() } throws: {
                ($0 as? HTTPTransportError)?.code == "cannot_listen"
            }
            await #expect(throws: HTTPTransportError.startedTwice(listener: "api")) {
                try await server.start()
            }
            #expect(throws: HTTPTransportError.tooFewShards(shards: 1, eventLoops: 2)) {
                try Self.server(group: group, shards: 1)
            }
            _ = await server.drain(seconds: 10)
        }
    }
}
