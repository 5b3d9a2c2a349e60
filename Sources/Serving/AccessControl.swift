internal import Digest
package import NIOCore
internal import Synchronization
internal import Telemetry

/// Access control of all listeners: replaced as a whole while serving.
///
/// Each event loop has a gate with its own reference to the rules, so that a request reads them
/// without a lock; new rules reach the loops by messages.
package final class AccessControl: Sendable {
    private let metrics: AccessMetrics
    private let state = Mutex(State())

    private struct State {
        var rules: [Listener: AccessRules] = [:]
        var gates: [(listener: Listener, gate: NIOLoopBound<AccessGate>)] = []
    }

    /// Rules that are complete, but not in use yet.
    package struct Prepared: Sendable {
        fileprivate let rules: [Listener: AccessRules]
    }

    /// Everybody may ask for everything, until rules are used.
    package init(_ metrics: AccessMetrics) { self.metrics = metrics }

    /// Puts new rules together; nothing is changed yet.
    ///
    /// - Parameters:
    ///   - file: Callers of both listeners; nil for none.
    ///   - tokens: The token of a listener, which allows everything there.
    /// - Returns: The rules. A limit that stays as it is keeps its count.
    /// - Throws: `DigestError`.
    package func prepare(_ file: AccessFile?, tokens: [Listener: [UInt8]]) throws -> Prepared {
        let before = state.withLock { $0.rules.values.flatMap(\.identities) }
        var made: [String: AccessIdentity] = [:]
        func identity(
            _ name: String,
            _ scopes: Set<Endpoint.Scope>,
            _ rate: Double?,
            _ burst: Double?
        ) -> AccessIdentity {
            if let known = made[name] { return known }
            let identity = AccessIdentity(
                name: name,
                scopes: scopes,
                rate: rate,
                burst: burst,
                metrics,
                before: before.first { $0.name == name }
            )
            made[name] = identity
            return identity
        }
        var rules: [Listener: AccessRules] = [:]
        for listener in Listener.allCases {
            rules[listener] = AccessRules(
                file,
                token: try tokens[listener].map { try SHA256Digest.of($0) },
                identity: { identity($0.name, $0.scopes, $0.rate, $0.burst) },
                tokenIdentity: { identity("token", Set(Endpoint.Scope.allCases), nil, nil) }
            )
        }
        return Prepared(rules: rules)
    }

    /// Has all listeners use new rules.
    package func use(_ prepared: Prepared) {
        let (gates, gone) = state.withLock { state in
            let before = Set(state.rules.values.flatMap { $0.identities.map(\.name) })
            let now = Set(prepared.rules.values.flatMap { $0.identities.map(\.name) })
            state.rules = prepared.rules
            return (state.gates, before.subtracting(now))
        }
        for (listener, gate) in gates {
            let rules = prepared.rules[listener] ?? .open
            gate.eventLoop.execute { gate.value.use(rules) }
        }
        for name in gone { metrics.forget(name) }
    }

    /// The callers that a listener knows now; empty where it asks for nothing.
    package func callers(of listener: Listener) -> [String] {
        state.withLock { $0.rules[listener]?.identities.map(\.name) ?? [] }
    }

    /// Makes a loop's gate; it is called on that loop.
    package func gate(_ listener: Listener, on loop: any EventLoop, shard: Int) -> AccessGate {
        loop.preconditionInEventLoop()
        let gate = AccessGate(metrics, shard: shard)
        let bound = NIOLoopBound(gate, eventLoop: loop)
        // Newer rules come as a message to this loop, and so after these.
        let rules = state.withLock { state in
            state.gates.append((listener, bound))
            return state.rules[listener]
        }
        gate.use(rules ?? .open)
        return gate
    }
}
