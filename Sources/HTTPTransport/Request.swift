package import NIOCore
package import TLSTransport
package import Telemetry

/// What is known of the connection that a request came on; one object a connection.
package final class ConnectionFacts: Sendable {
    /// A number that no other connection of the listener has.
    package let number: UInt64
    /// The listener's name, such as `api`.
    package let listener: String
    /// The client's address without its port, or of the proxy that stands between; `nil` when the
    /// channel has none.
    package let peerAddress: String?
    /// What the handshake agreed on, the client's certificate included; `nil` for plain text.
    package let tls: TLSSessionFacts?
    /// What the client's certificate, or the want of one, says about its rights.
    package let certificateVerdict: CertificateVerdict
    /// The subject alternative names of the client's verified certificate (DNS names, addresses,
    /// URIs, mail addresses, as they stand in it); empty without one.
    package let clientNames: [String]
    /// What the access log says of it in every line.
    let members: RenderedMembers

    /// Takes the facts; `members` is what the access log says, empty where nothing is logged.
    init(
        number: UInt64,
        listener: String,
        peerAddress: String?,
        tls: TLSSessionFacts?,
        members: RenderedMembers
    ) {
        self.number = number
        self.listener = listener
        self.peerAddress = peerAddress
        self.tls = tls
        certificateVerdict = CertificateVerdict(tls?.clientStanding)
        clientNames = tls?.peer?.names ?? []
        self.members = members
    }

    /// A subject may be as long as a handshake; no line of the log shall be.
    private static let subjectCharactersMax = 256

    /// Writes what the access log says of a connection.
    static func write(
        number: UInt64,
        peerAddress: String?,
        tls: TLSSessionFacts?,
        to line: inout JSONLine
    ) {
        line.member("connection_id", number)
        if let peerAddress { line.member("client.address", peerAddress) }
        guard let tls else { return }
        line.member("tls.protocol.version", tls.version.rawValue)
        line.member("tls.cipher", tls.cipher)
        line.member("tls.resumed", tls.isResumed)
        if let peer = tls.peer {
            line.member("tls.client.subject", String(peer.subject.prefix(subjectCharactersMax)))
        }
    }
}

/// What a client's certificate says about what the client may have besides health.
package enum CertificateVerdict: Sendable {
    /// None is demanded, or a good one was shown that has an allowed name.
    case granted
    /// One is demanded, and none was shown.
    case missing
    /// The one that was shown is good, but its names are not among those allowed.
    case notAllowed

    /// Judges; plain text demands no certificate.
    init(_ standing: ClientStanding?) {
        self =
            switch standing {
            case .notAsked, .allowed, nil: .granted
            case .unknown: .missing
            case .notAllowed: .notAllowed
            }
    }
}

/// When the parts of a request were complete, on the event loop's clock.
package struct RequestTiming: Sendable {
    /// When the head was complete.
    package var headComplete: NIODeadline
    /// When the body was complete; while it is not, the same as ``headComplete``.
    package var bodyComplete: NIODeadline
}

/// One request, whole and within its limits.
package struct HTTPRequest: Sendable {
    /// The head.
    package let head: HTTPRequestHead
    /// The body, framing and content coding removed.
    package internal(set) var body: ByteBuffer
    /// The route that ``HTTPResponder/admit(_:)`` named.
    package internal(set) var route: HTTPRoute
    /// The limit that ``HTTPResponder/admit(_:)`` set for the body; 0 before.
    var bodyBytesMax = 0
    /// What answers and logs call it: the client's `X-Request-Id` where it sent one valid one, else
    /// a random one.
    package let name: RequestName
    /// The trace that it belongs to: the client's, where it sent exactly one valid `traceparent`,
    /// else a new one that is not sampled.
    package let trace: TraceContext
    /// The identifier of this request's own span within the trace.
    package let span: UInt64
    /// Whether the client began the trace.
    package let isTraced: Bool
    /// When its parts were complete.
    package internal(set) var timing: RequestTiming
    /// The connection it came on.
    package let connection: ConnectionFacts
    /// Its number on the connection, from 1.
    package let numberOnConnection: Int

    init(
        head: HTTPRequestHead,
        identifiers: inout RequestIdentifierSource,
        connection: ConnectionFacts,
        numberOnConnection: Int,
        now: NIODeadline
    ) {
        self.head = head
        name = RequestName.given(in: head) ?? .made(identifiers.next())
        self.connection = connection
        self.numberOnConnection = numberOnConnection
        body = ByteBuffer()
        route = .other
        timing = RequestTiming(headComplete: now, bodyComplete: now)
        let bytes = head.bytes.readableBytesUInt8Span
        let facts = head.facts
        // More than one is nobody's word.
        let given =
            facts.traceparentCount == 1
            ? TraceContext.parse(bytes.extracting(facts.traceparent)) : nil
        isTraced = given != nil
        trace = given ?? TraceContext(generatedBy: &identifiers, sampled: false)
        self.span = identifiers.nextSpan()
    }

    /// What a client that began a trace is told: its trace, and the span that answered it.
    var traceResponse: TraceContext? { isTraced ? trace.calling(span: span) : nil }
}
