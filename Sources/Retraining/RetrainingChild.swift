internal import ModelStore
internal import Subprocess
internal import SystemPackage

/// Runs `leeway retrain` as a process of its own and follows its events.
///
/// A crash, an out-of-memory kill or a hang of the trainer stays in that process. It lowers its
/// own priority and limits its own memory (see ``BackgroundProcess``), and ends with its parent:
/// its standard input is a pipe that this process holds open, and whose end tells it that nobody
/// waits any more.
package struct RetrainingChild: Sendable {
    /// The program, normally this very one.
    package let executable: String
    /// The configuration that the child reads; nil for the built-in one.
    package let configuration: String?
    /// What ends it.
    package let limits: Limits

    /// How long a child may run.
    package struct Limits: Sendable, Equatable {
        /// Seconds after which the child is ended.
        package var secondsMax: Int
        /// Seconds without progress after which it is ended.
        package var stalledSecondsMax: Int
        /// Seconds from SIGTERM to SIGKILL.
        package var endingSecondsMax: Int
        /// The memory that the child lets itself have, to tell what may have ended it; 0 for any.
        package var memoryBytesMax: Int

        /// Sets the limits.
        package init(
            secondsMax: Int,
            stalledSecondsMax: Int,
            endingSecondsMax: Int = 5,
            memoryBytesMax: Int = 0
        ) {
            self.secondsMax = secondsMax
            self.stalledSecondsMax = stalledSecondsMax
            self.memoryBytesMax = memoryBytesMax
            self.endingSecondsMax = endingSecondsMax
        }
    }

    /// Names the program and its configuration.
    package init(
        executable: String = "/proc/self/exe",
        configuration: String?,
        limits: Limits
    ) {
        self.executable = executable
        self.configuration = configuration
        self.limits = limits
    }

    /// Starts the child and waits for its end.
    ///
    /// Cancelling the task, the end of its time, and a child that makes no progress end it: first
    /// with SIGTERM, after some seconds with SIGKILL.
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
        platform.teardownSequence = [
            .gracefulShutDown(allowedDurationToNextStep: .seconds(limits.endingSecondsMax))
        ]
        let options = platform
        let clock = ContinuousClock()
        let progress = ChildProgress(secondsMax: limits.stalledSecondsMax, now: clock.now)
        return try await withThrowingTaskGroup(of: RetrainingOutcome.self) { group in
            group.addTask {
                try await follow(model: model, trigger: trigger, options: options, progress) {
                    progress.told(at: clock.now)
                    events($0)
                }
            }
            group.addTask {
                try await Task.sleep(for: .seconds(limits.secondsMax))
                throw RetrainingError.ended(reason: "it took longer than \(limits.secondsMax) s")
            }
            group.addTask {
                while !progress.isStalled(at: clock.now) {
                    try await Task.sleep(for: progress.period)
                }
                throw RetrainingError.stalled(seconds: limits.stalledSecondsMax)
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
        _ progress: ChildProgress,
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
            progress.started(execution.processIdentifier.value)
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
            let memory = limits.memoryBytesMax
            let hint = memory > 0 ? "; retrain.memory_bytes_max lets it have \(memory) bytes" : ""
            throw RetrainingError.child(
                reason: "it ended without an outcome: \(result.terminationStatus)\(hint)"
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
