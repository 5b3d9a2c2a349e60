import Synchronization
import TLSTransport
import Testing

/// A clock that goes on when it is told to.
final class HandClock: Sendable {
    private let time = Atomic<Int64>(1000)

    var now: Int64 { time.load(ordering: .relaxed) }

    func wait(seconds: Int64) { time.add(seconds, ordering: .relaxed) }
}

@Suite("TLS session tickets", .timeLimit(.minutes(10))) struct TicketKeysTests {
    /// One connection by `openssl s_client`; says whether its session was resumed.
    private func connect(
        _ context: TLSContext,
        _ version: String,
        _ options: [String]
    ) async throws -> Bool {
        let server = try await SocketServer.start(context) { LengthResponder() }
        let printed = try await attempt(
            "openssl",
            ["s_client", "-ign_eof", "-connect", "127.0.0.1:\(server.port)", version] + options,
            input: "GET / HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n"
        )
        try await server.stop()
        #expect(printed.output.contains("HTTP/1.1 200 OK"), "\(printed.errors)")
        return printed.output.contains("Reused, TLS")
    }

    @Test(
        "keys rotate, open what they sealed, and are forgotten",
        arguments: ["-tls1_2", "-tls1_3"]
    )
    func rotation(version: String) async throws {
        let files = try Certificates()
        let clock = HandClock()
        let keys = try TLSTicketKeys(rotationSeconds: 100, sessionSeconds: 50) { clock.now }
        let context = try files.server { $0.ticketKeys = keys }
        let (first, second) = (files.path("first.pem"), files.path("second.pem"))
        #expect(try await !connect(context, version, ["-sess_out", first]))
        #expect(keys.count == 1)
        clock.wait(seconds: 100)
        keys.rotateIfDue()
        #expect(keys.count == 2)
        // The old key opens the ticket, and the client gets one of the new key in exchange (which
        // this one keeps only with TLS 1.3).
        #expect(try await connect(context, version, ["-sess_in", first, "-sess_out", second]))
        clock.wait(seconds: 51)
        #expect(try await !connect(context, version, ["-sess_in", first]))
        #expect(keys.count == 1)
        guard version == "-tls1_3" else { return }
        #expect(try await connect(context, version, ["-sess_in", second]))
    }

    @Test("a handshake alone makes a new key when one is due")
    func rotationByUse() async throws {
        let clock = HandClock()
        let keys = try TLSTicketKeys(rotationSeconds: 100, sessionSeconds: 500) { clock.now }
        let pair = try Certificates().server { $0.ticketKeys = keys }
        for expected in 1...4 {
            #expect(try await !connect(pair, "-tls1_3", []))
            #expect(keys.count == expected)
            clock.wait(seconds: 100)
        }
        clock.wait(seconds: 500)
        keys.rotateIfDue()
        #expect(keys.count == 2)
    }

    @Test("a ticket that was changed is not opened", arguments: ["-tls1_2", "-tls1_3"])
    func forged(version: String) async throws {
        let files = try Certificates()
        let keys = try TLSTicketKeys()
        let session = files.path("session.pem")
        #expect(
            try await !connect(
                files.server { $0.ticketKeys = keys },
                version,
                ["-sess_out", session]
            )
        )
        // Other keys: the name is unknown, as it is for a forger.
        #expect(try await !connect(files.server(), version, ["-sess_in", session]))
        #expect(
            try await connect(
                files.server { $0.ticketKeys = keys },
                version,
                ["-sess_in", session]
            )
        )
    }

    // Without, a client that uses each ticket once could resume only every other time.
    @Test("with TLS 1.3, a resumed session gets a ticket, too")
    func chain() async throws {
        let files = try Certificates()
        let context = try files.server()
        var last = files.path("0.pem")
        #expect(try await !connect(context, "-tls1_3", ["-sess_out", last]))
        for step in 1...3 {
            let next = files.path("\(step).pem")
            #expect(try await connect(context, "-tls1_3", ["-sess_in", last, "-sess_out", next]))
            last = next
        }
    }
}
