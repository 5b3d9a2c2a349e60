/// Why the transport could not be set up or used as asked.
///
/// What a client does wrong is a ``RequestRejection``, never this.
package enum HTTPTransportError: Error, CustomStringConvertible, Sendable, Equatable {
    /// A limit has a value that the transport cannot keep.
    case limitOutOfRange(name: String, value: String, allowed: String)
    /// The address cannot be listened on; `reason` is the system's word for it.
    case cannotListen(address: String, reason: String)
    /// A response field has a name or a value that HTTP does not allow.
    case malformedField(name: String)
    /// The route table has too many routes or a name twice.
    case malformedRoutes(reason: String)
    /// The metric registry has fewer shards than the group has event loops.
    case tooFewShards(shards: Int, eventLoops: Int)
    /// The server was started before.
    case startedTwice(listener: String)
    /// A metric could not be declared; `reason` is the registry's word for it.
    case metric(reason: String)

    /// The stable name of the kind of failure, for labels and JSON.
    package var code: String {
        switch self {
        case .limitOutOfRange: "limit_out_of_range"
        case .cannotListen: "cannot_listen"
        case .malformedField: "malformed_response_field"
        case .malformedRoutes: "malformed_routes"
        case .tooFewShards: "too_few_shards"
        case .startedTwice: "started_twice"
        case .metric: "metric_not_declared"
        }
    }

    /// What failed, why, and what to do.
    package var description: String {
        switch self {
        case .limitOutOfRange(let name, let value, let allowed):
            "limit \(name) refused: \(value) is out of range: choose \(allowed)"
        case .cannotListen(let address, let reason):
            "cannot listen on \(address): \(reason): choose another address or end what holds it"
        case .malformedField(let name):
            "response field \(name) refused: its name or value has bytes that HTTP forbids: send visible ASCII"
        case .malformedRoutes(let reason):
            "route table refused: \(reason): give each route one name, at most 250 in all"
        case .tooFewShards(let shards, let eventLoops):
            "metrics refused: \(shards) shards for \(eventLoops) event loops: make one shard a loop"
        case .startedTwice(let listener):
            "listener \(listener) not started: it was started before: make a new server"
        case .metric(let reason):
            "metric not declared: \(reason): give each metric one help text and one set of labels"
        }
    }
}
