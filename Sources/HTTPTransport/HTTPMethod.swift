/// A request method; those that this appliance has no use for are ``other``.
package enum HTTPMethod: UInt8, Sendable, CaseIterable {
    case get, head, post, put, patch, delete, options, trace, connect, other

    /// The method's name, or `_OTHER`, as OpenTelemetry labels methods outside the known ones.
    package var label: String {
        switch self {
        case .get: "GET"
        case .head: "HEAD"
        case .post: "POST"
        case .put: "PUT"
        case .patch: "PATCH"
        case .delete: "DELETE"
        case .options: "OPTIONS"
        case .trace: "TRACE"
        case .connect: "CONNECT"
        case .other: "_OTHER"
        }
    }

    /// Reads a method name; names are case-sensitive (RFC 9110 §9.1).
    init(_ bytes: Span<UInt8>, in range: Range<Int>) {
        self =
            if bytes.equals("GET", in: range) {
                .get
            } else if bytes.equals("POST", in: range) {
                .post
            } else if bytes.equals("HEAD", in: range) {
                .head
            } else if bytes.equals("PUT", in: range) {
                .put
            } else if bytes.equals("PATCH", in: range) {
                .patch
            } else if bytes.equals("DELETE", in: range) {
                .delete
            } else if bytes.equals("OPTIONS", in: range) {
                .options
            } else if bytes.equals("TRACE", in: range) {
                .trace
            } else if bytes.equals("CONNECT", in: range) {
                .connect
            } else {
                .other
            }
    }
}
