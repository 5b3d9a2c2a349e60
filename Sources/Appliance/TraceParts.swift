internal import Files
internal import Glibc
internal import Retraining
internal import Synchronization
internal import Telemetry
internal import Transfer

/// The traces of the appliance, where they are wanted.
struct TraceParts: Sendable {
    /// What is traced; nil when nothing is.
    let collector: TraceCollector?
    /// What sends it away.
    let exporter: TraceExporter?

    /// - Throws: `FileError` when the file of headers cannot be read, `SettingsError` for what is
    ///   none in it, `TelemetryError` when a metric's name is taken.
    init(_ settings: Settings, _ registry: MetricRegistry) throws {
        var choices = TraceSettings()
        choices.sampleEvery = settings.traces.sampleEvery
        choices.slowNanoseconds = UInt64(settings.traces.slowMilliseconds) * 1_000_000
        let metrics = try TraceMetrics(registry)
        guard let endpoint = settings.traces.endpoint else {
            (collector, exporter) = (nil, nil)
            return
        }
        let collector = TraceCollector(choices, metrics)
        var target = TraceTarget(
            url: endpoint,
            caFile: settings.traces.authorities,
            version: ApplianceVersion.text,
            instance: Self.instance()
        )
        target.headers =
            try settings.traces.headersFile.map { try Self.headers($0, settings) } ?? []
        self.collector = collector
        exporter = TraceExporter(target, collector)
    }

    private static func headers(
        _ path: String,
        _ settings: Settings
    ) throws -> [(name: String, value: String)] {
        let text = String(decoding: try WholeFile.read(path, bytesMax: 16 << 10), as: UTF8.self)
        return try text.split(whereSeparator: \.isNewline).filter { !$0.isEmpty }.map { line in
            let parts = line.split(separator: ":", maxSplits: 1)
            guard parts.count == 2 else {
                throw SettingsError(problems: [
                    SettingsProblem(
                        file: settings.file,
                        line: 0,
                        column: 0,
                        key: "traces.headers_file",
                        message: "\(path): expected a Name: value on each line"
                    )
                ])
            }
            let value = parts[1].drop(while: \.isWhitespace)
            return (
                String(parts[0]), String(value.reversed().drop(while: \.isWhitespace).reversed())
            )
        }
    }

    /// The host's name and the process, which tell replicas apart.
    private static func instance() -> String {
        let name = (try? WholeFile.read("/proc/sys/kernel/hostname", bytesMax: 256)) ?? []
        let host = String(decoding: name.prefix { $0 > 0x20 }, as: UTF8.self)
        return "\(host.isEmpty ? "unknown" : host):\(getpid())"
    }
}

/// The trace of one retraining run: a span for the run, and one for each of its stages.
final class RetrainingTrace: Sendable {
    private struct Stage {
        let name: String
        let start: UInt64
    }

    private struct State {
        var stage: Stage?
        var spans: [TraceSpan] = []
        var result = "failed"
        var isError = true
        var identifiers = RequestIdentifierSource()
    }

    private let collector: TraceCollector
    private let context: TraceContext
    private let model: String
    private let trigger: String
    private let start: UInt64
    private let state: Mutex<State>

    /// Begins a run.
    init(_ collector: TraceCollector, model: String, trigger: RetrainingTrigger) {
        self.collector = collector
        self.model = model
        self.trigger = trigger.rawValue
        start = Self.now()
        var first = State()
        context = TraceContext(generatedBy: &first.identifiers, sampled: true)
        state = Mutex(first)
    }

    /// Takes note of what the run tells.
    func follow(_ event: RetrainingEvent) {
        let now = Self.now()
        state.withLock { state in
            switch event {
            case .stage(let stage):
                endStage(&state, at: now, isError: false)
                state.stage = Stage(name: stage.rawValue, start: now)
            case .outcome(let outcome):
                endStage(&state, at: now, isError: false)
                (state.result, state.isError) = (outcome.result.rawValue, false)
            case .failure(let code, _, _):
                endStage(&state, at: now, isError: true)
                state.result = code
            case .download, .transfer, .progress: break
            }
        }
    }

    /// Ends the run and hands its spans over.
    func end() {
        let now = Self.now()
        let spans = state.withLock { state in
            endStage(&state, at: now, isError: true)
            let run = TraceSpan(
                trace: context.traceIdentifier,
                span: context.parentIdentifier,
                parent: 0,
                name: "retrain",
                start: start,
                end: now,
                attributes: [
                    ("leeway.model.name", .text(model)),
                    ("leeway.retraining.trigger", .text(trigger)),
                    ("leeway.retraining.result", .text(state.result)),
                ],
                isError: state.isError
            )
            return [run] + state.spans
        }
        collector.add(spans)
    }

    private func endStage(_ state: inout State, at now: UInt64, isError: Bool) {
        guard let stage = state.stage else { return }
        state.stage = nil
        state.spans.append(
            TraceSpan(
                trace: context.traceIdentifier,
                span: state.identifiers.nextSpan(),
                parent: context.parentIdentifier,
                name: stage.name,
                start: stage.start,
                end: now,
                isError: isError
            )
        )
    }

    private static func now() -> UInt64 {
        UInt64(max(0, WallTime.now().nanosecondsSinceEpoch))
    }
}
