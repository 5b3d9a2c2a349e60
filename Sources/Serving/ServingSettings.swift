internal import Digest
internal import HTTPTransport
internal import Synchronization

/// What serving needs to know of the configuration; shared by all loops of a listener.
package final class ServingSettings: Sendable {
    /// The models' names in the order of the configuration.
    package let models: [String]
    /// The model that answers when a request names none.
    package let defaultModel: String?
    /// The models whose inputs are watched for drift.
    package let watchedModels: Set<String>
    /// Largest request body, in bytes.
    package let bodyBytesMax: Int
    /// Most rows in one request.
    package let rowsMax: Int
    /// The version of this software, as clients are told.
    package let serverVersion: String
    private let token: [UInt8]?
    private let draining = Atomic(false)

    /// Takes note of the configuration; `token` is the bearer token that requests must carry.
    package init(
        models: [String],
        defaultModel: String?,
        watchedModels: Set<String>,
        bodyBytesMax: Int,
        rowsMax: Int,
        serverVersion: String = "0",
        token: [UInt8]?
    ) {
        self.models = models
        self.defaultModel = defaultModel
        self.watchedModels = watchedModels
        self.bodyBytesMax = bodyBytesMax
        self.rowsMax = rowsMax
        self.serverVersion = serverVersion
        self.token = token
    }

    /// Whether the appliance is shutting down.
    package var isDraining: Bool { draining.load(ordering: .relaxed) }

    /// Makes `/readyz` say so.
    package func beginDraining() { draining.store(true, ordering: .relaxed) }

    /// Why a request that is not about health gets nothing; nil when it may be answered.
    ///
    /// A certificate is asked for on the connection and judged here, so that health is told to
    /// those who have none.
    func refusal(of request: HTTPRequest) -> PredictionFailure? {
        switch request.connection.certificateVerdict {
        case .granted: authorises(request) ? nil : .unauthorized
        case .missing: .certificateMissing
        case .notAllowed: .certificateNotAllowed
        }
    }

    /// Whether requests must carry a token.
    var needsToken: Bool { token != nil }

    /// Whether a request carries the token (RFC 6750 §2.1), where one is set; compared in constant
    /// time.
    private func authorises(_ request: HTTPRequest) -> Bool {
        guard let token else { return true }
        let scheme = Array("bearer ".utf8)
        return request.head.withValue(of: "authorization") { value in
            guard value.count > scheme.count else { return false }
            for index in scheme.indices where value[index] | 0x20 != scheme[index] {
                return false
            }
            return constantTimeEquals(value.extracting(scheme.count..<value.count), token.span)
        }
    }
}
