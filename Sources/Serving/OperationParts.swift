internal import Features
internal import HTTPTransport

/// What many operations of the OpenAPI description have in common.
enum OperationParts {
    /// Name, group and sentence of an operation.
    static func head(_ endpoint: Endpoint, _ path: String) -> JSONTree {
        let words = path.split { !$0.isLetter && !$0.isNumber }.joined(separator: "_")
        // `/v2` and `/v2/` are two paths.
        let ending = path.count > 1 && path.hasSuffix("/") ? "_" : ""
        return [
            "operationId": "\(endpoint.method.label.lowercased())_\(words)\(ending)",
            "summary": .string(endpoint.summary),
            "tags": [.string(tag(endpoint))],
        ]
    }

    private static func tag(_ endpoint: Endpoint) -> String {
        if endpoint.scope == nil { return "health" }
        if endpoint.scope == .operate { return "operations" }
        if endpoint.pattern.hasPrefix("/v1") { return "KServe V1, TensorFlow Serving" }
        if endpoint.pattern.hasPrefix("/v2") { return "Open Inference Protocol" }
        return "predictions"
    }

    /// A parameter in the path.
    static func path(_ name: String, among words: [String]?) -> JSONTree {
        var schema: JSONTree = ["type": "string"]
        if let words { schema = ["enum": .array(words.map { .string($0) })] }
        return ["name": .string(name), "in": "path", "required": true, "schema": schema]
    }

    /// A parameter of the query.
    static func query(_ name: String, among words: [String], isNeeded: Bool) -> JSONTree {
        [
            "name": .string(name), "in": "query", "required": .boolean(isNeeded),
            "schema": ["enum": .array(words.map { .string($0) })],
        ]
    }

    /// A body of JSON that must be there.
    static func body(_ schema: JSONTree, example: JSONTree, more: JSONTree = [:]) -> JSONTree {
        let json: JSONTree = ["application/json": ["schema": schema, "example": example]]
        return ["required": true, "content": json.with(more)]
    }

    /// The parameters that a prediction may carry; words of other servers that mean nothing here
    /// are passed over.
    static let parameters: JSONTree = [
        "type": "object",
        "properties": [
            "timeout": [
                "type": "integer", "minimum": 0, "maximum": 9_007_199_254_740_991,
                "description": "How long the client waits, in microseconds.",
            ],
            "explain": [
                "enum": .array(ExplanationMethod.allCases.map { .string($0.rawValue) }),
                "description": """
                Adds attributions; explain_class names another class than the predicted one.
                """,
            ],
            "priority": true, "sequence_id": true, "sequence_start": true, "sequence_end": true,
        ],
        "additionalProperties": false,
    ]

    static let components: JSONTree = [
        "schemas": [
            "Error": [
                "type": "object",
                "properties": [
                    "error": [
                        "type": "string",
                        "description": "What is wrong, where, and what would be right.",
                    ],
                    "code": ["type": "string", "description": "A stable word for programs."],
                    "request_id": ["type": "string"],
                ],
                "required": ["error", "code", "request_id"],
            ],
            "Parameters": parameters,
        ]
    ]

    /// What came true for one row or several.
    static func feedbackBody(itemsMax: Int) -> JSONTree {
        let item: JSONTree = [
            "type": "object",
            "properties": [
                "request_id": ["type": "string", "pattern": "^[A-Za-z0-9._~:-]{1,64}$"],
                "label": ["type": ["string", "number"]],
                "row": ["type": "integer", "minimum": 0, "maximum": 2_147_483_647],
                "model": ["type": "string"],
            ],
            "required": ["request_id", "label"],
            "additionalProperties": false,
        ]
        let several: JSONTree = [
            "type": "object",
            "properties": [
                "feedback": [
                    "type": "array", "minItems": 1, "maxItems": .integer(itemsMax), "items": item,
                ]
            ],
            "required": ["feedback"],
            "additionalProperties": false,
        ]
        return body(["oneOf": [item, several]], example: ["request_id": "order-7", "label": 1])
    }

    // MARK: Responses

    /// The responses of an operation that does not predict.
    static func responses(_ action: Endpoint.Action) -> JSONTree {
        switch action {
        case .alive: return [("200", answer(["status": ["const": "alive"]]))].responses
        case .live: return [("200", answer(["live": ["const": true]]))].responses
        case .ready:
            let notReady = answer(["ready": ["const": false], "reason": ["type": "string"]])
            return [("200", answer(["ready": ["const": true]])), ("503", notReady)].responses
        case .metrics:
            let text: JSONTree = ["schema": ["type": "string"]]
            let content: JSONTree = ["text/plain; version=0.0.4; charset=utf-8": text]
            return [("200", ["description": "The metrics.", "content": content])].responses
        case .server:
            let members: JSONTree = [
                "name": ["type": "string"], "version": ["type": "string"],
                "extensions": ["type": "array", "items": ["type": "string"]],
            ]
            return [("200", answer(members))].responses
        case .models:
            let names: JSONTree = ["type": "array", "items": ["type": "string"]]
            return [("200", answer(["models": names]))].responses
        case .repositoryIndex:
            let entry: JSONTree = [
                "type": "object",
                "properties": [
                    "name": ["type": "string"], "version": ["type": "string"],
                    "state": ["enum": ["READY", "UNAVAILABLE"]], "reason": ["type": "string"],
                ],
                "required": ["name", "state", "reason"],
            ]
            return [("200", content(["type": "array", "items": entry]))].responses
        case .retrain: return [("202", content(["type": "object"]))].responses
        default: return [("200", content(["type": "object"]))].responses
        }
    }

    /// An answer that is an object of these members, all of them there.
    static func answer(_ members: JSONTree) -> JSONTree {
        guard case .object(let pairs) = members else { return content(members) }
        return content([
            "type": "object", "properties": members,
            "required": .array(pairs.map { .string($0.0) }),
        ])
    }

    /// An answer of this schema.
    static func content(_ schema: JSONTree, more: JSONTree = [:]) -> JSONTree {
        let json: JSONTree = ["application/json": ["schema": schema]]
        return ["description": "The answer.", "content": json.with(more)]
    }
}

extension [(String, JSONTree)] {
    /// These responses, and that of every error.
    var responses: JSONTree {
        let error: JSONTree = ["schema": ["$ref": "#/components/schemas/Error"]]
        let refused: JSONTree = [
            "description": "The request is refused, or cannot be answered now.",
            "content": ["application/json": error],
        ]
        return .object(self + [("default", refused)])
    }
}
