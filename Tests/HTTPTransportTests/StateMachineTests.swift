import HTTPTransport
import Testing

@Suite("Connection state machine")
struct StateMachineTests {
    typealias Machine = ConnectionStateMachine

    static func machine(_ state: Machine.State) -> Machine {
        var machine = Machine(limits: TransportLimits(), now: 0)
        guard state != .idle else { return machine }
        machine.headStarted(now: 0)
        guard state != .readingHead else { return machine }
        machine.headComplete(now: 0)
        var facts = Machine.AnswerFacts()
        switch state {
        case .readingBody: return machine
        case .discarding:
            facts.unreadBodyBytes = 5
            _ = machine.answer(facts, now: 0)
            return machine
        default: machine.bodyComplete(now: 0)
        }
        switch state {
        case .lingering:
            facts.framingLost = true
            _ = machine.answer(facts, now: 0)
        case .closing:
            facts.clientAsksToClose = true
            _ = machine.answer(facts, now: 0)
        case .closed: machine.closed()
        default: break
        }
        return machine
    }

    static let states: [Machine.State] = [
        .idle, .readingHead, .readingBody, .responding, .discarding, .lingering, .closing, .closed,
    ]

    @Test("each state is reached, and says whether it parses, takes and asks for bytes")
    func permissions() {
        let parses: [Machine.State] = [.idle, .readingHead, .readingBody, .discarding]
        for state in Self.states {
            let machine = Self.machine(state)
            #expect(machine.state == state)
            #expect(machine.mayRead == parses.contains(state))
            #expect(machine.acceptsBytes == (parses + [.responding]).contains(state))
            #expect(machine.wantsBytes == (parses + [.lingering]).contains(state))
        }
    }

    @Test("an event that does not belong to a state changes nothing")
    func illegalEvents() {
        for state in Self.states {
            var machine = Self.machine(state)
            if state != .idle { machine.headStarted(now: 1) }
            if state != .readingHead { machine.headComplete(now: 1) }
            if state != .readingBody, state != .discarding { machine.bodyComplete(now: 1) }
            #expect(machine.state == state)
        }
    }

    @Test("what follows an answer depends on what is unread and who wants the end")
    func afterAnswers() {
        func after(
            _ state: Machine.State = .responding,
            _ change: (inout Machine.AnswerFacts) -> Void
        ) -> Machine.AfterAnswer {
            var machine = Self.machine(state)
            var facts = Machine.AnswerFacts()
            change(&facts)
            return machine.answer(facts, now: 1)
        }
        #expect(after { _ in } == .nextRequest)
        #expect(after(.readingBody) { _ in } == .discardBody)
        #expect(after(.readingBody) { $0.unreadBodyBytes = 65_536 } == .discardBody)
        #expect(after(.readingBody) { $0.unreadBodyBytes = 65_537 } == .linger)
        #expect(after(.readingBody) { $0.unreadBodyBytes = nil } == .linger)
        #expect(after { $0.framingLost = true } == .linger)
        #expect(after { $0.clientAsksToClose = true } == .close)
        #expect(after { $0.responseCloses = true } == .close)
        #expect(after { ($0.responseCloses, $0.hasMoreBytes) = (true, true) } == .linger)
        #expect(
            after(.readingBody) { ($0.responseCloses, $0.unreadBodyBytes) = (true, 1) } == .linger
        )
    }

    @Test("a deadline is acted on when it has passed and not before")
    func deadlines() {
        let expected: [(Machine.State, Machine.Expiry)] = [
            (.idle, .close(.idle)), (.readingHead, .reject(.headerTimeout)),
            (.readingBody, .reject(.bodyTimeout)), (.discarding, .close(.bodyTimeout)),
            (.lingering, .close(.rejected)), (.closing, .close(.sendTimeout)),
        ]
        for (state, expiry) in expected {
            var machine = Self.machine(state)
            guard let deadline = machine.deadline else {
                Issue.record("\(state) has no deadline")
                continue
            }
            #expect(machine.deadlinePassed(now: deadline - 1) == .none)
            #expect(machine.deadlinePassed(now: deadline) == expiry, "\(state)")
        }
        #expect(Self.machine(.responding).deadline == nil)
        #expect(Self.machine(.closed).deadline == nil)
    }

    @Test("a blocked write overrules every other deadline, until it moves again")
    func blockedWrites() {
        for state in Self.states where state != .closed {
            var machine = Self.machine(state)
            let usual = machine.deadline
            machine.writabilityChanged(isWritable: false, now: 7)
            machine.writabilityChanged(isWritable: false, now: 9)
            #expect(machine.deadline == 30_000_000_007)
            #expect(!machine.mayRead)
            #expect(machine.deadlinePassed(now: 30_000_000_007) == .close(.sendTimeout))
            machine.writabilityChanged(isWritable: true, now: 9)
            #expect(machine.deadline == usual)
        }
    }

    @Test("draining ends what is idle, and each other state with its answer")
    func draining() {
        for state in Self.states {
            var machine = Self.machine(state)
            #expect(machine.drain() == (state == .idle))
        }
        var machine = Self.machine(.responding)
        _ = machine.drain()
        #expect(machine.answer(Machine.AnswerFacts(), now: 1) == .close)
        #expect(machine.closeReason == .drained)
    }

    @Test("an encrypted connection gets the handshake's time on top before its first byte")
    func handshakeTime() {
        #expect(Machine(limits: TransportLimits(), now: 5).deadline == 10_000_000_005)
        let encrypted = Machine(limits: TransportLimits(), now: 5, isEncrypted: true)
        #expect(encrypted.deadline == 20_000_000_005)
    }
}
