internal import Drift
package import Features
package import ModelStore

/// Joins labels with the rows that were predicted, and tells how well the live versions do.
package actor FeedbackService {
    private let metrics: FeedbackMetrics
    private let capture: (@Sendable ([CapturedRow]) async -> Void)?
    private let risk: [String: RiskSettings]
    private let onHarm: Harm
    private var releases: ReleaseService?
    private var loops: ServingLoops?
    private var windows: [Version: FeedbackWindow] = [:]
    private var tests: [Version: RiskTest] = [:]
    private var errorLimits: [Version: Double] = [:]

    /// Called once when labels show that a version's loss is above its limit.
    package typealias Harm = @Sendable (_ model: String, RiskReport) async -> Void

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
    ///   - capture: Is given the rows that are to be kept; nil where nothing is.
    ///   - risk: The models whose loss is tested, and what is asked of it.
    ///   - onHarm: Is told of a loss above its limit.
    package init(
        models: [String],
        metrics: FeedbackMetrics,
        capture: (@Sendable ([CapturedRow]) async -> Void)? = nil,
        risk: [String: RiskSettings] = [:],
        onHarm: @escaping Harm = { _, _ in }
    ) {
        self.metrics = metrics
        self.capture = capture
        (self.risk, self.onHarm) = (risk, onHarm)
        for model in models { metrics.prepare(model: model) }
    }

    /// Has candidates judged by labelled rows.
    package func attach(_ releases: ReleaseService) { self.releases = releases }

    /// Names the loops that remember rows.
    package func attach(_ loops: ServingLoops) { self.loops = loops }

    /// Has the loss of a version's labelled rows tested against that of its hold-out.
    package func watch(_ model: ActiveModel) {
        let version = Version(model: model.name, version: model.version)
        guard let asked = risk[model.name], tests[version] == nil,
            let holdout = model.bundle.holdoutRisk
        else { return }
        let bound = holdout.upperBound(failure: RiskSettings.holdoutFailure)
        let test = RiskTest(
            limit: bound + asked.tolerance,
            falseAlarmInterval: asked.falseAlarmInterval
        )
        tests[version] = test
        errorLimits[version] = model.bundle.reference.performance?.errorLimit
        metrics.update(model.name, RiskReport(model.version, test))
    }

    /// What labels say of a version's loss; nil when it is not tested.
    package func report(model: String, version: Int) -> RiskReport? {
        tests[Version(model: model, version: version)].map { RiskReport(version, $0) }
    }

    /// Ends a version's alarm and takes the evidence away.
    package func acknowledge(model: String, version: Int) {
        let key = Version(model: model, version: version)
        tests[key]?.acknowledge()
        if let test = tests[key] { metrics.update(model, RiskReport(version, test)) }
    }

    /// Joins labels with their rows.
    ///
    /// - Returns: What became of each, in the order of the items.
    func take(_ items: [FeedbackItem]) async -> [FeedbackOutcome] {
        let outcomes = (try? await loops?.join(items)) ?? items.map { _ in .unknown }
        var changed: Set<Version> = []
        var harmed: [Version] = []
        for outcome in outcomes {
            metrics.count(outcome)
            guard case .joined(let row) = outcome else { continue }
            let version = Version(model: row.model, version: row.prediction.version)
            windows[version, default: FeedbackWindow()].add(row)
            changed.insert(version)
            let loss = row.loss(errorLimit: errorLimits[version])
            if let loss, tests[version]?.observe(loss) == true { harmed.append(version) }
        }
        for version in changed {
            if let window = windows[version] {
                metrics.update(version.model, version.version, window)
            }
            if let test = tests[version] {
                metrics.update(version.model, RiskReport(version.version, test))
            }
        }
        for model in Set(changed.map(\.model)) { forgetOld(model) }
        await tell(harmed)
        if let releases {
            await releases.labelled(
                outcomes.compactMap { if case .joined(let row) = $0 { row } else { nil } }
            )
        }
        await keep(outcomes)
        return outcomes
    }

    private func forgetOld(_ model: String) {
        let known = Set(windows.keys).union(tests.keys)
        let versions = known.filter { $0.model == model }.sorted { $0.version > $1.version }
        for old in versions.dropFirst(Self.versionsMax) {
            windows[old] = nil
            tests[old] = nil
            errorLimits[old] = nil
            metrics.forget(old.model, old.version)
        }
    }

    private func tell(_ harmed: [Version]) async {
        for version in harmed {
            guard let test = tests[version] else { continue }
            metrics.harmed(version.model, version.version)
            await onHarm(version.model, RiskReport(version.version, test))
            await releases?.harmed(version.model, version: version.version)
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
