package import NIOCore

// MARK: - Closing

extension TLSHandler {
    /// Closes with courtesy; see the type's description.
    package func close(
        context: ChannelHandlerContext,
        mode: CloseMode,
        promise: EventLoopPromise<Void>?
    ) {
        let action: TLSStateMachine.Close
        switch mode {
        case .all: action = machine.close()
        case .output: action = machine.closeOutput()
        case .input:
            promise?.fail(ChannelError.operationUnsupported)
            return
        }
        switch action {
        case .closeChannel:
            join(promise)
            closeChannel(context)
        case .sayClose(let lingering):
            join(promise)
            sayClose(context, lingering: lingering)
        case .sayCloseOutput:
            sayCloseOutput(context, promise)
        case .join:
            join(promise)
        case .refuse:
            promise?.fail(ChannelError.outputClosed)
        }
    }

    /// Says close; the channel is closed when that has left.
    func sayClose(_ context: ChannelHandlerContext, lingering: Bool) {
        abandonWrites()
        session.close()
        leave(context, lingering: lingering)
    }

    /// Closes the channel now.
    func closeChannel(_ context: ChannelHandlerContext) {
        flushHeld()
        stopTimer()
        machine.closedHard()
        abandonWrites()
        context.close(mode: .all, promise: takeClosePromise())
    }

    /// The promise of those who wait for the end, to be completed once.
    func takeClosePromise() -> EventLoopPromise<Void>? {
        defer { closePromise = nil }
        return closePromise
    }

    private func sayCloseOutput(
        _ context: ChannelHandlerContext,
        _ promise: EventLoopPromise<Void>?
    ) {
        for abandoned in writes.removeAll() { abandoned.fail(ChannelError.outputClosed) }
        session.close()
        sendOutput(context) { handler, context in
            guard handler.machine.state == .outputClosed else {
                promise?.succeed()
                return
            }
            context.close(mode: .output, promise: promise)
        }
    }

    /// Sends the last bytes and closes the channel after them.
    private func leave(_ context: ChannelHandlerContext, lingering: Bool) {
        var output = context.channel.allocator.buffer(capacity: 64)
        session.takeOutput(&output)
        leave(context, output, lingering: lingering)
    }

    /// Sends bytes and closes the channel after them.
    func leave(_ context: ChannelHandlerContext, _ output: ByteBuffer, lingering: Bool) {
        stopTimer()
        send(context, output) { handler, context in
            guard handler.machine.state == .closing else { return }
            if lingering { handler.linger(context) } else { handler.closeChannel(context) }
        }
        // Mostly it has left and all is done by now, without a timer.
        guard machine.state == .closing else { return }
        startTimer(context, limits.closeSecondsMax) { handler, context in
            handler.closeChannel(context)
        }
    }

    /// Ends our direction and drops what comes until the peer ends, too.
    ///
    /// Were the socket closed with bytes unread, the kernel would answer with a reset, and the
    /// peer would lose what we sent last: the response, or the alert that says what is wrong.
    private func linger(_ context: ChannelHandlerContext) {
        let halfClosed = context.eventLoop.makePromise(of: Void.self)
        halfClosed.futureResult.assumeIsolated().whenComplete { result in
            guard self.machine.state == .closing else { return }
            switch result {
            case .success: context.read()
            case .failure: self.closeChannel(context)
            }
        }
        context.close(mode: .output, promise: halfClosed)
    }

    /// Sends what libssl left, or nothing; calls back when that and all before it has left.
    private func sendOutput(
        _ context: ChannelHandlerContext,
        then done: @escaping (TLSHandler, ChannelHandlerContext) -> Void
    ) {
        var output = context.channel.allocator.buffer(capacity: 64)
        session.takeOutput(&output)
        send(context, output, then: done)
    }

    private func send(
        _ context: ChannelHandlerContext,
        _ output: ByteBuffer,
        then done: @escaping (TLSHandler, ChannelHandlerContext) -> Void
    ) {
        let left = context.eventLoop.makePromise(of: Void.self)
        left.futureResult.assumeIsolated().whenComplete { _ in done(self, context) }
        context.writeAndFlush(wrapOutboundOut(output), promise: left)
    }

    private func join(_ promise: EventLoopPromise<Void>?) {
        guard let promise else { return }
        if let closePromise {
            closePromise.futureResult.cascade(to: promise)
        } else {
            closePromise = promise
        }
    }
}

// MARK: - Failing

extension TLSHandler {
    /// Ends a handshake for a reason of ours.
    func fail(_ context: ChannelHandlerContext, _ failure: HandshakeFailure, _ reason: String) {
        guard machine.failed() else { return }
        stopTimer()
        abandonWrites()
        metrics?.handshakeFailed(failure)
        conclude(
            context,
            .handshakeFailed(failure, reason: reason),
            lingering: session.hasOutput || failure == .plainHTTP
        )
    }

    /// Ends a handshake or a connection for what libssl says; its alert is sent to the peer.
    func fail(_ context: ChannelHandlerContext, _ error: OpenSSLError) {
        if machine.state == .handshaking {
            let failure = HandshakeFailure(error)
            if failure == .plainHTTP, let plainHTTPAnswer {
                context.writeAndFlush(wrapOutboundOut(plainHTTPAnswer), promise: nil)
            }
            let detail = session.verificationFailure.map { ": \($0)" } ?? ""
            fail(context, failure, error.text + detail)
        } else {
            failConnection(context, error.text)
        }
    }

    /// Cuts off a peer that makes us answer and does not read the answers.
    func failUnread(_ context: ChannelHandlerContext) {
        failConnection(context, "the peer asks for answers and does not read them")
    }

    private func failConnection(_ context: ChannelHandlerContext, _ reason: String) {
        guard machine.failed() else { return }
        abandonWrites()
        metrics?.connectionBroken()
        conclude(context, .connectionFailed(reason: reason), lingering: session.hasOutput)
    }

    /// Sends the alert, tells the application, and closes; in this order, because the
    /// application's answer to an error is to close.
    private func conclude(
        _ context: ChannelHandlerContext,
        _ error: TLSError,
        lingering: Bool
    ) {
        sendOutput(context)
        context.fireErrorCaught(error)
        if machine.state == .closing { leave(context, lingering: lingering) }
    }
}

// MARK: - Time

extension TLSHandler {
    /// Starts the one timer that runs at a time: the handshake's or the close's.
    func startTimer(
        _ context: ChannelHandlerContext,
        _ seconds: Int64,
        _ fired: @escaping (TLSHandler, ChannelHandlerContext) -> Void
    ) {
        stopTimer()
        timer = context.eventLoop.assumeIsolated().scheduleTask(in: .seconds(seconds)) {
            self.timer = nil
            fired(self, context)
        }
    }

    /// Stops the timer, which also lets go of the channel, and leaves the place among the
    /// handshakes: both are held from the start of a handshake to its end, whichever it is.
    func stopTimer() {
        leaveGate()
        timer?.cancel()
        timer = nil
    }
}
