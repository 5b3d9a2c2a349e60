internal import HTTPTransport
internal import NIOCore

extension ServingLoop {
    /// The model that a request means, where that can be told before its body is read and may be
    /// reason enough to refuse it.
    func unreadModel(_ request: HTTPRequest, _ route: HTTPRoute) -> ServedModel? {
        guard hasLargeModels else { return nil }
        if let range = table.names(route, in: request.head.pathBytes).model {
            for slot in models where request.head.pathPart(range, is: slot.name) {
                return slot.served
            }
            return nil
        }
        return models.count == 1 ? models[0].served : nil
    }

    /// The answer that the batcher makes possible.
    func later(
        _ pending: PendingPrediction,
        _ dialect: Dialect,
        _ request: HTTPRequest
    ) -> Reply {
        let answer = pending.outcome.assumeIsolated().map { outcome in
            switch outcome {
            case .answered(let response): self.coded(response, dialect, request)
            case .failed(let failure): self.failed(failure, request, request.route)
            }
        }
        return .later(answer.nonisolated(), abandon: pending.abandon)
    }

    /// Compressed, where the dialect's clients ask for it.
    func coded(
        _ response: HTTPResponse,
        _ dialect: Dialect,
        _ request: HTTPRequest
    ) -> HTTPResponse {
        dialect == .tensors ? response.coded(for: request.head) : response
    }
}
