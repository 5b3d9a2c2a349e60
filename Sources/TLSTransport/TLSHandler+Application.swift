package import NIOCore

/// What stands right above a ``TLSHandler`` and is called by it directly, on the event loop.
///
/// Plaintext that goes over the pipeline is boxed and unboxed at each handler, and so is every
/// answer; that is a twentieth of the time of a small request. All other events of the channel take
/// the pipeline's way, whoever stands above.
package protocol TLSApplication: AnyObject {
    /// Plaintext has come.
    func received(_ plaintext: ByteBuffer)
    /// What came at one time has been handed on.
    ///
    /// - Returns: Whether more is waited for; if not, it has to be asked for by `read()`.
    func receivedAll() -> Bool
}

extension TLSHandler {
    /// Has an application called directly from now on; let go when the handler leaves its pipeline.
    package func serve(_ application: any TLSApplication) {
        self.application = application
    }

    func handOn(_ plaintext: ByteBuffer, _ context: ChannelHandlerContext) {
        isReadWanted = false
        guard let application else { return context.fireChannelRead(wrapInboundOut(plaintext)) }
        application.received(plaintext)
    }

    func handOnReadComplete(_ context: ChannelHandlerContext) {
        guard let application else { return context.fireChannelReadComplete() }
        if application.receivedAll() { isReadWanted = true }
    }

    /// Encrypts and sends plaintext, as a write with a flush does that comes over the pipeline.
    ///
    /// - Parameters:
    ///   - plaintext: What to send.
    ///   - promise: Completed when it has left.
    ///   - now: The time, if the plaintext may leave together with that of other connections at
    ///     the end of the event loop's turn; nil sends it at once.
    package func send(
        _ plaintext: ByteBuffer,
        promise: EventLoopPromise<Void>? = nil,
        now: NIODeadline? = nil
    ) {
        guard let context else {
            promise?.fail(ChannelError.ioOnClosedChannel)
            return
        }
        if let output = encryptNow(plaintext, context) {
            let isSmall = output.readableBytes <= Self.heldBytesMax
            let holds = isSmall && now.map { scratch.gathered.holds(self, $0) } ?? false
            context.write(wrapOutboundOut(output), promise: promise)
            if holds { hold(context) } else { flushNow(context) }
            scratch.giveOutput(output, isHeld: holds)
        } else {
            queue(plaintext, promise)
            flush(context: context)
        }
    }

    private func hold(_ context: ChannelHandlerContext) {
        guard !isHeld else { return }
        isHeld = true
        scratch.gathered.hold(self, context.eventLoop)
    }

    private func flushNow(_ context: ChannelHandlerContext) {
        isHeld = false
        context.flush()
    }

    /// Sends what was held back for the end of the turn; called before anything closes the channel.
    func flushHeld() {
        guard isHeld, let context else { return }
        flushNow(context)
    }

    /// More than this is not held; it needs several turns of the network anyway.
    private static let heldBytesMax = 16 * 1024

    /// Encrypts and sends the last plaintext together with our close, and then closes.
    ///
    /// - Parameters:
    ///   - plaintext: The end of what we say.
    ///   - lingering: Whether to wait for the peer's end, because bytes that it still sends would
    ///     have the system answer with a reset and destroy ours. A peer that has said that it sends
    ///     no more needs no waiting.
    package func sendLast(_ plaintext: ByteBuffer, lingering: Bool) {
        guard let context else { return }
        guard var output = encryptNow(plaintext, context) else {
            let written = context.eventLoop.makePromise(of: Void.self)
            written.futureResult.assumeIsolated().whenComplete { _ in
                self.close(context: context, mode: .all, promise: nil)
            }
            return send(plaintext, promise: written)
        }
        guard case .sayClose(let mayLinger) = machine.close() else { return }
        session.close()
        session.takeOutput(&output)
        leave(context, output, lingering: lingering && mayLinger)
    }

    /// Encrypts plaintext that nothing stands before in the queue; nil when it has to be queued.
    private func encryptNow(
        _ plaintext: ByteBuffer,
        _ context: ChannelHandlerContext
    ) -> ByteBuffer? {
        guard machine.mayEncrypt, writes.isEmpty,
            1...PendingWrites.pieceBytesMax ~= plaintext.readableBytes
        else { return nil }
        var output = scratch.takeOutput()
        // Bounds: the buffer lends exactly its readable bytes, at least one.
        let outcome = unsafe plaintext.withUnsafeReadableBytes { bytes in
            unsafe session.encrypt(bytes, into: &output)
        }
        if case .done = outcome { return output }
        // There may be an alert.
        if output.readableBytes > 0 { context.write(wrapOutboundOut(output), promise: nil) }
        if case .failed(let error) = outcome { fail(context, error) }
        return nil
    }
}
