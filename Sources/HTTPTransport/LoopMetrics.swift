internal import NIOCore
internal import Telemetry

/// The metric handles of one listener on one event loop, found without hashing a text.
///
/// A series is made, with the registry's lock, when its first request comes; from then on it is
/// found by route, method and status in a small table. An object, because copies of so many
/// handles would be counted one by one.
final class LoopMetrics {
    private struct Entry {
        let status: HTTPStatus
        let duration: Histogram
    }

    let shared: HTTPMetrics
    let tally: LoopTally
    private let shard: Int
    private let routes: RouteTable
    private var durations: [[Entry]]
    private var requestBytes: [Histogram?]
    private var responseBytes: [Histogram?]

    init(shared: HTTPMetrics, shard: Int, routes: RouteTable) {
        self.shared = shared
        self.shard = shard
        self.routes = routes
        tally = shared.makeTally()
        let count = routes.labels.count
        durations = Array(repeating: [], count: count * HTTPMethod.allCases.count)
        requestBytes = Array(repeating: nil, count: count)
        responseBytes = Array(repeating: nil, count: count)
    }

    /// Counts an answered request, as an example where one is given.
    func count(
        method: HTTPMethod,
        route: HTTPRoute,
        status: HTTPStatus,
        nanoseconds: UInt64,
        requestBytes: Int,
        responseBytes: Int,
        exemplar: Exemplar? = nil
    ) {
        let index = min(Int(route.index), routes.labels.count - 1)
        let duration = duration(method, index, status)
        duration.observe(nanoseconds, shard: shard)
        if let exemplar { duration.note(exemplar) }
        let sizes = sizes(index)
        sizes.request.observe(UInt64(requestBytes), shard: shard)
        sizes.response.observe(UInt64(responseBytes), shard: shard)
    }

    /// Counts a refused request.
    func count(_ rejection: RequestRejection) {
        shared.rejected[Int(rejection.rawValue)].increment(shard: shard)
    }

    /// Counts a request that was shed.
    func countShed(_ reason: ShedReason) {
        shared.shed[Int(reason.rawValue)].increment(shard: shard)
    }

    /// Notes how late the loop runs.
    func observeLag(nanoseconds: UInt64) {
        shared.lag.observe(nanoseconds, shard: shard)
    }

    /// Notes how long a request's body took to come.
    func observeRead(_ timing: RequestTiming) {
        let duration = timing.bodyComplete - timing.headComplete
        shared.read.observe(UInt64(max(0, duration.nanoseconds)), shard: shard)
    }

    /// Notes how long answers took to be encrypted and handed to the system.
    func observeWrite(since start: NIODeadline) {
        let duration = NIODeadline.now() - start
        shared.write.observe(UInt64(max(0, duration.nanoseconds)), shard: shard)
    }

    /// Counts a request that the access log leaves out.
    func countSampledOut() {
        shared.sampledOut.increment(shard: shard)
    }

    /// Counts a new connection.
    func connectionOpened() {
        shared.opened.increment(shard: shard)
    }

    /// Counts the end of a connection.
    func connectionClosed(_ reason: ConnectionStateMachine.CloseReason) {
        shared.closed[Int(reason.rawValue)].increment(shard: shard)
    }

    private func duration(
        _ method: HTTPMethod,
        _ route: Int,
        _ status: HTTPStatus
    ) -> Histogram {
        let place = route * HTTPMethod.allCases.count + Int(method.rawValue)
        // A route answers with a handful of statuses, so that looking through them is cheap.
        for entry in durations[place] where entry.status == status { return entry.duration }
        let made = shared.duration.series([
            shared.listener, method.label, routes.labels[route], "\(status.rawValue)",
        ])
        durations[place].append(Entry(status: status, duration: made))
        return made
    }

    private func sizes(_ route: Int) -> (request: Histogram, response: Histogram) {
        if let request = requestBytes[route], let response = responseBytes[route] {
            return (request, response)
        }
        let labels = [shared.listener, routes.labels[route]]
        let made = (shared.requestBytes.series(labels), shared.responseBytes.series(labels))
        (requestBytes[route], responseBytes[route]) = made
        return made
    }
}

@available(*, unavailable)
extension LoopMetrics: Sendable {}
