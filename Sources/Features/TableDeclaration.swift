/// What a model is to predict.
package enum TargetTask: String, Codable, Sendable {
    /// One of several classes.
    case classification
    /// One of two classes.
    case binary
    /// A number.
    case regression
}

/// What is said of a column beforehand; the rest is taken from the training rows.
package struct ColumnDeclaration: Sendable, Equatable {
    /// The column's name in the file.
    package var name: String
    /// Its type; numeric if every value is a number, when not said.
    package var type: ColumnType?
    /// Its categories; the most frequent ones, when not said.
    package var categories: [String]?
    /// How numbers are scaled; standardised, when not said.
    package var scaling: ScalingMethod?
    /// What to do with missing values; ``MissingPolicy/mean``, when not said.
    package var missing: MissingPolicy?
    /// The normal numbers; those between the training rows' least and greatest, when not said.
    package var range: ValueRange?

    /// Declares a column.
    package init(
        name: String,
        type: ColumnType? = nil,
        categories: [String]? = nil,
        scaling: ScalingMethod? = nil,
        missing: MissingPolicy? = nil,
        range: ValueRange? = nil
    ) {
        self.name = name
        self.type = type
        self.categories = categories
        self.scaling = scaling
        self.missing = missing
        self.range = range
    }
}

/// What is said of a table beforehand.
package struct TableDeclaration: Sendable, Equatable {
    /// The columns to use, in this order; all of the file but the target, when not said.
    package var columns: [ColumnDeclaration]?
    /// The name of the column to predict.
    package var target: String
    /// What is predicted.
    package var task: TargetTask
    /// The classes in order; those of the data, sorted, when not said.
    package var labels: [String]?
    /// The texts that mean "no value", beside the empty one.
    package var missingMarkers: [String]
    /// Whether unusual values in requests are refused.
    package var strict: Bool

    /// Declares a table.
    package init(
        target: String,
        task: TargetTask,
        columns: [ColumnDeclaration]? = nil,
        labels: [String]? = nil,
        missingMarkers: [String] = TableLayout.commonMissingMarkers,
        strict: Bool = false
    ) {
        self.columns = columns
        self.target = target
        self.task = task
        self.labels = labels
        self.missingMarkers = missingMarkers
        self.strict = strict
    }
}
