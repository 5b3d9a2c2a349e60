package import NIOCore
internal import NIOPosix
internal import Synchronization
package import TLSTransport
package import Telemetry

/// Gives the certificate and settings that the next connection shall be encrypted with.
///
/// Asked once for each connection, so a renewed certificate serves new connections while old ones
/// go on with theirs.
package protocol TLSContextSource: Sendable {
    /// The context for a connection that begins now.
    func current() -> TLSContext
}

extension TLSContext: TLSContextSource {
    /// Itself, for listeners whose certificate never changes.
    package func current() -> TLSContext { self }
}

/// How a listener encrypts.
package struct ListenerTLS: Sendable {
    /// Gives the context of each new connection.
    package var source: any TLSContextSource
    /// Times and sizes of handshakes.
    package var limits: TLSLimits
    /// Where handshakes are counted.
    package var metrics: TLSMetrics?
    /// Where handshakes wait for their turn; nil lets all begin at once.
    package var gate: TLSHandshakeGate?
    /// Whether browsers are told to come back by HTTPS only (RFC 6797).
    ///
    /// That holds for the host with all its ports: not for `localhost`, where other programs of a
    /// developer speak plain text.
    package var isDemanded: Bool

    /// Makes the settings.
    package init(
        source: any TLSContextSource,
        limits: TLSLimits = TLSLimits(),
        metrics: TLSMetrics? = nil,
        gate: TLSHandshakeGate? = nil,
        isDemanded: Bool = true
    ) {
        self.isDemanded = isDemanded
        self.source = source
        self.limits = limits
        self.metrics = metrics
        self.gate = gate
    }
}

/// One listener: accepts connections and answers requests on them, until it is drained.
package final class HTTPServer: Sendable {
    /// Where a listener can be reached.
    package struct Address: Sendable, Equatable, CustomStringConvertible {
        /// The address or host name.
        package let host: String
        /// The port; 0 in a wish means any free one.
        package let port: Int

        /// Makes an address.
        package init(host: String, port: Int) {
            self.host = host
            self.port = port
        }

        /// `127.0.0.1:8443`, or `[::1]:8443`.
        package var description: String {
            host.contains(":") ? "[\(host)]:\(port)" : "\(host):\(port)"
        }
    }

    /// What became of the connections when the server was drained.
    package struct DrainOutcome: Sendable, Equatable {
        /// Connections that were still at work at the deadline and were cut off.
        package let cutOff: Int
    }

    private typealias BoundServices = NIOLoopBound<LoopServices>

    private struct State {
        var isStarted = false
        var listener: (any Channel)?
        var loops: [BoundServices] = []
    }

    private let settings: ListenerSettings
    private let address: Address
    private let inheritedSocket: CInt?
    private let group: any EventLoopGroup
    private let tls: ListenerTLS?
    private let metrics: HTTPMetrics
    private let accessLog: AccessLog?
    private let traces: TraceCollector?
    private let overload: OverloadState
    private let firstShard: Int
    private let addresses = AddressCounts()
    private let clock: @Sendable () -> WallTime
    private let makeResponder: @Sendable (any EventLoop, Int) throws -> any HTTPResponder
    private let state = Mutex(State())

    /// Prepares a listener; nothing is opened yet.
    ///
    /// - Parameters:
    ///   - settings: its name, limits and routes.
    ///   - address: where to listen.
    ///   - inheritedSocket: a bound socket to listen on instead, which is then ours; `nil` for none.
    ///   - group: the event loops.
    ///   - tls: how to encrypt; `nil` for plain text.
    ///   - metrics: of this listener.
    ///   - accessLog: where finished requests are written; `nil` for nowhere.
    ///   - traces: where traced requests are kept; `nil` for nowhere.
    ///   - overload: what the listener takes on.
    ///   - firstShard: the metric shard of the group's first loop; the next has the next one.
    ///   - clock: the time of day.
    ///   - makeResponder: makes the responder of one event loop, on that loop; it is told the
    ///     loop's shard of the metrics.
    /// - Throws: ``HTTPTransportError`` when limits or metrics do not fit.
    package init(
        settings: ListenerSettings,
        address: Address,
        inheritedSocket: CInt? = nil,
        group: any EventLoopGroup,
        tls: ListenerTLS?,
        metrics: HTTPMetrics,
        accessLog: AccessLog? = nil,
        traces: TraceCollector? = nil,
        overload: OverloadState = OverloadState(),
        firstShard: Int = 0,
        clock: @escaping @Sendable () -> WallTime = { WallTime.now() },
        makeResponder: @escaping @Sendable (any EventLoop, Int) throws -> any HTTPResponder
    ) throws(HTTPTransportError) {
        try settings.limits.check()
        var loopCount = 0
        for _ in group.makeIterator() { loopCount += 1 }
        guard firstShard >= 0, firstShard + loopCount <= metrics.registry.shards else {
            throw .tooFewShards(shards: metrics.registry.shards, eventLoops: loopCount)
        }
        self.settings = settings
        self.address = address
        self.inheritedSocket = inheritedSocket
        self.group = group
        self.tls = tls
        self.metrics = metrics
        self.accessLog = accessLog
        self.traces = traces
        self.overload = overload
        self.firstShard = firstShard
        self.clock = clock
        self.makeResponder = makeResponder
    }

    /// Makes the responders and begins to accept connections.
    ///
    /// - Returns: where the listener can be reached; with the real port if 0 was wished.
    /// - Throws: ``HTTPTransportError``, or what `makeResponder` throws.
    package func start() async throws -> Address {
        let isFirst = state.withLock { state in
            defer { state.isStarted = true }
            return !state.isStarted
        }
        guard isFirst else { throw HTTPTransportError.startedTwice(listener: settings.name) }
        let loops = try await makeServices()
        let listener: any Channel
        do {
            listener = try await listen(bootstrap(loops)).get()
        } catch {
            throw HTTPTransportError.cannotListen(address: "\(address)", reason: "\(error)")
        }
        state.withLock { state in
            state.listener = listener
            state.loops = loops
        }
        return Address(host: address.host, port: listener.localAddress?.port ?? address.port)
    }

    /// Ends: accepts no more, closes idle connections, lets the others answer what they have begun
    /// (with `Connection: close`), and cuts off what is left at the deadline.
    ///
    /// - Parameter seconds: how long answers may take.
    /// - Returns: how many connections were cut off.
    package func drain(seconds: Double) async -> DrainOutcome {
        let (listener, loops) = state.withLock { ($0.listener, $0.loops) }
        try? await listener?.close().get()
        let nanoseconds = Int64(min(max(seconds, 0), 31_536_000) * 1e9)
        var cutOff = 0
        let outcomes = loops.map { Self.drain($0, within: .nanoseconds(nanoseconds)) }
        for outcome in outcomes { cutOff += (try? await outcome.get()) ?? 0 }
        return DrainOutcome(cutOff: cutOff)
    }

    private static func drain(
        _ services: BoundServices,
        within time: TimeAmount
    ) -> EventLoopFuture<Int> {
        let loop = services.eventLoop
        return loop.flatSubmit {
            let drained = services.value.drain()
            let cutOff = NIOLoopBoundBox(0, eventLoop: loop)
            let deadline = loop.assumeIsolated().scheduleTask(in: time) {
                // Counted first: closing the last connection completes the future at once.
                cutOff.value = services.value.openConnections
                services.value.closeAll()
            }
            return drained.map {
                deadline.cancel()
                return cutOff.value
            }
        }
    }

    private func listen(_ bootstrap: ServerBootstrap) -> EventLoopFuture<any Channel> {
        if let inheritedSocket { return bootstrap.withBoundSocket(inheritedSocket) }
        return bootstrap.bind(host: address.host, port: address.port)
    }

    private func makeServices() async throws -> [BoundServices] {
        var made: [BoundServices] = []
        for (number, loop) in group.makeIterator().enumerated() {
            let shard = firstShard + number
            let services = try await loop.submit {
                try BoundServices(self.services(of: loop, shard: shard), eventLoop: loop)
            }.get()
            made.append(services)
        }
        return made
    }

    private func services(of loop: any EventLoop, shard: Int) throws -> LoopServices {
        LoopServices(
            eventLoop: loop,
            shard: shard,
            settings: settings,
            metrics: metrics,
            accessLog: accessLog,
            traces: traces,
            identifiers: RequestIdentifierSource(),
            clock: clock,
            responder: try makeResponder(loop, shard),
            addresses: addresses,
            overload: overload,
            demandsTLS: tls?.isDemanded ?? false
        )
    }

    private func bootstrap(_ loops: [BoundServices]) -> ServerBootstrap {
        let byLoop = Dictionary(
            uniqueKeysWithValues: loops.map { (ObjectIdentifier($0.eventLoop), $0) }
        )
        let (tls, metrics) = (tls, metrics)
        return ServerBootstrap(group: group)
            .serverChannelOption(.backlog, value: 1024)
            .serverChannelOption(.socketOption(.so_reuseaddr), value: 1)
            .serverChannelInitializer { channel in
                channel.eventLoop.makeCompletedFuture {
                    try channel.pipeline.syncOperations.addHandler(AcceptPause(metrics: metrics))
                }
            }
            .childChannelInitializer { channel in
                channel.eventLoop.makeCompletedFuture {
                    guard let services = byLoop[ObjectIdentifier(channel.eventLoop)]?.value else {
                        throw ChannelError.inappropriateOperationForState
                    }
                    try Self.addHandlers(to: channel, tls: tls, services: services)
                }
            }
    }

    private static func addHandlers(
        to channel: any Channel,
        tls: ListenerTLS?,
        services: LoopServices
    ) throws {
        try setOptions(of: channel, services, hasTLS: tls != nil)
        let pipeline = channel.pipeline.syncOperations
        guard let tls else {
            return try pipeline.addHandler(HTTPConnectionHandler(services: services))
        }
        let handler = try TLSHandler(
            context: tls.source.current(),
            limits: tls.limits,
            metrics: tls.metrics,
            gate: tls.gate,
            plainHTTPAnswer: plainHTTPAnswer,
            scratch: services.tlsScratch
        )
        try pipeline.addHandler(handler)
        try pipeline.addHandler(HTTPConnectionHandler(services: services, tls: handler))
    }

    /// Sets at once what as options of the bootstrap would cost a connection a chain of futures each.
    ///
    /// `TCP_NODELAY` comes from the listening socket, on which the bootstrap sets it.
    private static func setOptions(
        of channel: any Channel,
        _ services: LoopServices,
        hasTLS: Bool
    ) throws {
        guard let options = channel.syncOptions else { return }
        // The handlers ask for bytes by themselves, which saves a way through the pipeline.
        try options.setOption(.autoRead, value: false)
        if hasTLS {
            let reads = SharedReadAllocator(services.tlsScratch, on: channel.eventLoop)
            try options.setOption(.recvAllocator, value: reads)
            try options.setOption(.maxMessagesPerRead, value: 1)
        } else {
            // TLS has its own word for the end; plain text has only the half-closed connection.
            try options.setOption(.allowRemoteHalfClosure, value: true)
            // A connection keeps the buffer that it reads into: small, until it needs more.
            let reads = AdaptiveRecvByteBufferAllocator(
                minimum: 1024,
                initial: 1024,
                maximum: 65_536
            )
            try options.setOption(.recvAllocator, value: reads)
        }
    }

    /// What a client reads that speaks plain HTTP to an encrypted listener.
    private static let plainHTTPAnswer: ByteBuffer = {
        let body =
            #"{"error":"plain HTTP refused: this port speaks HTTPS: use https://","code":"tls_required"}"#
            + "\n"
        return ByteBuffer(
            string: "HTTP/1.1 400 Bad Request\r\nContent-Type: application/json\r\n"
                + ResponseWriter.securityLines
                + "Content-Length: \(body.utf8.count)\r\nConnection: close\r\n\r\n" + body
        )
    }()
}
