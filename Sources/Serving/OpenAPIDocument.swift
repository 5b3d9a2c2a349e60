internal import HTTPTransport
internal import NIOCore

/// The description of a listener's endpoints by OpenAPI 3.1, made of the table of endpoints.
///
/// Paths of a model are written out for each model, because what a valid body is depends on it.
struct OpenAPIDocument {
    let listener: Listener
    let settings: ServingSettings
    /// The models that answer.
    let models: [ModelOperations]

    /// Writes the document.
    func write(into body: inout ByteBuffer) {
        document.write(into: &body)
        body.writeStaticString("\n")
    }

    private var document: JSONTree {
        [
            "openapi": "3.1.0",
            "info": [
                "title": "Leeway, \(listener.rawValue) listener",
                "version": .string(settings.serverVersion),
                "description": """
                Predictions of multilayer perceptrons in several dialects. Every error is an \
                object with the members error, code and request_id.
                """,
                "license": ["name": "Apache 2.0", "identifier": "Apache-2.0"],
            ],
            "servers": [["url": "/"]],
            "paths": .object(paths),
            "components": components,
        ]
    }

    private var components: JSONTree {
        var components = OperationParts.components
        if settings.needsKey {
            components = components.with([
                "securitySchemes": ["key": ["type": "http", "scheme": "bearer"]]
            ])
        }
        return components
    }

    /// The operations of each path, in the order of the table.
    private var paths: [(String, JSONTree)] {
        var found: [(path: String, methods: [(String, JSONTree)])] = []
        func add(_ path: String, _ endpoint: Endpoint, _ operation: JSONTree) {
            let method = (endpoint.method.label.lowercased(), secured(endpoint, operation))
            if let index = found.firstIndex(where: { $0.path == path }) {
                found[index].methods.append(method)
            } else {
                found.append((path, [method]))
            }
        }
        for endpoint in Endpoint.all where endpoint.listeners.contains(listener) {
            guard listener == .api, endpoint.namesModel else {
                add(endpoint.pattern, endpoint, general(endpoint))
                continue
            }
            for model in models {
                let path = endpoint.path(of: model.name)
                add(path, endpoint, model.operation(endpoint, path))
            }
        }
        return found.map { ($0.path, .object($0.methods)) }
    }

    private func secured(_ endpoint: Endpoint, _ operation: JSONTree) -> JSONTree {
        guard settings.needsKey, endpoint.scope != nil else { return operation }
        return operation.with(["security": [["key": []]]])
    }

    /// An operation that is the same whatever the models are, or that takes any of them.
    private func general(_ endpoint: Endpoint) -> JSONTree {
        var operation = OperationParts.head(endpoint, endpoint.pattern)
        var parameters: [JSONTree] = []
        if endpoint.namesModel {
            parameters.append(OperationParts.path("model", among: settings.models))
        }
        if endpoint.pattern.contains("{version}") {
            parameters.append(OperationParts.path("version", among: nil))
        }
        parameters += queries(endpoint.action)
        if !parameters.isEmpty {
            operation = operation.with(["parameters": .array(parameters)])
        }
        if let body = body(endpoint.action) { operation = operation.with(["requestBody": body]) }
        return operation.with(["responses": OperationParts.responses(endpoint.action)])
    }

    private func queries(_ action: Endpoint.Action) -> [JSONTree] {
        switch action {
        case .predict, .retrain, .rollback, .unpin, .acknowledge:
            let isNeeded = settings.defaultModel == nil
            return [OperationParts.query("model", among: settings.models, isNeeded: isNeeded)]
        case .promote, .pin:
            let version: JSONTree = ["type": "integer", "minimum": 1]
            return [
                OperationParts.query("model", among: settings.models, isNeeded: false),
                [
                    "name": "version", "in": "query", "required": .boolean(action == .promote),
                    "schema": version,
                ],
            ]
        default: return []
        }
    }

    private func body(_ action: Endpoint.Action) -> JSONTree? {
        switch action {
        case .predict(let dialect):
            guard let first = models.first else { return nil }
            // A body says by its own form for which model it is right.
            guard models.count > 1 else { return first.body(dialect) }
            return OperationParts.body(
                [
                    "anyOf": .array(models.map { $0.schema(dialect, isDefault: isDefault($0)) })
                ],
                example: first.example(dialect)
            )
        case .feedback: return OperationParts.feedbackBody(itemsMax: settings.rowsMax)
        case .repositoryIndex:
            let ready: JSONTree = ["ready": ["type": "boolean"]]
            return [
                "required": false,
                "content": [
                    "application/json": ["schema": ["type": "object", "properties": ready]]
                ],
            ]
        default: return nil
        }
    }

    private func isDefault(_ model: ModelOperations) -> Bool { model.name == settings.defaultModel }
}

extension Endpoint {
    /// Whether the path names a model.
    var namesModel: Bool { pattern.contains("{model}") }

    /// The path with a model's name in its place.
    func path(of model: String) -> String {
        pattern.split(separator: "{model}", omittingEmptySubsequences: false)
            .joined(separator: model)
    }
}
