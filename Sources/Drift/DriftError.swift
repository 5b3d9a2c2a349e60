/// Why a profile, a setting, a row or a saved state was refused.
package enum DriftError: Error, Equatable, CustomStringConvertible, Sendable {
    /// A setting is out of its range.
    case setting(name: String, problem: String)
    /// A reference profile contradicts itself.
    case profile(stream: String, problem: String)
    /// A batch of rows has not the width that the schema and the network announced.
    case rowWidth(part: String, expected: Int, found: Int)
    /// A profile cannot be made from so few rows.
    case tooFewRows(part: String, rows: Int, rowsMin: Int)
    /// Training rows came after the first hold-out row, when the bins were fixed already.
    case trainingAfterHoldout
    /// Two sets of counts are of different profiles.
    case foreignCounts
    /// A saved state is of another profile or of other settings, or is damaged.
    case state(problem: String)

    /// A stable word for metric labels and JSON.
    package var code: String {
        switch self {
        case .setting: "drift_setting"
        case .profile: "drift_profile"
        case .rowWidth: "drift_row_width"
        case .tooFewRows: "drift_too_few_rows"
        case .trainingAfterHoldout: "drift_training_after_holdout"
        case .foreignCounts: "drift_foreign_counts"
        case .state: "drift_state"
        }
    }

    /// What failed, why, and what to do about it.
    package var description: String {
        switch self {
        case .setting(let name, let problem):
            "drift setting \(name): \(problem): correct the configuration"
        case .profile(let stream, let problem):
            "drift reference, stream \(stream): \(problem): retrain to make a new reference"
        case .rowWidth(let part, let expected, let found):
            "drift reference: \(part) has \(found) values where \(expected) belong: "
                + "give the rows of the same schema and network"
        case .tooFewRows(let part, let rows, let rowsMin):
            "drift reference: \(rows) \(part) rows, at least \(rowsMin) are needed: give more data"
        case .trainingAfterHoldout:
            "drift reference: a training row came after a hold-out row: "
                + "feed all training rows first, since they fix the bins"
        case .foreignCounts:
            "drift counts: the bins are of another profile: count with the profile's own binner"
        case .state(let problem):
            "saved drift state: \(problem): start with a new state"
        }
    }
}
