/// An image as input: every value is a pixel in the unit of the data files.
package struct ImageLayout: Codable, Sendable, Equatable {
    /// The extents, slowest first, such as `[28, 28]`; 1 to 4 of them.
    package let shape: [Int]
    /// How a pixel becomes an engine input.
    package let scaling: Scaling
    /// The values that count as normal, in the data files' unit.
    package let range: ValueRange

    /// An image whose pixels are scaled as said.
    ///
    /// - Parameters:
    ///   - shape: The extents, slowest first.
    ///   - scaling: How a pixel becomes an engine input.
    ///   - range: The normal values; 0 to 255 when not given.
    package init(shape: [Int], scaling: Scaling, range: ValueRange? = nil) {
        self.shape = shape
        self.scaling = scaling
        self.range = range ?? ValueRange(lower: 0, upper: 255)
    }
}

/// What a table's model predicts.
package struct TargetColumn: Codable, Sendable, Equatable {
    /// The column's name in the data files.
    package let name: String
    /// The classes in order of their index; absent for a number (regression).
    package let labels: [String]?

    /// A target; with labels it is a class, without them a number.
    package init(name: String, labels: [String]?) {
        self.name = name
        self.labels = labels
    }
}

/// A table as input: one value per column.
package struct TableLayout: Codable, Sendable, Equatable {
    /// The columns, in the order of an array in a request.
    package let columns: [FeatureColumn]
    /// What is predicted.
    package let target: TargetColumn
    /// The texts that mean "no value"; the empty text always does.
    package let missingMarkers: [String]

    /// The markers that data files commonly use.
    package static let commonMissingMarkers = ["NA", "N/A", "NaN", "nan", "null", "NULL", "?"]

    /// A table.
    package init(
        columns: [FeatureColumn],
        target: TargetColumn,
        missingMarkers: [String] = TableLayout.commonMissingMarkers
    ) {
        self.columns = columns
        self.target = target
        self.missingMarkers = missingMarkers
    }
}

/// What a valid input of one model is, and how it becomes engine inputs.
///
/// A *raw row* is ``rawWidth`` numbers in the data's own unit: a pixel as in the file; a numeric
/// column's value, NaN where it is missing; a categorical column's index among its categories, NaN
/// where it is missing, the number of categories where it is unseen. Requests and data files both
/// become raw rows, drift is watched on raw rows, and ``encode(raw:into:)`` makes the engine's
/// inputs of both: training and serving cannot disagree.
///
/// A schema is checked when it is made or decoded, so whoever holds one may rely on it.
package struct FeatureSchema: Sendable, Equatable {
    /// The two kinds of input.
    package enum Layout: Sendable, Equatable {
        /// Pixels.
        case image(ImageLayout)
        /// Columns.
        case table(TableLayout)
    }

    /// What the input looks like.
    package let layout: Layout
    /// Whether values out of range, unseen categories and missing values are refused; otherwise
    /// they are scored and counted.
    package let strict: Bool
    /// The number of raw values in a row.
    package let rawWidth: Int
    /// The number of engine inputs of a row.
    package let encodedWidth: Int
    /// The columns' encoding in plain numbers; empty for images.
    let plan: [ColumnPlan]

    /// The most raw values, and the most engine inputs, of a row.
    package static let widthMax = 1 << 20
    /// The most columns of a table.
    package static let columnsMax = 4096
    /// The most categories of a declared column.
    package static let categoriesMax = 4096
    /// The most classes of a target.
    package static let classesMax = 1000
    /// The longest column name, in bytes.
    package static let nameBytesMax = 256

    /// Checks a layout and makes the schema.
    ///
    /// - Throws: ``FeatureError/invalidSchema(field:problem:)`` for a layout that contradicts
    ///   itself or exceeds a limit.
    package init(_ layout: Layout, strict: Bool = false) throws(FeatureError) {
        self.layout = layout
        self.strict = strict
        switch layout {
        case .image(let image):
            rawWidth = try Self.checkedWidth(of: image)
            encodedWidth = rawWidth
            plan = []
        case .table(let table):
            try Self.check(table)
            rawWidth = table.columns.count
            encodedWidth = table.columns.reduce(0) { $0 + $1.encodedWidth }
            plan = table.columns.map { ColumnPlan($0, strict: strict) }
            guard (1...Self.widthMax).contains(encodedWidth) else {
                let problem = "\(encodedWidth) engine inputs; there must be 1 to \(Self.widthMax)"
                throw .invalidSchema(field: "columns", problem: problem)
            }
        }
    }

    /// The image layout, or `nil` for a table.
    package var image: ImageLayout? {
        if case .image(let image) = layout { image } else { nil }
    }

    /// The table layout, or `nil` for an image.
    package var table: TableLayout? {
        if case .table(let table) = layout { table } else { nil }
    }

    private static func checkedWidth(of image: ImageLayout) throws(FeatureError) -> Int {
        guard (1...4).contains(image.shape.count) else {
            throw .invalidSchema(field: "shape", problem: "an image has 1 to 4 extents")
        }
        var width = 1
        for extent in image.shape {
            let (product, overflow) = width.multipliedReportingOverflow(by: extent)
            guard extent > 0, !overflow, product <= widthMax else {
                let problem = "extents must be above 0 and their product at most \(widthMax)"
                throw .invalidSchema(field: "shape", problem: problem)
            }
            width = product
        }
        try image.scaling.check(field: "scaling")
        try image.range.check(field: "range")
        return width
    }

    private static func check(_ table: TableLayout) throws(FeatureError) {
        guard (1...columnsMax).contains(table.columns.count) else {
            throw .invalidSchema(field: "columns", problem: "a table has 1 to \(columnsMax)")
        }
        var names: Set<String> = [table.target.name]
        for column in table.columns {
            try column.check()
            guard names.insert(column.name).inserted else {
                let problem = "the name is given twice, or is that of the target"
                throw .invalidSchema(field: "columns.\(column.name)", problem: problem)
            }
        }
        guard let labels = table.target.labels else { return }
        guard (2...classesMax).contains(labels.count), Set(labels).count == labels.count else {
            let problem = "a class target has 2 to \(classesMax) labels, each once"
            throw .invalidSchema(field: "target", problem: problem)
        }
    }
}
