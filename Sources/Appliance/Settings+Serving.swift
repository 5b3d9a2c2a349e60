internal import Serving

/// What serving needs to know of the configuration.
extension Settings {
    /// Puts a listener's limits together.
    ///
    /// - Parameters:
    ///   - listener: The listener.
    ///   - loops: Its event loops, among which memory is shared out.
    /// - Returns: What serving needs to know.
    func servingSettings(_ listener: ListenerSettings, loops: Int) -> ServingSettings {
        ServingSettings(
            models: models.map(\.name),
            defaultModel: defaultModel,
            watchedModels: Set(models.filter(\.drift.enabled).map(\.name)),
            bodyBytesMax: listener.limits.bodyBytesMax,
            rowsMax: listener.limits.rowsMax,
            serverVersion: ApplianceVersion.text,
            serverTiming: serverTiming,
            needsKey: accessFile != nil || listener.tokenFile != nil,
            feedbackBytes: Dictionary(
                uniqueKeysWithValues: models.filter(\.feedback.enabled).map {
                    ($0.name, $0.feedback.memoryBytesMax / loops)
                }
            ),
            capturedModels: Set(models.filter(\.capture.enabled).map(\.name)),
            sampling: Dictionary(
                uniqueKeysWithValues: models.map {
                    let choices = $0.drift
                    let sampling = RowSampling(
                        every: choices.sampleEvery,
                        rowsPerSecond: choices.rowsPerSecond,
                        clientRowsPerSecond: choices.clientRowsPerSecond
                    )
                    return ($0.name, sampling)
                }
            )
        )
    }

    /// The configuration's file for a child process; nil for the built-in quickstart.
    var source: String? { file == SettingsFile.quickstartName ? nil : file }
}
