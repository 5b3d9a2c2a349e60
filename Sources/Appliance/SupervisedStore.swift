internal import ModelStore
internal import Retraining

extension RetrainSettings {
    /// Which versions stay on the disk.
    var retention: Retention { Retention(keep: keep, days: run.keepDays) }

    /// What may start a run, and how often.
    var allowance: RetrainingAllowance {
        RetrainingAllowance(
            onDrift: onDrift,
            onFeedback: run.onFeedback,
            cooldownSeconds: driftCooldownSeconds,
            runsPerDayMax: run.runsPerDayMax
        )
    }
}

extension Settings {
    /// What ends the trainer of a model.
    func childLimits(of model: String) -> RetrainingChild.Limits {
        let choices = models.first { $0.name == model }?.retrain
        return RetrainingChild.Limits(
            secondsMax: choices?.secondsMax ?? 21_600,
            stalledSecondsMax: choices?.run.stalledSecondsMax ?? 600,
            memoryBytesMax: choices?.run.memoryBytesMax ?? 0
        )
    }
}

extension SupervisedModel.Store {
    /// A model's folder, as the supervisor asks it.
    init(_ directory: ModelDirectory?) {
        self.init(
            isEmpty: { (try? directory?.versions())?.isEmpty ?? true },
            pinned: { directory?.pinnedVersion() },
            readLedger: {
                guard let bytes = directory?.readRetrainState() else { return nil }
                return try? StoreJSON.decode(RetrainingLedger.self, from: bytes, path: "")
            },
            writeLedger: { try directory?.writeRetrainState(StoreJSON.encode($0)) }
        )
    }
}
