import TLSTransport
import Testing

@Suite("TLS state machine") struct TLSStateMachineTests {
    typealias Machine = TLSStateMachine

    /// A machine in each state.
    static func machine(_ state: Machine.State) -> Machine {
        var machine = Machine()
        switch state {
        case .idle: break
        case .waiting: _ = machine.start()
        case .handshaking:
            _ = machine.start()
            _ = machine.admitted()
        case .active: machine = activeMachine()
        case .inputClosed:
            machine = activeMachine()
            _ = machine.peerClosed()
        case .outputClosed:
            machine = activeMachine()
            _ = machine.closeOutput()
        case .closing:
            machine = activeMachine()
            _ = machine.close()
        case .closed: machine.closedHard()
        }
        return machine
    }

    private static func activeMachine() -> Machine {
        var machine = Machine()
        _ = machine.start()
        _ = machine.admitted()
        machine.handshakeFinished()
        return machine
    }

    static let states: [Machine.State] = [
        .idle, .waiting, .handshaking, .active, .inputClosed, .outputClosed, .closing, .closed,
    ]

    /// Applies one event to a machine in each state and compares what comes out and where it is.
    private func check<Result: Equatable>(
        _ event: (inout Machine) -> Result,
        _ expected: [(Result, Machine.State)]
    ) {
        for (state, (result, next)) in zip(Self.states, expected) {
            var machine = Self.machine(state)
            #expect(machine.state == state)
            #expect(event(&machine) == result, "in \(state)")
            #expect(machine.state == next, "after \(state)")
        }
    }

    @Test("the handshake begins once")
    func start() {
        check(
            { $0.start() },
            [
                (true, .waiting), (false, .waiting), (false, .handshaking), (false, .active),
                (false, .inputClosed),
                (false, .outputClosed), (false, .closing), (false, .closed),
            ]
        )
    }

    @Test("a turn to begin is taken only by one that waits")
    func admitted() {
        check(
            { $0.admitted() },
            [
                (false, .idle), (true, .handshaking), (false, .handshaking), (false, .active),
                (false, .inputClosed), (false, .outputClosed), (false, .closing), (false, .closed),
            ]
        )
    }

    @Test("bytes go to the handshake, then to decryption, and are dropped after the end")
    func received() {
        check(
            { $0.received() },
            [
                (.drop, .idle), (.keep, .waiting), (.handshake, .handshaking),
                (.decrypt, .active), (.drop, .inputClosed),
                (.decrypt, .outputClosed), (.drop, .closing), (.drop, .closed),
            ]
        )
    }

    @Test("only a handshake can finish")
    func handshakeFinished() {
        for state in Self.states {
            var machine = Self.machine(state)
            machine.handshakeFinished()
            #expect(machine.state == (state == .handshaking ? .active : state))
        }
    }

    @Test("the peer's close is answered at the end of the read, and ends a half-closed connection")
    func peerClosed() {
        check(
            { $0.peerClosed() },
            [
                (false, .idle), (false, .waiting), (false, .handshaking), (false, .inputClosed),
                (false, .inputClosed),
                (true, .closing), (false, .closing), (false, .closed),
            ]
        )
        check(
            { $0.readCompleted() },
            [
                (false, .idle), (false, .waiting), (false, .handshaking), (false, .active),
                (true, .closing),
                (false, .outputClosed), (false, .closing), (false, .closed),
            ]
        )
    }

    @Test("the end of the channel cuts off a handshake or an open direction")
    func channelEnded() {
        check(
            { $0.channelEnded() },
            [
                (.nothing, .closed), (.handshake, .closed), (.handshake, .closed),
                (.truncated, .closed),
                (.nothing, .closed),
                (.truncated, .closed), (.nothing, .closed), (.nothing, .closed),
            ]
        )
    }

    @Test("a failure is reported once")
    func failed() {
        check(
            { $0.failed() },
            [
                (true, .closing), (true, .closing), (true, .closing), (true, .closing),
                (true, .closing), (true, .closing), (false, .closing), (false, .closed),
            ]
        )
    }

    @Test("close says close only when there are keys and it was not said before")
    func close() {
        check(
            { $0.close() },
            [
                (.closeChannel, .closed), (.closeChannel, .closed), (.closeChannel, .closed),
                (.sayClose(lingering: true), .closing), (.sayClose(lingering: false), .closing),
                (.closeChannel, .closed), (.join, .closing), (.closeChannel, .closed),
            ]
        )
    }

    @Test("the outgoing direction is closed once, and only of a secure connection")
    func closeOutput() {
        check(
            { $0.closeOutput() },
            [
                (.refuse, .idle), (.refuse, .waiting), (.refuse, .handshaking),
                (.sayCloseOutput, .outputClosed),
                (.sayClose(lingering: false), .closing), (.refuse, .outputClosed),
                (.refuse, .closing), (.refuse, .closed),
            ]
        )
    }

    @Test("writes are taken until we close, and encrypted while there are keys")
    func writing() {
        #expect(
            Self.states.map { Self.machine($0).mayWrite } == [
                true, true, true, true, true, false, false, false,
            ]
        )
        #expect(
            Self.states.map { Self.machine($0).mayEncrypt } == [
                false, false, false, true, true, false, false, false,
            ]
        )
    }

    @Test("the application's wish for bytes waits only with the handshake")
    func holding() {
        for state in Self.states {
            #expect(Self.machine(state).holdsReads == [.idle, .waiting].contains(state))
        }
    }

    @Test("bytes are asked for while a handshake or a close waits for them")
    func wanting() {
        #expect(
            Self.states.map { Self.machine($0).wantsBytes } == [
                false, false, true, false, false, false, true, false,
            ]
        )
        #expect(
            Self.states.map { Self.machine($0).handshakeTimedOut() } == [
                false, true, true, false, false, false, false, false,
            ]
        )
    }
}
