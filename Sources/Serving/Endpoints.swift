package import HTTPTransport

/// All that can be asked of the appliance, one line a URL: start reading the target here.
///
/// `api` answers clients, `operations` the people and programs that run the appliance; the two
/// health endpoints are on both and never ask for a key.
package enum Endpoint: String, CaseIterable, Sendable {
    case predict = "/predict"
    case live = "/livez"
    case ready = "/readyz"
    case metrics = "/metrics"
    case status = "/status"
    case drift = "/drift"
    case retrain = "/admin/retrain"
    case promote = "/admin/promote"
    case rollback = "/admin/rollback"
    case acknowledge = "/admin/drift/acknowledge"

    /// The only method that it takes; `HEAD` stands for `GET`.
    var method: HTTPMethod {
        switch self {
        case .live, .ready, .metrics, .status, .drift: .get
        case .predict, .retrain, .promote, .rollback, .acknowledge: .post
        }
    }

    /// Where it is answered.
    var listeners: Set<Listener> {
        switch self {
        case .predict: [.api]
        case .live, .ready: [.api, .operations]
        case .metrics, .status, .drift, .retrain, .promote, .rollback, .acknowledge: [.operations]
        }
    }

    /// Whether it tells of health only, and so asks for neither a token nor a certificate.
    var isHealth: Bool { self == .live || self == .ready }
}

/// The two doors of the appliance.
package enum Listener: String, CaseIterable, Sendable {
    case api, operations
}

/// The routes of one listener, ready for look-up by the bytes of a path.
package struct EndpointTable: Sendable {
    /// The labels for `http_route`.
    package let routes: RouteTable
    private let entries: [Entry]

    private struct Entry: Sendable {
        let path: [UInt8]
        let endpoint: Endpoint
        let route: HTTPRoute
    }

    /// The endpoints of a listener.
    ///
    /// - Throws: `HTTPTransportError` when two endpoints share a path.
    package init(_ listener: Listener) throws {
        let endpoints = Endpoint.allCases.filter { $0.listeners.contains(listener) }
        let routes = try RouteTable(endpoints.map(\.rawValue))
        self.routes = routes
        entries = endpoints.map {
            Entry(
                path: Array($0.rawValue.utf8),
                endpoint: $0,
                route: routes.route($0.rawValue)
            )
        }
    }

    /// The endpoint of a path, whatever the method.
    func find(_ path: Span<UInt8>) -> (endpoint: Endpoint, route: HTTPRoute)? {
        for entry in entries where Self.equal(entry.path.span, path) {
            return (entry.endpoint, entry.route)
        }
        return nil
    }

    private static func equal(_ left: Span<UInt8>, _ right: Span<UInt8>) -> Bool {
        guard left.count == right.count else { return false }
        for index in left.indices where left[index] != right[index] { return false }
        return true
    }
}
