import Drift
import Features
import HTTPTransport
import ModelStore
import ModelTestSupport
import NIOCore
import NIOPosix
import Serving
import Synchronization
import TLSTransport
import Telemetry
import TestSupport

/// Holds on to a version, as a request does that is still computed.
final class Holder: Sendable {
    private let wanted = Atomic(false)
    private let held = Mutex<ActiveModel?>(nil)

    var isWanted: Bool {
        get { wanted.load(ordering: .relaxed) }
        set { wanted.store(newValue, ordering: .relaxed) }
    }

    var model: ActiveModel? {
        get { held.withLock { $0 } }
        set { held.withLock { $0 = newValue } }
    }

    func offer(_ model: ActiveModel) { if isWanted { self.model = model } }
}

/// The `api` listener on a port of its own, with stores to follow.
final class ServingBench: Sendable {
    let folder: TemporaryDirectory
    let group: MultiThreadedEventLoopGroup
    let registry = MetricRegistry(shards: 2)
    let settings: ServingSettings
    let loops: ServingLoops
    let stores: [ModelDirectory]
    let followers: [ModelFollower]
    let live = Seen<Int>()
    let holder = Holder()
    let nothing = Seen<Void>()
    let captured = Seen<CapturedRow>()
    let harms = Seen<Harm>()
    let access: AccessControl
    let releases: ReleaseService
    /// Seconds that the clock of releases and of hours is ahead.
    let later = Seen<Int64>()
    let feedback: FeedbackService
    let port: Int
    /// The batcher's thread.
    let worker: any EventLoop

    /// A loss that was found above its limit.
    struct Harm: Equatable, Sendable {
        let model: String
        let report: RiskReport
    }

    private let server: HTTPServer

    private init(
        _ models: [String],
        defaultModel: String?,
        token: String?,
        callers: AccessFile?,
        batching: BatchSettings,
        staging: StagingSettings?,
        drift: DriftSettings?,
        sampling: RowSampling,
        tls: ListenerTLS?,
        folder: consuming TemporaryDirectory,
        group: MultiThreadedEventLoopGroup,
        worker: any EventLoop
    ) async throws {
        let metrics = try ServingMetrics(registry)
        let table = try EndpointTable(.api)
        let later = later
        let settings = ServingSettings(
            models: models,
            defaultModel: defaultModel,
            watchedModels: Set(models),
            bodyBytesMax: 4096,
            rowsMax: 8,
            serverTiming: batching.mode != .inline,
            feedbackBytes: Dictionary(uniqueKeysWithValues: models.map { ($0, 1 << 16) }),
            capturedModels: Set(models),
            sampling: Dictionary(uniqueKeysWithValues: models.map { ($0, sampling) }),
            wallClock: {
                let seconds = 1_795_466_160 + later.all.reduce(0, +)
                return WallTime(nanosecondsSinceEpoch: seconds * 1_000_000_000)
            }
        )
        let batcher = try await Batcher.make(on: worker, threads: 2)
        let planner = BatchPlanner(
            Dictionary(uniqueKeysWithValues: models.map { ($0, batching) }),
            threads: batcher.threads
        )
        let loops = try await ServingLoops.make(on: group, batcher: batcher) { shard in
            ServingLoop(settings: settings, metrics: metrics, table: table, shard: shard)
        }
        access = AccessControl(try AccessMetrics(registry))
        access.use(
            try access.prepare(
                callers,
                tokens: token.map { [.api: Array($0.utf8)] } ?? [:]
            )
        )
        try await loops.attach(access)
        let (captured, harms) = (captured, harms)
        feedback = FeedbackService(
            models: models,
            metrics: try FeedbackMetrics(registry),
            capture: { for row in $0 { captured.append(row) } },
            risk: Dictionary(
                uniqueKeysWithValues: models.map {
                    ($0, RiskSettings(tolerance: 0.02, falseAlarmInterval: 20))
                }
            ),
            onHarm: { model, report in harms.append(Harm(model: model, report: report)) }
        )
        try await loops.attach(feedback)
        let path = folder.path
        let stores = models.map { ModelDirectory(state: path, model: $0) }
        releases = ReleaseService(
            settings: Dictionary(
                uniqueKeysWithValues: models.map { ($0, staging ?? StagingSettings()) }
            ),
            drift: drift.map { drift in
                Dictionary(uniqueKeysWithValues: models.map { ($0, drift) })
            } ?? [:],
            directories: Dictionary(uniqueKeysWithValues: zip(models, stores)),
            metrics: try ReleaseMetrics(registry),
            logger: quietLogger,
            clock: {
                let seconds = 1_795_466_160 + later.all.reduce(0, +)
                return WallTime(nanosecondsSinceEpoch: seconds * 1_000_000_000)
            }
        )
        await releases.attach(loops)
        let releases = staging == nil ? nil : releases
        if let releases { await feedback.attach(releases) }
        let (live, nothing, holder) = (live, nothing, holder)
        let service = feedback
        followers = stores.map { store in
            ModelFollower(
                directory: store,
                loops: loops,
                planner: planner,
                metrics: metrics,
                logger: quietLogger,
                clock: { WallTime(nanosecondsSinceEpoch: 1_795_466_160_000_000_000) },
                patience: .zero,
                releases: releases,
                wentLive: { model in
                    await service.watch(model)
                    live.append(model.version)
                    holder.offer(model)
                },
                nothingToServe: { nothing.append(()) }
            )
        }
        server = try HTTPServer(
            settings: .patient("api", table.routes),
            address: HTTPServer.Address(host: "127.0.0.1", port: 0),
            group: group,
            tls: tls,
            metrics: HTTPMetrics(registry: registry, listener: "api"),
            makeResponder: { loop, _ in
                guard let responder = loops.responder(on: loop) else {
                    throw ChannelError.inappropriateOperationForState
                }
                return responder
            }
        )
        port = try await server.start().port
        self.folder = folder
        (self.group, self.settings) = (group, settings)
        (self.loops, self.stores, self.worker) = (loops, stores, worker)
    }

    var store: ModelDirectory { stores[0] }
    var follower: ModelFollower { followers[0] }

    /// Publishes a version and makes it live.
    func publish(_ sharpness: Float = 2, model: Int = 0) async throws {
        try stores[model].publishTiny(sharpness: sharpness)
        await followers[model].look()
    }

    func connect(authority: String? = nil) async throws -> WebClient {
        try await WebClient.connect(group, port: port, authority: authority)
    }

    /// Serves while the body runs.
    static func run(
        _ models: [String] = ["lines"],
        defaultModel: String? = "lines",
        token: String? = nil,
        callers: AccessFile? = nil,
        batching: BatchSettings = BatchSettings(mode: .inline),
        staging: StagingSettings? = nil,
        drift: DriftSettings? = nil,
        sampling: RowSampling = RowSampling(),
        tls: ListenerTLS? = nil,
        _ body: (ServingBench, WebClient) async throws -> Void
    ) async throws {
        let group = MultiThreadedEventLoopGroup(numberOfThreads: 2)
        let compute = MultiThreadedEventLoopGroup(numberOfThreads: 1)
        do {
            let bench = try await ServingBench(
                models,
                defaultModel: defaultModel,
                token: token,
                callers: callers,
                batching: batching,
                staging: staging,
                drift: drift,
                sampling: sampling,
                tls: tls,
                folder: TemporaryDirectory(),
                group: group,
                worker: compute.next()
            )
            if tls == nil {
                let client = try await bench.connect()
                try await body(bench, client)
                await client.close()
            } else {
                try await body(bench, try await WebClient.connect(group, port: bench.port))
            }
            _ = await bench.server.drain(seconds: 5)
        } catch {
            for group in [compute, group] { try await group.shutdownGracefully() }
            throw error
        }
        for group in [compute, group] { try await group.shutdownGracefully() }
    }
}

/// Bodies of requests.
enum Body {
    /// One image whose bright line is the class, as a flat array.
    static func row(_ line: Int) -> String { flat(line).description }

    /// The image as an array of lines.
    static func lines(_ line: Int) -> String {
        (0..<3).map { [Int](repeating: $0 == line ? 250 : 5, count: 3) }.description
    }

    static func image(_ line: Int) -> String { #"{"image":\#(row(line))}"# }

    private static func flat(_ line: Int) -> [Int] {
        (0..<9).map { $0 / 3 == line ? 250 : 5 }
    }
}

/// What the tests read of an answer.
struct Prediction: Decodable, Equatable {
    struct Row: Decodable, Equatable {
        let `class`: Int
        let label: String
        let probabilities: [Double]
    }

    let `class`: Int?
    let label: String?
    let probabilities: [Double]?
    let predictions: [Row]?
    let model: String
    let version: String
    let requestIdentifier: String

    enum CodingKeys: String, CodingKey {
        case `class`, label, probabilities, predictions, model, version
        case requestIdentifier = "request_id"
    }

    init(_ answer: WebClient.Answer) throws {
        self = try StoreJSON.decode(Self.self, from: Array(answer.body.utf8), path: answer.body)
    }
}

/// What the tests read of an answer that is no prediction.
struct Refusal: Decodable, Equatable {
    let error: String
    let code: String

    init(_ answer: WebClient.Answer) throws {
        self = try StoreJSON.decode(Self.self, from: Array(answer.body.utf8), path: answer.body)
    }
}
