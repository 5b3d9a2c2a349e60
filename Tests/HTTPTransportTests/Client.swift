import HTTPTransport
import NIOCore
import Synchronization
import Testing

/// A client that writes text and reads answers.
final class Client: Sendable {
    let channel: any Channel
    private let inbox: Inbox

    init(channel: any Channel, inbox: Inbox) {
        self.channel = channel
        self.inbox = inbox
    }

    /// Sends the requests and waits for so many answers.
    func ask(_ requests: String, _ count: Int) async throws -> [Answer] {
        try await channel.writeAndFlush(ByteBuffer(string: requests))
        await inbox.wait { text in ((try? Answer.read(text)) ?? []).count >= count }
        return try Answer.read(inbox.take())
    }

    /// Sends the requests and waits for the server to end.
    func readAll(after requests: String, closingOutput: Bool = false) async throws -> [Answer] {
        // The server may end before all is written or closed; what it said is what counts.
        try? await channel.writeAndFlush(ByteBuffer(string: requests))
        if closingOutput { try? await channel.close(mode: .output) }
        return try await readToEnd()
    }

    /// Waits for the server to end.
    func readToEnd() async throws -> [Answer] {
        await inbox.wait { _ in false }
        try? await channel.close()
        return try Answer.read(inbox.take())
    }

    /// The answers that have come and were not taken yet.
    func taken() throws -> [Answer] { try Answer.read(inbox.take()) }

    /// Waits for an answer, and leaves it to be read later.
    func firstAnswer() async {
        await inbox.wait { text in (try? Answer.read(text))?.isEmpty == false }
    }
}

/// What a client has received, and who waits for more.
final class Inbox: Sendable {
    private struct State {
        var text = ""
        var hasEnded = false
        var waiters: [(isEnough: @Sendable (String) -> Bool, CheckedContinuation<Void, Never>)] = []
    }

    private let state = Mutex(State())

    func append(_ bytes: ByteBuffer) { update { $0.text += String(buffer: bytes) } }
    func end() { update { $0.hasEnded = true } }

    func take() -> String {
        state.withLock { state in
            defer { state.text = "" }
            return state.text
        }
    }

    /// Waits until the text is enough, or no more can come.
    func wait(until isEnough: @escaping @Sendable (String) -> Bool) async {
        await withCheckedContinuation { continuation in
            update { $0.waiters.append((isEnough, continuation)) }
        }
    }

    private func update(_ change: (inout State) -> Void) {
        let ready = state.withLock { state in
            change(&state)
            let isReady = {
                (waiter: (isEnough: @Sendable (String) -> Bool, CheckedContinuation<Void, Never>))
                in
                state.hasEnded || waiter.isEnough(state.text)
            }
            let ready = state.waiters.filter(isReady)
            state.waiters.removeAll(where: isReady)
            return ready
        }
        for waiter in ready { waiter.1.resume() }
    }
}

/// Feeds an inbox.
final class InboxHandler: ChannelInboundHandler {
    typealias InboundIn = ByteBuffer
    private let inbox: Inbox

    init(_ inbox: Inbox) { self.inbox = inbox }

    func channelRead(context: ChannelHandlerContext, data: NIOAny) {
        inbox.append(unwrapInboundIn(data))
    }

    func userInboundEventTriggered(context: ChannelHandlerContext, event: Any) {
        if case ChannelEvent.inputClosed? = event as? ChannelEvent { inbox.end() }
        context.fireUserInboundEventTriggered(event)
    }

    func channelInactive(context: ChannelHandlerContext) { inbox.end() }

    func errorCaught(context: ChannelHandlerContext, error: any Error) {
        context.close(promise: nil)
    }
}

/// An answer that waits until it is released.
final class Gate: Sendable {
    private struct State {
        var promise: EventLoopPromise<HTTPResponse>?
        var waiter: CheckedContinuation<Void, Never>?
    }

    private let state = Mutex(State())
    private let isFree = Atomic(false)

    func ask(_ promise: EventLoopPromise<HTTPResponse>) {
        let waiter = state.withLock { state in
            state.promise = promise
            defer { state.waiter = nil }
            return state.waiter
        }
        waiter?.resume()
    }

    func waitUntilAsked() async {
        await withCheckedContinuation { continuation in
            let isAsked = state.withLock { state in
                if state.promise == nil { state.waiter = continuation }
                return state.promise != nil
            }
            if isAsked { continuation.resume() }
        }
    }

    /// Holds the calling thread up until ``letGo()``.
    func waitForRelease() {
        while !isFree.load(ordering: .acquiring) {}
    }

    /// Lets a thread go on.
    func letGo() { isFree.store(true, ordering: .releasing) }

    func release() {
        state.withLock { $0.promise }?.succeed(HTTPResponse(status: .ok))
    }
}

/// A responder for real event loops.
final class LoopResponder: HTTPResponder {
    let eventLoop: any EventLoop
    let gate: Gate

    init(eventLoop: any EventLoop, gate: Gate) {
        self.eventLoop = eventLoop
        self.gate = gate
    }

    func admit(_ request: HTTPRequest) -> Admission {
        .accept(bodyBytesMax: 100_000, route: .other)
    }

    func respond(to request: HTTPRequest) -> Reply {
        if request.head.pathIs("/soon") {
            return .later(
                eventLoop.submit { HTTPResponse(status: .ok, body: ByteBuffer(string: "{}")) }
            )
        }
        if request.head.pathIs("/slow") {
            let end = NIODeadline.now() + .milliseconds(60)
            while .now() < end {}
            return .now(HTTPResponse(status: .ok))
        }
        if request.head.pathIs("/when-released") {
            let promise = eventLoop.makePromise(of: HTTPResponse.self)
            gate.ask(promise)
            return .later(promise.futureResult)
        }
        if request.head.pathIs("/large") {
            return .now(
                HTTPResponse(status: .ok, body: ByteBuffer(repeating: 0x61, count: 200_000))
            )
        }
        return .now(
            HTTPResponse(
                status: .ok,
                contentType: .text,
                body: ByteBuffer(string: "[" + String(buffer: request.body) + "]")
            )
        )
    }
}
