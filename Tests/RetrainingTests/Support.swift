import Digest
import Files
import Logging
import ModelStore
import ModelTestSupport
import Retraining
import TestSupport
import Transfer

/// A place to retrain in: files, a store, and all that a run tells.
final class Workshop: Sendable {
    let folder: TemporaryDirectory
    let store: ModelDirectory
    let clock = ManualClock()
    let events = Seen<RetrainingEvent>()
    let attempts = Seen<DownloadAttempt>()
    private let caFile: String?

    init(model: String = "lines", caFile: String? = nil) throws {
        folder = try TemporaryDirectory()
        store = ModelDirectory(state: folder.path("state"), model: model)
        self.caFile = caFile
        try Folder.make(folder.path("data"))
    }

    /// Puts a file in its place and gives its URL.
    @discardableResult
    func put(_ name: String, _ bytes: [UInt8]) throws -> String {
        try WholeFile.replace(folder.path("data/\(name)"), bytes)
        return url(name)
    }

    func url(_ name: String) -> String { "file://\(folder.path("data/\(name)"))" }

    func mirrors(_ names: String...) -> [RetrainingPlan.Mirror] {
        names.map { RetrainingPlan.Mirror(url: url($0), sha256: nil) }
    }

    /// Ninety images to fit and thirty held out, and the plan for them.
    func images() throws -> RetrainingPlan {
        try put("train-images", TinyData.packed(TinyData.images(90)))
        try put("train-labels", TinyData.labels(TinyData.classes(90)))
        try put("test-images", TinyData.images(30, seed: 2))
        try put("test-labels", TinyData.packed(TinyData.labels(TinyData.classes(30))))
        return TinyData.plan(
            train: RetrainingPlan.Source(
                features: mirrors("train-images"),
                labels: mirrors("train-labels")
            ),
            test: RetrainingPlan.Source(
                features: mirrors("test-images"),
                labels: mirrors("test-labels")
            )
        )
    }

    @discardableResult
    func run(
        _ plan: RetrainingPlan,
        _ trigger: RetrainingTrigger = .manual,
        acceptingData acceptsData: Bool = false
    ) async throws -> RetrainingOutcome {
        try await pipeline(plan).run(trigger, acceptingData: acceptsData)
    }

    /// Publishes weights from elsewhere.
    @discardableResult
    func run(importing file: WeightFile, _ plan: RetrainingPlan) async throws -> RetrainingOutcome {
        try await pipeline(plan).run(importing: file)
    }

    func pipeline(_ plan: RetrainingPlan) throws -> RetrainingPipeline {
        let clock = clock
        let events = events
        let attempts = attempts
        let downloader = try Downloader(
            settings: DownloadSettings(
                caFile: caFile,
                proxy: "",
                limits: DownloadLimits(connectSecondsMax: 5, totalSecondsMax: 30),
                retry: .never
            ),
            logger: quietLogger,
            onAttempt: { attempts.append($0) }
        )
        return RetrainingPipeline(
            plan: plan,
            directory: store,
            downloader: downloader,
            downloadFolder: folder.path("state/downloads"),
            clock: RetrainingClock(
                unixSeconds: { Double(clock.now) },
                monotonicSeconds: { Double(clock.now) }
            ),
            logger: quietLogger,
            tell: { events.append($0) }
        )
    }

    /// The code of the error that a run throws; the result's word when it throws none.
    func code(_ plan: RetrainingPlan, _ trigger: RetrainingTrigger = .manual) async -> String {
        do {
            return try await run(plan, trigger).result.rawValue
        } catch let error as RetrainingError {
            return error.code
        } catch let error as StoreError {
            return error.code
        } catch {
            return "\(error)"
        }
    }

    func journal() throws -> [String] {
        try store.history().map { "\($0.event.rawValue) \($0.version) \($0.actor)" }
    }

    /// The stages that were told so far.
    var stages: [RetrainingStage] {
        events.all.compactMap { if case .stage(let stage) = $0 { stage } else { nil } }
    }
}

/// The SHA-256 of bytes in hexadecimal.
func digest(_ bytes: [UInt8]) throws -> String { try SHA256Digest.of(bytes).hex }

extension Workshop {
    /// The rows of a plan, fetched as a replay does it.
    func rows(_ plan: RetrainingPlan, _ part: LabelledRows.Part) async throws -> LabelledRows {
        try await LabelledRows.load(
            plan,
            part: part,
            downloader: Downloader(
                settings: DownloadSettings(proxy: "", retry: .never),
                logger: quietLogger
            ),
            folder: folder.path("state/downloads"),
            unixSeconds: Double(clock.now)
        )
    }
}

/// Outcomes as the child tells them.
enum Outcome {
    static func make(_ result: String, version: Int = 1) throws -> RetrainingOutcome {
        let text = """
            {"model": "lines", "version": \(version), "published": \(result == "published"),
             "result": "\(result)", "reason": "because \\"it\\"\\n",
             "rows": {"train": 90, "holdout": 30},
             "training": {"seconds": 1.5, "epochs": 5, "loss": 0.25},
             "evaluation": {"rows": 30, "loss": 0.5, "accuracy": 0.9},
             "champion": {"rows": 30, "loss": 0.5, "accuracy": 0.8},
             "stages": {"train": 1.5}, "warnings": ["train: labels"]}
            """
        return try StoreJSON.decode(RetrainingOutcome.self, from: Array(text.utf8), path: "")
    }
}
