internal import Features
internal import ModelStore

/// The operations of one version in the OpenAPI description, with its schemas and an example.
struct ModelOperations: Sendable {
    let name: String
    private let version: Int
    private let task: ModelTask
    private let labels: [String]
    private let rows: RowSchema
    /// A row of the self-test.
    private let exampleRow: [Float]

    init(_ model: ActiveModel) {
        let manifest = model.bundle.manifest
        name = model.name
        version = model.version
        task = manifest.task
        labels = manifest.labels
        rows = RowSchema(schema: manifest.schema)
        exampleRow = Array(model.bundle.selfTest.rows.prefix(manifest.schema.rawWidth))
    }

    /// One operation of this model.
    func operation(_ endpoint: Endpoint, _ path: String) -> JSONTree {
        var operation = OperationParts.head(endpoint, path)
        var parameters: [JSONTree] = []
        if endpoint.pattern.contains("{version}") {
            parameters.append(OperationParts.path("version", among: [String(version)]))
        }
        if endpoint.pattern.contains("{label}") {
            parameters.append(OperationParts.path("label", among: ServedModel.labels))
        }
        if !parameters.isEmpty { operation = operation.with(["parameters": .array(parameters)]) }
        guard case .predict(let dialect) = endpoint.action else {
            return operation.with(["responses": OperationParts.responses(endpoint.action)])
        }
        return operation.with([
            "requestBody": body(dialect), "responses": [("200", answer(dialect))].responses,
        ])
    }

    // MARK: Requests

    /// The body of a request for a prediction.
    func body(_ dialect: Dialect) -> JSONTree {
        var more: JSONTree = [:]
        if dialect.forms.contains(.text) {
            more = more.with(["text/csv": [:]])
        }
        // Bytes are as long as rows are, which no schema says; of tables they need `?datatype=`.
        if dialect.forms.contains(.octets), dialect != .tensors, rows.schema.table == nil {
            more = more.with(["application/octet-stream": [:]])
        }
        return OperationParts.body(
            schema(dialect, isDefault: true),
            example: example(dialect),
            more: more
        )
    }

    /// What a body of JSON must be.
    ///
    /// - Parameters:
    ///   - dialect: In whose words.
    ///   - isDefault: Whether the body need not name the model.
    /// - Returns: A schema.
    func schema(_ dialect: Dialect, isDefault: Bool) -> JSONTree {
        let parameters: JSONTree = ["$ref": "#/components/schemas/Parameters"]
        switch dialect {
        case .predict:
            var members: JSONTree = [
                inputKey: rows.predictInput, "model": ["const": .string(name)],
                "parameters": parameters,
            ]
            if rows.schema.table == nil {
                members = members.with(["scaled": ["type": "boolean"]])
            }
            let needed: [JSONTree] = [.string(inputKey)] + (isDefault ? [] : ["model"])
            return [
                "type": "object", "properties": members, "required": .array(needed),
                "additionalProperties": false,
            ]
        case .instances, .invocations:
            return [
                "type": "object",
                "properties": [
                    "instances": RowSchema.rows(of: rows.instance), "inputs": rows.columns,
                    "signature_name": ["const": .string(InstancesDecoder.signature)],
                    "parameters": parameters,
                ],
                "oneOf": [["required": ["instances"]], ["required": ["inputs"]]],
            ]
        case .tensors:
            return [
                "type": "object",
                "description": """
                Any number of rows and any shape of the same product is taken. With \
                Inference-Header-Content-Length, binary tensors follow the JSON.
                """,
                "properties": [
                    "id": ["type": "string"], "inputs": rows.tensors,
                    "outputs": outputs,
                ],
                "required": ["inputs"],
            ]
        }
    }

    private var inputKey: String { rows.schema.table == nil ? "image" : "features" }

    private var outputs: JSONTree {
        let names = TensorOutput.all(of: task).map { JSONTree.string($0.name) }
        return [
            "type": "array", "maxItems": 1,
            "items": [
                "type": "object", "properties": ["name": ["enum": .array(names)]],
                "required": ["name"],
            ],
        ]
    }

    /// A body that is right.
    func example(_ dialect: Dialect) -> JSONTree {
        switch dialect {
        case .predict: return .object([(inputKey, exampleValue)])
        case .instances, .invocations: return ["instances": [exampleValue]]
        case .tensors:
            guard let table = rows.schema.table else {
                let tensor: JSONTree = [
                    "name": "image", "shape": [1, .integer(rows.schema.rawWidth)],
                    "datatype": "FP32", "data": .array(exampleRow.map { .number(Double($0)) }),
                ]
                return ["inputs": [tensor]]
            }
            let tensors = zip(table.columns, exampleRow).map { column, raw -> JSONTree in
                [
                    "name": .string(column.name), "shape": [1],
                    "datatype": column.type == .numeric ? "FP32" : "BYTES",
                    "data": [value(column, raw)],
                ]
            }
            return ["inputs": .array(tensors)]
        }
    }

    private var exampleValue: JSONTree {
        guard let table = rows.schema.table else {
            return .array(exampleRow.map { .number(Double($0)) })
        }
        let pairs = zip(table.columns, exampleRow).filter { !$0.1.isNaN }
        return .object(pairs.map { ($0.name, value($0, $1)) })
    }

    private func value(_ column: FeatureColumn, _ raw: Float) -> JSONTree {
        guard column.type == .categorical else { return .number(Double(raw)) }
        let categories = column.categories ?? []
        let index = Int(exactly: raw) ?? 0
        return .string(categories.indices.contains(index) ? categories[index] : "other")
    }

    // MARK: Answers

    private func answer(_ dialect: Dialect) -> JSONTree {
        let probability: JSONTree = ["type": "number", "minimum": 0, "maximum": 1]
        let probabilities = RowSchema.list(labels.count, of: probability)
        let value: JSONTree = ["type": "number"]
        let common: JSONTree = [
            "model": ["type": "string"], "version": ["type": "string"],
            "request_id": ["type": "string"],
        ]
        switch dialect {
        case .predict:
            let row: JSONTree =
                task == .regression
                ? ["value": value]
                : [
                    "class": ["type": "integer"], "label": ["type": "string"],
                    "probabilities": probabilities,
                ]
            let rows: JSONTree = [
                "predictions": ["type": "array", "items": ["type": "object", "properties": row]]
            ]
            return OperationParts.content([
                "type": "object", "properties": row.with(rows).with(common),
                "required": ["model", "version", "request_id"],
            ])
        case .instances, .invocations:
            let rows = RowSchema.rows(of: task == .regression ? value : probabilities)
            let text: JSONTree = ["text/csv; charset=utf-8": ["schema": ["type": "string"]]]
            let more: JSONTree = dialect == .invocations ? text : [:]
            return OperationParts.content(
                [
                    "type": "object",
                    "properties": (["predictions": rows, "outputs": rows] as JSONTree).with(common),
                    "oneOf": [["required": ["predictions"]], ["required": ["outputs"]]],
                ],
                more: more
            )
        case .tensors:
            return OperationParts.content(inference, more: ["application/octet-stream": [:]])
        }
    }

    private var inference: JSONTree {
        let output: JSONTree = [
            "type": "object",
            "properties": [
                "name": ["type": "string"], "datatype": ["enum": ["FP32", "INT64", "BYTES"]],
                "shape": ["type": "array", "items": ["type": "integer"]],
                "data": ["type": "array"], "parameters": ["type": "object"],
            ],
            "required": ["name", "datatype", "shape"],
        ]
        return [
            "type": "object",
            "properties": [
                "model_name": ["const": .string(name)], "model_version": ["type": "string"],
                "id": ["type": "string"], "outputs": ["type": "array", "items": output],
            ],
            "required": ["model_name", "model_version", "outputs"],
        ]
    }
}
