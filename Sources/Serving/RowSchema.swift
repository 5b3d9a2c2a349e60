internal import Features

/// What a valid row of a model is, as JSON Schema (2020-12) says it: one form for each way in
/// which the dialects write rows.
struct RowSchema {
    let schema: FeatureSchema

    /// The greatest binary64 whose shortest text is read as a finite binary32.
    private static let numberMax = 3.4028235677973366e38

    // MARK: Values

    /// A pixel.
    private var pixel: JSONTree {
        guard schema.strict, let range = schema.image?.range else { return Self.number(nil) }
        return Self.number(range)
    }

    private static func number(_ range: ValueRange?) -> JSONTree {
        [
            "type": "number",
            "minimum": .number(range.map { Double($0.lower) } ?? -numberMax),
            "maximum": .number(range.map { Double($0.upper) } ?? numberMax),
        ]
    }

    /// Whether a column must have a value in every row.
    private func isRequired(_ column: FeatureColumn) -> Bool {
        schema.strict || column.missing == .refuse
    }

    /// A value of a column.
    private func value(_ column: FeatureColumn) -> JSONTree {
        var value: JSONTree
        if column.type == .numeric {
            value = Self.number(schema.strict ? column.range : nil)
        } else if schema.strict {
            value = ["enum": .array((column.categories ?? []).map { .string($0) })]
        } else {
            // A number or a boolean is taken for the text that stands there.
            value = ["type": ["string", "number", "boolean"], "examples": known(column)]
            // An empty text means that there is none.
            if isRequired(column) { value = value.with(["minLength": 1]) }
        }
        if !isRequired(column) { value = ["anyOf": [value, ["type": "null"]]] }
        return value
    }

    private func known(_ column: FeatureColumn) -> JSONTree {
        .array((column.categories ?? []).prefix(8).map { .string($0) })
    }

    /// An array of just so many elements.
    static func list(_ count: Int, of element: JSONTree) -> JSONTree {
        [
            "type": "array", "items": element, "minItems": .integer(count),
            "maxItems": .integer(count),
        ]
    }

    /// An array of at least one element.
    static func rows(of element: JSONTree) -> JSONTree {
        ["type": "array", "items": element, "minItems": 1]
    }

    /// An object of one member.
    static func member(_ name: String, _ value: JSONTree) -> JSONTree {
        [
            "type": "object", "properties": .object([(name, value)]), "required": [.string(name)],
            "additionalProperties": false,
        ]
    }

    // MARK: Rows

    /// The ways to write one row that stands for itself.
    var row: JSONTree { ["anyOf": .array(forms)] }

    /// Flat and nested pixels; columns by name and in order.
    private var forms: [JSONTree] {
        guard let table = schema.table else { return [flat, nested] }
        let columns = table.columns
        return [
            [
                "type": "object",
                "properties": .object(columns.map { ($0.name, value($0)) }),
                "required": .array(columns.filter(isRequired).map { .string($0.name) }),
                "additionalProperties": false,
            ],
            Self.tuple(columns.map(value)),
        ]
    }

    /// An array whose elements each have a schema of their own.
    private static func tuple(_ elements: [JSONTree]) -> JSONTree {
        [
            "type": "array", "prefixItems": .array(elements), "items": false,
            "minItems": .integer(elements.count),
        ]
    }

    private var flat: JSONTree { Self.list(schema.rawWidth, of: pixel) }

    private var nested: JSONTree {
        (schema.image?.shape ?? []).reversed().reduce(pixel) { Self.list($1, of: $0) }
    }

    /// The value of `image` or `features` in a body of `/predict`: one row, or several of one form.
    var predictInput: JSONTree { ["anyOf": .array(forms + forms.map(Self.rows))] }

    /// An element of `instances`.
    var instance: JSONTree {
        guard schema.table == nil else { return row }
        return ["anyOf": [flat, nested, Self.member("image", row)]]
    }

    /// The value of `inputs`: rows, or one array a column; of these all must be of one length.
    var columns: JSONTree {
        guard let table = schema.table else {
            let rows = Self.rows(of: row)
            return ["anyOf": [rows, Self.member("image", rows)]]
        }
        return [
            "type": "object",
            "description": "Any number of rows, the same in every column.",
            "properties": .object(
                table.columns.map { ($0.name, Self.list(1, of: value($0))) }
            ),
            "required": .array(table.columns.filter(isRequired).map { .string($0.name) }),
            "minProperties": 1,
            "additionalProperties": false,
        ]
    }

    // MARK: Tensors

    /// `inputs` of an inference request: one form for each of some types, of one or two rows.
    var tensors: JSONTree {
        guard let table = schema.table else {
            let forms = Self.types.flatMap { type in
                [1, 2].map { Self.list(1, of: image(type, rows: $0)) }
            }
            return ["anyOf": .array(forms)]
        }
        return [
            "anyOf": .array(
                [1, 2].map { count in
                    Self.tuple(table.columns.map { columnTensor($0, rows: count) })
                }
            )
        ]
    }

    /// Types of numbers and their least and greatest values: those whose limits binary32 holds.
    private static let types: [(name: String, kind: String, least: Double, greatest: Double)] = [
        ("UINT8", "integer", 0, 255), ("INT8", "integer", -128, 127),
        ("UINT16", "integer", 0, 65_535), ("INT16", "integer", -32_768, 32_767),
        ("FP32", "number", -numberMax, numberMax), ("FP64", "number", -numberMax, numberMax),
    ]

    private func image(
        _ type: (name: String, kind: String, least: Double, greatest: Double),
        rows: Int
    ) -> JSONTree {
        let range = schema.strict ? schema.image?.range : nil
        let element: JSONTree = [
            "type": .string(type.kind),
            "minimum": .number(max(type.least, range.map { Double($0.lower) } ?? type.least)),
            "maximum": .number(min(type.greatest, range.map { Double($0.upper) } ?? type.greatest)),
        ]
        let width = schema.rawWidth
        let nested = Self.list(rows, of: Self.list(width, of: element))
        return Self.tensor(
            "image",
            type.name,
            [.integer(rows), .integer(width)],
            ["anyOf": [Self.list(rows * width, of: element), nested]]
        )
    }

    private func columnTensor(_ column: FeatureColumn, rows: Int) -> JSONTree {
        let isText = column.type == .categorical
        var element = value(column)
        if isText, !schema.strict {
            element = ["type": ["string", "null"], "examples": known(column)]
            if isRequired(column) { element = ["type": "string", "minLength": 1] }
        }
        return Self.tensor(
            column.name,
            isText ? "BYTES" : "FP32",
            [.integer(rows)],
            Self.list(rows, of: element)
        )
    }

    private static func tensor(
        _ name: String,
        _ datatype: String,
        _ shape: [JSONTree],
        _ data: JSONTree
    ) -> JSONTree {
        [
            "type": "object",
            "properties": [
                "name": ["const": .string(name)],
                "datatype": ["const": .string(datatype)],
                "shape": ["const": .array(shape)],
                "data": data,
                "parameters": ["type": "object", "maxProperties": 0],
            ],
            "required": ["name", "shape", "datatype", "data"],
        ]
    }
}
