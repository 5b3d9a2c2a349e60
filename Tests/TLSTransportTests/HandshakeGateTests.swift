import NIOCore
import TLSTransport
import Testing

@Suite("TLS handshakes in line") struct HandshakeGateTests {
    /// Servers at one gate, connected, with clients whose first bytes are there.
    private func connect(
        _ count: Int,
        _ gate: TLSHandshakeGate,
        limits: TLSLimits = TLSLimits()
    ) throws -> [Pair] {
        let fixture = try Fixture.shared()
        return try (0..<count).map { _ in
            let pair = try Pair(
                client: Endpoint(fixture.client, serverName: "localhost"),
                server: Endpoint(fixture.server, limits: limits, gate: gate)
            )
            // As a server's application does, which asks for bytes by itself.
            pair.server.application.onActive = { $0.read() }
            try pair.server.connect()
            try pair.client.connect()
            return pair
        }
    }

    /// Lets the loops of the waiting ones run.
    private func turn(_ pairs: [Pair]) {
        for pair in pairs { pair.server.wait(seconds: 0) }
    }

    @Test("so many run at a time, the others wait in their order and are served")
    func line() throws {
        let gate = TLSHandshakeGate(handshakesMax: 2)
        let pairs = try connect(5, gate)
        #expect(gate.counts.running == 2)
        #expect(gate.counts.waiting == 3)
        // The third waits: its bytes are kept, none are answered, none are asked for.
        let third = pairs[2]
        third.interact()
        #expect(third.server.edge.readsAsked == 0)
        #expect(third.client.application.log == ["active"])
        pairs[0].interact()
        #expect(pairs[0].server.application.log == ["active", "secure(http/1.1)"])
        #expect(gate.counts.running == 2)
        turn(pairs)
        third.interact()
        #expect(third.server.application.log == ["active", "secure(http/1.1)"])
        // It asks for bytes now, as the application wished.
        #expect(third.server.edge.readsAsked > 0)
        for pair in pairs {
            turn(pairs)
            pair.interact()
            #expect(pair.server.application.log == ["active", "secure(http/1.1)"])
        }
        #expect(gate.counts.running == 0)
        #expect(gate.counts.waiting == 0)
        pairs.forEach { $0.end() }
    }

    @Test("one that waits too long is counted as timed out, and leaves the line")
    func timeout() throws {
        let gate = TLSHandshakeGate(handshakesMax: 1)
        let pairs = try connect(3, gate)
        pairs[1].server.wait(seconds: 10)
        #expect(pairs[1].server.application.errors.map(\.failure) == [.timedOut])
        #expect(gate.counts.waiting == 1)
        pairs[0].server.wait(seconds: 10)
        #expect(pairs[0].server.application.errors.map(\.failure) == [.timedOut])
        turn(pairs)
        #expect(gate.counts.running == 1)
        #expect(gate.counts.waiting == 0)
        pairs[2].interact()
        #expect(pairs[2].server.application.log == ["active", "secure(http/1.1)"])
        #expect(gate.counts.running == 0)
        pairs.forEach { $0.end() }
    }

    @Test("whoever goes away in line or in the handshake gives the place back")
    func ends() throws {
        let gate = TLSHandshakeGate(handshakesMax: 1)
        let pairs = try connect(4, gate)
        pairs[1].server.edge.end()
        #expect(pairs[1].server.application.errors.map(\.failure) == [.probe])
        pairs[2].server.close()
        #expect(pairs[2].server.outcomes["close"] == "done")
        #expect(gate.counts.waiting == 1)
        pairs[0].server.edge.end()
        // The fourth was called, and ends before its loop has come to it.
        #expect(gate.counts.running == 1)
        pairs[3].server.edge.end()
        turn(pairs)
        #expect(gate.counts.running == 0)
        #expect(gate.counts.waiting == 0)
        pairs.forEach { $0.end() }
    }

    @Test("a peer that sends much while it waits is cut off")
    func tooLong() throws {
        let gate = TLSHandshakeGate(handshakesMax: 1)
        var limits = TLSLimits()
        limits.handshakeBytesMax = 1000
        let pairs = try connect(2, gate, limits: limits)
        var bytes = ByteBuffer()
        bytes.writeRepeatingByte(22, count: 1001)
        pairs[1].server.receive(bytes)
        #expect(pairs[1].server.application.errors.map(\.failure) == [.tooLong])
        pairs.forEach { $0.end() }
        #expect(gate.counts.running == 0)
    }

    @Test("a failed handshake gives its place back, too")
    func failure() throws {
        let gate = TLSHandshakeGate(handshakesMax: 1)
        let pairs = try connect(2, gate)
        pairs[0].server.receive(ByteBuffer(string: "no TLS at all"))
        turn(pairs)
        pairs[1].interact()
        #expect(pairs[1].server.application.log == ["active", "secure(http/1.1)"])
        pairs.forEach { $0.end() }
        #expect(gate.counts.running == 0)
    }
}
