import NIOCore
import TLSTransport
import Testing

/// A small generator whose runs can be repeated: a failure names its seed (SplitMix64).
struct Seeded: RandomNumberGenerator {
    private var state: UInt64

    init(_ seed: UInt64) { state = seed }

    mutating func next() -> UInt64 {
        state &+= 0x9e37_79b9_7f4a_7c15
        var mixed = state
        mixed = (mixed ^ (mixed >> 30)) &* 0xbf58_476d_1ce4_e5b9
        mixed = (mixed ^ (mixed >> 27)) &* 0x94d0_49bb_1331_11eb
        return mixed ^ (mixed >> 31)
    }
}

@Suite("TLS fuzzing") struct FuzzTests {
    /// Changes some bytes, takes some out, puts some in, and corrects the length of the record now
    /// and then, so that the change gets behind the record layer.
    private func mutated(_ bytes: [UInt8], _ random: inout Seeded) -> [UInt8] {
        var bytes = bytes
        for _ in 0..<Int.random(in: 1...4, using: &random) where bytes.count > 6 {
            let place = Int.random(in: 0..<bytes.count, using: &random)
            switch Int.random(in: 0..<5, using: &random) {
            case 0: bytes[place] = UInt8.random(in: 0...255, using: &random)
            case 1: bytes[place] ^= 1 << UInt8.random(in: 0...7, using: &random)
            case 2: bytes.removeSubrange(place..<min(bytes.count, place + 4))
            case 3:
                let more = (0..<Int.random(in: 1...40, using: &random)).map { _ in
                    UInt8.random(in: 0...255, using: &random)
                }
                bytes.insert(contentsOf: more, at: place)
            default: bytes.removeSubrange(place...)
            }
        }
        if Bool.random(using: &random), bytes.count > 9 {
            let record = UInt16(truncatingIfNeeded: bytes.count - 5)
            bytes.replaceSubrange(3..<5, with: [UInt8(record >> 8), UInt8(record & 0xff)])
            let message = record &- 4
            bytes.replaceSubrange(6..<9, with: [0, UInt8(message >> 8), UInt8(message & 0xff)])
        }
        return bytes
    }

    /// What has to hold at the end of any connection, however it went.
    private func checkEnd(_ side: Endpoint, _ seed: UInt64) throws {
        #expect(!side.isOpen, "seed \(seed)")
        #expect(side.hasKeptPromises, "seed \(seed)")
        #expect(side.application.errors.count <= 1, "seed \(seed)")
        #expect(side.application.log.last == "inactive", "seed \(seed)")
        let accounts = try [
            side.counted.handshakes(.tls13), side.counted.handshakes(.tls12),
            side.counted.failuresInAll(),
        ]
        #expect(accounts.reduce(0, +) == 1, "seed \(seed)")
    }

    /// A server with everything that parses what clients send: names, tickets, certificates, ALPN.
    private func server() async throws -> TLSContext {
        let authority = try await Authority()
        var settings = TLSServerSettings(try await authority.issue("a", names: "DNS:localhost"))
        settings.others = [try await authority.issue("b", names: "DNS:*.b.example,URI:x:y")]
        settings.refusesUnknownNames = true
        settings.clientCertificates = .asked(authorities: authority.certificate)
        settings.allowedClientNames = ["a"]
        return try TLSContext(server: settings)
    }

    @Test("a changed first flight never does more than fail, and gives its place back")
    func firstFlight() async throws {
        let server = try await server()
        let gate = TLSHandshakeGate(handshakesMax: 1)
        let start = UInt64.random(in: 0...UInt64.max)
        for seed in (0..<400).map({ start &+ $0 }) {
            var random = Seeded(seed)
            let peer = try RawPeer(versionMax: Bool.random(using: &random) ? .tls13 : .tls12)
            peer.step()
            let hello = Array(peer.takeSent().readableBytesView)
            let endpoint = try Endpoint(server, gate: gate)
            try endpoint.connect()
            endpoint.write("waits")
            endpoint.receive(ByteBuffer(bytes: mutated(hello, &random)))
            let answer = endpoint.edge.sent
            endpoint.edge.sent = ByteBuffer()
            // Where the server goes on, so do we, with one more change.
            peer.deliver(answer)
            peer.step()
            let second = Array(peer.takeSent().readableBytesView)
            if !second.isEmpty, endpoint.isOpen {
                endpoint.receive(ByteBuffer(bytes: mutated(second, &random)))
            }
            endpoint.wait(seconds: 12)
            endpoint.wait(seconds: 3)
            if endpoint.isOpen { endpoint.edge.end() }
            try checkEnd(endpoint, seed)
            #expect(gate.counts.running == 0, "seed \(seed)")
            #expect(gate.counts.waiting == 0, "seed \(seed)")
        }
    }

    @Test("after a handshake, arbitrary records end the connection or are ignored")
    func laterRecords() throws {
        let start = UInt64.random(in: 0...UInt64.max)
        for seed in (0..<200).map({ start &+ $0 }) {
            var random = Seeded(seed)
            let pair = try Pair.connected(.shared())
            for _ in 0..<4 where pair.server.isOpen {
                let count = Int.random(in: 0...40, using: &random)
                var record: [UInt8] = [UInt8.random(in: 19...25, using: &random), 3, 3, 0]
                record.append(UInt8(count))
                record += (0..<count).map { _ in UInt8.random(in: 0...255, using: &random) }
                pair.server.receive(ByteBuffer(bytes: record))
            }
            #expect(pair.server.application.received.isEmpty, "seed \(seed)")
            pair.server.wait(seconds: 3)
            if pair.server.isOpen { pair.server.edge.end() }
            try checkEnd(pair.server, seed)
            pair.end()
        }
    }

    @Test("no order of events brings the state machine back from its end, or makes it report twice")
    func stateMachine() {
        let start = UInt64.random(in: 0...UInt64.max)
        for seed in (0..<2000).map({ start &+ $0 }) {
            var random = Seeded(seed)
            var machine = TLSStateMachine()
            var (begun, failures) = (0, 0)
            for _ in 0..<20 {
                let before = machine.state
                switch Int.random(in: 0..<10, using: &random) {
                case 0: _ = machine.start()
                case 1: begun += machine.admitted() ? 1 : 0
                case 2: machine.handshakeFinished()
                case 3: _ = machine.peerClosed()
                case 4: _ = machine.readCompleted()
                case 5: failures += machine.failed() ? 1 : 0
                case 6: _ = machine.close()
                case 7: _ = machine.closeOutput()
                case 8: _ = machine.channelEnded()
                default: machine.closedHard()
                }
                if before == .closed { #expect(machine.state == .closed, "seed \(seed)") }
                // Only a handshake makes keys, and only with keys anything is encrypted.
                if machine.mayEncrypt { #expect(begun == 1, "seed \(seed)") }
            }
            #expect(begun <= 1, "seed \(seed)")
            #expect(failures <= 1, "seed \(seed)")
        }
    }
}
