/// Decides what one connection does next: whether it reads, answers, waits or closes, and until when.
///
/// Pure: no channel and no clock; times are nanoseconds of any clock that does not go back.
///
/// ```
/// idle ─headStarted─► readingHead ─headComplete─► readingBody ─bodyComplete─► responding
///   ▲                                                  │ (refused: answered)      │
///   │                                              discarding                  answered
///   └──────────────────────────────◄───────────────────┴──────────────────────────┤
///                                                     closing ◄── lingering ◄──────┘
/// ```
package struct ConnectionStateMachine: Sendable {
    /// Where the connection is.
    package enum State: Sendable, Equatable {
        /// Between two requests.
        case idle
        /// Some bytes of a head have come.
        case readingHead
        /// The head was accepted; its body is being read.
        case readingBody
        /// The request is whole; the responder owes the answer.
        case responding
        /// The answer is sent; the rest of the refused request's body is read and dropped.
        case discarding
        /// The last answer is sent; whatever comes is dropped, so that the client can read it.
        case lingering
        /// The last answer is on its way; nothing is read.
        case closing
        /// Over.
        case closed
    }

    /// Why a connection ended; the label of `leeway_http_connections_closed_total`.
    package enum CloseReason: UInt8, Sendable, CaseIterable {
        case client, keepAliveEnded, idle, headerTimeout, bodyTimeout, sendTimeout, rejected
        case drained, evicted, refused, addressLimit, overloaded, failed

        /// The label's value.
        package var label: String {
            switch self {
            case .client: "client"
            case .keepAliveEnded: "keep_alive_ended"
            case .idle: "idle"
            case .headerTimeout: "header_timeout"
            case .bodyTimeout: "body_timeout"
            case .sendTimeout: "send_timeout"
            case .rejected: "rejected"
            case .drained: "drained"
            case .evicted: "evicted"
            case .refused: "refused"
            case .addressLimit: "address_limit"
            case .overloaded: "overloaded"
            case .failed: "failed"
            }
        }
    }

    /// What follows an answer.
    package enum AfterAnswer: Sendable, Equatable {
        /// Read the next request.
        case nextRequest
        /// Read and drop the rest of this request's body, be it empty, then read the next request.
        case discardBody
        /// Close when the answer is written.
        case close
        /// When the answer is written, half-close where the channel can; read and drop for a while.
        case linger

        /// Whether the answer has to carry `Connection: close`.
        package var closes: Bool { self == .close || self == .linger }
    }

    /// What to do when a deadline has passed.
    package enum Expiry: Sendable, Equatable {
        /// Nothing: the deadline has moved.
        case none
        /// Answer with this, then linger.
        case reject(RequestRejection)
        /// Close now.
        case close(CloseReason)
    }

    /// What an answer says about the connection's future.
    package struct AnswerFacts: Sendable {
        /// The client asked for the end, or speaks HTTP/1.0.
        package var clientAsksToClose = false
        /// The response asks for the end.
        package var responseCloses = false
        /// The request was not understood, so where the next one begins is not known.
        package var framingLost = false
        /// Bytes of the body that have not been read; `nil` when that is not known.
        package var unreadBodyBytes: Int? = 0
        /// Bytes that came already and belong to no answered request.
        package var hasMoreBytes = false

        /// An answer after which everything may go on.
        package init() {}
    }

    private let limits: TransportLimits
    private let began: UInt64
    /// Where the connection is.
    package private(set) var state = State.idle
    /// The heads that were read.
    package private(set) var requestCount = 0
    /// Why the connection ends, once that is decided.
    package private(set) var closeReason = CloseReason.client
    /// Whether the client said that it sends nothing after the request that was answered last.
    package private(set) var clientEnds = false
    private var isDraining = false
    private var inputEnded = false
    private var phaseBegan: UInt64
    private var lastProgress: UInt64
    private var bodyBytes = 0
    private var lingerBytes = 0
    private var discardBytesLeft = 0
    private var writeBlockedSince: UInt64?
    private let firstByteNanoseconds: UInt64
    private let idleNanoseconds: UInt64
    private let ageNanoseconds: UInt64

    /// Begins with a new connection.
    ///
    /// - Parameters:
    ///   - limits: of which times and counts matter here.
    ///   - now: the time.
    ///   - isEncrypted: a handshake comes first, which gets as much time again as a head.
    package init(limits: TransportLimits, now: UInt64, isEncrypted: Bool = false) {
        self.limits = limits
        began = now
        phaseBegan = now
        lastProgress = now
        idleNanoseconds = Self.nanoseconds(limits.idleSeconds)
        ageNanoseconds = Self.nanoseconds(limits.connectionAgeSeconds)
        firstByteNanoseconds = Self.nanoseconds(limits.headerSeconds) * (isEncrypted ? 2 : 1)
    }

    // MARK: Reading

    /// Whether bytes should be looked at for requests.
    package var mayRead: Bool {
        guard writeBlockedSince == nil else { return false }
        switch state {
        case .idle, .readingHead, .readingBody, .discarding: return true
        case .responding, .lingering, .closing, .closed: return false
        }
    }

    /// Whether bytes that come belong to requests, at once or later; if not, they are dropped.
    package var acceptsBytes: Bool {
        switch state {
        case .idle, .readingHead, .readingBody, .discarding, .responding: true
        case .lingering, .closing, .closed: false
        }
    }

    /// Whether more bytes should be asked of the channel.
    ///
    /// A lingering connection that dropped enough is no longer read, but not closed either: the
    /// client is held up by its full socket, turns to what was sent, and finds the answer.
    package var wantsBytes: Bool {
        mayRead || (state == .lingering && lingerBytes < limits.lingerBytesMax)
    }

    /// The first byte of a head is here.
    package mutating func headStarted(now: UInt64) {
        guard state == .idle else { return }
        enter(.readingHead, now)
    }

    /// A head is complete and its request accepted.
    package mutating func headComplete(now: UInt64) {
        guard state == .readingHead else { return }
        requestCount += 1
        bodyBytes = 0
        enter(.readingBody, now)
    }

    /// Bytes of the body came.
    package mutating func bodyProgressed(bytes: Int, now: UInt64) {
        bodyBytes += bytes
        lastProgress = now
    }

    /// The body is complete.
    package mutating func bodyComplete(now: UInt64) {
        switch state {
        case .readingBody: enter(.responding, now)
        case .discarding: enter(.idle, now)
        default: break
        }
    }

    /// Bytes came that belong to no request, and were dropped.
    package mutating func dropped(bytes: Int) {
        lingerBytes += bytes
    }

    // MARK: Answering

    /// An answer is about to be written: decides what follows it, and goes there.
    package mutating func answer(_ facts: AnswerFacts, now: UInt64) -> AfterAnswer {
        clientEnds = facts.clientAsksToClose
        let unread = facts.unreadBodyBytes
        let isUnreadable = facts.framingLost || unread.map { $0 > limits.discardBytesMax } ?? true
        let keeps =
            !isUnreadable && !facts.clientAsksToClose && !facts.responseCloses && !isDraining
            && !inputEnded && requestCount < limits.requestsPerConnectionMax
            && now &- began < ageNanoseconds
        guard keeps else {
            if facts.framingLost { closeReason = .rejected }
            if !facts.framingLost { closeReason = isDraining ? .drained : .keepAliveEnded }
            // Closing with unread bytes makes the system send a reset, which can destroy the
            // answer before the client has read it.
            let hasUnread = isUnreadable || unread != 0 || facts.hasMoreBytes
            enter(hasUnread && !inputEnded ? .lingering : .closing, now)
            return state == .lingering ? .linger : .close
        }
        if state == .readingBody {
            bodyBytes = 0
            enter(.discarding, now)
            return .discardBody
        }
        enter(.idle, now)
        return .nextRequest
    }

    /// The client does not take what is written, or takes it again.
    package mutating func writabilityChanged(isWritable: Bool, now: UInt64) {
        writeBlockedSince = isWritable ? nil : writeBlockedSince ?? now
    }

    // MARK: Ending

    /// The client has sent its last byte.
    ///
    /// - Returns: whether the connection should close now.
    package mutating func inputClosed() -> Bool {
        inputEnded = true
        switch state {
        case .idle, .readingHead, .readingBody, .discarding, .lingering: return true
        case .responding, .closing, .closed: return false
        }
    }

    /// The server wants to end: idle connections close now, others after their answer.
    ///
    /// - Returns: whether the connection should close now.
    package mutating func drain() -> Bool {
        isDraining = true
        guard state == .idle else { return false }
        closeReason = .drained
        return true
    }

    /// Something below failed; an end that was decided before keeps its reason.
    package mutating func fail(_ reason: CloseReason) {
        switch state {
        case .lingering, .closing, .closed: break
        case .idle, .readingHead, .readingBody, .responding, .discarding: closed(reason)
        }
    }

    /// The channel is closed or being closed.
    ///
    /// - Parameter reason: `nil` keeps the one that was decided, or else the client's wish.
    package mutating func closed(_ reason: CloseReason? = nil) {
        guard state != .closed else { return }
        if let reason { closeReason = reason }
        state = .closed
        writeBlockedSince = nil
    }

    // MARK: Time

    /// When something happens if nothing else does; `nil` for never.
    package var deadline: UInt64? {
        if let writeBlockedSince, state != .closed {
            return writeBlockedSince &+ Self.nanoseconds(limits.sendSeconds)
        }
        switch state {
        case .idle:
            let isFresh = requestCount == 0
            return phaseBegan &+ (isFresh ? firstByteNanoseconds : idleNanoseconds)
        case .readingHead: return phaseBegan &+ Self.nanoseconds(limits.headerSeconds)
        case .readingBody, .discarding: return bodyDeadline
        case .lingering: return phaseBegan &+ Self.nanoseconds(limits.lingerSeconds)
        case .closing: return phaseBegan &+ Self.nanoseconds(limits.sendSeconds)
        case .responding, .closed: return nil
        }
    }

    /// The earliest of: too long without a byte, too slow on the whole, too long in all.
    private var bodyDeadline: UInt64 {
        let idle = Self.nanoseconds(limits.bodyIdleSeconds)
        let earned = Double(bodyBytes) / Double(limits.bodyBytesPerSecondMin)
        return min(
            lastProgress &+ idle,
            phaseBegan &+ idle &+ Self.nanoseconds(earned),
            phaseBegan &+ Self.nanoseconds(limits.bodySeconds)
        )
    }

    /// A timer fired: says what to do, if ``deadline`` has passed at all.
    package mutating func deadlinePassed(now: UInt64) -> Expiry {
        guard let deadline, now >= deadline else { return .none }
        guard writeBlockedSince == nil else { return .close(.sendTimeout) }
        switch state {
        case .idle: return .close(.idle)
        case .readingHead: return .reject(.headerTimeout)
        case .readingBody: return .reject(.bodyTimeout)
        case .discarding: return .close(.bodyTimeout)
        case .lingering: return .close(closeReason)
        case .closing: return .close(.sendTimeout)
        case .responding, .closed: return .none
        }
    }

    private mutating func enter(_ next: State, _ now: UInt64) {
        state = next
        phaseBegan = now
        lastProgress = now
    }

    /// Seconds as nanoseconds; at most a hundred years, so that sums with a time stay in range.
    private static func nanoseconds(_ seconds: Double) -> UInt64 {
        UInt64(min(max(seconds, 0), 3_155_760_000) * 1_000_000_000)
    }
}
