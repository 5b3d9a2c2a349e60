package import NIOCore

/// The route of a request: an index into the listener's closed ``RouteTable``.
package struct HTTPRoute: Sendable, Hashable {
    /// The place in the table.
    package let index: UInt8

    /// Whatever has no route of its own; labelled `other`.
    package static var other: HTTPRoute { HTTPRoute(index: 0) }

    init(index: UInt8) { self.index = index }
}

/// The closed set of route labels of one listener; the values of the label `http_route`.
package struct RouteTable: Sendable {
    /// The labels by index; the first is `other`.
    package let labels: [String]

    /// Makes the table.
    ///
    /// - Parameter labels: route templates such as `/v2/models/{model}/infer`, never raw paths.
    /// - Throws: ``HTTPTransportError/malformedRoutes(reason:)`` for more than 250 or a repeated label.
    package init(_ labels: [String]) throws(HTTPTransportError) {
        guard labels.count <= 250 else {
            throw .malformedRoutes(reason: "it has \(labels.count) routes")
        }
        self.labels = ["other"] + labels
        guard Set(self.labels).count == self.labels.count else {
            throw .malformedRoutes(reason: "a label stands twice")
        }
    }

    /// The label of a route.
    package func label(_ route: HTTPRoute) -> String {
        labels[min(Int(route.index), labels.count - 1)]
    }

    /// The route of a label, or ``HTTPRoute/other`` when there is none.
    package func route(_ label: String) -> HTTPRoute {
        HTTPRoute(index: UInt8(truncatingIfNeeded: labels.firstIndex(of: label) ?? 0))
    }
}

/// What a responder decides on a request's head, before any of the body is read.
package enum Admission: Sendable {
    /// Read the body, of at most so many bytes on the wire and so many decoded, then respond.
    ///
    /// What is vital (health, metrics) is answered even where other requests are shed.
    case accept(bodyBytesMax: Int, route: HTTPRoute, isVital: Bool = false)
    /// Answer at once; the body is not read for anybody.
    case reject(HTTPResponse)
}

/// How a responder answers.
package enum Reply {
    /// The answer is here.
    case now(HTTPResponse)
    /// The answer comes later; the connection reads no further request until then.
    ///
    /// A failed future is answered with 500. `abandon` is called, on the loop, when the client
    /// leaves before: nobody wants the answer any more, but the future must end all the same.
    case later(EventLoopFuture<HTTPResponse>, abandon: (() -> Void)? = nil)
}

/// Answers the requests of all connections of one event loop.
///
/// There is one for each event loop of a listener; it is called only on that loop, so it needs no
/// locks and may keep buffers for reuse. It must not block.
package protocol HTTPResponder: AnyObject {
    /// Decides on a head that is complete, before its body is read.
    ///
    /// - Parameter request: without its body.
    /// - Returns: whether and how much of the body shall be read.
    func admit(_ request: HTTPRequest) -> Admission
    /// Answers a request whose body is complete.
    func respond(to request: HTTPRequest) -> Reply
}
