internal import HTTPTransport
package import NIOCore
internal import NIOPosix
internal import Synchronization
internal import TLSTransport
internal import TestSupport

/// One kept-alive connection that asks and reads answers, over plain text or TLS.
package final class WebClient: Sendable {
    private let channel: any Channel
    private let inbox: Inbox

    private init(_ channel: any Channel, _ inbox: Inbox) {
        (self.channel, self.inbox) = (channel, inbox)
    }

    /// An answer, taken apart.
    package struct Answer: Sendable, Equatable, CustomStringConvertible {
        /// The status.
        package var status: Int
        /// The fields by their names in lower case.
        package var fields: [String: String]
        /// The body.
        package var body: String

        /// All of it.
        package var description: String { "\(status) \(fields) \(body)" }
    }

    /// The server ended before the answer did.
    package struct CutShort: Error {
        /// What had come.
        package let text: String
    }

    /// Connects.
    ///
    /// - Parameters:
    ///   - group: Whose loops are used.
    ///   - port: At 127.0.0.1.
    ///   - authority: The authority to trust in PEM; nil speaks plain text.
    ///   - certificate: Own certificate and key files to show.
    /// - Returns: The connection.
    /// - Throws: What the channel throws.
    package static func connect(
        _ group: any EventLoopGroup,
        port: Int,
        authority: String? = nil,
        certificate: (certificateFile: String, keyFile: String)? = nil
    ) async throws -> WebClient {
        let context = try authority.map {
            var settings = TLSClientSettings(authoritiesFile: $0)
            settings.certificate = certificate
            return try TLSContext(client: settings)
        }
        let inbox = Inbox()
        let channel = try await ClientBootstrap(group: group)
            .channelInitializer { channel in
                channel.eventLoop.makeCompletedFuture {
                    let pipeline = channel.pipeline.syncOperations
                    if let context {
                        let tls = try TLSHandler(
                            context: context,
                            serverName: "localhost",
                            limits: .patient
                        )
                        try pipeline.addHandler(tls)
                    }
                    try pipeline.addHandler(InboxHandler(inbox))
                }
            }
            .connect(host: "127.0.0.1", port: port).get()
        return WebClient(channel, inbox)
    }

    /// Sends a request and waits for its answer.
    ///
    /// - Parameters:
    ///   - method: Such as `GET`.
    ///   - target: Path and query.
    ///   - body: Sent with its length.
    ///   - fields: Whole lines, each with its line break.
    /// - Returns: The answer.
    /// - Throws: ``CutShort``, or what the channel throws.
    package func ask(
        _ method: String,
        _ target: String,
        _ body: String = "",
        fields: String = ""
    ) async throws -> Answer {
        let head =
            "\(method) \(target) HTTP/1.1\r\nHost: localhost\r\n"
            + "Content-Length: \(body.utf8.count)\r\n\(fields)\r\n"
        try await channel.writeAndFlush(ByteBuffer(string: head + body))
        await inbox.wait()
        let text = inbox.take()
        guard let answer = Inbox.answer(text) else { throw CutShort(text: text) }
        return answer
    }

    /// Asks for a prediction.
    ///
    /// - Throws: As ``ask(_:_:_:fields:)``.
    package func predict(_ body: String, query: String = "") async throws -> Answer {
        try await ask("POST", "/predict\(query)", body)
    }

    /// Ends the connection.
    package func close() async { try? await channel.close() }
}

/// What a client has received, and who waits for more.
private final class Inbox: Sendable {
    private struct State {
        var text = ""
        var hasEnded = false
        var waiter: CheckedContinuation<Void, Never>?
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

    /// Waits until an answer is whole, or no more can come.
    func wait() async {
        await withCheckedContinuation { continuation in
            update { $0.waiter = continuation }
        }
    }

    private func update(_ change: (inout State) -> Void) {
        let ready = state.withLock { state in
            change(&state)
            guard state.hasEnded || Self.answer(state.text) != nil else {
                return CheckedContinuation<Void, Never>?.none
            }
            defer { state.waiter = nil }
            return state.waiter
        }
        ready?.resume()
    }

    /// The answer, if the text holds a whole one.
    static func answer(_ text: String) -> WebClient.Answer? {
        guard let end = text.firstRange(of: "\r\n\r\n") else { return nil }
        let lines = text[..<end.lowerBound].split(separator: "\r\n")
        let words = lines.first?.split(separator: " ") ?? []
        guard words.count > 1, let status = Int(words[1]) else { return nil }
        var fields: [String: String] = [:]
        for line in lines.dropFirst() {
            let parts = line.split(separator: ":", maxSplits: 1)
            fields[parts[0].lowercased()] = parts.last.map { String($0.drop { $0 == " " }) }
        }
        let body = String(text[end.upperBound...])
        guard body.utf8.count >= Int(fields["content-length"] ?? "0") ?? 0 else { return nil }
        return WebClient.Answer(status: status, fields: fields, body: body)
    }
}

/// Feeds an inbox.
private final class InboxHandler: ChannelInboundHandler {
    typealias InboundIn = ByteBuffer
    private let inbox: Inbox

    init(_ inbox: Inbox) { self.inbox = inbox }

    func channelRead(context: ChannelHandlerContext, data: NIOAny) {
        inbox.append(unwrapInboundIn(data))
    }

    func channelInactive(context: ChannelHandlerContext) { inbox.end() }

    func errorCaught(context: ChannelHandlerContext, error: any Error) {
        context.close(promise: nil)
    }
}
