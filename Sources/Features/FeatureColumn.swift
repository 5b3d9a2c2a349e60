/// What kind of values a column has.
package enum ColumnType: String, Codable, Sendable {
    /// Numbers.
    case numeric
    /// Names out of a list.
    case categorical
}

/// What to do where a row has no value in a column.
package enum MissingPolicy: String, Codable, Sendable {
    /// Stand the training mean in for it; an indicator input tells the engine, if it was taught.
    case mean
    /// Encode it as 0.
    case zero
    /// Refuse the row.
    case refuse
}

/// One column of a table, with all that was fitted on the training rows.
package struct FeatureColumn: Codable, Sendable, Equatable {
    /// The name, as in the file's header and in a request's object.
    package let name: String
    /// What kind of values it has.
    package let type: ColumnType
    /// What to do where a value is missing.
    package let missing: MissingPolicy
    /// Whether one more input says "missing"; set when training rows had missing values, because
    /// an input that was always 0 in training has a weight that was never taught.
    package let missingIndicator: Bool
    /// Numeric: how values become inputs; absent for categories.
    package let scaling: Scaling?
    /// Numeric: the raw value that stands for a missing one under ``MissingPolicy/mean``.
    package let fill: Float?
    /// Numeric: the values that count as normal; absent when any does.
    package let range: ValueRange?
    /// Categorical: the known values; one input each, in this order.
    package let categories: [String]?
    /// Categorical: whether one more input takes all other values.
    ///
    /// Set when training rows had such; without it an unseen category gives only zeros.
    package let otherSlot: Bool?

    /// A numeric column.
    package static func numeric(
        _ name: String,
        scaling: Scaling,
        missing: MissingPolicy = .mean,
        missingIndicator: Bool = false,
        fill: Float = 0,
        range: ValueRange? = nil
    ) -> FeatureColumn {
        FeatureColumn(
            name: name,
            type: .numeric,
            missing: missing,
            missingIndicator: missingIndicator,
            scaling: scaling,
            fill: fill,
            range: range,
            categories: nil,
            otherSlot: nil
        )
    }

    /// A categorical column.
    package static func categorical(
        _ name: String,
        categories: [String],
        otherSlot: Bool = true,
        missing: MissingPolicy = .mean,
        missingIndicator: Bool = false
    ) -> FeatureColumn {
        FeatureColumn(
            name: name,
            type: .categorical,
            missing: missing,
            missingIndicator: missingIndicator,
            scaling: nil,
            fill: nil,
            range: nil,
            categories: categories,
            otherSlot: otherSlot
        )
    }

    /// How many engine inputs the column makes.
    package var encodedWidth: Int {
        let values =
            type == .numeric ? 1 : (categories?.count ?? 0) + (otherSlot == true ? 1 : 0)
        return values + (missingIndicator ? 1 : 0)
    }

    /// The raw code of a category that is not in ``categories``.
    package var unseenCode: Float { Float(categories?.count ?? 0) }

    func check() throws(FeatureError) {
        let field = "columns.\(name)"
        guard !name.isEmpty, name.utf8.count <= FeatureSchema.nameBytesMax else {
            let problem = "a name has 1 to \(FeatureSchema.nameBytesMax) bytes"
            throw .invalidSchema(field: "columns", problem: problem)
        }
        guard missing != .refuse || !missingIndicator else {
            let problem = "a column that refuses missing values has no indicator of them"
            throw .invalidSchema(field: field, problem: problem)
        }
        switch type {
        case .numeric: try checkNumeric(field)
        case .categorical: try checkCategorical(field)
        }
    }

    private func checkNumeric(_ field: String) throws(FeatureError) {
        guard let scaling, fill?.isFinite ?? true, categories == nil, otherSlot == nil else {
            let problem = "a numeric column has a scaling, a finite fill and no categories"
            throw .invalidSchema(field: field, problem: problem)
        }
        try scaling.check(field: field)
        try range?.check(field: field)
    }

    private func checkCategorical(_ field: String) throws(FeatureError) {
        guard let categories, scaling == nil, fill == nil, range == nil else {
            let problem = "a categorical column has categories and no scaling, fill or range"
            throw .invalidSchema(field: field, problem: problem)
        }
        guard categories.count <= FeatureSchema.categoriesMax else {
            let problem = "more than \(FeatureSchema.categoriesMax) categories"
            throw .invalidSchema(field: field, problem: problem)
        }
        guard Set(categories).count == categories.count, !categories.contains("") else {
            let problem = "a category is given twice or is empty"
            throw .invalidSchema(field: field, problem: problem)
        }
    }
}
