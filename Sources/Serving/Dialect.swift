internal import Features
internal import HTTPTransport

/// The protocols in which predictions are asked for.
///
/// Each has a decoder in `Features`, which writes rows and options into the same `FeatureBatch`,
/// and an encoder here, which reads the same ``AnswerRows``: between the two, all are one flow.
package enum Dialect: String, CaseIterable, Sendable {
    /// Leeway's own: `POST /predict`.
    case predict
    /// KServe V1 and the REST interface of TensorFlow Serving: `:predict`.
    case instances
    /// The Open Inference Protocol (KServe V2), as Triton speaks it: `/infer`.
    case tensors
    /// SageMaker's and MLflow's: `POST /invocations`.
    case invocations

    /// The forms of a body that it takes.
    var forms: [BodyForm] { BodyForm.allCases.filter(takes) }

    /// Whether a body may have a form.
    func takes(_ form: BodyForm) -> Bool {
        switch self {
        case .instances: form == .json
        case .predict, .invocations: true
        case .tensors: form != .text
        }
    }
}

/// How a body is written, as its `Content-Type` says.
package enum BodyForm: String, CaseIterable, Sendable {
    case json = "application/json"
    case text = "text/csv"
    case octets = "application/octet-stream"

    /// The form of a request's body.
    ///
    /// What has no type is taken for JSON, and so is what curl calls a form when it is not told.
    ///
    /// - Throws: ``PredictionFailure/mediaType(expected:)`` for a type that the dialect does not
    ///   take.
    static func of(
        _ request: HTTPRequest,
        _ dialect: Dialect
    ) throws(PredictionFailure) -> BodyForm {
        let head = request.head
        guard head.hasContentType, !head.contentTypeIs("application/json") else { return .json }
        if head.contentTypeIs("application/x-www-form-urlencoded") { return .json }
        if head.contentTypeIs("application/octet-stream"), dialect.takes(.octets) { return .octets }
        if head.contentTypeIs("text/csv"), dialect.takes(.text) { return .text }
        throw .mediaType(expected: dialect.forms.map(\.rawValue))
    }
}

extension HTTPRequest {
    /// What the `header` parameter of a `Content-Type` of `text/csv` says (RFC 4180 §3).
    var textHeader: PlainDecoder.Header {
        let type = head.value(of: "content-type")?.lowercased() ?? ""
        for parameter in type.split(separator: ";").dropFirst() {
            switch parameter.filter({ $0 != " " && $0 != "\t" && $0 != "\"" }) {
            case "header=present": return .present
            case "header=absent": return .absent
            default: break
            }
        }
        return .detected
    }

    /// What `?datatype=` says of a body of plain bytes.
    ///
    /// - Throws: ``PredictionFailure/parameter(name:problem:)`` for a name that is none.
    func datatype() throws(PredictionFailure) -> TensorDatatype? {
        guard head.hasQuery, let name = head.queryValue("datatype") else { return nil }
        guard let type = TensorDatatype(rawValue: name), type != .bytes else {
            let known = TensorDatatype.allCases.filter { $0 != .bytes }.map(\.rawValue)
            let problem = "expected one of \(known.joined(separator: ", "))"
            throw .parameter(name: "datatype", problem: problem)
        }
        return type
    }

    /// `Inference-Header-Content-Length`: how much of the body is JSON; nil when it is not there.
    ///
    /// - Throws: ``PredictionFailure/input(_:)`` when it is no single number.
    func inferenceHeaderBytes() throws(PredictionFailure) -> Int? {
        switch head.count(of: "inference-header-content-length") {
        case 0: return nil
        case 1: break
        default: throw .input(.wrongHeaderLength(problem: "given more than once"))
        }
        let bytes = head.bytes(of: "inference-header-content-length")
        guard let length = bytes.decimal(digitsMax: 15) else {
            throw .input(.wrongHeaderLength(problem: "expected a number of bytes"))
        }
        return length
    }
}
