internal import HTTPTransport
internal import ModelStore
internal import NIOCore

/// What a loop tells of its models, in the words of each protocol.
extension ServingLoop {
    /// Answers a request for information.
    ///
    /// - Parameters:
    ///   - request: What was asked.
    ///   - action: What answers.
    ///   - names: What the path names.
    /// - Returns: The answer.
    /// - Throws: ``PredictionFailure`` for a model or version that does not answer.
    func information(
        _ request: HTTPRequest,
        _ action: Endpoint.Action,
        _ names: PathNames
    ) throws(PredictionFailure) -> HTTPResponse {
        var body = ByteBuffer()
        switch action {
        case .description:
            body = describe()
        case .server: ServerDescription.write(settings, into: &body)
        case .models:
            body.writeStaticString("{\"models\":")
            body.writeList(models) { $0.writeJSON($1.name) }
            body.writeStaticString("}\n")
        case .repositoryIndex:
            try ServerDescription.writeIndex(
                models.map {
                    ModelState(
                        name: $0.name,
                        version: $0.served?.model.version,
                        isUnloaded: $0.isUnloaded
                    )
                },
                asked: request.body,
                into: &body
            )
        case .statistics:
            body.writeStaticString("{\"model_stats\":")
            body.writeList(models.compactMap(\.served)) { $1.writeStatistics(into: &$0) }
            body.writeStaticString("}\n")
        case .model(let view):
            let served = try served(for: request, names, .tensors)
            write(view, of: served, into: &body)
        default: throw .unknownPath
        }
        return HTTPResponse(status: .ok, body: body, route: request.route)
    }

    /// The description, made once for each set of versions: that takes milliseconds.
    private func describe() -> ByteBuffer {
        if let description { return description }
        var body = ByteBuffer()
        let models = models.compactMap { $0.served?.metrics.operations }
        OpenAPIDocument(listener: .api, settings: settings, models: models).write(into: &body)
        description = body
        return body
    }

    private func write(
        _ view: Endpoint.ModelView,
        of served: ServedModel,
        into body: inout ByteBuffer
    ) {
        let description = ModelDescription(model: served.model)
        switch view {
        case .metadata: description.writeMetadata(into: &body)
        case .ready: ServerDescription.writeReady(served.model.name, into: &body)
        case .configuration:
            description.writeConfiguration(rowsMax: settings.rowsMax, into: &body)
        case .statistics:
            body.writeStaticString("{\"model_stats\":[")
            served.writeStatistics(into: &body)
            body.writeStaticString("]}\n")
        case .status: description.writeStatus(into: &body)
        case .signatures: description.writeSignatures(into: &body)
        }
    }
}

extension ServedModel {
    /// What the statistics extension tells of this version.
    func writeStatistics(into body: inout ByteBuffer) {
        metrics.statistics.write(model.name, model.version, into: &body)
    }
}
