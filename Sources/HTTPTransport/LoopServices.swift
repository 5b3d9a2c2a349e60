package import NIOCore
internal import Synchronization
internal import TLSTransport
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
    private var tracer: LoopTracer?
    let metrics: LoopMetrics
    var identifiers: RequestIdentifierSource
    private var date: HTTPDate
    private var dateEnds = NIODeadline.uptimeNanoseconds(0)
    private var sampling = AccessLog.Sampling()
    private var scratch = ByteBuffer()
    let tlsScratch = TLSScratch()
    private var line = AccessLine()
    private var connections: [ObjectIdentifier: Entry] = [:]
    private var connectionCount: UInt64 = 0
    private let shard: Int
    private let addresses: AddressCounts
    private let overload: OverloadState
    private var lag = LagWatch()
    private let queueNanosecondsMax: UInt64
    /// Requests whose answers come later.
    var pendingAnswers = 0
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
    ///   - traces: where traced requests are kept; `nil` for nowhere.
    ///   - identifiers: where requests get their identifiers from.
    ///   - clock: the time of day for `Date` and the access log.
    ///   - responder: answers on this loop.
    ///   - addresses: the listener's connections by client.
    ///   - overload: what the listener takes on.
    ///   - demandsTLS: whether browsers are told to come back by HTTPS only.
    package init(
        eventLoop: any EventLoop,
        shard: Int,
        settings: ListenerSettings,
        metrics: HTTPMetrics,
        accessLog: AccessLog?,
        traces: TraceCollector? = nil,
        identifiers: RequestIdentifierSource,
        clock: @escaping @Sendable () -> WallTime,
        responder: any HTTPResponder,
        addresses: AddressCounts = AddressCounts(),
        overload: OverloadState = OverloadState(),
        demandsTLS: Bool = false
    ) {
        self.eventLoop = eventLoop
        self.shard = shard
        self.settings = settings
        self.metrics = LoopMetrics(shared: metrics, shard: shard, routes: settings.routes)
        self.accessLog = accessLog
        tracer = traces?.makeTracer()
        self.identifiers = identifiers
        self.clock = clock
        self.responder = responder
        self.addresses = addresses
        self.overload = overload
        date = HTTPDate(
            before: ResponseWriter.securityLines
                + (demandsTLS ? ResponseWriter.strictTransportLine : "")
        )
        queueNanosecondsMax = UInt64(settings.limits.queueSecondsMax * 1e9)
    }

    // MARK: Connections

    private struct Entry {
        let handler: HTTPConnectionHandler
        /// Under whom it is counted.
        var client: AddressCounts.Client?
    }

    /// What became of a new connection.
    enum Opening {
        /// It was taken in; no other connection of the listener has its number.
        case accepted(UInt64)
        case refused(ConnectionStateMachine.CloseReason)
    }

    /// Takes a new connection in, if need be in place of the one that has been idle longest.
    func open(_ connection: HTTPConnectionHandler, from address: SocketAddress?) -> Opening {
        let count = metrics.shared.connections.wrappingAdd(1, ordering: .relaxed).newValue
        metrics.connectionOpened()
        let key = ObjectIdentifier(connection)
        connections[key] = Entry(handler: connection)
        connectionCount += 1
        if overload.level >= .refusing { return .refused(.overloaded) }
        if settings.limits.connectionsPerAddressMax < Int.max,
            let client = AddressCounts.Client(address)
        {
            guard addresses.enter(client, max: settings.limits.connectionsPerAddressMax) else {
                return .refused(.addressLimit)
            }
            connections[key]?.client = client
        }
        if count > settings.limits.connectionsMax {
            guard let longestIdle = longestIdle(but: connection) else { return .refused(.refused) }
            longestIdle.close(.evicted)
        }
        // The loop's number in the high bits keeps numbers apart without a shared counter.
        return .accepted(UInt64(shard) << 48 | connectionCount)
    }

    /// Forgets a connection that has ended.
    func closed(_ connection: HTTPConnectionHandler, _ reason: ConnectionStateMachine.CloseReason) {
        guard let entry = connections.removeValue(forKey: ObjectIdentifier(connection)) else {
            return
        }
        if let client = entry.client { addresses.leave(client) }
        metrics.shared.connections.wrappingSubtract(1, ordering: .relaxed)
        metrics.connectionClosed(reason)
        if isDraining, connections.isEmpty { drained?.succeed() }
    }

    private func longestIdle(but new: HTTPConnectionHandler) -> HTTPConnectionHandler? {
        var found: (connection: HTTPConnectionHandler, since: NIODeadline)?
        for connection in connections.values.lazy.map(\.handler) where connection !== new {
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
        for connection in connections.values.map(\.handler) { connection.drain() }
        if connections.isEmpty { promise.succeed() }
        return promise.futureResult
    }

    /// The connections that are open now.
    var openConnections: Int { connections.count }

    /// Closes every connection, whatever it is doing.
    func closeAll() {
        for connection in connections.values.map(\.handler) { connection.abort() }
    }

    // MARK: Overload

    /// There is work: sees to it that the loop's lag is known.
    func watchLag(_ now: NIODeadline) {
        guard !lag.isWatching else { return }
        let due = lag.begin(now: now.uptimeNanoseconds, worked: ThreadClock.nanoseconds())
        eventLoop.assumeIsolated().scheduleTask(deadline: .uptimeNanoseconds(due)) {
            let late = self.lag.ran(now: self.eventLoop.now.uptimeNanoseconds)
            self.metrics.observeLag(nanoseconds: late)
        }
    }

    /// Why a request that is not vital cannot be taken on now; `nil` when it can.
    func reasonToShed(at now: NIODeadline) -> ShedReason? {
        let isLate = lag.isOverloaded(
            now: now.uptimeNanoseconds,
            nanosecondsMax: queueNanosecondsMax,
            worked: ThreadClock.nanoseconds()
        )
        if isLate { return .queueTime }
        if pendingAnswers >= settings.limits.pendingAnswersMax { return .pendingAnswers }
        return overload.level >= .shedding ? .resources : nil
    }

    /// Whether answers end their connections, so that others can have their memory.
    var endsConnections: Bool { overload.level >= .endingConnections }

    // MARK: What every answer needs

    /// The lines that every response has, with the `Date` of now; the time of day is asked for once
    /// a second.
    func commonLines(_ now: NIODeadline) -> ByteBuffer {
        if now >= dateEnds {
            let time = clock()
            date.advance(to: time)
            let past = time.nanosecondsSinceEpoch % 1_000_000_000
            dateEnds = now + .nanoseconds(1_000_000_000 - max(0, past))
        }
        return date.lines
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

    /// What is known of a connection, once its handshake is complete.
    func makeFacts(number: UInt64, peerAddress: String?, tls: TLSSessionFacts?) -> ConnectionFacts {
        let members = RenderedMembers(using: &line.json) { line in
            guard hasAccessLog else { return }
            ConnectionFacts.write(number: number, peerAddress: peerAddress, tls: tls, to: &line)
        }
        return ConnectionFacts(
            number: number,
            listener: settings.name,
            peerAddress: peerAddress,
            tls: tls,
            members: members
        )
    }

    /// Traces a request that is over, if it is to be.
    ///
    /// - Returns: the request as an example of those that take as long, if somebody traces it.
    func trace(
        _ request: HTTPRequest,
        _ response: HTTPResponse,
        _ route: HTTPRoute,
        _ nanoseconds: UInt64
    ) -> Exemplar? {
        let isKept =
            tracer?.admits(
                status: Int(response.status.rawValue),
                nanoseconds: nanoseconds,
                isAsked: request.trace.sampled,
                second: request.timing.headComplete.uptimeNanoseconds / 1_000_000_000
            ) ?? false
        guard isKept || request.trace.sampled else { return nil }
        let time = clock()
        if isKept {
            let labels = settings.routes.labels
            var phases = response.log.phases
            let read = request.timing.bodyComplete - request.timing.headComplete
            phases.read = UInt64(max(0, read.nanoseconds))
            tracer?.keep(
                RequestTrace(
                    context: request.trace,
                    hasParent: request.isTraced,
                    span: request.span,
                    start: UInt64(max(0, time.nanosecondsSinceEpoch)) &- nanoseconds,
                    nanoseconds: nanoseconds,
                    phases: phases,
                    method: request.head.method.label,
                    route: labels[min(Int(route.index), labels.count - 1)],
                    status: Int(response.status.rawValue),
                    errorCode: response.log.errorCode,
                    model: response.log.model,
                    version: response.log.version
                )
            )
        }
        return Exemplar(
            trace: request.trace.traceIdentifier,
            span: request.span,
            raw: nanoseconds,
            time: time
        )
    }

    /// Whether requests are logged.
    var hasAccessLog: Bool { accessLog != nil }

    /// Logs a request that is done.
    func log(_ record: RequestRecord) {
        guard let accessLog else { return }
        let time = clock()
        guard sampling.admits(record, by: accessLog.settings, at: time) else {
            metrics.countSampledOut()
            return
        }
        let labels = settings.routes.labels
        accessLog.write(
            record,
            routeLabel: labels[min(Int(record.route.index), labels.count - 1)],
            time: time,
            using: &line
        )
    }
}
