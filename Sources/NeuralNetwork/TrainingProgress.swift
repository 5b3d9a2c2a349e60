/// Where training stands after one step.
package struct TrainingProgress: Sendable, Equatable {
    /// The epoch under way, from 1.
    package let epoch: Int
    /// How many epochs there will be at most.
    package let epochs: Int
    /// The step of this epoch that has just been taken, from 1.
    package let step: Int
    /// How many steps an epoch has; equal to ``step`` when the epoch is over.
    package let steps: Int
    /// Rows seen so far, over all epochs.
    package let rowsDone: Int
    /// Rows that will be seen at the most, over all epochs.
    package let rowsMax: Int
    /// The mean loss of this epoch so far, each row by the weights of its step.
    package let loss: Double
    /// The share of this epoch's rows that were right; nil for regression.
    package let accuracy: Double?
    /// The least validation loss of the epochs so far; nil without a validation.
    package let validationLoss: Double?
}

/// What the observer of a training run wants next.
package enum TrainingDecision: Sendable {
    /// Go on.
    case `continue`
    /// End now and keep the weights as they are.
    case stop
}

/// How a training run ended.
package struct TrainingReport: Sendable, Equatable, Codable {
    /// Why it ended.
    package enum Reason: String, Sendable, Codable {
        /// All epochs were run.
        case completed
        /// The loss of an epoch was below the set threshold.
        case lossBelow = "loss_below"
        /// The validation loss had not fallen for as many epochs as the patience allows.
        case validationLoss = "validation_loss"
        /// The observer asked for it.
        case stopped
    }

    /// Epochs run to their end.
    package let epochs: Int
    /// Steps taken, over all epochs.
    package let steps: Int
    /// The mean loss of the last epoch, as far as it came.
    package let loss: Double
    /// The share of the last epoch's rows that were right; nil for regression.
    package let accuracy: Double?
    /// Why it ended.
    package let reason: Reason
    /// The epoch with the least validation loss; nil without a validation.
    package let bestEpoch: Int?
    /// That loss.
    package let validationLoss: Double?
}
