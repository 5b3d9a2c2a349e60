internal import Synchronization
package import Telemetry

/// What serving needs to know of the configuration; shared by all loops of a listener.
package final class ServingSettings: Sendable {
    /// The models' names in the order of the configuration.
    package let models: [String]
    /// The model that answers when a request names none.
    package let defaultModel: String?
    /// The models whose inputs are watched for drift.
    package let watchedModels: Set<String>
    /// Largest request body, in bytes.
    package let bodyBytesMax: Int
    /// Most rows in one request.
    package let rowsMax: Int
    /// The version of this software, as clients are told.
    package let serverVersion: String
    /// Whether clients are told how long the parts of a prediction took.
    package let serverTiming: Bool
    /// Whether requests must show a key, as clients are told.
    package let needsKey: Bool
    /// Bytes that the rows which wait for labels may take, by model; none where labels find nothing.
    package let feedbackBytes: [String: Int]
    /// The models whose raw rows are remembered, too, to be kept with their labels.
    package let capturedModels: Set<String>
    /// Which requests the drift monitors look at, by model; all of those that are not named.
    package let sampling: [String: RowSampling]
    /// The time, by which rows are compared with their hours of the week.
    package let wallClock: @Sendable () -> WallTime
    private let draining = Atomic(false)

    /// Takes note of the configuration.
    package init(
        models: [String],
        defaultModel: String?,
        watchedModels: Set<String>,
        bodyBytesMax: Int,
        rowsMax: Int,
        serverVersion: String = "0",
        serverTiming: Bool = false,
        needsKey: Bool = false,
        feedbackBytes: [String: Int] = [:],
        capturedModels: Set<String> = [],
        sampling: [String: RowSampling] = [:],
        wallClock: @escaping @Sendable () -> WallTime = WallTime.now
    ) {
        self.models = models
        self.defaultModel = defaultModel
        self.watchedModels = watchedModels
        self.bodyBytesMax = bodyBytesMax
        self.rowsMax = rowsMax
        self.serverVersion = serverVersion
        self.serverTiming = serverTiming
        self.needsKey = needsKey
        self.feedbackBytes = feedbackBytes
        self.capturedModels = capturedModels
        self.sampling = sampling
        self.wallClock = wallClock
    }

    /// Whether the appliance is shutting down.
    package var isDraining: Bool { draining.load(ordering: .relaxed) }

    /// Makes `/readyz` say so.
    package func beginDraining() { draining.store(true, ordering: .relaxed) }
}
