internal import Features
internal import HTTPTransport
internal import NIOCore

extension ServingLoop {
    /// The model that a body names, read before it is known whose schema applies.
    func nameInBody(_ request: HTTPRequest) throws(PredictionFailure) -> String? {
        do {
            return try PredictDecoder.modelName(in: request.body.readableBytesUInt8Span)
        } catch {
            throw .input(error)
        }
    }
}
