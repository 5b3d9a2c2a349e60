package import Features
internal import HTTPTransport
internal import NIOCore

/// Why a request is not answered: the only place where a reason becomes a status and a code.
package enum PredictionFailure: Error, Sendable {
    /// The body is no valid input.
    case input(FeatureError)
    /// No model has this name.
    case unknownModel(String, known: [String])
    /// The request names no model, and several have equal right.
    case ambiguousModel(known: [String])
    /// The version that the path asks for is not the one that answers.
    case versionNotLive(model: String, live: Int)
    /// No version has this label.
    case unknownLabel(model: String)
    /// The model has no version yet.
    case notReady(String)
    /// An operator took the model out of service.
    case unloaded(String)
    /// The body is of a type that this path does not take.
    case mediaType(expected: [String])
    /// An input is so large that the answer is not a finite number.
    case notFinite(row: Int)
    /// No such path.
    case unknownPath
    /// The path takes another method.
    case method(allowed: String)
    /// No credential is shown.
    case unauthorized
    /// The client showed no certificate where one is demanded.
    case certificateMissing
    /// The client's certificate has none of the allowed names.
    case certificateNotAllowed
    /// The key that is shown is nobody's.
    case keyUnknown
    /// The credential does not allow this.
    case forbidden(Endpoint.Scope)
    /// The caller has asked too often.
    case tooMany(caller: String, seconds: Int)
    /// The row of a label is not, or no longer, remembered.
    case feedbackUnknown
    /// The row has its label already.
    case feedbackRepeated
    /// The model has no such label.
    case feedbackLabel(expected: String)
    /// A parameter of the query is missing or wrong.
    case parameter(name: String, problem: String)
    /// The batcher cannot begin in time.
    case overloaded(model: String)
    /// The time that the client wanted to wait has passed.
    case deadlineExceeded
    /// The store or the supervisor refused.
    case refused(code: String, message: String)
    /// Too much of the same at once.
    case busy(String)

    /// The status of the answer.
    var status: HTTPStatus {
        switch self {
        case .input(.tooManyRows): .contentTooLarge
        case .input, .notFinite, .ambiguousModel, .parameter: .badRequest
        case .unknownModel, .unknownPath, .versionNotLive, .unknownLabel: .notFound
        case .mediaType: .unsupportedMediaType
        case .notReady, .unloaded, .busy, .overloaded: .serviceUnavailable
        case .deadlineExceeded: .gatewayTimeout
        case .method: .methodNotAllowed
        case .unauthorized, .keyUnknown, .certificateMissing: .unauthorized
        case .forbidden, .certificateNotAllowed: .forbidden
        case .tooMany: .tooManyRequests
        case .feedbackUnknown: .notFound
        case .feedbackLabel: .badRequest
        case .refused, .feedbackRepeated: .conflict
        }
    }

    /// Whether a version may be to blame: another one might have answered the same request.
    var isFault: Bool {
        switch self {
        case .notFinite, .deadlineExceeded: true
        default: false
        }
    }

    /// Whether the data that were sent are to blame, so that the drift monitor shall know of it.
    var isBadInput: Bool {
        switch self {
        case .input(.tooManyRows): false
        case .input, .notFinite: true
        default: false
        }
    }

    /// A stable word for clients, labels and logs.
    package var code: String {
        switch self {
        case .input(let error): error.code
        case .unknownModel: "model_unknown"
        case .ambiguousModel: "model_ambiguous"
        case .versionNotLive: "version_not_live"
        case .unknownLabel: "label_unknown"
        case .mediaType: "media_type_unsupported"
        case .unloaded: "model_unloaded"
        case .notReady: "model_not_ready"
        case .notFinite: "answer_not_finite"
        case .unknownPath: "path_unknown"
        case .method: "method_not_allowed"
        case .unauthorized: "unauthorized"
        case .certificateMissing: "client_certificate_missing"
        case .certificateNotAllowed: "client_certificate_not_allowed"
        case .keyUnknown: "key_unknown"
        case .forbidden: "forbidden"
        case .tooMany: "rate_limited"
        case .feedbackUnknown: "feedback_unknown"
        case .feedbackRepeated: "feedback_repeated"
        case .feedbackLabel: "feedback_label_invalid"
        case .parameter: "parameter_invalid"
        case .overloaded: "overloaded"
        case .deadlineExceeded: "deadline_exceeded"
        case .refused(let code, _): code
        case .busy: "busy"
        }
    }

    /// What is wrong, and what would be right.
    var message: String {
        switch self {
        case .input(let error):
            error.description
        case .unknownModel(let name, let known):
            "model: no model is named \(name.prefix(64)); "
                + "known are \(known.joined(separator: ", "))"
        case .ambiguousModel(let known):
            "model: say which: \(known.joined(separator: ", "))"
        case .versionNotLive(let model, let live):
            "version: not the one of \(model) that answers, which is \(live)"
        case .unknownLabel(let model):
            "label: no version of \(model) has it; known are "
                + "\(ServedModel.labels.joined(separator: ", "))"
        case .mediaType(let expected):
            "Content-Type: not taken here; send \(expected.joined(separator: " or "))"
        case .unloaded(let name):
            "model \(name): taken out of service until it is loaded again"
        case .notReady(let name):
            "model \(name): no version is ready yet"
        case .notFinite(let row):
            "row \(row): the answer is not a finite number: a value of the input is too large"
        case .unknownPath:
            "nothing is served at this path"
        case .method(let allowed):
            "this path takes \(allowed)"
        case .unauthorized:
            "a key is required: send Authorization: Bearer KEY, or X-API-Key: KEY"
        case .keyUnknown:
            "the key is not known"
        case .forbidden(let scope):
            "your credential does not allow this: the scope \(scope.rawValue) is needed"
        case .tooMany(let caller, let seconds):
            "\(caller): too many requests: try again in \(seconds) s"
        case .feedbackUnknown:
            "request_id: no such row is remembered: label rows soon after they are predicted"
        case .feedbackRepeated:
            "request_id: the row has its label already, which stands"
        case .feedbackLabel(let expected):
            "label: expected \(expected)"
        case .certificateMissing:
            "a client certificate is required: show one when you connect"
        case .certificateNotAllowed:
            "the names of your client certificate are not among those that are allowed"
        case .parameter(let name, let problem):
            "\(name): \(problem)"
        case .overloaded(let model):
            "model \(model): more is asked than can be computed in time: try again after Retry-After"
        case .deadlineExceeded:
            "deadline: the time that the request gave has passed"
        case .refused(_, let message):
            message
        case .busy(let what):
            "\(what): try again"
        }
    }

    /// Made once: what is refused under overload has to cost little.
    private static let retryAfter = (try? HTTPField("Retry-After", 1)).map { [$0] } ?? []

    /// Fields of the answer besides the usual ones.
    private var fields: [HTTPField] {
        switch self {
        case .notReady, .busy, .overloaded:
            Self.retryAfter
        case .method(let allowed):
            (try? HTTPField("Allow", allowed)).map { [$0] } ?? []
        case .tooMany(_, let seconds):
            (try? HTTPField("Retry-After", seconds)).map { [$0] } ?? []
        case .unauthorized:
            (try? HTTPField("WWW-Authenticate", "Bearer")).map { [$0] } ?? []
        case .certificateMissing:
            // A challenge is due with 401 (RFC 9110 §15.5.2); no scheme for TLS is registered, so
            // this is the word of the drafts.
            (try? HTTPField("WWW-Authenticate", "ClientCertificate")).map { [$0] } ?? []
        case .keyUnknown:
            // RFC 6750 §3.1.
            (try? HTTPField("WWW-Authenticate", "Bearer error=\"invalid_token\"")).map { [$0] }
                ?? []
        case .forbidden(let scope):
            (try? HTTPField(
                "WWW-Authenticate",
                "Bearer error=\"insufficient_scope\", scope=\"\(scope.rawValue)\""
            )).map { [$0] } ?? []
        default:
            []
        }
    }

    /// The answer: `{"error": …, "code": …, "request_id": …}`.
    func response(to request: HTTPRequest, route: HTTPRoute) -> HTTPResponse {
        var body = ByteBuffer()
        body.writeStaticString("{\"error\":")
        body.writeJSON(message)
        body.writeStaticString(",\"code\":")
        body.writeJSON(code)
        body.writeStaticString(",\"request_id\":")
        body.writeJSON(request.name.text)
        body.writeStaticString("}\n")
        var response = HTTPResponse(status: status, fields: fields, body: body, route: route)
        response.log.errorCode = code
        return response
    }
}
