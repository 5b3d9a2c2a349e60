import NIOCore
import NIOEmbedded
import NIOTLS
import TLSTransport

/// Stands in for the socket: keeps what is sent, can be slow, and knows half-closing.
final class NetworkEdge: ChannelDuplexHandler {
    typealias InboundIn = ByteBuffer
    typealias OutboundIn = ByteBuffer

    /// What has left and not been delivered yet.
    var sent = ByteBuffer()
    private(set) var isOutputClosed = false
    private(set) var readsAsked = 0
    private(set) var writes = 0
    /// While true, writes stay in the socket's queue.
    var isStuck = false { didSet { if !isStuck { release() } } }
    private var queue: [(ByteBuffer, EventLoopPromise<Void>?)] = []
    private var context: ChannelHandlerContext?

    func handlerAdded(context: ChannelHandlerContext) { self.context = context }
    func handlerRemoved(context: ChannelHandlerContext) { self.context = nil }

    func write(context: ChannelHandlerContext, data: NIOAny, promise: EventLoopPromise<Void>?) {
        queue.append((unwrapOutboundIn(data), promise))
        writes += 1
    }

    func flush(context: ChannelHandlerContext) {
        if !isStuck { release() }
    }

    func read(context: ChannelHandlerContext) { readsAsked += 1 }

    func close(context: ChannelHandlerContext, mode: CloseMode, promise: EventLoopPromise<Void>?) {
        guard mode == .output else {
            // As a socket does: what has not left by now never will.
            let lost = queue
            queue = []
            for (_, promise) in lost { promise?.fail(ChannelError.ioOnClosedChannel) }
            return context.close(mode: mode, promise: promise)
        }
        isOutputClosed = true
        promise?.succeed()
    }

    /// The connection ends from outside.
    func end() { context?.close(mode: .all, promise: nil) }

    private func release() {
        while !queue.isEmpty {
            var (bytes, promise) = queue.removeFirst()
            sent.writeBuffer(&bytes)
            promise?.succeed()
        }
    }
}

/// Stands in for the application: notes all that happens, in order.
final class Application: ChannelDuplexHandler {
    typealias InboundIn = ByteBuffer
    typealias OutboundIn = ByteBuffer
    typealias OutboundOut = ByteBuffer

    private(set) var received: [UInt8] = []
    private(set) var log: [String] = []
    private(set) var errors: [TLSError] = []
    var onActive: ((ChannelHandlerContext) -> Void)?
    var onHandshake: ((ChannelHandlerContext) -> Void)?
    var onRead: ((ChannelHandlerContext, ByteBuffer) -> Void)?
    var onReadComplete: ((ChannelHandlerContext) -> Void)?
    var onError: ((ChannelHandlerContext) -> Void)?
    var onInactive: ((ChannelHandlerContext) -> Void)?

    var text: String { String(decoding: received, as: UTF8.self) }

    func channelActive(context: ChannelHandlerContext) {
        log.append("active")
        onActive?(context)
    }

    func userInboundEventTriggered(context: ChannelHandlerContext, event: Any) {
        guard case .handshakeCompleted(let name)? = event as? TLSUserEvent else { return }
        log.append("secure(\(name ?? "-"))")
        onHandshake?(context)
    }

    func channelRead(context: ChannelHandlerContext, data: NIOAny) {
        let bytes = unwrapInboundIn(data)
        log.append("read")
        received.append(contentsOf: bytes.readableBytesView)
        onRead?(context, bytes)
    }

    func channelReadComplete(context: ChannelHandlerContext) { onReadComplete?(context) }

    func errorCaught(context: ChannelHandlerContext, error: any Error) {
        guard let error = error as? TLSError else { return log.append("error(\(error))") }
        log.append("error(\(error.code))")
        errors.append(error)
        onError?(context)
    }

    func channelInactive(context: ChannelHandlerContext) {
        log.append("inactive")
        onInactive?(context)
    }
}

/// One side of a connection in memory.
final class Endpoint {
    let channel: EmbeddedChannel
    let edge = NetworkEdge()
    let handler: TLSHandler
    let application = Application()
    let counted: Counted
    /// What became of the promises given to ``write(_:)`` and ``close(_:)``, by name.
    private(set) var outcomes: [String: String] = [:]
    private(set) var promised: Set<String> = []

    init(
        _ context: TLSContext,
        serverName: String? = nil,
        limits: TLSLimits = TLSLimits(),
        gate: TLSHandshakeGate? = nil,
        plainHTTPAnswer: ByteBuffer? = nil,
        loop: EmbeddedEventLoop = EmbeddedEventLoop(),
        scratch: TLSScratch? = nil
    ) throws {
        channel = EmbeddedChannel(loop: loop)
        counted = try Counted()
        handler = try TLSHandler(
            context: context,
            serverName: serverName,
            limits: limits,
            metrics: counted.metrics,
            gate: gate,
            plainHTTPAnswer: plainHTTPAnswer,
            scratch: scratch
        )
        try channel.pipeline.syncOperations.addHandlers([edge, handler, application])
    }

    deinit {
        edge.end()
        channel.embeddedEventLoop.run()
    }

    func connect() throws {
        channel.connect(to: try SocketAddress(unixDomainSocketPath: "/none"), promise: nil)
    }

    /// Bytes come from the network, and nothing after them for now.
    func receive(_ bytes: ByteBuffer) {
        channel.pipeline.fireChannelRead(bytes)
        channel.pipeline.fireChannelReadComplete()
    }

    /// The application writes, and flushes unless told otherwise.
    func write(_ text: String, flushing: Bool = true) {
        write(ByteBuffer(string: text), as: text, flushing: flushing)
    }

    func write(_ bytes: ByteBuffer, as name: String, flushing: Bool = true) {
        let promise = promise(name)
        channel.pipeline.write(bytes, promise: promise)
        if flushing { channel.pipeline.flush() }
    }

    func flush() { channel.pipeline.flush() }

    /// Time goes on.
    func wait(seconds: Int64) { channel.embeddedEventLoop.advanceTime(by: .seconds(seconds)) }

    func close(_ mode: CloseMode = .all, as name: String = "close") {
        channel.pipeline.close(mode: mode, promise: promise(name))
    }

    func fireInputClosed() {
        channel.pipeline.fireUserInboundEventTriggered(ChannelEvent.inputClosed)
    }

    /// The socket's queue is full.
    func becomeUnwritable() {
        channel.isWritable = false
        channel.pipeline.fireChannelWritabilityChanged()
    }

    /// Whether no promise was forgotten.
    var hasKeptPromises: Bool { promised == Set(outcomes.keys) }

    var isOpen: Bool { channel.isActive }

    func promise(_ name: String) -> EventLoopPromise<Void> {
        promised.insert(name)
        let promise = channel.eventLoop.makePromise(of: Void.self)
        promise.futureResult.assumeIsolated().whenComplete { result in
            switch result {
            case .success: self.outcomes[name] = "done"
            case .failure(let error): self.outcomes[name] = "\(error)"
            }
        }
        return promise
    }
}
