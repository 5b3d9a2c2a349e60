internal import FoundationEssentials
internal import Logging
internal import ModelStore
internal import Retraining
internal import Telemetry
internal import Transfer

/// What `leeway retrain` and `leeway models import` do: one pass of the retraining flow in this
/// process, with a network that is fitted here or was elsewhere.
package struct RetrainJob {
    private let settings: Settings
    private let model: String?
    private let work: Work
    private let output: Output

    /// What is told, and where.
    package enum Output: Sendable {
        /// Words for a person.
        case text
        /// The outcome as one JSON object on standard output.
        case json
        /// Each event as a line of JSON on standard output, for the serving process.
        case events
    }

    /// Where the network comes from.
    package enum Work: Sendable {
        /// It is fitted, for this reason.
        case retrain(trigger: String, acceptingData: Bool = false)
        /// A version is made again, and compared.
        case reproducing(Int)
        /// Its weights are in this file.
        case importing(String)
    }

    /// Names the model; nil takes the only one.
    package init(settings: Settings, model: String?, work: Work, output: Output) {
        self.settings = settings
        self.model = model
        self.work = work
        self.output = output
    }

    /// Runs it.
    ///
    /// - Returns: The report for standard output, and the exit code.
    package func run() async -> (report: String?, code: Int32) {
        let model: ModelSettings
        let run: (RetrainingPipeline) async throws -> RetrainingOutcome
        do {
            model = try chosenModel()
            run = try chosenWork(model)
        } catch let error as RetrainingError {
            return failed("\(error)", code: 1, errorCode: error.code)
        } catch {
            return failed("\(error)", code: 2, errorCode: "usage")
        }
        let telling = RetrainingTelling(console, model: model.name)
        if output == .events {
            BackgroundProcess.endWithParent()
            BackgroundProcess.lowerPriority()
        }
        BackgroundProcess.limitMemory(model.retrain.run.memoryBytesMax)
        do {
            try settings.checkDisk()
            try TransferLibrary.initialise()
            // A person sees the progress; what would be logged besides must matter.
            var log = settings.log
            if output != .events { (log.level, log.format) = (.warning, .text) }
            let logging = try ApplianceLogging(log)
            defer { logging.sink.shutdown() }
            let outcome = try await run(pipeline(model, telling, logging))
            telling.end()
            telling.tell(.outcome(outcome))
            let code: Int32 = outcome.result == .refused ? 3 : 0
            return (try report(outcome), code)
        } catch StoreError.locked(let model) {
            return failed("\(StoreError.locked(model: model))", code: 4, errorCode: "store_locked")
        } catch {
            telling.end()
            let code = (error as? RetrainingError)?.code ?? (error as? StoreError)?.code ?? "failed"
            return failed("\(error)", code: 1, errorCode: code)
        }
    }

    private var console: Console? { output == .events ? nil : .standardError }

    private func chosenModel() throws -> ModelSettings {
        let name = try settings.resolveModel(model)
        guard let found = settings.models.first(where: { $0.name == name }) else {
            throw JobError.unknownModel(name, known: settings.models.map(\.name))
        }
        return found
    }

    private func chosenWork(_ model: ModelSettings) throws
        -> (RetrainingPipeline) async throws -> RetrainingOutcome
    {
        switch work {
        case .retrain(let word, let acceptsData):
            guard let trigger = RetrainingTrigger(rawValue: word), trigger != .import else {
                throw JobError.unknownTrigger(word)
            }
            return { try await $0.run(trigger, acceptingData: acceptsData) }
        case .reproducing(let version):
            return { try await $0.reproduce(version) }
        case .importing(let path):
            let file = try WeightFile(path: path, plan: model.plan(settings))
            return { try await $0.run(importing: file) }
        }
    }

    private func pipeline(
        _ model: ModelSettings,
        _ telling: RetrainingTelling,
        _ logging: ApplianceLogging
    ) throws -> RetrainingPipeline {
        let logger = logging.logger("retraining")
        let downloader = try Downloader(
            settings: settings.downloads.transferSettings(retryingWithin: retryWindow(model)),
            circuits: CircuitFile("\(settings.state)/downloads/\(model.name)-circuits.json") {
                Int64(ProcessEnvironment.nowWithFraction())
            },
            logger: logger,
            onAttempt: { telling.tell(.download($0)) }
        )
        return RetrainingPipeline(
            plan: model.plan(settings, cores: cores),
            directory: ModelDirectory(state: settings.state, model: model.name),
            downloader: downloader,
            downloadFolder: "\(settings.state)/downloads",
            clock: .system,
            logger: logger,
            tell: telling.tell
        )
    }

    /// Beside a server one processor is left free of the trainer, so that a loop that waits finds it.
    private var cores: Int {
        output == .events ? max(1, ProcessorCount.usable - 1) : ProcessorCount.usable
    }

    private func report(_ outcome: RetrainingOutcome) throws -> String? {
        switch output {
        case .events: nil
        case .json: String(decoding: try StoreJSON.encode(outcome), as: UTF8.self)
        case .text: RetrainingTelling.summary(outcome)
        }
    }

    private func failed(_ message: String, code: Int32, errorCode: String)
        -> (report: String?, code: Int32)
    {
        if output == .events {
            let event = RetrainingEvent.failure(code: errorCode, stage: nil, message: message)
            RetrainingTelling(nil, model: "").tell(event)
        } else {
            StandardError.write("leeway: \(message)\n")
        }
        return (nil, code)
    }
}

extension RetrainJob {
    /// Half of the time between two scheduled runs: what has not come until then is for the next.
    private func retryWindow(_ model: ModelSettings) throws -> Duration? {
        guard let text = model.retrain.schedule else { return nil }
        let schedule = try RetrainingSchedule(text)
        let clock = try LocalClock(named: model.retrain.run.timeZone)
        let now = ProcessEnvironment.now()
        guard let next = schedule.next(after: now, on: clock),
            let last = schedule.next(after: next, on: clock)
        else { return nil }
        return .seconds(last - next) / 2
    }
}

extension RetrainingClock {
    /// The system's clocks.
    static let system = RetrainingClock(
        unixSeconds: { ProcessEnvironment.nowWithFraction() },
        monotonicSeconds: { ProcessEnvironment.monotonicSeconds() }
    )
}

extension Appliance.DownloadSettings {
    /// As the transfer takes them.
    ///
    /// - Parameter window: After which no retry begins; nil sets no end.
    /// - Returns: The settings.
    func transferSettings(retryingWithin window: Duration? = nil) -> Transfer.DownloadSettings {
        let variables = ProcessEnvironment.variables()
        return Transfer.DownloadSettings(
            caFile: authorities,
            proxy: proxy,
            noProxy: noProxy.isEmpty ? nil : noProxy.joined(separator: ","),
            environmentProxies: ["https_proxy", "HTTPS_PROXY", "all_proxy", "ALL_PROXY"]
                .compactMap { variables[$0] }.filter { !$0.isEmpty },
            proxySecretFile: proxySecretFile,
            userAgent: "leeway/\(ApplianceVersion.text)",
            limits: DownloadLimits(bytesMax: bytesMax, totalSecondsMax: secondsMax),
            retry: RetryPolicy(
                roundsMax: attemptsMax,
                windowMilliseconds: window.map { Int($0 / .milliseconds(1)) }
            )
        )
    }
}
