internal import HTTPTransport
internal import NIOCore

/// `/livez` and `/readyz`: whether the process works, and whether it can answer.
///
/// Liveness never depends on a model or a download; readiness stays while any version of every
/// model answers, also during a swap.
enum HealthAnswer {
    case live
    /// The same in the words of KServe V1.
    case alive
    case ready(waiting: [String], draining: Bool)

    func response(route: HTTPRoute) -> HTTPResponse {
        var body = ByteBuffer()
        switch self {
        case .live:
            body.writeStaticString("{\"live\":true}\n")
            return HTTPResponse(status: .ok, body: body, route: route)
        case .alive:
            body.writeStaticString("{\"status\":\"alive\"}\n")
            return HTTPResponse(status: .ok, body: body, route: route)
        case .ready(let waiting, let draining):
            guard waiting.isEmpty && !draining else {
                body.writeStaticString("{\"ready\":false,\"reason\":")
                body.writeJSON(
                    draining
                        ? "shutting down" : "no version yet: \(waiting.joined(separator: ", "))"
                )
                body.writeStaticString("}\n")
                return HTTPResponse(status: .serviceUnavailable, body: body, route: route)
            }
            body.writeStaticString("{\"ready\":true}\n")
            return HTTPResponse(status: .ok, body: body, route: route)
        }
    }
}
