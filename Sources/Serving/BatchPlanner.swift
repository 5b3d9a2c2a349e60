internal import ModelStore
internal import NIOCore

/// Measures versions before they go live, and so decides where their predictions are computed.
package struct BatchPlanner: Sendable {
    private let settings: [String: BatchSettings]
    private let threads: Int

    /// Takes the settings of the models by their names; the others have the defaults.
    ///
    /// - Parameters:
    ///   - settings: What the configuration says.
    ///   - threads: Of the batcher.
    package init(_ settings: [String: BatchSettings] = [:], threads: Int = 1) {
        self.settings = settings
        self.threads = threads
    }

    /// Measures a version; for a large one that takes some tenths of a second.
    ///
    /// - Parameter model: A version that is not live yet.
    /// - Returns: What serving it comes to.
    func policy(for model: ActiveModel) -> BatchPolicy {
        let settings = settings[model.name] ?? BatchSettings()
        // What is forced into the batcher is measured as what has to be there.
        let inlineNanosecondsMax =
            switch settings.mode {
            case .auto: settings.inlineNanosecondsMax
            case .inline: UInt64.max
            case .queue: UInt64(0)
            }
        return BatchPolicy(
            settings,
            .measured(
                model.bundle.network,
                threads: threads,
                inlineNanosecondsMax: inlineNanosecondsMax,
                clock: { NIODeadline.now().uptimeNanoseconds }
            )
        )
    }
}
