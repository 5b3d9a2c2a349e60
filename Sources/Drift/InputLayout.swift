package import Features

/// What the monitor must know of a raw row; the rest of the schema is no concern of it.
package enum InputLayout: Sendable, Equatable {
    /// Pixels in the data's own unit.
    case frame(FrameGeometry)
    /// Columns; a raw row has one value for each.
    case columns([Column])

    /// A column: its name and, when it is categorical, its categories.
    package struct Column: Sendable, Equatable {
        /// The name, as the schema has it.
        package let name: String
        /// The categories in the order of their indices; nil for a numeric column.
        package let categories: [String]?

        /// Names a column.
        package init(name: String, categories: [String]? = nil) {
            self.name = name
            self.categories = categories
        }
    }

    /// Takes what the monitor needs from a schema.
    ///
    /// - Throws: ``DriftError/setting(name:problem:)`` when an image's shape is none.
    package init(schema: FeatureSchema) throws(DriftError) {
        switch schema.layout {
        case .image(let image):
            self = .frame(try FrameGeometry(shape: image.shape, white: image.range.upper))
        case .table(let table):
            self = .columns(
                table.columns.map { column in
                    Column(
                        name: column.name,
                        categories: column.type == .categorical ? column.categories ?? [] : nil
                    )
                }
            )
        }
    }

    /// The number of raw values of a row.
    package var rawWidth: Int {
        switch self {
        case .frame(let geometry): geometry.pixels
        case .columns(let columns): columns.count
        }
    }
}
