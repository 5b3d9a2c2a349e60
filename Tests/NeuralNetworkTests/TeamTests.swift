import CKernels
import Synchronization
import Testing

/// What the members of a team write down: one slot each, and how often they saw a wrong one.
private final class Notes: Sendable {
    let members: Int
    /// How many rounds a test takes; fewer where threads wait for a processor.
    let rounds: Int
    let done: [Slot]
    let wrong = Atomic<Int>(0)
    let team: UInt

    /// A counter; a reference, because an atomic cannot be copied into an array.
    final class Slot: Sendable {
        let count = Atomic<Int>(0)
    }

    init(members: Int, team: OpaquePointer) {
        self.members = members
        rounds = members > 2 ? 1_000 : 10_000
        self.team = UInt(bitPattern: team)
        done = (0..<members).map { _ in Slot() }
    }

    func count(_ member: Int) -> Int { done[member].count.load(ordering: .relaxed) }

    func add(_ member: Int) { done[member].count.wrappingAdd(1, ordering: .relaxed) }

    func meet() { unsafe leeway_team_meet(OpaquePointer(bitPattern: team)) }
}

@Suite("Team of threads") struct TeamTests {
    /// Alone, as many as a small machine has processors, and more than that.
    static let sizes = [1, 2, 5]

    /// Has a team do the work; the notes are alive until it is done.
    private func run(_ notes: Notes, _ work: leeway_work) {
        let team = unsafe OpaquePointer(bitPattern: notes.team)
        unsafe leeway_team_run(team, work, Unmanaged.passUnretained(notes).toOpaque())
        withExtendedLifetime(notes) {}
    }

    @Test("every member works exactly once a run", arguments: sizes)
    func once(members: Int) throws {
        let team = try unsafe #require(leeway_team_create(members))
        defer { unsafe leeway_team_destroy(team) }
        let notes = unsafe Notes(members: members, team: team)
        for round in 1...notes.rounds {
            unsafe run(notes) { context, member in
                guard let context = unsafe context else { return }
                let notes = unsafe Unmanaged<Notes>.fromOpaque(context).takeUnretainedValue()
                notes.add(Int(member))
            }
            // When the run returns, all are done.
            let counts = (0..<members).map { notes.count($0) }
            guard counts == [Int](repeating: round, count: members) else {
                Issue.record("round \(round): \(counts)")
                return
            }
        }
    }

    @Test("no member goes on before all have met", arguments: sizes)
    func meeting(members: Int) throws {
        let team = try unsafe #require(leeway_team_create(members))
        defer { unsafe leeway_team_destroy(team) }
        let notes = unsafe Notes(members: members, team: team)
        unsafe run(notes) { context, member in
            guard let context = unsafe context else { return }
            let notes = unsafe Unmanaged<Notes>.fromOpaque(context).takeUnretainedValue()
            for round in 1...notes.rounds {
                notes.add(Int(member))
                notes.meet()
                // Between two meetings nobody adds, so each has added just as often.
                for other in 0..<notes.members where notes.count(other) != round {
                    notes.wrong.wrappingAdd(1, ordering: .relaxed)
                }
                notes.meet()
            }
        }
        #expect(notes.wrong.load(ordering: .relaxed) == 0)
        #expect((0..<members).allSatisfy { notes.count($0) == notes.rounds })
    }

    @Test("members that had gone to sleep are woken for work and for the end", arguments: sizes)
    func sleepers(members: Int) throws {
        let team = try unsafe #require(leeway_team_create(members))
        let notes = unsafe Notes(members: members, team: team)
        for round in 1...20 {
            unsafe run(notes) { context, member in
                guard let context = unsafe context else { return }
                let notes = unsafe Unmanaged<Notes>.fromOpaque(context).takeUnretainedValue()
                notes.add(Int(member))
                // The others look for far fewer rounds than this before they sleep.
                if member == 0 {
                    for _ in 0..<200_000 { notes.wrong.wrappingAdd(1, ordering: .relaxed) }
                }
                notes.meet()
            }
            #expect((0..<members).allSatisfy { notes.count($0) == round })
        }
        unsafe leeway_team_destroy(team)
    }

    @Test("teams come and go, with and without work", arguments: sizes)
    func comeAndGo(members: Int) throws {
        for round in 0..<300 {
            let team = try unsafe #require(leeway_team_create(members))
            let notes = unsafe Notes(members: members, team: team)
            if round % 2 == 0 {
                unsafe run(notes) { context, member in
                    guard let context = unsafe context else { return }
                    unsafe Unmanaged<Notes>.fromOpaque(context).takeUnretainedValue()
                        .add(Int(member))
                }
            }
            unsafe leeway_team_destroy(team)
            #expect((0..<members).allSatisfy { notes.count($0) == (round % 2 == 0 ? 1 : 0) })
        }
    }

    @Test("a team of nobody or of far too many is not made")
    func refused() {
        #expect(unsafe leeway_team_create(0) == nil)
        #expect(unsafe leeway_team_create(1025) == nil)
        #expect(unsafe leeway_team_create(.max) == nil)
    }

    @Test("memory begins on a cache line, is zero and can be written to its end")
    func memory() throws {
        for count in [0, 1, 7, 65, 4097, 1 << 20, (1 << 20) + 1, 3 << 20] {
            let floats = try unsafe #require(leeway_floats_allocate(count))
            let alignment = count * 4 >= 4 << 20 ? 2 << 20 : 64
            #expect(UInt(bitPattern: floats) % UInt(alignment) == 0, "\(count)")
            for index in stride(from: 0, to: count, by: 509) {
                let number = unsafe floats[index]
                #expect(number == 0)
            }
            if count > 0 { unsafe floats[count - 1] = 1 }
            unsafe leeway_floats_free(floats)
        }
        for count in [Int(bitPattern: UInt.max), .max, .max / 4] {
            #expect(unsafe leeway_floats_allocate(count) == nil, "\(count)")
        }
    }
}
