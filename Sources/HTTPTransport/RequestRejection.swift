/// Why a request was refused before a responder saw it: the closed set of a client's mistakes.
///
/// Each has a status, a stable code (label of `leeway_http_requests_rejected_total` and `code` of
/// the JSON answer) and a sentence for the client. Nothing of the request is repeated in it.
package enum RequestRejection: UInt8, Error, Sendable, CaseIterable, CustomStringConvertible {
    case malformedRequestLine, malformedTarget, targetTooLong, unsupportedVersion
    case malformedField, headerTooLarge, tooManyFields, malformedHost
    case malformedContentLength, ambiguousLength
    case malformedTransferCoding, unsupportedTransferCoding, malformedChunk
    case bodyTooLarge, unsupportedContentCoding, malformedContent, unsupportedExpectation
    case headerTimeout, bodyTimeout, responderFailed, overloaded

    /// The status of the answer.
    package var status: HTTPStatus {
        switch self {
        case .malformedRequestLine, .malformedTarget, .malformedField, .malformedHost: .badRequest
        case .malformedContentLength, .ambiguousLength, .malformedTransferCoding: .badRequest
        case .malformedChunk, .malformedContent: .badRequest
        case .targetTooLong: .uriTooLong
        case .unsupportedVersion: .versionNotSupported
        case .headerTooLarge, .tooManyFields: .headerFieldsTooLarge
        case .unsupportedTransferCoding: .notImplemented
        case .bodyTooLarge: .contentTooLarge
        case .unsupportedContentCoding: .unsupportedMediaType
        case .unsupportedExpectation: .expectationFailed
        case .headerTimeout, .bodyTimeout: .requestTimeout
        case .responderFailed: .internalServerError
        case .overloaded: .serviceUnavailable
        }
    }

    /// The stable name, in snake case.
    package var code: StaticString {
        switch self {
        case .malformedRequestLine: "malformed_request_line"
        case .malformedTarget: "malformed_target"
        case .targetTooLong: "target_too_long"
        case .unsupportedVersion: "unsupported_version"
        case .malformedField: "malformed_field"
        case .headerTooLarge: "header_too_large"
        case .tooManyFields: "too_many_fields"
        case .malformedHost: "malformed_host"
        case .malformedContentLength: "malformed_content_length"
        case .ambiguousLength: "ambiguous_length"
        case .malformedTransferCoding: "malformed_transfer_coding"
        case .unsupportedTransferCoding: "unsupported_transfer_coding"
        case .malformedChunk: "malformed_chunk"
        case .bodyTooLarge: "body_too_large"
        case .unsupportedContentCoding: "unsupported_content_coding"
        case .malformedContent: "malformed_content"
        case .unsupportedExpectation: "unsupported_expectation"
        case .headerTimeout: "header_timeout"
        case .bodyTimeout: "body_timeout"
        case .responderFailed: "internal"
        case .overloaded: "overloaded"
        }
    }

    /// What failed, why, and what to do; plain ASCII without quotes, so it needs no JSON escaping.
    package var message: StaticString {
        switch self {
        case .malformedRequestLine:
            "request line not read: it is not METHOD SP TARGET SP HTTP/1.1 CRLF: send HTTP/1.1"
        case .malformedTarget:
            "request target not read: it has bytes or a form that a URI does not allow: percent-encode them"
        case .targetTooLong: "request target refused: it is too long: shorten the path and query"
        case .unsupportedVersion: "HTTP version refused: only 1.1 and 1.0 are spoken: send HTTP/1.1"
        case .malformedField:
            "header field not read: a name, a value or a line end is malformed: send name: value CRLF"
        case .headerTooLarge: "header refused: it is too large: send fewer or shorter fields"
        case .tooManyFields: "header refused: it has too many fields: send fewer"
        case .malformedHost:
            "Host refused: it is missing, repeated or malformed: send exactly one Host field"
        case .malformedContentLength:
            "Content-Length refused: it is not one decimal number: send the body's byte count once"
        case .ambiguousLength:
            "body length refused: both Transfer-Encoding and Content-Length are given: send one"
        case .malformedTransferCoding:
            "Transfer-Encoding refused: it is repeated, misplaced or malformed: send chunked alone"
        case .unsupportedTransferCoding:
            "Transfer-Encoding refused: the coding is not known: send chunked alone"
        case .malformedChunk:
            "chunked body not read: a size, an extension, a line end or a trailer is malformed: send RFC 9112 chunks"
        case .bodyTooLarge: "body refused: it is larger than this route allows: send less at a time"
        case .unsupportedContentCoding:
            "Content-Encoding refused: the coding is not known: send gzip, deflate or identity"
        case .malformedContent:
            "body not decoded: it is not what its Content-Encoding says: send whole, valid data"
        case .unsupportedExpectation:
            "Expect refused: only 100-continue is known: leave the field out"
        case .headerTimeout: "request given up: its head took too long: send it at once"
        case .bodyTimeout: "request given up: its body took too long: send it faster"
        case .responderFailed: "request failed: an internal error: see the log for the request id"
        case .overloaded:
            "request refused: the server has more to do than it can in time: try again after Retry-After"
        }
    }

    /// The same as ``message``.
    package var description: String { "\(message)" }
}
