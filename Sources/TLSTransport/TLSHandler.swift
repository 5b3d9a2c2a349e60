package import NIOCore
internal import NIOTLS

/// Encrypts a channel: bytes of the network on one side, plaintext on the other.
///
/// - Fires `TLSUserEvent.handshakeCompleted(negotiatedProtocol:)` when the connection is secure.
/// - Writes before that wait. Each flush becomes as few records as possible.
/// - Fires a ``TLSError`` when the handshake or the connection fails, and then closes by itself.
/// - `close()` says close, waits until all that was flushed before has left, then for the peer's
///   end or ``TLSLimits/closeSecondsMax``; the promise is completed when the channel is closed.
///   `close(mode: .output)` says close and ends the outgoing direction; reading goes on.
/// - When the peer says close, what it sent before is delivered; answers that are flushed by the
///   end of `channelReadComplete` are still sent; then the channel is closed.
package final class TLSHandler: ChannelDuplexHandler {
    /// Encrypted bytes from the network.
    package typealias InboundIn = ByteBuffer
    /// Plaintext for the application.
    package typealias InboundOut = ByteBuffer
    /// Plaintext of the application.
    package typealias OutboundIn = ByteBuffer
    /// Encrypted bytes for the network.
    package typealias OutboundOut = ByteBuffer

    /// What was agreed; nil until the handshake is finished.
    package private(set) var facts: TLSSessionFacts?

    let session: TLSSession
    let limits: TLSLimits
    let metrics: TLSMetrics?
    let plainHTTPAnswer: ByteBuffer?
    let scratch: TLSScratch
    /// What stands above and is called directly; nil sends everything over the pipeline.
    var application: (any TLSApplication)?
    /// Set while the handler is in a pipeline.
    var context: ChannelHandlerContext?

    var machine = TLSStateMachine()
    var writes = PendingWrites()
    var timer: Scheduled<Void>?
    var closePromise: EventLoopPromise<Void>?
    private let gate: TLSHandshakeGate?
    private var gateTicket: UInt64?
    /// What came while the handshake had to wait.
    private var held = ByteBuffer()
    private var handshakeBytes = 0
    private var waitingAnswerBytes = 0
    var isReadWanted = false
    /// Whether records were written and not yet flushed; see ``GatheredSends``.
    var isHeld = false

    /// Makes the handler of one new connection.
    ///
    /// - Parameters:
    ///   - context: Certificate, trust and ciphers; says whether this is the server's side.
    ///   - serverName: Client only: the DNS name or address that the server's certificate must be
    ///     for.
    ///   - limits: Times and sizes.
    ///   - metrics: What is counted where.
    ///   - gate: Where the handshake waits for its turn; nil begins it at once.
    ///   - plainHTTPAnswer: Server only: sent as it is to a peer that speaks plain HTTP, so that
    ///     its user learns what is wrong.
    ///   - scratch: What the connections of the event loop share; nil for memory of its own.
    /// - Throws: ``TLSError/libraryFailed(operation:reason:)``.
    package init(
        context: TLSContext,
        serverName: String? = nil,
        limits: TLSLimits = TLSLimits(),
        metrics: TLSMetrics? = nil,
        gate: TLSHandshakeGate? = nil,
        plainHTTPAnswer: ByteBuffer? = nil,
        scratch: TLSScratch? = nil
    ) throws(TLSError) {
        session = try TLSSession(context: context, serverName: serverName)
        self.limits = limits
        self.metrics = metrics
        self.gate = gate
        self.plainHTTPAnswer = plainHTTPAnswer
        self.scratch = scratch ?? TLSScratch()
    }
}

@available(*, unavailable)
extension TLSHandler: Sendable {}

// MARK: - The channel's life

extension TLSHandler {
    /// Begins at once on a channel that is connected already.
    package func handlerAdded(context: ChannelHandlerContext) {
        self.context = context
        if context.channel.isActive { start(context) }
    }

    /// Leaves nothing behind that waits.
    package func handlerRemoved(context: ChannelHandlerContext) {
        machine.closedHard()
        stopTimer()
        abandonWrites()
        takeClosePromise()?.fail(ChannelError.ioOnClosedChannel)
        application = nil
        self.context = nil
    }

    /// Tells the application first, because the handshake may close the channel again.
    package func channelActive(context: ChannelHandlerContext) {
        context.fireChannelActive()
        start(context)
    }

    /// Reports what was cut off, and completes all promises.
    package func channelInactive(context: ChannelHandlerContext) {
        stopTimer()
        let lost = machine.channelEnded()
        abandonWrites()
        switch lost {
        case .nothing: break
        case .truncated: metrics?.closedUncleanly()
        case .handshake:
            let failure: HandshakeFailure = handshakeBytes == 0 ? .probe : .disconnected
            metrics?.handshakeFailed(failure)
            context.fireErrorCaught(
                TLSError.handshakeFailed(failure, reason: "the peer closed the connection")
            )
        }
        takeClosePromise()?.succeed()
        context.fireChannelInactive()
    }

    /// Treats the peer's end of a half-closed channel as the end: TLS has its own word for it.
    package func userInboundEventTriggered(context: ChannelHandlerContext, event: Any) {
        if case ChannelEvent.inputClosed? = event as? ChannelEvent {
            flushHeld()
            return context.close(mode: .all, promise: nil)
        }
        context.fireUserInboundEventTriggered(event)
    }

    /// A peer that reads again may be answered again.
    package func channelWritabilityChanged(context: ChannelHandlerContext) {
        if context.channel.isWritable { waitingAnswerBytes = 0 }
        context.fireChannelWritabilityChanged()
    }

    private func start(_ context: ChannelHandlerContext) {
        guard machine.start() else { return }
        startTimer(context, limits.handshakeSecondsMax) { handler, context in
            guard handler.machine.handshakeTimedOut() else { return }
            let reason = "not finished within \(handler.limits.handshakeSecondsMax) s"
            handler.fail(context, .timedOut, reason)
        }
        guard let gate else { return begin(context) }
        let bound = NIOLoopBound((handler: self, context: context), eventLoop: context.eventLoop)
        let (ticket, isAdmitted) = gate.enter(context.eventLoop) {
            let (handler, context) = bound.value
            handler.begin(context)
            if handler.isReadWanted { context.read() }
        }
        gateTicket = ticket
        if isAdmitted { begin(context) }
    }

    /// The handshake's turn has come.
    private func begin(_ context: ChannelHandlerContext) {
        guard machine.admitted() else { return }
        var bytes = held
        held = ByteBuffer()
        handshake(context, &bytes)
        if machine.received() == .decrypt { decrypt(context, &bytes) }
        if machine.wantsBytes { context.read() }
    }

    /// Gives the place among the handshakes to the next one.
    func leaveGate() {
        guard let ticket = gateTicket else { return }
        gateTicket = nil
        gate?.leave(ticket)
    }
}

// MARK: - Reading

extension TLSHandler {
    /// Decrypts, and hands on what comes out.
    package func channelRead(context: ChannelHandlerContext, data: NIOAny) {
        var input = unwrapInboundIn(data)
        start(context)
        if machine.received() == .keep { return keep(context, &input) }
        if machine.received() == .handshake {
            handshakeBytes += input.readableBytes
            handshake(context, &input)
        }
        if machine.received() == .decrypt { decrypt(context, &input) }
        scratch.giveInput(input)
    }

    /// Keeps what comes before its time: what was on its way when reading stopped.
    private func keep(_ context: ChannelHandlerContext, _ input: inout ByteBuffer) {
        handshakeBytes += input.readableBytes
        held.writeBuffer(&input)
        if handshakeBytes > limits.handshakeBytesMax { failTooLong(context) }
    }

    private func failTooLong(_ context: ChannelHandlerContext) {
        let reason = "more than \(limits.handshakeBytesMax) bytes and not finished"
        fail(context, .tooLong, reason)
    }

    /// Answers the peer's close after the application had its say.
    package func channelReadComplete(context: ChannelHandlerContext) {
        // The channel comes back in the same turn: it may be about to end.
        flushHeld()
        handOnReadComplete(context)
        if machine.readCompleted() {
            sayClose(context, lingering: false)
        } else if machine.wantsBytes || (isReadWanted && !machine.holdsReads) {
            // What came held no whole record: the application's wish is still open.
            context.read()
        }
    }

    /// Remembers that the application waits for bytes.
    package func read(context: ChannelHandlerContext) {
        isReadWanted = true
        if !machine.holdsReads { context.read() }
    }

    private func handshake(_ context: ChannelHandlerContext, _ input: inout ByteBuffer) {
        let outcome = session.handshake(&input)
        switch outcome {
        case .wantsMore:
            sendOutput(context)
            if handshakeBytes > limits.handshakeBytesMax { failTooLong(context) }
        case .done:
            finishHandshake(context)
        case .peerClosed:
            fail(context, .disconnected, "the peer said close")
        case .failed(let error):
            fail(context, error)
        }
    }

    private func finishHandshake(_ context: ChannelHandlerContext) {
        stopTimer()
        machine.handshakeFinished()
        let facts = session.facts
        self.facts = facts
        metrics?.handshakeSucceeded(facts)
        sendOutput(context)
        context.fireUserInboundEventTriggered(
            TLSUserEvent.handshakeCompleted(negotiatedProtocol: facts.applicationProtocol)
        )
        encryptFlushed(context)
    }

    private func decrypt(_ context: ChannelHandlerContext, _ input: inout ByteBuffer) {
        var plaintext = scratch.takePlaintext(input.readableBytes)
        let outcome = session.decrypt(&input, into: &plaintext)
        if plaintext.readableBytes > 0 {
            handOn(plaintext, context)
        }
        scratch.givePlaintext(plaintext)
        // The application may have closed by now; the machine then ignores the rest.
        switch outcome {
        case .done, .wantsMore:
            if session.hasOutput { answer(context) }
            encryptFlushed(context)
        case .peerClosed: if machine.peerClosed() { closeChannel(context) }
        case .failed(let error): fail(context, error)
        }
    }

    /// Sends what the protocol itself answers (key updates); a peer that makes us answer without
    /// ever reading is cut off.
    private func answer(_ context: ChannelHandlerContext) {
        let count = sendOutput(context)
        if context.channel.isWritable { return waitingAnswerBytes = 0 }
        waitingAnswerBytes += count
        if waitingAnswerBytes > limits.waitingAnswerBytesMax { failUnread(context) }
    }
}

// MARK: - Writing

extension TLSHandler {
    /// Queues plaintext until the next flush.
    package func write(
        context: ChannelHandlerContext,
        data: NIOAny,
        promise: EventLoopPromise<Void>?
    ) {
        queue(unwrapOutboundIn(data), promise)
    }

    func queue(_ plaintext: ByteBuffer, _ promise: EventLoopPromise<Void>?) {
        guard machine.mayWrite else {
            promise?.fail(
                machine.state == .outputClosed
                    ? ChannelError.outputClosed : ChannelError.ioOnClosedChannel
            )
            return
        }
        writes.append(plaintext, promise)
    }

    /// Encrypts and sends what was written; before the handshake is finished, remembers it.
    package func flush(context: ChannelHandlerContext) {
        writes.flush()
        guard machine.mayEncrypt, writes.hasFlushed else { return context.flush() }
        encryptFlushed(context)
    }

    func encryptFlushed(_ context: ChannelHandlerContext) {
        guard machine.mayEncrypt, writes.hasFlushed else { return }
        var spent: ByteBuffer?
        while machine.mayEncrypt, writes.hasFlushed {
            var output = scratch.takeOutput()
            var promises: [EventLoopPromise<Void>] = []
            let outcome = writes.encrypt(with: session, into: &output, completing: &promises)
            let first = promises.first
            for other in promises.dropFirst() { first?.futureResult.cascade(to: other) }
            context.write(wrapOutboundOut(output), promise: first)
            spent = output
            if case .failed(let error) = outcome { return fail(context, error) }
            // The peer is in the middle of a key update: writing goes on after its next bytes.
            if outcome != .done { break }
        }
        context.flush()
        if let spent { scratch.giveOutput(spent) }
    }

    /// Hands what the protocol wants to send to the channel.
    ///
    /// - Returns: The number of bytes.
    @discardableResult
    func sendOutput(_ context: ChannelHandlerContext) -> Int {
        guard session.hasOutput else { return 0 }
        var output = context.channel.allocator.buffer(capacity: 0)
        session.takeOutput(&output)
        let count = output.readableBytes
        context.writeAndFlush(wrapOutboundOut(output), promise: nil)
        return count
    }

    func abandonWrites() {
        for promise in writes.removeAll() { promise.fail(ChannelError.ioOnClosedChannel) }
    }
}
