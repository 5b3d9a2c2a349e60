internal import Features
internal import NIOCore

/// What both listeners tell of the server, in the words of the Open Inference Protocol.
enum ServerDescription {
    /// The extensions of the protocol that are spoken.
    static let extensions = [
        "binary_tensor_data", "classification", "model_repository", "statistics",
    ]

    /// `GET /v2`.
    static func write(_ settings: ServingSettings, into body: inout ByteBuffer) {
        body.writeStaticString("{\"name\":\"leeway\",\"version\":")
        body.writeJSON(settings.serverVersion)
        body.writeStaticString(",\"extensions\":")
        body.writeList(extensions) { $0.writeJSON($1) }
        body.writeStaticString("}\n")
    }

    /// `GET /v2/models/{model}/ready`, where it is.
    static func writeReady(_ model: String, into body: inout ByteBuffer) {
        body.writeStaticString("{\"name\":")
        body.writeJSON(model)
        body.writeStaticString(",\"ready\":true}\n")
    }

    /// `POST /v2/repository/index`.
    ///
    /// - Parameters:
    ///   - entries: All models.
    ///   - request: Nothing, or an object; with `"ready": true` only models that answer are told.
    ///   - body: Where the array goes.
    /// - Throws: ``PredictionFailure/input(_:)`` for a body that is no such object.
    static func writeIndex(
        _ entries: [ModelState],
        asked request: ByteBuffer,
        into body: inout ByteBuffer
    ) throws(PredictionFailure) {
        let isReadyOnly: Bool
        do {
            isReadyOnly = try RepositoryRequest.isReadyOnly(request.readableBytesUInt8Span)
        } catch {
            throw .input(error)
        }
        body.writeList(entries.filter { !isReadyOnly || $0.version != nil }) { body, entry in
            body.writeStaticString("{\"name\":")
            body.writeJSON(entry.name)
            guard let version = entry.version else {
                body.writeStaticString(",\"state\":\"UNAVAILABLE\",\"reason\":")
                body.writeJSON(entry.reason)
                body.writeStaticString("}")
                return
            }
            body.writeString(",\"version\":\"\(version)\",\"state\":\"READY\",\"reason\":\"\"}")
        }
        body.writeStaticString("\n")
    }
}

/// Whether a model answers, as both listeners tell it.
package struct ModelState: Sendable {
    /// The model.
    package let name: String
    /// The version that answers; nil when none does.
    package var version: Int?
    /// Whether an operator took it out of service.
    package var isUnloaded = false
    /// Why the version that the store names does not answer, where that is known.
    package var problem: String?

    /// Takes note of a state.
    package init(
        name: String,
        version: Int? = nil,
        isUnloaded: Bool = false,
        problem: String? = nil
    ) {
        self.name = name
        self.version = version
        self.isUnloaded = isUnloaded
        self.problem = problem
    }

    /// Whether the model should answer, and does not.
    package var isWaiting: Bool { version == nil && !isUnloaded }

    /// Why it does not answer.
    var reason: String { isUnloaded ? "unloaded" : problem ?? "no version yet" }
}
