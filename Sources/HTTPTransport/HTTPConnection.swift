package import NIOCore
package import TLSTransport

/// Turns the bytes of one connection into requests and responses: the glue between the channel,
/// ``RequestReader``, ``ConnectionStateMachine`` and the responder of the event loop.
///
/// Answers to requests that came in one read leave in one write. While an answer is owed or the
/// client does not take what it was sent, nothing more is read.
///
/// It asks the channel for bytes by itself, so that the channel must not (`autoRead`).
package final class HTTPConnectionHandler: ChannelInboundHandler {
    /// Plaintext as the client sent it.
    package typealias InboundIn = ByteBuffer
    /// Answers, whole.
    package typealias OutboundOut = ByteBuffer

    /// The request that is being read or answered, and what there is of its body.
    struct Exchange: ~Copyable {
        var request: HTTPRequest
        var body: BodyCollector
    }

    let services: LoopServices
    let tls: TLSHandler?
    var machine: ConnectionStateMachine
    var reader: RequestReader
    var inbound = ByteBuffer()
    var outbound = ByteBuffer()
    var exchange: Exchange?
    /// The request whose answer comes later.
    var pending: HTTPRequest?
    /// Called when the client leaves before that.
    var abandonPending: (() -> Void)?
    var context: ChannelHandlerContext?
    private var facts: ConnectionFacts?
    private var number: UInt64 = 0
    private var hasBegun = false
    private var isProcessing = false
    var needsFlush = false
    private var timer: Scheduled<Void>?
    private var timerAt = NIODeadline.distantFuture
    private(set) var idleSince: NIODeadline?

    /// Makes the handler of one connection.
    ///
    /// - Parameters:
    ///   - services: of the channel's event loop.
    ///   - tls: the handler below that encrypts, asked for what the handshake agreed on.
    package init(services: LoopServices, tls: TLSHandler? = nil) {
        self.services = services
        self.tls = tls
        let limits = services.settings.limits
        reader = RequestReader(limits: limits)
        machine = ConnectionStateMachine(limits: limits, now: 0)
        tls?.serve(self)
    }

    /// When the loop gave its turn to this connection, or later; the clock is asked once for each
    /// turn and once for each answer.
    private(set) var now = NIODeadline.uptimeNanoseconds(0)

    /// Asks the clock.
    func readClock() { now = services.eventLoop.now }

    /// What is known of the connection; complete once the handshake is.
    var connectionFacts: ConnectionFacts {
        if let facts { return facts }
        let made = services.makeFacts(
            number: number,
            peerAddress: context?.channel.remoteAddress?.ipAddress,
            tls: tls?.facts
        )
        facts = made
        return made
    }
}

@available(*, unavailable)
extension HTTPConnectionHandler: Sendable {}

// MARK: - The channel's life

extension HTTPConnectionHandler {
    /// Begins at once on a channel that is connected already.
    package func handlerAdded(context: ChannelHandlerContext) {
        self.context = context
        if context.channel.isActive { begin() }
    }

    /// Leaves nothing behind that waits.
    package func handlerRemoved(context: ChannelHandlerContext) {
        end(nil)
        self.context = nil
    }

    /// Begins.
    package func channelActive(context: ChannelHandlerContext) {
        begin()
        context.fireChannelActive()
    }

    /// Records what the client did not wait for, and forgets the connection.
    package func channelInactive(context: ChannelHandlerContext) {
        end(nil)
        context.fireChannelInactive()
    }

    /// Ends after the peer's last byte: at once, unless an answer is owed.
    package func userInboundEventTriggered(context: ChannelHandlerContext, event: Any) {
        if case ChannelEvent.inputClosed? = event as? ChannelEvent {
            if machine.inputClosed() { close(.client) }
        }
        context.fireUserInboundEventTriggered(event)
    }

    /// Ends; what went wrong below is counted and logged by whoever noticed it.
    package func errorCaught(context: ChannelHandlerContext, error: any Error) {
        machine.fail(error is IOError ? .client : .failed)
        context.close(promise: nil)
    }

    /// Stops reading while the client does not take what it was sent.
    package func channelWritabilityChanged(context: ChannelHandlerContext) {
        readClock()
        machine.writabilityChanged(
            isWritable: context.channel.isWritable,
            now: now.uptimeNanoseconds
        )
        if context.channel.isWritable { resume() } else { armTimer() }
        context.fireChannelWritabilityChanged()
    }

    private func begin() {
        guard !hasBegun else { return }
        hasBegun = true
        readClock()
        machine = ConnectionStateMachine(
            limits: services.settings.limits,
            now: now.uptimeNanoseconds,
            isEncrypted: tls != nil
        )
        idleSince = now
        switch services.open(self, from: context?.channel.remoteAddress) {
        case .refused(let reason): return close(reason)
        case .accepted(let number): self.number = number
        }
        if services.isDraining { return drain() }
        armTimer()
        context?.read()
    }

    /// The request that is being read, which then is read no more.
    func takeRequest() -> HTTPRequest? {
        guard let taken = exchange.take() else { return nil }
        return taken.request
    }

    private func end(_ reason: ConnectionStateMachine.CloseReason?) {
        machine.closed(reason)
        timer?.cancel()
        timer = nil
        if let request = takeRequest() ?? pending.take() {
            readClock()
            services.metrics.tally.addActive(-1)
            record(request, HTTPResponse(status: .clientClosedRequest, route: request.route))
        }
        abandonPending.take()?()
        services.closed(self, machine.closeReason)
        inbound = ByteBuffer()
        outbound = ByteBuffer()
        idleSince = nil
    }
}

// MARK: - Reading

extension HTTPConnectionHandler {
    /// Takes the bytes and acts on what is complete.
    package func channelRead(context: ChannelHandlerContext, data: NIOAny) {
        received(unwrapInboundIn(data))
    }

    /// Sends the answers to all that was read at one time.
    package func channelReadComplete(context: ChannelHandlerContext) {
        if receivedAll() { context.read() }
        context.fireChannelReadComplete()
    }

    private func take(_ bytes: ByteBuffer) {
        guard machine.acceptsBytes else {
            return machine.dropped(bytes: bytes.readableBytes)
        }
        if inbound.readableBytes == 0 {
            inbound = bytes
        } else {
            inbound.writeImmutableBuffer(bytes)
        }
        process()
    }

    /// Goes on after something that had to be waited for.
    func resume() {
        readClock()
        process()
        flushOutbound()
        armTimer()
        if machine.wantsBytes { context?.read() }
    }

    private func process() {
        guard !isProcessing else { return }
        isProcessing = true
        defer { isProcessing = false }
        idleSince = nil
        while machine.mayRead {
            if machine.state == .idle {
                guard inbound.readableBytes > 0 else { break }
                machine.headStarted(now: now.uptimeNanoseconds)
            }
            guard processNext() else { break }
        }
        if inbound.readableBytes == 0 { inbound = ByteBuffer() }
        if machine.state == .idle { idleSince = now }
    }

    /// Acts on one event of the reader.
    ///
    /// - Returns: whether to ask for the next one.
    private func processNext() -> Bool {
        switch reader.next(&inbound) {
        case .needMoreBytes:
            return false
        case .head(let head):
            headArrived(head)
        case .body(let piece):
            bodyArrived(piece)
        case .end:
            bodyEnded()
        case .rejected(let rejection):
            reject(rejection, framingLost: true)
        }
        return true
    }
}

extension HTTPConnectionHandler: TLSApplication {
    /// Takes the bytes and acts on what is complete.
    package func received(_ bytes: ByteBuffer) {
        readClock()
        services.watchLag(now)
        take(bytes)
    }

    /// Sends the answers to all that was read at one time.
    package func receivedAll() -> Bool {
        flushOutbound()
        armTimer()
        return machine.wantsBytes
    }
}

// MARK: - Ending

extension HTTPConnectionHandler {
    /// Closes, or lets the answer that is owed be the last one.
    func drain() {
        if machine.drain() { close(.drained) }
    }

    /// Closes at once, whatever is unsent.
    func abort() {
        machine.closed(.drained)
        context?.close(promise: nil)
    }

    /// Sends what is ready, then closes.
    ///
    /// - Parameter reason: `nil` for the one that was decided before.
    func close(_ reason: ConnectionStateMachine.CloseReason?) {
        guard let context else { return }
        machine.closed(reason)
        guard outbound.readableBytes > 0 || needsFlush else {
            return context.close(promise: nil)
        }
        let written = context.eventLoop.makePromise(of: Void.self)
        written.futureResult.assumeIsolated().whenComplete { _ in context.close(promise: nil) }
        flushOutbound(written)
    }

    /// Sees to it that the machine is asked again when its deadline has passed.
    ///
    /// One timer at a time, and it is left alone while the deadline moves away: a busy connection
    /// never touches it.
    func armTimer() {
        guard let deadline = machine.deadline.map(NIODeadline.uptimeNanoseconds) else { return }
        guard timer == nil || deadline < timerAt else { return }
        timer?.cancel()
        timerAt = deadline
        timer = services.eventLoop.assumeIsolated().scheduleTask(deadline: deadline) {
            self.timer = nil
            self.timerFired()
        }
    }

    private func timerFired() {
        readClock()
        switch machine.deadlinePassed(now: now.uptimeNanoseconds) {
        case .none:
            break
        case .reject(let rejection):
            reject(rejection, framingLost: true)
            flushOutbound()
        case .close(let reason):
            if reason == .sendTimeout { outbound = ByteBuffer() }
            machine.closed(reason)
            context?.close(promise: nil)
        }
        armTimer()
    }
}
