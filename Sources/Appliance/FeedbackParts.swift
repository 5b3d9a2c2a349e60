internal import Drift
internal import Logging
internal import ModelStore
internal import Serving

extension ApplianceParts {
    /// Keeps the labelled rows of the models whose capture is switched on; nil without such.
    func capture() throws -> CaptureService? {
        let metrics = try CaptureMetrics(registry, models: settings.models.map(\.name))
        let models = settings.models.filter(\.capture.enabled)
        if models.isEmpty { return nil }
        let folders = models.map { model in
            let folder = CaptureFolder(
                state: settings.state,
                model: model.name,
                bytesMax: model.capture.bytesMax,
                secondsMax: Double(model.capture.days) * 86_400
            )
            return (model.name, folder)
        }
        return CaptureService(
            Dictionary(uniqueKeysWithValues: folders),
            metrics: metrics,
            logger: logging.logger("capture"),
            clock: { Double(ProcessEnvironment.now()) }
        )
    }
}

extension ApplianceParts {
    /// What takes labels, keeps their rows, and tells of a loss that has risen.
    func feedback(_ watching: DriftParts) throws -> (
        service: FeedbackService, capture: CaptureService?
    ) {
        let capture = try capture()
        var keep: (@Sendable ([CapturedRow]) async -> Void)?
        if let capture { keep = { rows in await capture.take(rows) } }
        let models = settings.models.filter(\.feedback.enabled)
        let risk = models.filter(\.drift.enabled).map { ($0.name, $0.drift.risk) }
        let logger = logging.logger("drift")
        let drift = watching.service
        let service = FeedbackService(
            models: models.map(\.name),
            metrics: try FeedbackMetrics(registry),
            capture: keep,
            risk: Dictionary(uniqueKeysWithValues: risk),
            onHarm: { model, report in
                logger.error("error above its limit", metadata: report.metadata(model: model))
                await drift.harmed(model, version: report.version)
            }
        )
        return (service, capture)
    }
}

extension DriftChoices {
    /// What is asked of labelled rows: they have their share of the false alarms that are allowed.
    var risk: RiskSettings {
        RiskSettings(
            tolerance: errorTolerance,
            falseAlarmInterval: Double(falseAlarmInterval) / AlarmBudget.labelled
        )
    }
}
