/// Why a network could not be trained or evaluated.
package enum TrainingError: Error, Equatable, Sendable, CustomStringConvertible {
    /// A setting is outside its range.
    case setting(name: String, range: String)
    /// There is nothing to learn from.
    case noRows
    /// There are more rows than an index can name.
    case tooManyRows(Int)
    /// A row has another number of inputs than the network.
    case rowWidth(found: Int, expected: Int)
    /// There are more or fewer targets than rows.
    case targetCount(found: Int, expected: Int)
    /// The kind of targets is not the one that the head learns from.
    case targetsDoNotFitHead(Head)
    /// A row's class is not one of the network's.
    case classOutOfRange(row: Int, found: Int32, classes: Int)
    /// A row's target is not finite, or for yes or no not in 0...1.
    case targetOutOfRange(row: Int)
    /// The loss or a weight became NaN or infinite.
    case diverged(epoch: Int, step: Int)

    /// A stable word for labels and JSON.
    package var code: String {
        switch self {
        case .setting: "training_setting"
        case .noRows: "training_no_rows"
        case .tooManyRows: "training_too_many_rows"
        case .rowWidth: "training_row_width"
        case .targetCount: "training_target_count"
        case .targetsDoNotFitHead: "training_target_kind"
        case .classOutOfRange: "training_class_out_of_range"
        case .targetOutOfRange: "training_target_out_of_range"
        case .diverged: "training_diverged"
        }
    }

    /// What failed, why, and what to do.
    package var description: String {
        switch self {
        case .setting(let name, let range):
            "training: \(name) is out of range: give \(range)"
        case .noRows:
            "training: there are no rows: check the data source"
        case .tooManyRows(let count):
            "training: \(count) rows are more than the limit of \(Int32.max)"
        case .rowWidth(let found, let expected):
            "training: a row has \(found) numbers, but the network takes \(expected)"
        case .targetCount(let found, let expected):
            "training: there are \(found) targets where the rows need \(expected)"
        case .targetsDoNotFitHead(let head):
            "training: the targets are not of the kind that the \(head.rawValue) head learns from"
        case .classOutOfRange(let row, let found, let classes):
            "training: row \(row) has the class \(found): the network has classes 0 to \(classes - 1)"
        case .targetOutOfRange(let row):
            "training: the target of row \(row) is out of range: give finite numbers, "
                + "and 0 to 1 for yes or no"
        case .diverged(let epoch, let step):
            "training: the loss or a weight became NaN or infinite in epoch \(epoch), step \(step): "
                + "check the inputs for NaN, scale them, or lower learning_rate"
        }
    }
}
