package import HTTPTransport

/// The routes of one listener, ready for look-up by the bytes of a path.
package struct EndpointTable: Sendable {
    /// The labels for `http_route`.
    package let routes: RouteTable
    /// The paths in the order of the table, each with the endpoints of its methods.
    private let entries: [Entry]

    private struct Entry: Sendable {
        let pattern: PathPattern
        let route: HTTPRoute
        var endpoints: [Endpoint]
    }

    /// What a head's path and method come to.
    enum Match {
        /// Nothing is served there.
        case unknownPath
        /// The path takes other methods: the value of `Allow`.
        case wrongMethod(allowed: String, HTTPRoute, isOpen: Bool)
        /// An endpoint.
        case found(Endpoint, HTTPRoute)

        /// Whether nobody is asked for a key or a certificate there.
        var isOpen: Bool {
            switch self {
            case .unknownPath: false
            case .wrongMethod(_, _, let isOpen): isOpen
            case .found(let endpoint, _): endpoint.scope == nil
            }
        }

        /// What a credential must allow; nil where any will do.
        var scope: Endpoint.Scope? {
            if case .found(let endpoint, _) = self { endpoint.scope } else { nil }
        }

        /// The path's label.
        var route: HTTPRoute {
            switch self {
            case .unknownPath: .other
            case .wrongMethod(_, let route, _), .found(_, let route): route
            }
        }
    }

    /// The endpoints of a listener.
    ///
    /// - Throws: `HTTPTransportError` when there are too many.
    package init(_ listener: Listener) throws {
        let endpoints = Endpoint.all.filter { $0.listeners.contains(listener) }
        var patterns: [String] = []
        for endpoint in endpoints where !patterns.contains(endpoint.pattern) {
            patterns.append(endpoint.pattern)
        }
        let routes = try RouteTable(patterns)
        self.routes = routes
        entries = patterns.map { pattern in
            Entry(
                pattern: PathPattern(pattern),
                route: routes.route(pattern),
                endpoints: endpoints.filter { $0.pattern == pattern }
            )
        }
    }

    /// Looks a head up.
    func find(_ head: HTTPRequestHead) -> Match {
        let path = head.pathBytes
        // By index, since each entry that is looked at would be retained and released.
        for index in entries.indices where entries[index].pattern.matches(path) {
            let entry = entries[index]
            for endpoint in entry.endpoints where endpoint.accepts(head.method) {
                return .found(endpoint, entry.route)
            }
            let allowed = entry.endpoints.map(\.allowed).joined(separator: ", ")
            let isOpen = entry.endpoints.allSatisfy { $0.scope == nil }
            return .wrongMethod(allowed: allowed, entry.route, isOpen: isOpen)
        }
        return .unknownPath
    }

    /// What a path of a route names.
    func names(_ route: HTTPRoute, in path: Span<UInt8>) -> PathNames {
        let index = Int(route.index) - 1
        guard entries.indices.contains(index) else { return PathNames() }
        return entries[index].pattern.names(in: path)
    }

    /// The endpoint of a request that was admitted, and what its path names.
    func found(_ request: HTTPRequest) -> (endpoint: Endpoint, names: PathNames)? {
        // The transport counts `other` as route 0, and the table's paths from 1.
        let index = Int(request.route.index) - 1
        guard entries.indices.contains(index) else { return nil }
        let entry = entries[index]
        for endpoint in entry.endpoints where endpoint.accepts(request.head.method) {
            return (endpoint, entry.pattern.names(in: request.head.pathBytes))
        }
        return nil
    }
}

/// Where a path's names stand among its bytes, as the client wrote them.
struct PathNames: Equatable {
    var model: Range<Int>?
    var version: Range<Int>?
    var label: Range<Int>?
}

/// A path with places for names.
struct PathPattern: Sendable {
    private enum Part: Equatable {
        case literal([UInt8])
        case model, version, label
    }

    private let parts: [Part]
    /// The whole path, where it has no places for names.
    private let literal: [UInt8]?

    /// Reads a pattern such as `/v1/models/{model}:predict`.
    init(_ text: String) {
        var parts: [Part] = []
        for piece in text.split(separator: "{") {
            guard let end = piece.firstIndex(of: "}") else {
                parts.append(.literal(Array(piece.utf8)))
                continue
            }
            switch piece[..<end] {
            case "version": parts.append(.version)
            case "label": parts.append(.label)
            default: parts.append(.model)
            }
            let rest = piece[piece.index(after: end)...]
            if !rest.isEmpty { parts.append(.literal(Array(rest.utf8))) }
        }
        self.parts = parts
        literal = parts.count == 1 ? Array(text.utf8) : nil
    }

    /// Whether a path has this form.
    func matches(_ path: Span<UInt8>) -> Bool {
        if let literal {
            return literal.count == path.count && Self.holds(path, literal.span, at: 0)
        }
        var names = PathNames()
        return read(path, into: &names)
    }

    /// The names in a path of this form.
    func names(in path: Span<UInt8>) -> PathNames {
        var names = PathNames()
        if literal == nil { _ = read(path, into: &names) }
        return names
    }

    private func read(_ path: Span<UInt8>, into names: inout PathNames) -> Bool {
        var position = 0
        for index in parts.indices {
            switch parts[index] {
            case .literal(let bytes):
                guard Self.holds(path, bytes.span, at: position) else { return false }
                position += bytes.count
            case .model, .version, .label:
                guard let end = endOfName(path, position, before: index + 1) else { return false }
                switch parts[index] {
                case .version: names.version = position..<end
                case .label: names.label = position..<end
                default: names.model = position..<end
                }
                position = end
            }
        }
        return position == path.count
    }

    /// Where a name ends: at the next slash, or at what follows it within the segment.
    ///
    /// No name has a colon, so that nothing like `:predicted` is part of one.
    private func endOfName(_ path: Span<UInt8>, _ start: Int, before next: Int) -> Int? {
        var end = start
        while end < path.count, path[end] != UInt8(ascii: "/") { end += 1 }
        if next < parts.count, case .literal(let bytes) = parts[next],
            bytes.first != UInt8(ascii: "/")
        {
            end -= bytes.firstIndex(of: UInt8(ascii: "/")) ?? bytes.count
        }
        guard end > start else { return nil }
        for index in start..<end where path[index] == UInt8(ascii: ":") { return nil }
        return end
    }

    private static func holds(_ path: Span<UInt8>, _ bytes: Span<UInt8>, at start: Int) -> Bool {
        guard path.count - start >= bytes.count else { return false }
        for index in bytes.indices where path[start + index] != bytes[index] { return false }
        return true
    }
}

extension Endpoint {
    /// Whether a method is the endpoint's own; `HEAD` stands for `GET`.
    func accepts(_ method: HTTPMethod) -> Bool {
        method == self.method || (method == .head && self.method == .get)
    }

    /// The value of `Allow`.
    var allowed: String { method == .get ? "GET, HEAD" : method.label }
}
