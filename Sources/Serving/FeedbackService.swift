package import Features
internal import ModelStore

/// Joins labels with the rows that were predicted, and tells how well the live versions do.
package actor FeedbackService {
    private let metrics: FeedbackMetrics
    private let capture: (@Sendable ([CapturedRow]) async -> Void)?
    private let releases: ReleaseService?
    private var loops: ServingLoops?
    private var windows: [Version: FeedbackWindow] = [:]

    private struct Version: Hashable {
        let model: String
        let version: Int
    }

    /// Versions of a model whose windows are kept.
    private static let versionsMax = 2

    /// Prepares; labels find nothing before ``attach(_:)``.
    ///
    /// - Parameters:
    ///   - models: The models' names.
    ///   - metrics: What Prometheus learns.
    ///   - releases: Is told of labelled rows, by which it judges candidates.
    ///   - capture: Is given the rows that are to be kept; nil where nothing is.
    package init(
        models: [String],
        metrics: FeedbackMetrics,
        releases: ReleaseService? = nil,
        capture: (@Sendable ([CapturedRow]) async -> Void)? = nil
    ) {
        self.metrics = metrics
        self.releases = releases
        self.capture = capture
        for model in models { metrics.prepare(model: model) }
    }

    /// Names the loops that remember rows.
    package func attach(_ loops: ServingLoops) { self.loops = loops }

    /// Joins labels with their rows.
    ///
    /// - Returns: What became of each, in the order of the items.
    func take(_ items: [FeedbackItem]) async -> [FeedbackOutcome] {
        let outcomes = (try? await loops?.join(items)) ?? items.map { _ in .unknown }
        var changed: Set<Version> = []
        for outcome in outcomes {
            metrics.count(outcome)
            guard case .joined(let row) = outcome else { continue }
            let version = Version(model: row.model, version: row.prediction.version)
            windows[version, default: FeedbackWindow()].add(row)
            changed.insert(version)
        }
        for version in changed {
            if let window = windows[version] {
                metrics.update(version.model, version.version, window)
            }
        }
        for model in Set(changed.map(\.model)) { forgetOld(model) }
        if let releases {
            await releases.labelled(
                outcomes.compactMap { if case .joined(let row) = $0 { row } else { nil } }
            )
        }
        await keep(outcomes)
        return outcomes
    }

    private func forgetOld(_ model: String) {
        let versions = windows.keys.filter { $0.model == model }.sorted { $0.version > $1.version }
        for old in versions.dropFirst(Self.versionsMax) {
            windows[old] = nil
            metrics.forget(old.model, old.version)
        }
    }

    private func keep(_ outcomes: [FeedbackOutcome]) async {
        guard let capture else { return }
        let rows = outcomes.compactMap { outcome -> CapturedRow? in
            guard case .joined(let row) = outcome, !row.prediction.raw.isEmpty else { return nil }
            return CapturedRow(
                model: row.model,
                version: row.prediction.version,
                schema: row.schema,
                labels: row.labels,
                raw: row.prediction.raw,
                truth: row.truth.number
            )
        }
        if !rows.isEmpty { await capture(rows) }
    }
}

/// A row with its label, for the next retraining.
package struct CapturedRow: Sendable, Equatable {
    /// The model.
    package let model: String
    /// The version that answered.
    package let version: Int
    /// What a row of that version is.
    package let schema: FeatureSchema
    /// The version's labels.
    package let labels: [String]
    /// The raw row, as the schema defines it.
    package let raw: [Float]
    /// The class's index, or the value.
    package let truth: Double
}

extension LabelledRow.Truth {
    /// The class's index, or the value.
    var number: Double {
        switch self {
        case .class(let index): Double(index)
        case .value(let value): value
        }
    }
}
