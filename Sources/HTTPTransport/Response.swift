package import NIOCore
package import Telemetry

/// A media type for `Content-Type`: a literal of the program, never a client's text.
package struct ContentType: Sendable {
    let text: StaticString

    /// Wraps a literal such as `application/json`.
    package init(_ text: StaticString) { self.text = text }

    /// `application/json`.
    package static var json: ContentType { ContentType("application/json") }
    /// `text/plain; charset=utf-8`.
    package static var text: ContentType { ContentType("text/plain; charset=utf-8") }
    /// `text/csv; charset=utf-8`.
    package static var delimitedText: ContentType { ContentType("text/csv; charset=utf-8") }
    /// `application/octet-stream`.
    package static var octets: ContentType { ContentType("application/octet-stream") }
}

/// One field of a response beyond those that the transport writes itself.
///
/// A value is checked when the field is made, so no response can be split by what is in one.
package struct HTTPField: Sendable {
    let name: StaticString
    let value: String

    /// Makes a field.
    ///
    /// - Parameters:
    ///   - name: a literal token such as `Retry-After`; not one of `Content-Length`,
    ///     `Transfer-Encoding`, `Connection`, `Date`, `Content-Type`, which the transport writes.
    ///   - value: visible ASCII, spaces and tabs, without blanks at its ends.
    /// - Throws: ``HTTPTransportError/malformedField(name:)``.
    package init(_ name: StaticString, _ value: String) throws(HTTPTransportError) {
        let isValue = value.utf8.allSatisfy { ByteClass.isFieldValue($0) && $0 < 0x80 }
        let hasBlankEnd =
            value.utf8.first.map(ByteClass.isBlank) == true
            || value.utf8.last.map(ByteClass.isBlank) == true
        guard Self.isAllowed(name), isValue, !hasBlankEnd else {
            throw .malformedField(name: "\(name)")
        }
        self.name = name
        self.value = value
    }

    /// Makes a field whose value is a number.
    ///
    /// - Throws: ``HTTPTransportError/malformedField(name:)`` for a name that is not allowed.
    package init(_ name: StaticString, _ value: Int) throws(HTTPTransportError) {
        try self.init(name, "\(value)")
    }

    /// `Inference-Header-Content-Length`: how much of the body is JSON.
    ///
    /// A name and digits of our own need no check, which would cost more than the rest of a short
    /// answer.
    package static func inferenceHeaderBytes(_ count: Int) -> HTTPField {
        HTTPField(checked: "Inference-Header-Content-Length", String(count))
    }

    private init(checked name: StaticString, _ value: String) {
        self.name = name
        self.value = value
    }

    private static func isAllowed(_ name: StaticString) -> Bool {
        let isToken = name.withUTF8Buffer { bytes in
            unsafe !bytes.isEmpty && bytes.allSatisfy(ByteClass.isToken)
        }
        // Only a name as long as one of these is looked at as a text.
        guard isToken, [4, 10, 12, 14, 17].contains(name.utf8CodeUnitCount) else { return isToken }
        switch "\(name)".lowercased() {
        case "content-length", "transfer-encoding", "connection", "date", "content-type":
            return false
        default: return true
        }
    }
}

/// What the access log shall say about a request beyond what the transport knows.
///
/// Never features, predictions or anything else of a payload.
package struct ResponseLog: Sendable {
    /// The model that answered.
    package var model: String?
    /// The version of the model that answered.
    package var version: String?
    /// The rows of the batch.
    package var rows: Int?
    /// Nanoseconds that the request waited for its turn, where it waited off its event loop.
    package var queueNanoseconds: UInt64?
    /// Nanoseconds of the model's own work.
    package var inferNanoseconds: UInt64?
    /// The stable code of the error, when it was one.
    package var errorCode: String?
    /// How long the phases of the responder's work took.
    package var phases = PhaseTimes()

    /// Says nothing.
    package init() {}
}

/// A whole response, as a responder gives it.
///
/// The transport adds `Date`, `Content-Length`, `Connection`, `X-Request-Id`, `traceresponse` for a
/// client that sent a `traceparent`, and what browsers need for safety, and leaves the body out for
/// HEAD.
package struct HTTPResponse: Sendable {
    /// The final status.
    package var status: HTTPStatus
    /// The type of the body; not written when there is no body.
    package var contentType: ContentType
    /// Further fields, in order.
    package var fields: [HTTPField]
    /// The body.
    package var body: ByteBuffer
    /// The route whose label counts this response.
    package var route: HTTPRoute
    /// How long its parts took, where the client shall learn it.
    package var timing: ServerTiming?
    /// What the access log shall say.
    package var log = ResponseLog()
    /// Whether the connection shall be closed after this response.
    package var closesConnection = false

    /// Makes a response.
    package init(
        status: HTTPStatus,
        contentType: ContentType = .json,
        fields: [HTTPField] = [],
        body: ByteBuffer = ByteBuffer(),
        route: HTTPRoute = .other
    ) {
        self.status = status
        self.contentType = contentType
        self.fields = fields
        self.body = body
        self.route = route
    }
}
