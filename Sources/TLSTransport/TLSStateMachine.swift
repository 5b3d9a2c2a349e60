/// Decides what a connection does next; knows neither channel nor OpenSSL nor time.
///
/// ```
/// idle ─► handshaking ─► active ─► inputClosed  (peer said close) ─► closing ─► closed
///  │           │            ├────► outputClosed (we said close)   ─► closing or closed
///  └► waiting ─┴────────────┴────► closing (both, or a failure)   ─► closed
/// ```
/// `waiting` comes before `handshaking` when too many others are at it. Any state becomes `closed` when the channel ends.
package struct TLSStateMachine {
    /// Where the connection is.
    package enum State: Equatable {
        /// The channel is not connected yet. Next: waiting, handshaking, closed.
        case idle
        /// Others are first; nothing is read. Next: handshaking, closing, closed.
        case waiting
        /// Keys are being agreed; writes wait. Next: active, closing, closed.
        case handshaking
        /// Bytes flow both ways. Next: inputClosed, outputClosed, closing, closed.
        case active
        /// The peer sends no more; answers to what it sent before may still be written until the
        /// end of this read. Next: closing, closed.
        case inputClosed
        /// We send no more; the peer may. Next: closing, closed.
        case outputClosed
        /// Our last bytes leave, what comes is dropped. Next: closed.
        case closing
        /// Nothing happens any more.
        case closed
    }

    /// Where the connection is now.
    package private(set) var state = State.idle

    /// Starts before the channel is connected.
    package init() {}

    // MARK: Events of the channel

    /// The channel is connected, or bytes have come.
    ///
    /// - Returns: Whether this is the first news of it: ask whether the handshake may begin.
    package mutating func start() -> Bool {
        guard state == .idle else { return false }
        state = .waiting
        return true
    }

    /// The handshake may begin.
    ///
    /// - Returns: Whether to begin it; the connection may have ended while it waited.
    package mutating func admitted() -> Bool {
        guard state == .waiting else { return false }
        state = .handshaking
        return true
    }

    /// What to do with encrypted bytes.
    package enum Received: Equatable {
        /// Their time has not come.
        case keep
        /// They belong to the handshake.
        case handshake
        /// They hold the peer's plaintext.
        case decrypt
        /// Nobody wants them any more.
        case drop
    }

    /// Bytes have come.
    package func received() -> Received {
        switch state {
        case .waiting: .keep
        case .handshaking: .handshake
        case .active, .outputClosed: .decrypt
        case .idle, .inputClosed, .closing, .closed: .drop
        }
    }

    /// All bytes that were there have been handed on.
    ///
    /// - Returns: Whether to answer the peer's close now.
    package mutating func readCompleted() -> Bool {
        guard state == .inputClosed else { return false }
        state = .closing
        return true
    }

    /// What the end of the channel means.
    package enum Lost: Equatable {
        /// Nothing that anybody waited for.
        case nothing
        /// The handshake was not finished.
        case handshake
        /// The peer has not said that it sent all.
        case truncated
    }

    /// The channel has ended.
    package mutating func channelEnded() -> Lost {
        defer { state = .closed }
        return switch state {
        case .waiting, .handshaking: .handshake
        case .active, .outputClosed: .truncated
        case .idle, .inputClosed, .closing, .closed: .nothing
        }
    }

    // MARK: Events of the session

    /// The keys are agreed.
    package mutating func handshakeFinished() {
        if state == .handshaking { state = .active }
    }

    /// The peer has said that it sends no more.
    ///
    /// - Returns: Whether both sides have said so, and the channel is to be closed.
    package mutating func peerClosed() -> Bool {
        switch state {
        case .active:
            state = .inputClosed
            return false
        case .outputClosed:
            state = .closing
            return true
        case .idle, .waiting, .handshaking, .inputClosed, .closing, .closed:
            return false
        }
    }

    /// Something broke.
    ///
    /// - Returns: Whether that is news, and has to be reported.
    package mutating func failed() -> Bool {
        if state == .closing || state == .closed { return false }
        state = .closing
        return true
    }

    /// Whether the time for the handshake ran out in vain.
    package func handshakeTimedOut() -> Bool { state == .waiting || state == .handshaking }

    // MARK: Events of the application

    /// What a request to close leads to.
    package enum Close: Equatable {
        /// Close the channel now.
        case closeChannel
        /// Say close, and close the channel when that has left; when `lingering`, only after the
        /// peer's end or a time limit, because closing with unread bytes would destroy ours.
        case sayClose(lingering: Bool)
        /// Say close, and end the outgoing direction only.
        case sayCloseOutput
        /// It is being closed already: tell the caller when it is done.
        case join
        /// The direction is closed already.
        case refuse
    }

    /// The application wants to close.
    package mutating func close() -> Close {
        switch state {
        case .active:
            state = .closing
            return .sayClose(lingering: true)
        case .inputClosed:
            state = .closing
            return .sayClose(lingering: false)
        case .closing:
            return .join
        case .idle, .waiting, .handshaking, .outputClosed, .closed:
            state = .closed
            return .closeChannel
        }
    }

    /// The application wants to end its direction.
    package mutating func closeOutput() -> Close {
        switch state {
        case .active:
            state = .outputClosed
            return .sayCloseOutput
        case .inputClosed:
            state = .closing
            return .sayClose(lingering: false)
        case .idle, .waiting, .handshaking, .outputClosed, .closing, .closed:
            return .refuse
        }
    }

    /// The channel is closed without any further courtesy.
    package mutating func closedHard() {
        state = .closed
    }

    /// Whether the application may write.
    package var mayWrite: Bool {
        switch state {
        case .idle, .waiting, .handshaking, .active, .inputClosed: true
        case .outputClosed, .closing, .closed: false
        }
    }

    /// Whether flushed writes can be encrypted now.
    package var mayEncrypt: Bool { state == .active || state == .inputClosed }

    /// Whether the application's wish for bytes has to wait.
    package var holdsReads: Bool { state == .idle || state == .waiting }

    /// Whether bytes are wanted from the peer though the application did not ask for any.
    package var wantsBytes: Bool { state == .handshaking || state == .closing }
}
