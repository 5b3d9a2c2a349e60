package import NIOCore
internal import Synchronization
package import Telemetry

/// What all connections of one listener on one event loop share.
///
/// It lives on that loop and is touched there only, so nothing of it is locked.
package final class LoopServices {
    let eventLoop: any EventLoop
    let settings: ListenerSettings
    let responder: any HTTPResponder
    private let clock: @Sendable () -> WallTime
    private let accessLog: AccessLog?
    var metrics: LoopMetrics
    var identifiers: RequestIdentifierSource
    private var date = HTTPDate()
    private var sampling = AccessLog.Sampling()
    private var scratch = ByteBuffer()
    private var line = JSONLine()
    private var connections: [ObjectIdentifier: HTTPConnectionHandler] = [:]
    private var connectionCount: UInt64 = 0
    private let shard: Int
    private var drained: EventLoopPromise<Void>?
    private(set) var isDraining = false

    /// Makes the services of one loop; to be called on it.
    ///
    /// - Parameters:
    ///   - eventLoop: the loop.
    ///   - shard: the loop's number in its group, and its shard of the metrics.
    ///   - settings: of the listener.
    ///   - metrics: of the listener.
    ///   - accessLog: where finished requests are written; `nil` for nowhere.
    ///   - identifiers: where requests get their identifiers from.
    ///   - clock: the time of day for `Date` and the access log.
    ///   - responder: answers on this loop.
    package init(
        eventLoop: any EventLoop,
        shard: Int,
        settings: ListenerSettings,
        metrics: HTTPMetrics,
        accessLog: AccessLog?,
        identifiers: RequestIdentifierSource,
        clock: @escaping @Sendable () -> WallTime,
        responder: any HTTPResponder
    ) {
        self.eventLoop = eventLoop
        self.shard = shard
        self.settings = settings
        self.metrics = LoopMetrics(shared: metrics, shard: shard, routes: settings.routes)
        self.accessLog = accessLog
        self.identifiers = identifiers
        self.clock = clock
        self.responder = responder
    }

    // MARK: Connections

    /// Takes a new connection in, if need be in place of the one that has been idle longest.
    ///
    /// - Returns: the connection's number, or `nil` when it has to be refused.
    func open(_ connection: HTTPConnectionHandler) -> UInt64? {
        let count = metrics.shared.connections.wrappingAdd(1, ordering: .relaxed).newValue
        metrics.connectionOpened()
        connections[ObjectIdentifier(connection)] = connection
        connectionCount += 1
        if count > settings.limits.connectionsMax {
            guard let longestIdle = longestIdle(but: connection) else { return nil }
            longestIdle.close(.evicted)
        }
        // The loop's number in the high bits keeps numbers apart without a shared counter.
        return UInt64(shard) << 48 | connectionCount
    }

    /// Forgets a connection that has ended.
    func closed(_ connection: HTTPConnectionHandler, _ reason: ConnectionStateMachine.CloseReason) {
        guard connections.removeValue(forKey: ObjectIdentifier(connection)) != nil else { return }
        metrics.shared.connections.wrappingSubtract(1, ordering: .relaxed)
        metrics.connectionClosed(reason)
        if isDraining, connections.isEmpty { drained?.succeed() }
    }

    private func longestIdle(but new: HTTPConnectionHandler) -> HTTPConnectionHandler? {
        var found: (connection: HTTPConnectionHandler, since: NIODeadline)?
        for connection in connections.values where connection !== new {
            guard let since = connection.idleSince else { continue }
            if found.map({ since < $0.since }) ?? true { found = (connection, since) }
        }
        return found?.connection
    }

    // MARK: Draining

    /// Closes idle connections and lets the others answer what they have begun.
    ///
    /// - Returns: a future that succeeds when the last connection has ended.
    package func drain() -> EventLoopFuture<Void> {
        let promise = drained ?? eventLoop.makePromise(of: Void.self)
        drained = promise
        isDraining = true
        for connection in Array(connections.values) { connection.drain() }
        if connections.isEmpty { promise.succeed() }
        return promise.futureResult
    }

    /// The connections that are open now.
    var openConnections: Int { connections.count }

    /// Closes every connection, whatever it is doing.
    func closeAll() {
        for connection in Array(connections.values) { connection.abort() }
    }

    // MARK: What every answer needs

    /// The `Date` line of now.
    func dateLine() -> ByteBuffer {
        date.advance(to: clock())
        return date.line
    }

    /// An empty buffer, the one that was given back last if nobody holds it any more.
    func takeScratch() -> ByteBuffer {
        var buffer = ByteBuffer()
        swap(&buffer, &scratch)
        if buffer.capacity == 0 {
            buffer = ByteBufferAllocator().buffer(capacity: 2048)
        } else {
            buffer.clear()
        }
        return buffer
    }

    /// Gives a buffer back for reuse; very large ones are let go.
    func giveBack(_ buffer: ByteBuffer) {
        if buffer.capacity <= 2 * ResponseWriter.copyBytesMax { scratch = buffer }
    }

    /// Counts and logs a request that is done.
    func record(_ record: RequestRecord) {
        metrics.count(
            method: record.method,
            route: record.route,
            status: record.status,
            nanoseconds: record.nanoseconds,
            requestBytes: record.requestBytes,
            responseBytes: record.responseBytes
        )
        guard let accessLog else { return }
        guard sampling.admits(record, by: accessLog.settings) else {
            metrics.countSampledOut()
            return
        }
        let labels = settings.routes.labels
        accessLog.write(
            record,
            routeLabel: labels[min(Int(record.route.index), labels.count - 1)],
            time: clock(),
            using: &line
        )
    }
}
