internal import ModelStore
internal import Subprocess
internal import SystemPackage

/// Runs `leeway retrain` as a process of its own and follows its events.
///
/// A crash, an out-of-memory kill or a hang of the trainer stays in that process. It lowers its
/// own priority (see ``BackgroundProcess``) and ends with its parent: its standard input is a
/// pipe that this process holds open, and whose end tells it that nobody waits any more.
package struct RetrainingChild: Sendable {
    /// The program, normally this very one.
    package let executable: String
    /// The configuration that the child reads; nil for the built-in one.
    package let configuration: String?
    /// Seconds after which the child is ended.
    package let secondsMax: Int

    /// Names the program and its configuration.
    package init(executable: String = "/proc/self/exe", configuration: String?, secondsMax: Int) {
        self.executable = executable
        self.configuration = configuration
        self.secondsMax = secondsMax
    }

    /// Starts the child and waits for its end.
    ///
    /// Cancelling the task ends the child: first with SIGTERM, after five seconds with SIGKILL.
    ///
    /// - Parameters:
    ///   - model: The model to retrain.
    ///   - trigger: Why.
    ///   - events: Called with each event as it comes.
    /// - Returns: How the run ended.
    /// - Throws: ``RetrainingError``.
    package func run(
        model: String,
        trigger: RetrainingTrigger,
        events: @escaping @Sendable (RetrainingEvent) -> Void
    ) async throws -> RetrainingOutcome {
        var platform = PlatformOptions()
        platform.teardownSequence = [.gracefulShutDown(allowedDurationToNextStep: .seconds(5))]
        let options = platform
        return try await withThrowingTaskGroup(of: RetrainingOutcome.self) { group in
            group.addTask {
                try await follow(model: model, trigger: trigger, options: options, events: events)
            }
            group.addTask {
                try await Task.sleep(for: .seconds(secondsMax))
                throw RetrainingError.ended(reason: "it took longer than \(secondsMax) s")
            }
            defer { group.cancelAll() }
            guard let outcome = try await group.next() else {
                throw RetrainingError.child(reason: "it was never started")
            }
            return outcome
        }
    }

    private func follow(
        model: String,
        trigger: RetrainingTrigger,
        options: PlatformOptions,
        events: @Sendable (RetrainingEvent) -> Void
    ) async throws -> RetrainingOutcome {
        let result = try await Subprocess.run(
            .path(FilePath(executable)),
            arguments: Arguments(arguments(model, trigger)),
            platformOptions: options,
            input: .inputWriter,
            output: .sequence,
            error: .currentStandardError
        ) { execution in
            var last: RetrainingEvent?
            for try await line in execution.standardOutput.strings() {
                guard let event = Self.event(line) else { continue }
                events(event)
                last = event
            }
            // The child has closed its output: it is ending, and need not be held any longer.
            try await execution.standardInputWriter.finish()
            return last
        }
        switch result.closureResult {
        case .outcome(let outcome):
            return outcome
        case .failure(let code, _, let message):
            throw RetrainingError.reported(code: code, message: message)
        default:
            throw RetrainingError.child(
                reason: "it ended without an outcome: \(result.terminationStatus)"
            )
        }
    }

    private func arguments(_ model: String, _ trigger: RetrainingTrigger) -> [String] {
        ["retrain"] + (configuration.map { ["--config", $0] } ?? [])
            + ["--model", model, "--trigger", trigger.rawValue, "--supervised"]
    }

    private static func event(_ line: String) -> RetrainingEvent? {
        try? StoreJSON.decode(RetrainingEvent.self, from: Array(line.utf8), path: "events")
    }
}
