import Files
import Glibc
import ModelStore
import Retraining
import TestSupport
import Testing

/// The child process, played by small shell scripts.
@Suite("Retraining child", .timeLimit(.minutes(10))) final class ChildTests {
    private let folder: TemporaryDirectory

    init() throws { folder = try TemporaryDirectory() }

    /// A child that writes its number, and then does as the script says.
    private func child(
        _ script: String,
        seconds: Int = 60,
        stalled: Int = 60
    ) throws -> RetrainingChild {
        let path = folder.path("child")
        let text = "#!/bin/sh\necho $$ >'\(folder.path)/pid'\n\(script)\n"
        try WholeFile.create(path, Array(text.utf8), mode: 0o755)
        return RetrainingChild(
            executable: path,
            configuration: "there.yaml",
            limits: RetrainingChild.Limits(
                secondsMax: seconds,
                stalledSecondsMax: stalled,
                endingSecondsMax: 1
            )
        )
    }

    private func run(_ child: RetrainingChild) async throws -> RetrainingOutcome {
        try await child.run(model: "lines", trigger: .schedule) { _ in }
    }

    private func code(_ child: RetrainingChild) async -> String {
        do {
            return try await run(child).result.rawValue
        } catch {
            return (error as? RetrainingError)?.code ?? "\(error)"
        }
    }

    /// Whether the child is still there.
    private func lives() throws -> Bool {
        let text = try WholeFile.read(folder.path("pid"), bytesMax: 32)
        let number = try #require(Int32(String(decoding: text.dropLast(), as: UTF8.self)))
        return kill(number, 0) == 0
    }

    private func line(_ event: RetrainingEvent) throws -> String {
        "printf '%s\\n' '\(String(decoding: try StoreJSON.encode(event), as: UTF8.self))'"
    }

    @Test("its outcome is the run's, and what is no event is passed over")
    func outcome() async throws {
        let outcome = try Outcome.make("unchanged", version: 4)
        let told = try line(.outcome(outcome))
        let child = try child("echo rubbish; \(try line(.stage(.train))); \(told)")
        let found = try await run(child)
        #expect(found == outcome)
    }

    @Test("it is told what to do, and by whom")
    func arguments() async throws {
        _ = await code(try child("echo \"$@\" >'\(folder.path)/words'"))
        let words = try WholeFile.read(folder.path("words"), bytesMax: 1000)
        #expect(
            String(decoding: words, as: UTF8.self)
                == "retrain --config there.yaml --model lines --trigger schedule --supervised\n"
        )
    }

    @Test("a failure that it tells, an end without a word, and a signal are told apart")
    func ends() async throws {
        let failure = try line(.failure(code: "data_empty", stage: nil, message: "none"))
        #expect(await code(try child(failure)) == "data_empty")
        try Folder.remove(folder.path("child"))
        #expect(await code(try child("exit 0")) == "child_failed")
        try Folder.remove(folder.path("child"))
        #expect(await code(try child("kill -9 $$")) == "child_failed")
    }

    @Test("one that neither tells nor computes anything is ended, even against its will")
    func stalled() async throws {
        // An ignored SIGTERM stays ignored in what is executed.
        let child = try child("trap '' TERM; exec sleep 1000", stalled: 1)
        #expect(await code(child) == "stalled")
        #expect(try !lives())
    }

    @Test("one that is stopped is ended, too")
    func stopped() async throws {
        #expect(await code(try child("kill -STOP $$", stalled: 1)) == "stalled")
        #expect(try !lives())
    }

    @Test("its time ends, however much it computes")
    func time() async throws {
        #expect(await code(try child("while :; do :; done", seconds: 1)) == "ended")
        #expect(try !lives())
    }

    @Test("it ends with the task that waits for it")
    func cancelled() async throws {
        let child = try child("\(try line(.stage(.train))); exec sleep 1000")
        await withTaskGroup(of: Void.self) { group in
            let (events, told) = AsyncStream.makeStream(of: RetrainingEvent.self)
            group.addTask {
                _ = try? await child.run(model: "lines", trigger: .manual) { told.yield($0) }
            }
            for await _ in events { break }
            group.cancelAll()
        }
        #expect(try !lives())
    }
}

/// When a child counts as stalled, without a child.
@Suite("Progress rule") struct ProgressRuleTests {
    /// Looks at these seconds, with so much computed, and gives the first at which it is stalled.
    private func stalled(
        _ rule: ProgressRule,
        _ looks: [(second: Int, ticks: UInt64)]
    ) -> Int? {
        var rule = rule
        return looks.first { rule.isStalled(at: .seconds($0.second), ticks: $0.ticks) }?.second
    }

    private let rule = ProgressRule(secondsMax: 600, now: .seconds(100))

    @Test("events and processor time are progress, and nothing else is")
    func progress() {
        #expect(stalled(rule, [(699, 0), (700, 0)]) == 700)
        var told = rule
        told.told(at: .seconds(700), ticks: 40)
        // A thousandth of a core for 600 s is 60 ticks of 10 ms.
        #expect(stalled(told, [(1299, 40), (1300, 99)]) == 1300)
        #expect(stalled(told, [(1299, 40), (1300, 100), (1899, 100), (1900, 100)]) == 1900)
    }

    @Test("a starved trainer computes enough, one that wakes up for nothing does not")
    func starved() {
        // Two hundredths of a core, looked at each second; then a tick in ten seconds.
        let starved = (101...2000).map { (second: $0, ticks: UInt64(2 * ($0 - 100))) }
        let waiting = (2001...3000).map { (second: $0, ticks: UInt64(3800 + ($0 - 2000) / 20)) }
        #expect(stalled(rule, starved) == nil)
        #expect(stalled(rule, starved + waiting) == 2590)
    }

    @Test("numbers beyond all measure are no trap")
    func extremes() {
        var rule = rule
        rule.told(at: .seconds(100), ticks: .max)
        #expect(stalled(rule, [(101, .max), (102, 0), (1000, 0)]) == 1000)
    }
}
